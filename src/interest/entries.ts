// Hot: one find per match.
import { assert } from "../base/assert.ts";
import type { Arena } from "./arena.ts";
import {
  ENTRIES,
  ENTRY_ACCOUNT,
  ENTRY_FREE,
  ENTRY_IS_WILDCARD,
  ENTRY_KEY,
  ENTRY_NEXT,
  ENTRY_NODES,
  ENTRY_PAIRS,
  ENTRY_SUBJECT,
  ENTRY_SUBJECT_BYTES,
  ENTRY_TABLE,
  ENTRY_WORDS,
  FRONTIER_PAGE,
  type InterestMemory,
  isInside,
  LITERAL_COUNT,
  PAGE_WORDS,
  SEEDS,
  WILDCARD_COUNT,
} from "./layout.ts";
import { SlotTable } from "./slot_table.ts";
import { hashSubject } from "./subject_hash.ts";
import type { WriteLock } from "./write_lock.ts";

export const NOT_FOUND = -1;

/** The entries, one per (account, subject) with interest, literal or wildcard; ids are dense and reused. */
export class Entries {
  readonly #memory: InterestMemory;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #bytes: Uint8Array<SharedArrayBuffer>;
  readonly #seeds: Int32Array;
  readonly #table: SlotTable;
  /** No id can be as large: what a torn read yields must still lie in the region. */
  readonly #idEnd: number;

  constructor(memory: InterestMemory) {
    this.#memory = memory;
    this.#words = memory.words;
    this.#bytes = memory.bytes;
    this.#seeds = memory.words.slice(SEEDS, SEEDS + 4);
    this.#table = new SlotTable(memory, ENTRY_TABLE);
    this.#idEnd = Math.floor((memory.wordCount - ENTRIES) / ENTRY_WORDS);
  }

  /** The word where entry `id` starts. */
  at(id: number): number {
    return ENTRIES + id * ENTRY_WORDS;
  }

  /** Whether `id` can be an entry's at all; false only for what a torn read yielded. */
  isPossible(id: number): boolean {
    return id >= 0 && id < this.#idEnd;
  }

  isLive(id: number): boolean {
    return id >= 0 && id < this.#words[ENTRY_NEXT]! && this.#words[this.at(id) + ENTRY_ACCOUNT] !== -1;
  }

  isWildcard(id: number): boolean {
    return (this.#words[this.at(id) + ENTRY_ACCOUNT]! & ENTRY_IS_WILDCARD) !== 0;
  }

  hash(accountId: number, bytes: Uint8Array, start: number, end: number): number {
    return hashSubject(this.#seeds, accountId, bytes, start, end);
  }

  /** The entry with exactly this account and subject, or `NOT_FOUND`. `hash` is what `hash()` returns. */
  find(hash: number, accountId: number, bytes: Uint8Array, start: number, end: number): number {
    const table = this.#table;
    for (let value = table.seek(hash); value !== 0; value = table.seekNext()) {
      if (this.#isSubject(value - 1, accountId, bytes, start, end)) return value - 1;
    }
    return NOT_FOUND;
  }

  reserve(arena: Arena, lock: WriteLock): boolean {
    return this.#table.reserve(1, arena, lock);
  }

  /** Adds an entry without interest yet, where `reserve` made room; `NOT_FOUND` when the region is full. */
  add(
    hash: number,
    accountId: number,
    isWildcard: boolean,
    bytes: Uint8Array,
    start: number,
    end: number,
    arena: Arena,
  ): number {
    const words = this.#words;
    const reused = words[ENTRY_FREE]! - 1;
    const id = reused >= 0 ? reused : words[ENTRY_NEXT]!;
    const entry = this.at(id);
    if (reused < 0 && entry + ENTRY_WORDS > words[FRONTIER_PAGE]! * PAGE_WORDS) return NOT_FOUND;
    // Taken before the bytes, because the arena grows towards it.
    if (reused >= 0) words[ENTRY_FREE] = words[entry + ENTRY_NODES]!;
    else words[ENTRY_NEXT] = id + 1;
    const subject = arena.allocate(Math.max(1, (end - start + 3) >> 2));
    if (subject === 0) {
      this.#release(id);
      return NOT_FOUND;
    }
    for (let at = start, to = subject * 4; at < end; ) this.#bytes[to++] = bytes[at++]!;
    words[entry + ENTRY_ACCOUNT] = accountId | (isWildcard ? ENTRY_IS_WILDCARD : 0);
    words[entry + ENTRY_NODES] = 0;
    words[entry + ENTRY_PAIRS] = 0;
    words[entry + ENTRY_SUBJECT] = subject;
    words[entry + ENTRY_SUBJECT_BYTES] = end - start;
    words[entry + ENTRY_KEY] = hash;
    words[isWildcard ? WILDCARD_COUNT : LITERAL_COUNT]! += 1;
    this.#table.insert(hash, id + 1);
    return id;
  }

  remove(id: number, arena: Arena): void {
    const words = this.#words;
    const entry = this.at(id);
    this.#table.remove(words[entry + ENTRY_KEY]!, id + 1);
    arena.free(words[entry + ENTRY_SUBJECT]!);
    words[this.isWildcard(id) ? WILDCARD_COUNT : LITERAL_COUNT]! -= 1;
    this.#release(id);
  }

  /** A copy of the entry's subject; the lock is held, or the entry held by the caller's node. */
  subjectOf(id: number): Uint8Array<ArrayBuffer> {
    const entry = this.at(id);
    const start = this.#words[entry + ENTRY_SUBJECT]! * 4;
    const copy = new Uint8Array(this.#words[entry + ENTRY_SUBJECT_BYTES]!);
    copy.set(this.#bytes.subarray(start, start + copy.length));
    return copy;
  }

  /** Checks that every live entry is found where its hash says; returns their ids. For tests. */
  invariants(): number[] {
    const words = this.#words;
    const ids = this.#table.values().map((value) => value - 1);
    for (const id of ids) {
      assert(this.isLive(id), "interest: slot names a freed entry");
      const subject = this.subjectOf(id);
      const accountId = words[this.at(id) + ENTRY_ACCOUNT]! & ~ENTRY_IS_WILDCARD;
      const hash = this.hash(accountId, subject, 0, subject.length);
      assert(hash === words[this.at(id) + ENTRY_KEY], "interest: entry has a wrong hash");
      assert(this.find(hash, accountId, subject, 0, subject.length) === id, "interest: entry is not found");
    }
    let freeCount = 0;
    for (let id = words[ENTRY_FREE]! - 1; id >= 0; id = words[this.at(id) + ENTRY_NODES]! - 1) {
      assert(!this.isLive(id) && freeCount++ < words[ENTRY_NEXT]!, "interest: free entry is in use");
    }
    assert(ids.length + freeCount === words[ENTRY_NEXT], "interest: entry is lost");
    assert(ids.length === words[LITERAL_COUNT]! + words[WILDCARD_COUNT]!, "interest: entries are miscounted");
    return ids;
  }

  #release(id: number): void {
    const words = this.#words;
    words[this.at(id) + ENTRY_ACCOUNT] = -1;
    words[this.at(id) + ENTRY_NODES] = words[ENTRY_FREE]!;
    words[ENTRY_FREE] = id + 1;
  }

  #isSubject(id: number, accountId: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (!this.isPossible(id)) return false;
    const words = this.#words;
    const entry = this.at(id);
    const subject = words[entry + ENTRY_SUBJECT]!;
    if ((words[entry + ENTRY_ACCOUNT]! & ~ENTRY_IS_WILDCARD) !== accountId) return false;
    if (words[entry + ENTRY_SUBJECT_BYTES] !== end - start) return false;
    return (
      isInside(this.#memory, subject, (end - start + 3) >> 2) &&
      areBytesEqual(this.#bytes, subject * 4, bytes, start, end)
    );
  }
}

/** Whether `bytes[start, end)` also stands in `stored` from `storedStart` on. */
export function areBytesEqual(
  stored: Uint8Array,
  storedStart: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): boolean {
  for (let at = start, from = storedStart; at < end; ) {
    if (stored[from++] !== bytes[at++]) return false;
  }
  return true;
}
