/**
 * Generations of this shard's own subscriptions, in its area. A change to its subscriptions makes its plans for the
 * subject stale, even if the shared index does not change.
 */
import type { Engine } from "../../engine/engine.ts";
import { AREA_LOCAL_BUCKET_COUNT, AREA_LOCAL_BUCKETS, AREA_LOCAL_WILDCARDS } from "../../memory/layout.ts";
import type { SharedMemory } from "../../memory/shared_memory.ts";
import { isLiteral } from "../../subject/tokens.ts";

export class LocalGenerations {
  readonly #words: Int32Array;
  readonly #engine: Engine;
  readonly #area: number;

  constructor(shared: SharedMemory, engine: Engine, node: number) {
    this.#words = shared.words;
    this.#engine = engine;
    this.#area = shared.map.area(node).area;
  }

  /**
   * Index of the generation word that plans for `bytes[start, end)` depend on, which is a subject or a pattern in the
   * shared memory.
   */
  wordOf(account: number, bytes: Uint8Array, start: number, end: number): number {
    if (!isLiteral(bytes, start, end)) return (this.#area + AREA_LOCAL_WILDCARDS + account * 4) >> 2;
    const bucket = this.#engine.hash(start, end - start) & (AREA_LOCAL_BUCKET_COUNT - 1);
    return (this.#area + AREA_LOCAL_BUCKETS + bucket * 4) >> 2;
  }

  bump(word: number): void {
    this.#words[word]!++;
  }
}
