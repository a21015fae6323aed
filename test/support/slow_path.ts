import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A TCP path to a port of this machine on which everything takes `delayMs` each way. */
export class SlowPath {
  readonly #delayMs: number;
  readonly #server = createServer((socket) => this.#join(socket));
  readonly #sockets = new Set<Socket>();
  /** Where it leads. */
  targetPort = 0;

  private constructor(delayMs: number) {
    this.#delayMs = delayMs;
  }

  static async open(delayMs: number): Promise<SlowPath> {
    const path = new SlowPath(delayMs);
    await new Promise<void>((resolve) => path.#server.listen(0, "127.0.0.1", resolve));
    return path;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #join(near: Socket): void {
    const far = connect(this.targetPort, "127.0.0.1");
    this.#carry(near, far);
    this.#carry(far, near);
  }

  #carry(from: Socket, to: Socket): void {
    this.#sockets.add(from.setNoDelay(true));
    from.on("data", (bytes) => setTimeout(() => to.write(bytes), this.#delayMs));
    from.on("error", () => {});
    from.on("close", () => {
      this.#sockets.delete(from);
      to.destroy();
    });
  }
}
