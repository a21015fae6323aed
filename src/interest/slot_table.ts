// Hot: `seek` runs once per match, and once per edge of the trie.
import { assert } from "../base/assert.ts";
import {
  SLOT_HASH,
  SLOT_VALUE,
  SLOT_WORDS,
  TABLE_COUNT,
  TABLE_MASK,
  TABLE_SLOTS,
} from "../memory/interest_layout.ts";
import type { Arena } from "./arena.ts";
import { type InterestMemory, isInside } from "./interest_memory.ts";
import type { WriteLock } from "./write_lock.ts";

const SLOT_COUNT_AT_START = 512;

/**
 * An open-addressing hash table in the region, from a 32-bit hash to a non-zero value. Values may have equal hashes:
 * the caller compares keys. It probes linearly, and removal shifts later slots back, so nothing is left behind. It
 * doubles when it is three quarters full, and never shrinks.
 *
 * `for (let value = table.seek(hash); value !== 0; value = table.seekNext())` visits the candidates. On torn data this
 * ends after one round at most, and may yield any values.
 */
export class SlotTable {
  readonly #memory: InterestMemory;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #head: number;
  #hash = 0;
  #slots = 0;
  #mask = 0;
  #index = 0;
  #probesLeft = 0;

  constructor(memory: InterestMemory, head: number) {
    this.#memory = memory;
    this.#words = memory.words;
    this.#head = head;
  }

  seek(hash: number): number {
    const slots = this.#words[this.#head + TABLE_SLOTS]!;
    const mask = this.#words[this.#head + TABLE_MASK]!;
    if (!isInside(this.#memory, slots, (mask + 1) * SLOT_WORDS)) return 0;
    this.#hash = hash;
    this.#slots = slots;
    this.#mask = mask;
    this.#index = (hash - 1) & mask;
    this.#probesLeft = mask + 1;
    return this.seekNext();
  }

  seekNext(): number {
    const words = this.#words;
    const slots = this.#slots;
    const mask = this.#mask;
    const hash = this.#hash;
    let index = this.#index;
    for (let probesLeft = this.#probesLeft; probesLeft > 0; probesLeft--) {
      index = (index + 1) & mask;
      const slot = slots + index * SLOT_WORDS;
      const value = words[slot + SLOT_VALUE]!;
      if (value === 0) return 0;
      if (words[slot + SLOT_HASH] === hash) {
        this.#index = index;
        this.#probesLeft = probesLeft - 1;
        return value;
      }
    }
    return 0;
  }

  /** Every value, for tests. The lock is held. */
  values(): number[] {
    const words = this.#words;
    const slots = words[this.#head + TABLE_SLOTS]!;
    const found: number[] = [];
    for (let index = 0; slots !== 0 && index <= words[this.#head + TABLE_MASK]!; index++) {
      const value = words[slots + index * SLOT_WORDS + SLOT_VALUE]!;
      if (value !== 0) found.push(value);
    }
    assert(found.length === words[this.#head + TABLE_COUNT], "interest: slot table miscounts");
    return found;
  }

  /**
   * Makes room for `additional` values, or returns false if the region has none. The lock is held and no change has
   * begun, so readers go on in the old table until the new one is complete.
   */
  reserve(additional: number, arena: Arena, lock: WriteLock): boolean {
    const words = this.#words;
    const head = this.#head;
    const oldSlots = words[head + TABLE_SLOTS]!;
    const oldSlotCount = oldSlots === 0 ? 0 : words[head + TABLE_MASK]! + 1;
    const needed = words[head + TABLE_COUNT]! + additional;
    if (needed * 4 <= oldSlotCount * 3) return true;
    let slotCount = Math.max(oldSlotCount, SLOT_COUNT_AT_START);
    while (needed * 4 > slotCount * 3) slotCount *= 2;
    const slots = arena.allocate(slotCount * SLOT_WORDS);
    // If there is no room for a larger table, the old one is used on, more slowly, until it is seven eighths full.
    if (slots === 0) return needed * 8 <= oldSlotCount * 7;

    const { engine, byteOffset } = this.#memory;
    if (engine !== null) engine.moveSlots(byteOffset, oldSlots, oldSlotCount, slots, slotCount - 1);
    else moveSlots(words, oldSlots, oldSlotCount, slots, slotCount - 1);
    lock.beginChange();
    words[head + TABLE_SLOTS] = slots;
    words[head + TABLE_MASK] = slotCount - 1;
    lock.endChange();
    if (oldSlots !== 0) arena.free(oldSlots);
    return true;
  }

  /** Adds `value`. The caller has made room by `reserve`. */
  insert(hash: number, value: number): void {
    const words = this.#words;
    place(words, words[this.#head + TABLE_SLOTS]!, words[this.#head + TABLE_MASK]!, hash, value);
    words[this.#head + TABLE_COUNT]! += 1;
  }

  /** Removes `value`, which was inserted under `hash`; false if it is not there. */
  remove(hash: number, value: number): boolean {
    let found = this.seek(hash);
    while (found !== 0 && found !== value) found = this.seekNext();
    if (found === 0) return false;
    const words = this.#words;
    const slots = this.#slots;
    const mask = this.#mask;
    let hole = this.#index;
    // A later slot of the same cluster may move back into the hole unless its home lies after the hole.
    for (let index = (hole + 1) & mask; ; index = (index + 1) & mask) {
      const slot = slots + index * SLOT_WORDS;
      const later = words[slot + SLOT_VALUE]!;
      if (later === 0) break;
      const home = words[slot + SLOT_HASH]! & mask;
      if (((index - home) & mask) >= ((index - hole) & mask)) {
        words[slots + hole * SLOT_WORDS + SLOT_HASH] = words[slot + SLOT_HASH]!;
        words[slots + hole * SLOT_WORDS + SLOT_VALUE] = later;
        hole = index;
      }
    }
    words[slots + hole * SLOT_WORDS + SLOT_VALUE] = 0;
    words[this.#head + TABLE_COUNT]! -= 1;
    return true;
  }
}

function moveSlots(words: Int32Array, from: number, count: number, to: number, mask: number): void {
  words.fill(0, to, to + (mask + 1) * SLOT_WORDS);
  for (let slot = from; slot < from + count * SLOT_WORDS; slot += SLOT_WORDS) {
    const value = words[slot + SLOT_VALUE]!;
    if (value !== 0) place(words, to, mask, words[slot + SLOT_HASH]!, value);
  }
}

function place(words: Int32Array, slots: number, mask: number, hash: number, value: number): void {
  let index = hash & mask;
  while (words[slots + index * SLOT_WORDS + SLOT_VALUE] !== 0) index = (index + 1) & mask;
  words[slots + index * SLOT_WORDS + SLOT_HASH] = hash;
  words[slots + index * SLOT_WORDS + SLOT_VALUE] = value;
}
