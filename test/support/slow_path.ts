import type { Socket } from "node:net";
import { TcpPath } from "./tcp_path.ts";

/** A TCP path on which everything takes `delayMs` each way. It leads nowhere before it is told its `targetPort`. */
export class SlowPath extends TcpPath {
  readonly #delayMs: number;

  private constructor(delayMs: number) {
    super(0);
    this.#delayMs = delayMs;
  }

  static open(delayMs: number): Promise<SlowPath> {
    return new SlowPath(delayMs).listen();
  }

  protected override carry(from: Socket, to: Socket): void {
    from.on("data", (bytes) => setTimeout(() => to.write(bytes), this.#delayMs));
  }
}
