/** Time that passes only as events are taken: callbacks, in the order they are due, then in which they were set. */
import { Heap } from "../../src/base/heap.ts";
import type { LinkClock } from "../../src/link/core/link.ts";
import type { SeededRandom } from "./random.ts";

interface Event {
  readonly dueMs: number;
  readonly order: number;
  callback: (() => void) | null;
}

export class VirtualTime {
  nowMs = 0;
  readonly #heap = new Heap<Event>((a, b) => a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order));
  #order = 0;
  readonly #eventsMax: number;
  /** Events taken so far. */
  count = 0;

  /** Throws once more than so many events were taken: something goes round in circles. */
  constructor(eventsMax: number) {
    this.#eventsMax = eventsMax;
  }

  /** Calls back `ms` from now, behind what is due then already; returns how to call it off. */
  after(ms: number, callback: () => void): () => void {
    const event: Event = { dueMs: this.nowMs + Math.max(ms, 0), order: this.#order++, callback };
    this.#heap.push(event);
    return () => {
      event.callback = null;
    };
  }

  /** The clock of one server, which stops with it. */
  clock(random: SeededRandom, isAlive: () => boolean): LinkClock {
    return {
      nowMs: () => this.nowMs,
      random: () => random.next(),
      after: (ms, callback) => this.after(ms, () => isAlive() && callback()),
    };
  }

  /** Lets time pass up to `untilMs`. */
  runUntil(untilMs: number): void {
    for (
      let first = this.#heap.first;
      first !== undefined && first.dueMs <= untilMs;
      first = this.#heap.first
    ) {
      this.#heap.pop();
      if (first.callback === null) continue;
      this.nowMs = first.dueMs;
      if (++this.count > this.#eventsMax) throw new Error(`${this.#eventsMax} events and no end`);
      first.callback();
    }
    this.nowMs = untilMs;
  }
}
