import type { Socket } from "node:net";
import { TcpPath } from "./tcp_path.ts";

/** A TCP path whose connections can be cut one by one. */
export class CutPath extends TcpPath {
  /** Both ends of each open connection, in the order they came. */
  readonly #open: [near: Socket, far: Socket][] = [];

  static open(targetPort: number): Promise<CutPath> {
    return new CutPath(targetPort).listen();
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

  protected override joined(near: Socket, far: Socket): void {
    const ends: [Socket, Socket] = [near, far];
    far.on("connect", () => this.#open.push(ends));
    for (const end of ends) {
      end.on("close", () => {
        const at = this.#open.indexOf(ends);
        if (at >= 0) this.#open.splice(at, 1);
      });
    }
  }
}
