/** A client that is nothing but its socket, for the tests of the server. */
import { connect, type Socket } from "node:net";

const DEADLINE_MS = 10_000;

export class WireClient {
  readonly #socket: Socket;
  #text = "";
  #isClosed = false;
  #wake = Promise.withResolvers<void>();

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => this.#change(() => (this.#text += text)));
    socket.on("error", () => {});
    socket.on("close", () => this.#change(() => (this.#isClosed = true)));
  }

  /** Connects and says CONNECT; resolves once the server has answered PONG. */
  static async open(port: number, fields: Record<string, unknown> = {}): Promise<WireClient> {
    const socket = connect(port, "127.0.0.1");
    const client = new WireClient(socket);
    client.send(`CONNECT ${JSON.stringify({ verbose: false, ...fields })}\r\nPING\r\n`);
    await client.waitFor(/PONG\r\n/);
    return client;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** All that has come and was not taken by `waitFor`. */
  get text(): string {
    return this.#text;
  }

  send(text: string): void {
    this.#socket.write(text);
  }

  /** Returns what came up to and with the match, and forgets it. Throws when the server closes or says nothing. */
  async waitFor(pattern: RegExp): Promise<string> {
    await this.#until(() => pattern.test(this.#text) || this.#isClosed);
    const match = pattern.exec(this.#text);
    if (match === null) throw new Error(`the connection closed before ${pattern}; it had said ${this.#text}`);
    const end = match.index + match[0].length;
    const taken = this.#text.slice(0, end);
    this.#text = this.#text.slice(end);
    return taken;
  }

  /** Resolves when everything sent so far has been done. */
  async roundTrip(): Promise<string> {
    this.send("PING\r\n");
    return this.waitFor(/PONG\r\n/);
  }

  async waitForClose(): Promise<void> {
    await this.#until(() => this.#isClosed);
  }

  close(): void {
    this.#socket.destroy();
  }

  #change(apply: () => void): void {
    apply();
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  async #until(isDone: () => boolean): Promise<void> {
    let isLate = false;
    const timer = setTimeout(() => this.#change(() => (isLate = true)), DEADLINE_MS);
    while (!isDone() && !isLate) await this.#wake.promise;
    clearTimeout(timer);
    if (isLate)
      throw new Error(`nothing of the kind within ${DEADLINE_MS} ms; the server has said ${this.#text}`);
  }
}

/** Looks until the condition holds. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const endMs = performance.now() + DEADLINE_MS;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`not within ${DEADLINE_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
