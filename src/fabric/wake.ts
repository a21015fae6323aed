/** Waking another node's thread, when it says that it sleeps. */
import { NODE_IS_ASLEEP, NODE_WAKE } from "../memory/map.ts";
import { nodeWord } from "../memory/shared_memory.ts";

export class Wake {
  readonly #words: Int32Array;
  readonly #wake: (handle: number) => void;

  /** `wake` is the transport's way to wake a thread by the handle its poller published. */
  constructor(words: Int32Array, wake: (handle: number) => void) {
    this.#words = words;
    this.#wake = wake;
  }

  /** After publishing to a node's ring: its sleeping flag and our record are ordered by the atomics on both sides. */
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
