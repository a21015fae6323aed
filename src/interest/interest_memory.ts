/** The region of the interest index as TypeScript sees it. `memory/interest_layout.ts` says where everything lies. */
import { Buffer } from "node:buffer";
import { assert } from "../base/assert.ts";
import type { Engine } from "../engine/engine.ts";
import {
  ACCOUNT_COUNT_MAX,
  ACCOUNT_WORDS,
  ACCOUNTS,
  BLOCK_CLASS_COUNT,
  BLOCK_WORDS,
  BUCKET_BITS,
  BUCKETS,
  ENTRIES,
  ENTRY_IS_WILDCARD,
  ENTRY_NEXT,
  ENTRY_TABLE,
  FREE_RUNS,
  LOCK,
  OPEN_CHUNKS,
  PAGE_BYTES,
  PAGE_STATES,
  PAGE_WORDS,
  PAIR_TABLE,
  REGION_PAGES_MAX,
  REGION_PAGES_MIN,
  RUN_ORDER_COUNT,
  SEEDS,
  VERSION,
} from "../memory/interest_layout.ts";
import type { JournalRegion } from "./journal.ts";

/**
 * A part of the process's shared memory. `byteOffset` and `byteLength` are multiples of `PAGE_BYTES`, and the end is at
 * most 2 GiB, so that every byte address is an int32. It is all zero before the index is created.
 */
export interface InterestRegion {
  readonly buffer: SharedArrayBuffer;
  readonly byteOffset: number;
  readonly byteLength: number;
  /** A part of the same buffer. Without it, changes cannot be followed. */
  readonly journal?: JournalRegion;
}

assert(
  SEEDS + 4 <= VERSION && VERSION + 16 <= LOCK && LOCK + 16 <= ENTRY_NEXT,
  "interest: hot words share no line",
);
assert(
  BLOCK_WORDS < ENTRY_TABLE && PAIR_TABLE + 4 === FREE_RUNS,
  "interest: counters and table heads overlap",
);
assert(FREE_RUNS + RUN_ORDER_COUNT <= OPEN_CHUNKS, "interest: run lists overlap chunk lists");
assert(OPEN_CHUNKS + BLOCK_CLASS_COUNT <= BUCKETS, "interest: chunk lists overlap buckets");
assert(BUCKETS + (1 << BUCKET_BITS) === ACCOUNTS, "interest: buckets overlap accounts");
assert(ACCOUNTS + ACCOUNT_COUNT_MAX * ACCOUNT_WORDS === PAGE_STATES, "interest: accounts overlap pages");
assert(PAGE_STATES + REGION_PAGES_MAX === ENTRIES, "interest: pages overlap entries");
assert(ENTRIES % PAGE_WORDS === 0, "interest: entries start inside a page");
assert(ACCOUNT_COUNT_MAX <= ENTRY_IS_WILDCARD, "interest: account ids overlap the wildcard flag");

/** What the engine does for the index, on the threads that have one. */
export type IndexEngine = Pick<Engine, "fileLiteral" | "moveSlots">;

/** The views of a region that every part of the index works on. Each thread makes its own. */
export class InterestMemory {
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  readonly byteOffset: number;
  readonly wordCount: number;
  readonly pageCount: number;
  readonly engine: IndexEngine | null;
  readonly #text: Buffer;

  constructor(region: InterestRegion, engine: IndexEngine | null) {
    const { buffer, byteOffset, byteLength } = region;
    assert(byteOffset % PAGE_BYTES === 0, "interest: region does not start at a page");
    assert(byteLength % PAGE_BYTES === 0, "interest: region does not end at a page");
    assert(byteOffset + byteLength <= 2 ** 31, "interest: region reaches above 2 GiB");
    assert(byteLength >= REGION_PAGES_MIN * PAGE_BYTES, "interest: region is smaller than the head needs");
    assert(byteLength <= REGION_PAGES_MAX * PAGE_BYTES, "interest: region is larger than 1 GiB");
    this.words = new Int32Array(buffer, byteOffset, byteLength / 4);
    this.bytes = new Uint8Array(buffer, byteOffset, byteLength);
    this.byteOffset = byteOffset;
    this.engine = engine;
    this.wordCount = byteLength / 4;
    this.pageCount = byteLength / PAGE_BYTES;
    this.#text = Buffer.from(buffer, byteOffset, byteLength);
  }

  /** The bytes `[start, end)` as a byte string. */
  byteString(start: number, end: number): string {
    return this.#text.toString("latin1", start, end);
  }
}

/** Whether a record of `wordCount` words at `reference` lies in the region. It does unless what was read is torn. */
export function isInside(memory: InterestMemory, reference: number, wordCount: number): boolean {
  return reference > 0 && wordCount >= 0 && reference <= memory.wordCount - wordCount;
}
