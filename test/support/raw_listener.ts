import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { DEADLINE_MS, until } from "./deadline.ts";
import { RawClient } from "./raw_client.ts";
import { RawLink } from "./raw_link.ts";

/** A port where nobody listens: what a script says of itself when it is not to be dialled. */
export const CLOSED_PORT = 1;

/** A listener that the server under test dials. */
export class RawListener {
  readonly #server: Server;
  readonly #waiting: Socket[] = [];
  /** Every connection so far, by when it came, in milliseconds of `performance.now()`. */
  readonly arrivals: number[] = [];

  private constructor(server: Server) {
    this.#server = server;
  }

  static async open(): Promise<RawListener> {
    const server = createServer();
    const listener = new RawListener(server);
    server.on("connection", (socket) => {
      listener.arrivals.push(performance.now());
      // Bytes stay in the socket until somebody accepts it.
      socket.pause();
      socket.on("error", () => {});
      listener.#waiting.push(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return listener;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** The next connection, in the order they came. */
  async accept(deadlineMs = DEADLINE_MS): Promise<RawLink> {
    await until(
      () => this.#waiting.length > 0,
      () => "nobody has dialled",
      deadlineMs,
    );
    const socket = this.#waiting.shift()!;
    const link = new RawLink(RawClient.over(socket));
    socket.resume();
    return link;
  }

  /** Connections that have come and were not accepted. */
  get waitingCount(): number {
    return this.#waiting.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#waiting) socket.destroy();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      setTimeout(resolve, 50);
    });
  }
}
