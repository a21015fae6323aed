import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A TCP path to a port of this machine whose connections can be cut one by one. */
export class CutPath {
  readonly #server = createServer((socket) => this.#join(socket));
  /** Both ends of each open connection, in the order they came. */
  readonly #open: [near: Socket, far: Socket][] = [];
  /** Where it leads. */
  readonly #targetPort: number;

  private constructor(targetPort: number) {
    this.#targetPort = targetPort;
  }

  static async open(targetPort: number): Promise<CutPath> {
    const path = new CutPath(targetPort);
    await new Promise<void>((resolve) => path.#server.listen(0, "127.0.0.1", resolve));
    return path;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The port by which the server that is dialled knows each open connection, in the order they came. */
  get ports(): number[] {
    return this.#open.map(([, far]) => far.localPort!);
  }

  /** Cuts the connection that the server that is dialled knows by that port. */
  cut(port: number): void {
    const found = this.#open.find(([, far]) => far.localPort === port);
    for (const socket of found ?? []) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const port of this.ports) this.cut(port);
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #join(near: Socket): void {
    const far = connect(this.#targetPort, "127.0.0.1");
    const ends: [Socket, Socket] = [near, far];
    far.on("connect", () => this.#open.push(ends));
    for (const [from, to] of [ends, [far, near]] as const) {
      from.pipe(to.setNoDelay(true));
      from.on("error", () => {});
      from.on("close", () => {
        to.destroy();
        const at = this.#open.indexOf(ends);
        if (at >= 0) this.#open.splice(at, 1);
      });
    }
  }
}
