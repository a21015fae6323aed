import { assert } from "../base/assert.ts";

/** Some that came together: as text until somebody looks at them. */
interface Batch<T> {
  readonly count: number;
  content: string | readonly T[];
}

/**
 * The most recently closed connections, oldest first; the newest push out the oldest. Most are pushed out before anybody
 * looks, so what came as text is read only then.
 *
 * | operation | cost |
 * | --- | --- |
 * | `add`, `addText` | O(1) |
 * | `toArray` | O(capacity) |
 */
export class ClosedConnections<T> {
  readonly #capacity: number;
  readonly #read: (text: string) => readonly T[];
  readonly #batches: Batch<T>[] = [];
  /** In all batches: less the oldest one, below the capacity. */
  #count = 0;

  /** `capacity` is `max_closed_clients`, at least 1. */
  constructor(capacity: number, read: (text: string) => readonly T[]) {
    assert(Number.isInteger(capacity) && capacity >= 1, "at least one closed connection is remembered");
    this.#capacity = capacity;
    this.#read = read;
  }

  add(closed: T): void {
    this.#addBatch({ count: 1, content: [closed] });
  }

  /** `text` is what `read` makes `count` of. */
  addText(text: string, count: number): void {
    this.#addBatch({ count, content: text });
  }

  toArray(): T[] {
    return this.#batches.flatMap((batch) => this.#contentOf(batch)).slice(-this.#capacity);
  }

  #addBatch(batch: Batch<T>): void {
    this.#batches.push(batch);
    this.#count += batch.count;
    while (this.#count - this.#batches[0]!.count >= this.#capacity) {
      this.#count -= this.#batches.shift()!.count;
    }
  }

  #contentOf(batch: Batch<T>): readonly T[] {
    if (typeof batch.content === "string") batch.content = this.#read(batch.content);
    return batch.content;
  }
}
