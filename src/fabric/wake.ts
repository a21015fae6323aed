/** Wakes the thread of another node if it says that it sleeps. */
import { NODE_IS_ASLEEP, NODE_WAKE } from "../memory/map.ts";
import { nodeWord } from "../memory/shared_memory.ts";

export class Wake {
  readonly #words: Int32Array;
  readonly #wake: (handle: number) => void;

  /** `wake` is how the transport wakes a thread by the handle that its poller published. */
  constructor(words: Int32Array, wake: (handle: number) => void) {
    this.#words = words;
    this.#wake = wake;
  }

  /**
   * Called after publishing to a node's ring. The atomics on both sides order its sleeping flag and our record, so one
   * of the two sides sees the other's.
   */
  ifAsleep(node: number): void {
    if (Atomics.load(this.#words, nodeWord(node, NODE_IS_ASLEEP)) === 0) return;
    const handle = this.#words[nodeWord(node, NODE_WAKE)]!;
    if (handle >= 0) this.#wake(handle);
    else {
      Atomics.add(this.#words, -handle, 1);
      Atomics.notify(this.#words, -handle);
    }
  }
}
