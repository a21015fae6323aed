import { Buffer } from "node:buffer";
import { StreamClient } from "../robustness/stream_client.ts";
import { Random } from "./random.ts";

/** How often a witness publishes. */
const EVERY_MS = 10;
const BATCH_MAX = 4;
const SMALL_BYTES_MAX = 600;
/** One message in so many is large enough to leave the receive buffer, and one in so many is of some KB. */
const LARGE_ONE_IN = 500;
const LARGE_BYTES = 120_000;
const MIDDLE_ONE_IN = 20;
const MIDDLE_BYTES_MAX = 20_000;

/**
 * Two well-behaved clients on connections of their own: one publishes numbered messages whose content follows from
 * their number, the other checks that each arrives once, in order, whole, and within a bound.
 */
export class Witness {
  readonly #publisher: StreamClient;
  readonly #subscriber: StreamClient;
  readonly #subject: string;
  readonly #random: Random;
  readonly #boundMs: number;
  /** When the messages that have not arrived were sent, the oldest first. */
  readonly #sentAt: number[] = [];
  readonly #sizes: number[] = [];
  #timer: ReturnType<typeof setInterval> | undefined;
  #received = 0;
  longestMs = 0;
  failure: Error | undefined;

  private constructor(
    publisher: StreamClient,
    subscriber: StreamClient,
    subject: string,
    random: Random,
    boundMs: number,
  ) {
    this.#publisher = publisher;
    this.#subscriber = subscriber;
    this.#subject = subject;
    this.#random = random;
    this.#boundMs = boundMs;
  }

  /** Connects both clients; `subject` must be one that nobody else publishes to. */
  static async open(
    port: number,
    subject: string,
    seed: number,
    boundMs: number,
    maxPayloadBytes: number,
  ): Promise<Witness> {
    let witness: Witness | undefined;
    const subscriber = await StreamClient.open(port, {
      message: (got, sid, payload) => witness?.receive(got, sid, payload),
    });
    subscriber.send(`SUB ${subject} w\r\n`);
    await subscriber.roundTrip();
    const publisher = await StreamClient.open(port);
    witness = new Witness(publisher, subscriber, subject, new Random(seed), boundMs);
    witness.#largest = Math.min(LARGE_BYTES, maxPayloadBytes);
    return witness;
  }

  #largest = LARGE_BYTES;

  get received(): number {
    return this.#received;
  }

  start(): void {
    this.#timer = setInterval(() => this.#tick(), EVERY_MS);
  }

  /** Stops publishing and waits for what is on its way; throws what went wrong at any time. */
  async finish(): Promise<void> {
    clearInterval(this.#timer);
    try {
      await this.#subscriber
        .waitFor(() => this.#sentAt.length === 0, `message ${this.#received}`, this.#boundMs)
        .catch((error: Error) => this.#fail(error.message));
      if (this.failure !== undefined) throw this.failure;
      // Nothing comes twice: whatever is on its way arrives before this PONG.
      await this.#publisher.roundTrip();
      await this.#subscriber.roundTrip();
      if (this.failure !== undefined) throw this.failure;
    } finally {
      this.#publisher.destroy();
      this.#subscriber.destroy();
    }
  }

  receive(subject: string, sid: string, payload: Buffer): void {
    const number = this.#received;
    const sentAt = this.#sentAt.shift();
    const size = this.#sizes.shift();
    if (subject !== this.#subject || sid !== "w" || sentAt === undefined) {
      const start = JSON.stringify(payload.toString("latin1", 0, 80));
      this.#fail(
        `received a message on ${subject} (sid ${sid}) that nobody sent: ${payload.length} bytes, ${start}`,
      );
      return;
    }
    const wanted = content(number, size!);
    if (!payload.equals(wanted)) {
      this.#fail(
        `message ${number} of ${size} bytes arrived as ${JSON.stringify(payload.toString("latin1", 0, 80))}`,
      );
      return;
    }
    this.#received++;
    this.longestMs = Math.max(this.longestMs, performance.now() - sentAt);
  }

  #tick(): void {
    if (this.failure !== undefined) return;
    const now = performance.now();
    const oldest = this.#sentAt[0];
    if (this.#publisher.isClosed)
      this.#fail(`its publisher was disconnected: ${this.#publisher.errors.join()}`);
    else if (this.#subscriber.isClosed) {
      const reason = this.#subscriber.failure?.message ?? this.#subscriber.errors.join();
      this.#fail(`its subscriber was disconnected: ${reason}`);
    } else if (oldest !== undefined && now - oldest > this.#boundMs) {
      this.#fail(`message ${this.#received} has not arrived after ${Math.round(now - oldest)} ms`);
    } else for (let left = 1 + this.#random.below(BATCH_MAX); left > 0; left--) this.#publish(now);
  }

  #publish(now: number): void {
    const number = this.#received + this.#sentAt.length;
    const size = this.#size();
    this.#sentAt.push(now);
    this.#sizes.push(size);
    this.#publisher.send(
      Buffer.concat([Buffer.from(`PUB ${this.#subject} ${size}\r\n`), content(number, size), CR_LF]),
    );
  }

  #size(): number {
    if (this.#random.oneIn(LARGE_ONE_IN)) return this.#largest;
    if (this.#random.oneIn(MIDDLE_ONE_IN)) return 8 + this.#random.below(MIDDLE_BYTES_MAX);
    return 8 + this.#random.below(SMALL_BYTES_MAX);
  }

  #fail(text: string): void {
    this.failure ??= new Error(`witness on ${this.#subject}: ${text}`);
  }
}

const CR_LF = Buffer.from("\r\n");

/** The payload of a message: its number, then bytes that go on from it. */
function content(number: number, size: number): Buffer {
  const bytes = Buffer.alloc(size, String.fromCharCode(97 + (number % 26)));
  bytes.write(String(number).padStart(8, "0"));
  return bytes;
}
