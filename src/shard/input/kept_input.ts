/**
 * What connections keep between reads: input that was not taken yet, such as the start of an operation. Hot: once per
 * read.
 */
import type { Connection } from "../connection.ts";
import { BufferPool } from "./buffer_pool.ts";

export class KeptInput {
  readonly #bytes: Uint8Array;
  readonly #buffers = new BufferPool();

  /** `bytes`: the shared memory. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Keeps `[start, end)` of the shared memory, which may be empty, in place of what was kept. */
  keep(connection: Connection, start: number, end: number): void {
    const length = end - start;
    connection.keptLength = length;
    if (connection.kept !== null && (length === 0 || connection.kept.length < length))
      this.forget(connection);
    if (length === 0) return;
    connection.kept ??= this.#buffers.take(length);
    connection.kept.set(this.#bytes.subarray(start, end));
  }

  /** Copies what is kept to `start` of the shared memory. Returns where it ends. */
  restore(connection: Connection, start: number): number {
    const kept = connection.keptLength;
    if (kept > 0) this.#bytes.set(connection.kept!.subarray(0, kept), start);
    return start + kept;
  }

  forget(connection: Connection): void {
    if (connection.kept !== null) this.#buffers.give(connection.kept);
    connection.kept = null;
  }
}
