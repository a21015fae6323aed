/** A minimal client that finds out what has reached a server. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";

const ANSWER_MS_MAX = 20_000;
const RETRY_MS = 1;

export class Probe {
  readonly #socket: Socket;
  #received = "";
  #problem: string | null = null;
  #wake: () => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding("latin1");
    socket.on("data", (chunk) => {
      this.#received += chunk;
      this.#wake();
    });
    socket.on("error", (error) => this.#fail(error.message));
    socket.on("close", () => this.#fail("the server closed it"));
  }

  /** Logs in with these fields of CONNECT, if there are any. Throws if the server does not let it in. */
  static async connect(port: number, login: string | null = null): Promise<Probe> {
    const socket = connect(port, "127.0.0.1");
    const probe = new Probe(socket);
    await once(socket, "connect");
    await probe.ask(`CONNECT {"verbose":false${login === null ? "" : `,${login}`}}\r\n`);
    return probe;
  }

  /** Everything that was received. */
  get received(): string {
    return this.#received;
  }

  send(lines: string): void {
    this.#socket.write(lines, "latin1");
  }

  /** Sends lines and waits until the server has taken them. Throws if it answers with an error. */
  async ask(lines: string): Promise<void> {
    const before = this.#received.length;
    this.send(`${lines}PING\r\n`);
    await this.until(
      () => this.#received.includes("PONG\r\n", before),
      () => {},
      ANSWER_MS_MAX,
    );
  }

  /** Waits until `isSo` is true, and calls `retry` meanwhile. Throws if it takes too long or the connection ends. */
  async until(isSo: () => boolean, retry: () => void, retryMs: number): Promise<void> {
    const startedMs = performance.now();
    while (!isSo()) {
      if (this.#received.includes("-ERR ")) this.#problem = /-ERR (.*)/.exec(this.#received)![1]!;
      if (performance.now() - startedMs > ANSWER_MS_MAX)
        this.#problem = `no answer within ${ANSWER_MS_MAX} ms`;
      if (this.#problem !== null) throw new Error(`a probe: ${this.#problem}`);
      retry();
      await this.#somethingWithin(retryMs);
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  #fail(problem: string): void {
    this.#problem ??= problem;
    this.#wake();
  }

  #somethingWithin(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

let crossings = 0;

/**
 * Makes a subscription on `to`, and waits until what `from` publishes reaches it. Throws if that takes too long.
 */
export async function awaitCrossing(from: Probe, to: Probe): Promise<void> {
  const subject = `bench.crossing.${crossings++}`;
  await to.ask(`SUB ${subject} 1\r\n`);
  await to.until(
    () => to.received.includes(`MSG ${subject} 1 `),
    () => from.send(`PUB ${subject} 0\r\n\r\n`),
    RETRY_MS,
  );
  await to.ask("UNSUB 1\r\n");
}
