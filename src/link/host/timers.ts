/** The timers of the protocols of links, over one timer of the shard. */
import { Heap } from "../../base/heap.ts";
import type { LinkClock } from "../core/link.ts";

interface Timer {
  readonly dueMs: number;
  /** Null once it was cancelled or called. */
  callback: (() => void) | null;
}

export class LinkTimers implements LinkClock {
  readonly #now: () => number;
  readonly #watch: (dueMs: number) => void;
  readonly #heap = new Heap<Timer>((a, b) => a.dueMs < b.dueMs);

  /** `watch` is told when to call fire() next, in milliseconds of `now`; each call replaces the previous one. */
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
    this.#heap.push(timer);
    if (this.#heap.first === timer) this.#watch(timer.dueMs);
    return () => {
      timer.callback = null;
    };
  }

  /** Calls everything that is due. */
  fire(): void {
    const nowMs = this.#now();
    for (let first = this.#heap.first; first !== undefined; first = this.#heap.first) {
      if (first.callback !== null && first.dueMs > nowMs) {
        this.#watch(first.dueMs);
        return;
      }
      this.#heap.pop();
      const { callback } = first;
      first.callback = null;
      callback?.();
    }
  }
}
