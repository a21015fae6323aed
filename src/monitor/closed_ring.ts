import { assert } from "../base/assert.ts";

/**
 * The most recently closed connections, oldest first; the newest pushes out the oldest.
 *
 * | operation | cost |
 * | --- | --- |
 * | `add` | O(1) |
 * | `toArray` | O(length) |
 */
export class ClosedRing<T> {
  /** How many were ever added. */
  totalCount = 0;
  readonly capacity: number;
  /** Slot `totalCount % capacity` is the next to be written; grows to `capacity` and stays there. */
  readonly #slots: T[] = [];

  /** `capacity` is `max_closed_clients`, at least 1. */
  constructor(capacity: number) {
    assert(Number.isInteger(capacity) && capacity >= 1, "a ring of closed connections holds at least one");
    this.capacity = capacity;
  }

  get length(): number {
    return this.#slots.length;
  }

  add(closed: T): void {
    this.#slots[this.totalCount % this.capacity] = closed;
    this.totalCount += 1;
  }

  /** A copy, oldest first. */
  toArray(): T[] {
    if (this.totalCount <= this.capacity) return this.#slots.slice();
    const oldest = this.totalCount % this.capacity;
    return [...this.#slots.slice(oldest), ...this.#slots.slice(0, oldest)];
  }
}
