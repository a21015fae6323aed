// Hot: `find` runs once per match.
import { assert } from "../base/assert.ts";
import {
  ENTRIES,
  ENTRY_ACCOUNT,
  ENTRY_FREE,
  ENTRY_HASH,
  ENTRY_ID,
  ENTRY_IS_WILDCARD,
  ENTRY_NEXT,
  ENTRY_NODES,
  ENTRY_PAIRS,
  ENTRY_SUBJECT,
  ENTRY_SUBJECT_BYTES,
  ENTRY_TABLE,
  FRONTIER_PAGE,
  LITERAL_COUNT,
  PAGE_WORDS,
  SEEDS,
  WILDCARD_COUNT,
} from "../memory/interest_layout.ts";
import type { Arena } from "./arena.ts";
import { type InterestMemory, isInside } from "./interest_memory.ts";
import { SlotTable } from "./slot_table.ts";
import { hashSubject } from "./subject_hash.ts";
import type { WriteLock } from "./write_lock.ts";

/**
 * The entries, one for each (account, subject) with interest, literal or wildcard. Inside the index, an entry is named
 * by its reference. Outside it is named by its id, which is dense and reused.
 */
export class Entries {
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
    this.#table = new SlotTable(memory, ENTRY_TABLE);
  }

  hash(accountId: number, bytes: Uint8Array, start: number, end: number): number {
    return hashSubject(this.#seeds, accountId, bytes, start, end);
  }

  /** The entry with exactly this account and subject, or 0. `hash` is what `hash()` returns. */
  find(hash: number, accountId: number, bytes: Uint8Array, start: number, end: number): number {
    const words = this.#words;
    const table = this.#table;
    const entryWords = ENTRY_SUBJECT + ((end - start + 3) >> 2);
    for (let entry = table.seek(hash); entry !== 0; entry = table.seekNext()) {
      if (!isInside(this.#memory, entry, entryWords)) return 0;
      if (words[entry + ENTRY_SUBJECT_BYTES] !== end - start) continue;
      if ((words[entry + ENTRY_ACCOUNT]! & ~ENTRY_IS_WILDCARD) !== accountId) continue;
      if (areBytesEqual(this.#bytes, (entry + ENTRY_SUBJECT) * 4, bytes, start, end)) return entry;
    }
    return 0;
  }

  /** The entry of that id, or 0 when the id is free. */
  byId(id: number): number {
    return id >= 0 && id < this.#words[ENTRY_NEXT]! ? Math.max(0, this.#words[ENTRIES + id]!) : 0;
  }

  isWildcard(entry: number): boolean {
    return (this.#words[entry + ENTRY_ACCOUNT]! & ENTRY_IS_WILDCARD) !== 0;
  }

  accountOf(entry: number): number {
    return this.#words[entry + ENTRY_ACCOUNT]! & ~ENTRY_IS_WILDCARD;
  }

  /** A copy of the entry's subject. The lock is held, or the caller's node has interest in the entry. */
  subjectOf(entry: number): Uint8Array<ArrayBuffer> {
    const start = (entry + ENTRY_SUBJECT) * 4;
    return this.#bytes.slice(start, start + this.#words[entry + ENTRY_SUBJECT_BYTES]!);
  }

  /** The entry's subject as a byte string, under the same conditions as `subjectOf`. */
  byteStringOf(entry: number): string {
    const start = (entry + ENTRY_SUBJECT) * 4;
    return this.#memory.byteString(start, start + this.#words[entry + ENTRY_SUBJECT_BYTES]!);
  }

  reserve(count: number, arena: Arena, lock: WriteLock): boolean {
    return this.#table.reserve(count, arena, lock);
  }

  /** Adds an entry without interest. The caller has made room by `reserve`. Returns 0 when the region is full. */
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
    // The id is taken before the block, because the arena grows towards the ids.
    const id = this.#takeId();
    if (id < 0) return 0;
    const entry = arena.allocate(ENTRY_SUBJECT + ((end - start + 3) >> 2));
    if (entry === 0) {
      this.#releaseId(id);
      return 0;
    }
    words[ENTRIES + id] = entry;
    words[entry + ENTRY_ACCOUNT] = accountId | (isWildcard ? ENTRY_IS_WILDCARD : 0);
    words[entry + ENTRY_NODES] = 0;
    words[entry + ENTRY_PAIRS] = 0;
    words[entry + ENTRY_ID] = id;
    words[entry + ENTRY_HASH] = hash;
    words[entry + ENTRY_SUBJECT_BYTES] = end - start;
    for (let at = start, to = (entry + ENTRY_SUBJECT) * 4; at < end; ) this.#bytes[to++] = bytes[at++]!;
    words[isWildcard ? WILDCARD_COUNT : LITERAL_COUNT]! += 1;
    this.#table.insert(hash, entry);
    return entry;
  }

  remove(entry: number, arena: Arena): void {
    const words = this.#words;
    this.#table.remove(words[entry + ENTRY_HASH]!, entry);
    words[this.isWildcard(entry) ? WILDCARD_COUNT : LITERAL_COUNT]! -= 1;
    this.#releaseId(words[entry + ENTRY_ID]!);
    arena.free(entry);
  }

  /** Checks that every entry is found where its hash says; returns them all. For tests. */
  invariants(): number[] {
    const words = this.#words;
    const entries = this.#table.values();
    for (const entry of entries) {
      assert(this.byId(words[entry + ENTRY_ID]!) === entry, "interest: entry is not under its id");
      const subject = this.subjectOf(entry);
      const accountId = this.accountOf(entry);
      const hash = this.hash(accountId, subject, 0, subject.length);
      assert(hash === words[entry + ENTRY_HASH], "interest: entry has a wrong hash");
      assert(
        this.find(hash, accountId, subject, 0, subject.length) === entry,
        "interest: entry is not found",
      );
    }
    let freeCount = 0;
    for (let id = words[ENTRY_FREE]! - 1; id >= 0; id = -words[ENTRIES + id]! - 1) {
      assert(this.byId(id) === 0 && freeCount++ < words[ENTRY_NEXT]!, "interest: free id is in use");
    }
    assert(entries.length + freeCount === words[ENTRY_NEXT], "interest: entry id is lost");
    assert(
      entries.length === words[LITERAL_COUNT]! + words[WILDCARD_COUNT]!,
      "interest: entries are miscounted",
    );
    return entries;
  }

  /** Takes a free id; −1 if there is no room for another. */
  #takeId(): number {
    const words = this.#words;
    const reused = words[ENTRY_FREE]! - 1;
    if (reused >= 0) {
      words[ENTRY_FREE] = -words[ENTRIES + reused]!;
      return reused;
    }
    const id = words[ENTRY_NEXT]!;
    if (ENTRIES + id >= words[FRONTIER_PAGE]! * PAGE_WORDS) return -1;
    words[ENTRY_NEXT] = id + 1;
    return id;
  }

  #releaseId(id: number): void {
    this.#words[ENTRIES + id] = -this.#words[ENTRY_FREE]!;
    this.#words[ENTRY_FREE] = id + 1;
  }
}

/** Whether `stored` holds the same bytes from `storedStart` on as `bytes[start, end)`. */
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
