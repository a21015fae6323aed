// Hot: `matchesAny` runs once per match for each filtered pair.
import { assert } from "../base/assert.ts";
import {
  SEEDS,
  TEXT,
  TEXT_BYTES,
  TEXT_HASH,
  TEXT_REFERENCES,
  TEXT_TABLE,
} from "../memory/interest_layout.ts";
import { subjectMatches } from "../subject/matching.ts";
import type { Arena } from "./arena.ts";
import { areBytesEqual } from "./entries.ts";
import { type InterestMemory, isInside } from "./interest_memory.ts";
import { SlotTable } from "./slot_table.ts";
import { hashSubject } from "./subject_hash.ts";
import type { WriteLock } from "./write_lock.ts";

const BLANK = 32;

/**
 * The texts that pairs name: queue groups, and filters (the patterns that a subscriber is not to be sent, with a blank
 * between them). Each distinct text is kept once, for as long as a pair names it. Its reference is its id.
 */
export class InternedTexts {
  readonly #memory: InterestMemory;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #bytes: Uint8Array<SharedArrayBuffer>;
  readonly #seeds: Int32Array;
  readonly #table: SlotTable;

  constructor(memory: InterestMemory) {
    this.#memory = memory;
    this.#words = memory.words;
    this.#bytes = memory.bytes;
    this.#seeds = memory.words.slice(SEEDS, SEEDS + 4);
    this.#table = new SlotTable(memory, TEXT_TABLE);
  }

  reserve(count: number, arena: Arena, lock: WriteLock): boolean {
    return this.#table.reserve(count, arena, lock);
  }

  /** The id of `bytes[start, end)` for one more user. The caller has reserved room. 0 when the region is full. */
  take(bytes: Uint8Array, start: number, end: number, arena: Arena): number {
    const id = this.#find(bytes, start, end) || this.#add(bytes, start, end, arena);
    if (id !== 0) this.#words[id + TEXT_REFERENCES]! += 1;
    return id;
  }

  /** Takes back one `take`. */
  release(id: number, arena: Arena): void {
    const words = this.#words;
    words[id + TEXT_REFERENCES]! -= 1;
    if (words[id + TEXT_REFERENCES] !== 0) return;
    this.#table.remove(words[id + TEXT_HASH]!, id);
    arena.free(id);
  }

  /** A copy of a text. The lock is held, or the caller's node has members in a pair that names the text. */
  textOf(id: number): Uint8Array<ArrayBuffer> {
    const start = (id + TEXT) * 4;
    const copy = new Uint8Array(this.#words[id + TEXT_BYTES]!);
    copy.set(this.#bytes.subarray(start, start + copy.length));
    return copy;
  }

  /** A text as a byte string, under the same conditions as `textOf`. */
  byteStringOf(id: number): string {
    const start = (id + TEXT) * 4;
    return this.#memory.byteString(start, start + this.#words[id + TEXT_BYTES]!);
  }

  /** Length of a text in bytes. If what is read is torn, it may be any length that stays within the region. */
  lengthOf(id: number): number {
    if (!isInside(this.#memory, id, TEXT)) return 0;
    const length = this.#words[id + TEXT_BYTES]!;
    return isInside(this.#memory, id, TEXT + ((length + 3) >> 2)) ? length : 0;
  }

  /** Whether one of the patterns of a filter, `length` bytes long, matches the literal subject `bytes[start, end)`. */
  matchesAny(id: number, length: number, bytes: Uint8Array, start: number, end: number): boolean {
    let from = (id + TEXT) * 4;
    const textEnd = from + length;
    while (from < textEnd) {
      let to = from;
      while (to < textEnd && this.#bytes[to] !== BLANK) to++;
      if (subjectMatches(this.#bytes, from, to, bytes, start, end)) return true;
      from = to + 1;
    }
    return false;
  }

  /** Checks for every text how often it is named; for tests. The lock is held. */
  invariants(references: ReadonlyMap<number, number>): void {
    const ids = this.#table.values();
    for (const id of ids) {
      assert(this.#words[id + TEXT_REFERENCES] === references.get(id), "interest: text miscounts its users");
      const text = this.textOf(id);
      assert(this.#find(text, 0, text.length) === id, "interest: text is not found");
    }
    assert(ids.length === references.size, "interest: text is in no table");
  }

  #find(bytes: Uint8Array, start: number, end: number): number {
    const words = this.#words;
    const table = this.#table;
    const hash = hashSubject(this.#seeds, 0, bytes, start, end);
    for (let id = table.seek(hash); id !== 0; id = table.seekNext()) {
      if (words[id + TEXT_BYTES] !== end - start) continue;
      if (areBytesEqual(this.#bytes, (id + TEXT) * 4, bytes, start, end)) return id;
    }
    return 0;
  }

  #add(bytes: Uint8Array, start: number, end: number, arena: Arena): number {
    const words = this.#words;
    const id = arena.allocate(TEXT + ((end - start + 3) >> 2));
    if (id === 0) return 0;
    const hash = hashSubject(this.#seeds, 0, bytes, start, end);
    words[id + TEXT_REFERENCES] = 0;
    words[id + TEXT_HASH] = hash;
    words[id + TEXT_BYTES] = end - start;
    for (let at = start, to = (id + TEXT) * 4; at < end; ) this.#bytes[to++] = bytes[at++]!;
    this.#table.insert(hash, id);
    return id;
  }
}
