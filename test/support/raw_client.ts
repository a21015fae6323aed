import { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";
import { DEADLINE_MS, Deadline } from "./deadline.ts";

/** Text goes out, and is compared, as UTF-8. */
export type Bytes = string | Uint8Array;

/** The INFO fields that tests read by name. */
export interface Info {
  readonly server_id: string;
  readonly server_name: string;
  readonly version: string;
  readonly port: number;
  readonly max_payload: number;
  readonly client_id: number;
  readonly [field: string]: unknown;
}

const PING = Buffer.from("PING\r\n");

/** CONNECT fields that keep a conversation short: no `+OK`, no subject check, no pushed INFO. */
const QUIET = { verbose: false, pedantic: false, headers: true, no_responders: true };

/**
 * A connection that speaks bytes. What arrives is kept in order until a test takes it; every wait has a deadline, and
 * a failure shows what was expected and what is there.
 *
 * A server sends a first PING about two seconds after CONNECT, whenever that is in a test. Such a line, where something
 * else is expected, is answered and left out, unless `showsKeepAlive`.
 */
export class RawClient {
  /** The first INFO line, once `readInfo` has read it. */
  info: Info = {} as Info;
  /** Set it to see the server's PING lines like any other bytes, unanswered. */
  showsKeepAlive = false;
  readonly #socket: Socket;
  #received: Buffer[] = [];
  #receivedBytes = 0;
  #isClosed = false;
  #closeCause = "end of stream";
  #wasReset = false;
  #wake: () => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (bytes: Buffer) => {
      this.#received.push(bytes);
      this.#receivedBytes += bytes.length;
      this.#wake();
    });
    // Only "close" counts as closed: data that came before a reset is delivered first.
    socket.on("error", (error: Error) => {
      this.#closeCause = error.message;
      this.#wasReset = true;
    });
    socket.on("close", () => {
      this.#isClosed = true;
      this.#wake();
    });
  }

  /** Connects to a plain TCP listener; nothing is read yet. */
  static open(port: number, host = "127.0.0.1"): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host });
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new RawClient(socket));
      });
    });
  }

  /** Wraps a socket that somebody else connected, such as a TLS socket. */
  static over(socket: Socket): RawClient {
    return new RawClient(socket);
  }

  get socket(): Socket {
    return this.#socket;
  }

  /** Stops looking at the socket, for a layer such as TLS that takes it over. */
  release(): void {
    for (const event of ["data", "error", "close"]) this.#socket.removeAllListeners(event);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** The connection ended by an error of the socket, as when the other side closes with bytes unread. */
  get wasReset(): boolean {
    return this.#wasReset;
  }

  /** Bytes that arrived and were not taken yet. */
  get waitingBytes(): number {
    return this.#receivedBytes;
  }

  /** What arrived and was not taken yet, as text; takes nothing. */
  get waitingText(): string {
    return this.#joined().toString("latin1");
  }

  /** Sends the parts as one write. */
  send(...parts: Bytes[]): void {
    this.#socket.write(Buffer.concat(parts.map(toBuffer)));
  }

  /** Sends and resolves once the operating system took the bytes; rejects if the connection goes first. */
  sendAll(bytes: Bytes): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.write(toBuffer(bytes), (error) => (error ? reject(error) : resolve()));
    });
  }

  /** Takes exactly these bytes; fails at the first byte that differs. */
  async expect(expected: Bytes, deadlineMs = DEADLINE_MS): Promise<void> {
    const wanted = toBuffer(expected);
    await this.#wait(
      () => {
        this.#dropPingBefore(wanted);
        return this.#receivedBytes >= wanted.length || !startsAlike(this.#joined(), wanted);
      },
      () => `expected ${show(wanted)}`,
      deadlineMs,
    );
    const bytes = this.#joined();
    if (!startsAlike(bytes, wanted))
      throw new Error(`expected ${show(wanted)}\n but received ${show(bytes)}`);
    this.#take(wanted.length);
  }

  /** Takes one of these byte strings; the longest that fits wins. */
  async expectOneOf(alternatives: readonly string[], deadlineMs = DEADLINE_MS): Promise<string> {
    const byLength = [...alternatives].sort((a, b) => b.length - a.length);
    let found: string | undefined;
    const wanted = () => `expected one of\n${alternatives.map(show).join("\n")}`;
    await this.#wait(
      () => {
        this.#dropPingBefore("");
        const text = this.#joined().toString();
        found = byLength.find((alternative) => text.startsWith(alternative));
        return found !== undefined || !byLength.some((alternative) => alternative.startsWith(text));
      },
      wanted,
      deadlineMs,
    );
    if (found === undefined) throw new Error(`${wanted()}\n but received ${show(this.#joined())}`);
    this.#take(toBuffer(found).length);
    return found;
  }

  /** Takes everything up to and including `terminator`, as text. */
  async readUntil(terminator: string, deadlineMs = DEADLINE_MS): Promise<string> {
    let end = -1;
    await this.#wait(
      () => {
        end = this.#joined().indexOf(terminator);
        return end >= 0;
      },
      () => `expected ${show(terminator)}`,
      deadlineMs,
    );
    return this.#withoutPings(this.#take(end + terminator.length).toString());
  }

  /** Takes one line, without its CR LF. */
  async readLine(deadlineMs = DEADLINE_MS): Promise<string> {
    let line = "";
    while (line === "") line = await this.readUntil("\r\n", deadlineMs);
    return line.slice(0, -2);
  }

  /** Takes this many bytes. */
  async readBytes(count: number, deadlineMs = DEADLINE_MS): Promise<Uint8Array> {
    await this.#wait(
      () => this.#receivedBytes >= count,
      () => `expected ${count} bytes`,
      deadlineMs,
    );
    return this.#take(count);
  }

  /** Reads an INFO line; the first one is kept in `info`. */
  async readInfo(deadlineMs = DEADLINE_MS): Promise<Info> {
    const line = await this.readLine(deadlineMs);
    if (!/^INFO \{.*\} $/.test(line)) throw new Error(`expected an INFO line but received ${show(line)}`);
    const info = JSON.parse(line.slice(5)) as Info;
    if (this.info.server_id === undefined) this.info = info;
    return info;
  }

  /**
   * CONNECT with these fields over quiet defaults, then PING; takes the PONG and, for protocol 1, the INFO that
   * nats-server sends after it since 2.12.
   */
  async handshake(fields: Record<string, unknown> = {}): Promise<void> {
    const options: Record<string, unknown> = { ...QUIET, ...fields };
    const ping = options.protocol === 1 ? "PING\r\nPING\r\n" : "PING\r\n";
    this.send(`CONNECT ${JSON.stringify(options)}\r\n${ping}`);
    if (options.verbose) await this.expect("+OK\r\n");
    await this.expect("PONG\r\n");
    if (options.protocol !== 1) return;
    const next = await this.readLine();
    if (next.startsWith("INFO ")) await this.expect("PONG\r\n");
    else if (next !== "PONG") throw new Error(`expected INFO or PONG but received ${show(next)}`);
  }

  /** PING, then exactly PONG: everything sent before has been handled, and nothing else was waiting. */
  async roundTrip(deadlineMs = DEADLINE_MS): Promise<void> {
    this.send("PING\r\n");
    await this.expect("PONG\r\n", deadlineMs);
  }

  /** Nothing but the end of the connection arrives. */
  async expectClosed(deadlineMs = DEADLINE_MS): Promise<void> {
    await this.#wait(
      () => {
        this.#dropPingBefore("");
        return this.#isClosed || this.#receivedBytes > 0;
      },
      () => "expected the connection to close",
      deadlineMs,
    );
    if (this.#receivedBytes > 0) {
      throw new Error(`expected the connection to close but received ${show(this.#joined())}`);
    }
  }

  /** Takes everything until the connection closes. */
  async readToEnd(deadlineMs = DEADLINE_MS): Promise<string> {
    await this.#wait(
      () => this.#isClosed,
      () => "expected the connection to close",
      deadlineMs,
    );
    return this.#withoutPings(this.#take(this.#receivedBytes).toString("latin1"));
  }

  /** Stops reading from the socket, so that the kernel's buffers fill up. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Sends the end of the stream after what was written. */
  end(): void {
    this.#socket.end();
  }

  /** Drops the connection at once. */
  destroy(): void {
    this.#socket.destroy();
  }

  /** Waits until `isDone`, which is tried whenever something arrives; fails when the connection ends first. */
  async #wait(isDone: () => boolean, wanted: () => string, deadlineMs: number): Promise<void> {
    const deadline = new Deadline(deadlineMs);
    while (!isDone()) {
      if (this.#isClosed) {
        throw new Error(
          `${wanted()}\n but the connection closed (${this.#closeCause}) after ${show(this.#joined())}`,
        );
      }
      if (deadline.isOver())
        throw new Error(`${wanted()}\n but after ${deadlineMs} ms there is ${show(this.#joined())}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, deadline.sleepMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** Answers and removes PING lines that stand where `wanted` goes on otherwise. */
  #dropPingBefore(wanted: Bytes): void {
    if (this.showsKeepAlive) return;
    const bytes = this.#joined();
    const expected = toBuffer(wanted);
    let same = 0;
    while (same < bytes.length && bytes[same] === expected[same]) same++;
    const lineStart = same === 0 ? 0 : bytes.lastIndexOf("\n", same - 1) + 1;
    if (same === bytes.length || !bytes.subarray(lineStart, lineStart + PING.length).equals(PING)) return;
    this.#received = [Buffer.concat([bytes.subarray(0, lineStart), bytes.subarray(lineStart + PING.length)])];
    this.#receivedBytes -= PING.length;
    if (!this.#isClosed) this.send("PONG\r\n");
    // Several may have come meanwhile.
    this.#dropPingBefore(wanted);
  }

  /** Text without PING lines, which are answered. */
  #withoutPings(text: string): string {
    if (this.showsKeepAlive) return text;
    return text.replace(/(?<=^|\n)PING\r\n/g, () => {
      if (!this.#isClosed) this.send("PONG\r\n");
      return "";
    });
  }

  #joined(): Buffer {
    if (this.#received.length !== 1) this.#received = [Buffer.concat(this.#received)];
    return this.#received[0]!;
  }

  #take(count: number): Buffer {
    const bytes = this.#joined();
    this.#received = [bytes.subarray(count)];
    this.#receivedBytes -= count;
    return bytes.subarray(0, count);
  }
}

/** Bytes as a quoted, escaped text of bounded length. */
export function show(bytes: Bytes): string {
  const text = toBuffer(bytes).toString("latin1");
  const shown = text.length > 600 ? `${text.slice(0, 400)} … ${text.slice(-150)}` : text;
  return `${JSON.stringify(shown)} (${text.length} bytes)`;
}

function toBuffer(bytes: Bytes): Buffer {
  return typeof bytes === "string" ? Buffer.from(bytes) : Buffer.from(bytes);
}

function startsAlike(bytes: Buffer, wanted: Buffer): boolean {
  const count = Math.min(bytes.length, wanted.length);
  return bytes.subarray(0, count).equals(wanted.subarray(0, count));
}
