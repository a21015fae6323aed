import type { Socket } from "node:net";
import { TcpPath } from "./tcp_path.ts";

/** A TCP path that counts what crosses it. */
export class MeteredPath extends TcpPath {
  /** Both ways, on all connections. */
  byteCount = 0;

  static open(targetPort: number): Promise<MeteredPath> {
    return new MeteredPath(targetPort).listen();
  }

  protected override carry(from: Socket, to: Socket): void {
    from.on("data", (bytes) => {
      this.byteCount += bytes.length;
    });
    super.carry(from, to);
  }
}
