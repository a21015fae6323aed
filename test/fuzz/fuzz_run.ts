import type { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";
import { ServerOutput } from "../robustness/server_output.ts";
import { StreamClient } from "../robustness/stream_client.ts";
import { until } from "../support/deadline.ts";
import { ENDS, makeSession, RESETS, type Session, type SessionLimits, STAYS } from "./session.ts";
import { Witness } from "./witness.ts";

export interface FuzzOptions {
  readonly port: number;
  readonly seed: number;
  /** Number of the first session. */
  readonly from: number;
  readonly sessions: number;
  /** Connections that play sessions at the same time. */
  readonly lanes: number;
  readonly witnesses: number;
  /** A healthy client's message, and the answer to a session without mutations, arrives within this time. */
  readonly boundMs: number;
  readonly limits: SessionLimits;
  /** Called about once a second. */
  onProgress?(report: FuzzReport): void;
}

/** What became of the sessions; the four sorts add up to `played`. */
export interface FuzzReport {
  played: number;
  /** The server took all of it and went on to take what followed. */
  survived: number;
  /** The server closed the connection. */
  refused: number;
  /** The server waited for more, as after a payload cut short; the client gave up and reset the connection. */
  unfinished: number;
  /** The client cut the connection, as the session says. */
  cut: number;
  connections: number;
  bytesSent: number;
  /** Messages that witnesses checked, and the longest that one took. */
  witnessed: number;
  longestWitnessMs: number;
}

/** A connection plays this many sessions at most, so that what survivors subscribe to stays bounded. */
const SESSIONS_PER_CONNECTION_MAX = 40;
/** How long a mutated session may leave the server waiting for more input. */
const UNFINISHED_MS = 150;
const SWEEP_MS = 20;
const PROGRESS_MS = 1000;
/** Failures told, the rest is counted. */
const FAILURES_MAX = 10;

/**
 * Plays sessions over many connections at once while witnesses exchange checked messages, and returns what became of
 * them. Throws when a witness misses a message, an intact session gets no answer, or output of the server is not framed.
 *
 * Behind each session that stays its lane publishes to `done.<token>.<number>`. A collector hears that exactly when
 * the server took the session to its end and still reads the connection, whatever the session said before.
 */
export async function runFuzz(options: FuzzOptions): Promise<FuzzReport> {
  const run = new FuzzRun(options);
  return await run.play();
}

class FuzzRun {
  readonly options: FuzzOptions;
  readonly report: FuzzReport = {
    played: 0,
    survived: 0,
    refused: 0,
    unfinished: 0,
    cut: 0,
    connections: 0,
    bytesSent: 0,
    witnessed: 0,
    longestWitnessMs: 0,
  };
  readonly failures: string[] = [];
  readonly token: string;
  readonly #lanes: Lane[] = [];
  readonly #awaited = new Map<number, Lane>();
  #next: number;

  constructor(options: FuzzOptions) {
    this.options = options;
    this.#next = options.from;
    // Nobody can guess it from the sessions' grammar; not from the seed, so that runs side by side stay apart.
    this.token = Math.random().toString(36).slice(2, 12);
  }

  async play(): Promise<FuzzReport> {
    const { port, seed, boundMs, lanes, witnesses, limits } = this.options;
    const watching: Witness[] = [];
    for (let i = 0; i < witnesses; i++) {
      const subject = `witness.${this.token}.${i}`;
      watching.push(await Witness.open(port, subject, seed + i, boundMs, limits.maxPayloadBytes));
    }
    const collector = await StreamClient.open(port, {
      message: (subject) => this.#onDone(Number(subject.slice(subject.lastIndexOf(".") + 1))),
    });
    collector.send(`SUB done.${this.token}.* c\r\n`);
    await collector.roundTrip();

    for (const witness of watching) witness.start();
    for (let i = 0; i < lanes; i++) this.#lanes.push(new Lane(this));
    for (const lane of this.#lanes) lane.open();
    const sweep = setInterval(() => this.#sweep(watching, collector), SWEEP_MS);
    const progress = setInterval(() => this.options.onProgress?.(this.report), PROGRESS_MS);
    try {
      await until(
        () => this.failures.length > 0 || this.#lanes.every((lane) => lane.isFinished),
        () => `only ${this.report.played} sessions were played`,
        Number.POSITIVE_INFINITY,
      );
    } finally {
      clearInterval(sweep);
      clearInterval(progress);
      for (const lane of this.#lanes) lane.drop();
    }
    for (const witness of watching) {
      await witness.finish().catch((error: Error) => this.fail(error.message));
      this.report.witnessed += witness.received;
      this.report.longestWitnessMs = Math.max(this.report.longestWitnessMs, witness.longestMs);
    }
    collector.destroy();
    if (this.failures.length > 0) {
      const { played } = this.report;
      throw new Error(`seed ${seed}, after ${played} sessions:\n${this.failures.join("\n")}`);
    }
    return this.report;
  }

  /** Number of the next session, −1 when all are given out. */
  takeNumber(): number {
    const { from, sessions } = this.options;
    return this.failures.length === 0 && this.#next < from + sessions ? this.#next++ : -1;
  }

  await(number: number, lane: Lane): void {
    this.#awaited.set(number, lane);
  }

  forget(number: number): void {
    this.#awaited.delete(number);
  }

  fail(text: string): void {
    if (this.failures.length < FAILURES_MAX) this.failures.push(text);
  }

  #onDone(number: number): void {
    const lane = this.#awaited.get(number);
    this.#awaited.delete(number);
    lane?.onDone(number);
  }

  #sweep(watching: readonly Witness[], collector: StreamClient): void {
    for (const { failure } of watching) if (failure !== undefined) this.fail(failure.message);
    if (collector.isClosed) this.fail(`the collector was disconnected: ${collector.failure?.message ?? ""}`);
    const now = performance.now();
    for (const lane of this.#lanes) lane.sweep(now);
  }
}

/** One connection after another, each playing sessions until it ends. */
class Lane {
  readonly #run: FuzzRun;
  #socket: Socket | undefined;
  #session: Session | undefined;
  #number = -1;
  #sentAt = 0;
  #playedHere = 0;
  /** A session that was not mutated is judged only on a connection that nothing mutated went before on. */
  #isClean = true;
  /** What the server said last before it closed the connection, or what the socket said. */
  #error = "";
  isFinished = false;

  constructor(run: FuzzRun) {
    this.#run = run;
  }

  open(): void {
    const { port } = this.#run.options;
    const socket = connect({ port, host: "127.0.0.1" });
    this.#socket = socket;
    this.#playedHere = 0;
    this.#isClean = true;
    this.#session = undefined;
    this.#number = -1;
    this.#error = "";
    this.#sentAt = performance.now();
    socket.setNoDelay(true);
    const output = new ServerOutput({
      message: () => {},
      line: (text) => {
        if (text.startsWith("-ERR")) this.#error = text;
      },
    });
    socket.on("data", (bytes: Buffer) => {
      if (this.#socket !== socket) return;
      try {
        output.feed(bytes);
      } catch (error) {
        this.#run.fail(`session ${this.#number}: ${(error as Error).message}`);
        this.drop();
      }
    });
    socket.on("error", (error) => {
      this.#error ||= error.message;
    });
    socket.on("connect", () => {
      if (this.#socket !== socket) return;
      this.#run.report.connections++;
      this.#play();
    });
    socket.on("close", () => {
      if (this.#socket === socket) this.#onClose();
    });
  }

  /** The server went on past the session of this number. */
  onDone(number: number): void {
    if (number !== this.#number) return;
    this.#run.report.survived++;
    this.#count();
    if (this.#playedHere < SESSIONS_PER_CONNECTION_MAX) this.#play();
    else this.#reopen(this.#playedHere % 2 === 0 ? ENDS : RESETS);
  }

  /** Gives up on a session that leaves the server waiting; fails an intact one that gets no answer. */
  sweep(now: number): void {
    const { boundMs } = this.#run.options;
    const waitedMs = now - this.#sentAt;
    if (this.isFinished || waitedMs < UNFINISHED_MS) return;
    if (this.#number < 0) {
      if (waitedMs > boundMs) this.#run.fail(`a connection was not accepted in ${Math.round(waitedMs)} ms`);
      return;
    }
    if (this.#session!.isValid && this.#isClean) {
      if (waitedMs < boundMs) return;
      this.#run.fail(`session ${this.#number} is intact but has no answer after ${Math.round(waitedMs)} ms`);
    }
    this.#run.forget(this.#number);
    this.#run.report.unfinished++;
    this.#count();
    this.#reopen(RESETS);
  }

  drop(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.isFinished = true;
    socket?.destroy();
  }

  #play(): void {
    const number = this.#run.takeNumber();
    const socket = this.#socket!;
    if (number < 0) {
      this.drop();
      return;
    }
    const { options, report, token } = this.#run;
    const session = makeSession(options.seed, number, options.limits);
    this.#number = number;
    this.#session = session;
    this.#sentAt = performance.now();
    this.#playedHere++;
    for (const piece of session.pieces) {
      report.bytesSent += piece.length;
      socket.write(piece, "latin1");
    }
    if (session.ending !== STAYS) {
      report.cut++;
      this.#count();
      this.#reopen(session.ending);
      return;
    }
    if (!session.isValid) this.#isClean = false;
    this.#run.await(number, this);
    socket.write(`PUB done.${token}.${number} 4\r\ndone\r\n`, "latin1");
  }

  #onClose(): void {
    if (this.#number < 0) {
      this.#run.fail(`cannot connect: ${this.#error}`);
      this.drop();
      return;
    }
    this.#run.forget(this.#number);
    this.#run.report.refused++;
    if (this.#session!.isValid && this.#isClean) {
      const start = JSON.stringify(this.#session!.pieces.join("").slice(0, 200));
      this.#run.fail(`session ${this.#number} is intact but was refused (${this.#error}): ${start}`);
    }
    this.#count();
    this.#reopen(RESETS);
  }

  #count(): void {
    this.#run.report.played++;
    this.#number = -1;
    this.#session = undefined;
  }

  #reopen(ending: typeof ENDS | typeof RESETS): void {
    const socket = this.#socket!;
    this.#socket = undefined;
    if (ending === ENDS) {
      socket.end();
      // Whatever still comes is read and dropped; the server closes its side.
      socket.resume();
    } else socket.resetAndDestroy();
    this.open();
  }
}
