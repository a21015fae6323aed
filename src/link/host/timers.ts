/** Callbacks in time for the protocols of links, over one timer of the shard: a binary heap by when they are due. */
import type { LinkClock } from "../core/link.ts";

interface Timer {
  readonly dueMs: number;
  /** Null once it was called off. */
  callback: (() => void) | null;
}

export class LinkTimers implements LinkClock {
  readonly #now: () => number;
  readonly #watch: (dueMs: number) => void;
  readonly #heap: Timer[] = [];

  /** `watch` is told when to call fire() next, in milliseconds of `now`; each call replaces the last. */
  constructor(now: () => number, watch: (dueMs: number) => void) {
    this.#now = now;
    this.#watch = watch;
  }

  nowMs(): number {
    return this.#now();
  }

  random(): number {
    return Math.random();
  }

  after(ms: number, callback: () => void): () => void {
    const timer: Timer = { dueMs: this.#now() + ms, callback };
    this.#push(timer);
    if (this.#heap[0] === timer) this.#watch(timer.dueMs);
    return () => {
      timer.callback = null;
    };
  }

  /** Calls back what is due. */
  fire(): void {
    const nowMs = this.#now();
    for (let first = this.#heap[0]; first !== undefined; first = this.#heap[0]) {
      if (first.callback !== null && first.dueMs > nowMs) {
        this.#watch(first.dueMs);
        return;
      }
      this.#pop();
      const { callback } = first;
      first.callback = null;
      callback?.();
    }
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let at = heap.length;
    for (; at > 0; ) {
      const parent = (at - 1) >> 1;
      if (heap[parent]!.dueMs <= timer.dueMs) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = timer;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.dueMs < heap[child]!.dueMs) child++;
      if (heap[child]!.dueMs >= last.dueMs) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}
