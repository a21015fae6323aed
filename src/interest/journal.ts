import { assert } from "../base/assert.ts";
import { NODE_FAR } from "../memory/map.ts";

/**
 * A part of the shared memory beside the index's region. It is all zero before the index is created. Only pages that
 * were written cost memory, so it costs none while the journal is off.
 */
export interface JournalRegion {
  readonly byteOffset: number;
  readonly byteLength: number;
}

// Offsets are 32-bit words from the start of the region.
//
//    word  name       unit       written by  read with  holds
//       0  READER     node + 1   reader      Atomics    the node that reads, 0 while nobody does
//      16  HEAD       ids        lock        Atomics    ids noted so far; wraps at 2^32
//      32  TAIL       ids        reader      Atomics    ids taken so far
//    1024  DIRTY      1 bit      both        Atomics    per entry id: it is in the ring
//     end  RING       ids        lock        plain      ids from TAIL to HEAD, in the order of their first change
const READER = 0;
const HEAD = 16;
const TAIL = 32;
const DIRTY = 1024;

/**
 * What an entry costs the index at least: the id, a block of seven words and a slot of the table. It bounds how many
 * ids an index can have.
 */
const ENTRY_BYTES_MIN = 40;

/** Bytes that a journal needs so that it never overflows, beside an index of `indexBytes`. */
export function journalBytes(indexBytes: number): number {
  const ids = idCountMax(indexBytes);
  return DIRTY * 4 + ids / 8 + ids * 4;
}

/** Most ids in an index of `indexBytes`, rounded up to a power of two so that positions can wrap. */
function idCountMax(indexBytes: number): number {
  return 2 ** Math.max(5, Math.ceil(Math.log2(indexBytes / ENTRY_BYTES_MIN)));
}

/**
 * Which entries of the index have changed since its reader last looked, each once, however often it changed. The reader
 * is the one node that tells other servers. Interest of that node and of NODE_FAR is what other servers have, so it is
 * not noted.
 *
 * Writers note changes under the index's write lock. The reader clears an entry's bit before it reads the entry, so a
 * change that it does not see is noted again.
 */
export class InterestJournal {
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #mask: number;
  readonly #ring: number;

  constructor(buffer: SharedArrayBuffer, { byteOffset, byteLength }: JournalRegion, indexBytes: number) {
    assert(byteLength >= journalBytes(indexBytes), "interest: the journal is smaller than its index needs");
    this.#words = new Int32Array(buffer, byteOffset, byteLength / 4);
    const ids = idCountMax(indexBytes);
    this.#mask = ids - 1;
    this.#ring = DIRTY + ids / 32;
  }

  /**
   * From now on, changes are noted for `node`. After this call, the node itself reads what was there before: the
   * entries of all ids below InterestIndex.entryIdEnd.
   */
  enable(node: number): void {
    Atomics.store(this.#words, READER, node + 1);
  }

  /** Whether interest of `node` is not noted. */
  ignores(node: number): boolean {
    const reader = Atomics.load(this.#words, READER) - 1;
    return reader < 0 || node === reader || node === NODE_FAR;
  }

  /** Notes that the interest of `node` in an entry has changed. The caller holds the write lock. */
  note(entryId: number, node: number): void {
    const words = this.#words;
    if (this.ignores(node)) return;
    const bit = 1 << (entryId & 31);
    if ((Atomics.or(words, DIRTY + (entryId >> 5), bit) & bit) !== 0) return;
    const head = words[HEAD]!;
    words[this.#ring + (head & this.#mask)] = entryId;
    Atomics.store(words, HEAD, (head + 1) | 0);
  }

  /**
   * Calls `visit` for each entry noted before this call. InterestIndex.read tells what the entry is now: it may be
   * gone, or the id may belong to another subject. Returns how many there were. Only the reading node may call it.
   */
  take(visit: (entryId: number) => void): number {
    const words = this.#words;
    const head = Atomics.load(words, HEAD);
    const count = (head - words[TAIL]!) | 0;
    for (let left = count; left > 0; left--) {
      const tail = words[TAIL]!;
      const entryId = words[this.#ring + (tail & this.#mask)]!;
      // The id leaves the ring before its bit is cleared: then it may be put in again, and there is room for each id
      // once.
      Atomics.store(words, TAIL, (tail + 1) | 0);
      Atomics.and(words, DIRTY + (entryId >> 5), ~(1 << (entryId & 31)));
      visit(entryId);
    }
    return count;
  }

  /** Whether nothing is noted. Cheap enough to ask every turn. */
  get isEmpty(): boolean {
    return Atomics.load(this.#words, HEAD) === this.#words[TAIL];
  }
}
