/**
 * Timers of a thread that sleeps in its own wait: a hashed wheel of small integers, without objects.
 *
 * A timer is an id that the caller chose. Setting, moving and clearing cost O(1). Nothing fires early, or late by more
 * than a tick. Time is an argument, in milliseconds of any steady clock.
 */
const SLOTS = 1024;
const NONE = -1;

export class TimerWheel {
  readonly #tickMs: number;
  readonly #heads = new Int32Array(SLOTS).fill(NONE);
  #next = new Int32Array(0);
  #previous = new Int32Array(0);
  /** When each timer is due, in ticks; −1 for a timer that is not set. */
  #due = new Float64Array(0);
  #tick: number;
  #count = 0;
  /** No timer is due before this tick. */
  #earliest = Number.POSITIVE_INFINITY;

  constructor(tickMs: number, nowMs: number) {
    this.#tickMs = tickMs;
    this.#tick = Math.floor(nowMs / tickMs);
  }

  set(id: number, dueMs: number): void {
    this.clear(id);
    if (id >= this.#due.length) this.#grow(id + 1);
    const due = Math.max(Math.ceil(dueMs / this.#tickMs), this.#tick + 1);
    const slot = due % SLOTS;
    const head = this.#heads[slot]!;
    this.#due[id] = due;
    this.#next[id] = head;
    this.#previous[id] = NONE;
    if (head !== NONE) this.#previous[head] = id;
    this.#heads[slot] = id;
    this.#count++;
    if (due < this.#earliest) this.#earliest = due;
  }

  clear(id: number): void {
    if (id >= this.#due.length || this.#due[id] === NONE) return;
    const next = this.#next[id]!;
    const previous = this.#previous[id]!;
    if (next !== NONE) this.#previous[next] = previous;
    if (previous !== NONE) this.#next[previous] = next;
    else this.#heads[this.#due[id]! % SLOTS] = next;
    this.#due[id] = NONE;
    this.#count--;
  }

  /** Fires the timers that are due at `nowMs`, each once. A callback may set and clear timers. */
  advance(nowMs: number, fire: (id: number) => void): void {
    const now = Math.floor(nowMs / this.#tickMs);
    if (now < this.#earliest) {
      if (now > this.#tick) this.#tick = now;
      return;
    }
    const first = Math.max(this.#tick + 1, now - SLOTS + 1);
    this.#tick = now;
    this.#earliest = Number.POSITIVE_INFINITY;
    for (let tick = first; tick <= now; tick++) this.#fireSlot(tick % SLOTS, now, fire);
    this.#findEarliest();
  }

  /** Milliseconds until advance() has something to do, `Infinity` if no timer is set. */
  waitMs(nowMs: number): number {
    if (this.#count === 0) return Number.POSITIVE_INFINITY;
    return Math.max(0, this.#earliest * this.#tickMs - nowMs);
  }

  #fireSlot(slot: number, now: number, fire: (id: number) => void): void {
    let id = this.#heads[slot]!;
    while (id !== NONE) {
      const next = this.#next[id]!;
      if (this.#due[id]! <= now) {
        this.clear(id);
        fire(id);
        // The callback may have changed the list, so the search starts again. Timers that were fired are not in it any
        // more.
        id = this.#heads[slot]!;
      } else id = next;
    }
  }

  #findEarliest(): void {
    if (this.#count === 0) return;
    let earliest = Number.POSITIVE_INFINITY;
    for (let tick = this.#tick + 1; tick <= this.#tick + SLOTS; tick++) {
      for (let id = this.#heads[tick % SLOTS]!; id !== NONE; id = this.#next[id]!) {
        if (this.#due[id]! < earliest) earliest = this.#due[id]!;
      }
      if (earliest <= tick) break;
    }
    this.#earliest = earliest;
  }

  #grow(least: number): void {
    const size = Math.max(least, this.#due.length * 2, 64);
    const grow = (old: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> => {
      const larger = new Int32Array(size);
      larger.set(old);
      return larger;
    };
    this.#next = grow(this.#next);
    this.#previous = grow(this.#previous);
    const due = new Float64Array(size).fill(NONE);
    due.set(this.#due);
    this.#due = due;
  }
}
