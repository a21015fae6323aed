import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A TCP path to a port of this machine. */
export abstract class TcpPath {
  /** Where it leads. */
  targetPort: number;
  readonly #server = createServer((near) => this.#join(near));
  readonly #sockets = new Set<Socket>();

  protected constructor(targetPort: number) {
    this.targetPort = targetPort;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  protected async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return this;
  }

  /** Carries what one end sends to the other. */
  protected carry(from: Socket, to: Socket): void {
    from.pipe(to);
  }

  /** Called when a connection that came in by `near` goes on by `far`. */
  protected joined(_near: Socket, _far: Socket): void {}

  #join(near: Socket): void {
    const far = connect(this.targetPort, "127.0.0.1");
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(from.setNoDelay(true));
      this.carry(from, to);
      from.on("error", () => {});
      from.on("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
    }
    this.joined(near, far);
  }
}
