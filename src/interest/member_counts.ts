// Hot: `collect` runs once per matching entry.
import { assert } from "../base/assert.ts";
import {
  ENTRY_PAIRS,
  PAIR_ENTRY,
  PAIR_FILTER,
  PAIR_MEMBERS,
  PAIR_NEXT,
  PAIR_NODE,
  PAIR_PREVIOUS,
  PAIR_QUEUE,
  PAIR_TABLE,
  PAIR_WORDS,
  SEEDS,
} from "../memory/interest_layout.ts";
import type { Arena } from "./arena.ts";
import type { EntryView } from "./entry_view.ts";
import { type InterestMemory, isInside } from "./interest_memory.ts";
import type { InternedTexts } from "./interned_texts.ts";
import type { MatchResult } from "./match_result.ts";
import { SlotTable } from "./slot_table.ts";
import { mixHash } from "./subject_hash.ts";
import type { WriteLock } from "./write_lock.ts";

const STEPS_BETWEEN_CHECKS = 256;

/** How many members of one queue one node has in an entry, or filtered plain subscriptions (queue id 0). */
export interface MemberCount {
  readonly queueId: number;
  /** 0 for those that are sent everything. */
  readonly filterId: number;
  readonly node: number;
  readonly members: number;
}

/**
 * The pairs (queue and filter, node) of each entry, with their number of members. They are in a linked list for
 * reading, and in a slot table so that one of many is found in constant time.
 */
export class MemberCounts {
  /** The queue and the filter of the last `add` that succeeded on this thread; 0 for none. */
  lastQueueId = 0;
  lastFilterId = 0;

  readonly #memory: InterestMemory;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #seeds: Int32Array;
  readonly #texts: InternedTexts;
  readonly #pairs: SlotTable;

  constructor(memory: InterestMemory, texts: InternedTexts) {
    this.#memory = memory;
    this.#words = memory.words;
    this.#seeds = memory.words.slice(SEEDS, SEEDS + 4);
    this.#texts = texts;
    this.#pairs = new SlotTable(memory, PAIR_TABLE);
  }

  reserve(arena: Arena, lock: WriteLock): boolean {
    return this.#texts.reserve(2, arena, lock) && this.#pairs.reserve(1, arena, lock);
  }

  /**
   * Counts `members` more of `queue[start, end)` with that filter, each empty for none. False when the region is full.
   */
  add(
    entry: number,
    node: number,
    queue: Uint8Array,
    start: number,
    end: number,
    filter: Uint8Array,
    members: number,
    arena: Arena,
  ): boolean {
    const texts = this.#texts;
    const queueId = end > start ? texts.take(queue, start, end, arena) : 0;
    const filterId = filter.length > 0 ? texts.take(filter, 0, filter.length, arena) : 0;
    const hasTexts = (queueId !== 0 || end === start) && (filterId !== 0 || filter.length === 0);
    const pair = hasTexts ? this.#find(entry, queueId, filterId, node) : 0;
    if (pair !== 0) this.#words[pair + PAIR_MEMBERS]! += members;
    const isNew = hasTexts && pair === 0 && this.#insert(entry, queueId, filterId, node, members, arena);
    if (!isNew) this.#release(queueId, filterId, arena);
    if (!isNew && pair === 0) return false;
    this.lastQueueId = queueId;
    this.lastFilterId = filterId;
    return true;
  }

  /** Counts `members` less. False if the node has none there. */
  remove(
    entry: number,
    queueId: number,
    filterId: number,
    node: number,
    members: number,
    arena: Arena,
  ): boolean {
    const words = this.#words;
    const pair = this.#find(entry, queueId, filterId, node);
    if (pair === 0) return false;
    words[pair + PAIR_MEMBERS]! -= members;
    if (words[pair + PAIR_MEMBERS]! > 0) return true;
    const next = words[pair + PAIR_NEXT]!;
    const previous = words[pair + PAIR_PREVIOUS]!;
    if (previous === 0) words[entry + ENTRY_PAIRS] = next;
    else words[previous + PAIR_NEXT] = next;
    if (next !== 0) words[next + PAIR_PREVIOUS] = previous;
    this.#pairs.remove(this.#hash(entry, queueId, filterId, node), pair);
    arena.free(pair);
    this.#release(queueId, filterId, arena);
    return true;
  }

  /**
   * Adds to `result` the entry's pairs whose filter lets the subject `bytes[start, end)` through. False as soon as it
   * sees a change since `version`.
   */
  collect(
    entry: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    result: MatchResult,
    lock: WriteLock,
    version: number,
  ): boolean {
    const words = this.#words;
    const texts = this.#texts;
    let stepCount = 0;
    let pair = words[entry + ENTRY_PAIRS]!;
    while (pair !== 0) {
      if (!isInside(this.#memory, pair, PAIR_WORDS)) return false;
      if (++stepCount % STEPS_BETWEEN_CHECKS === 0 && !lock.isUnchanged(version)) return false;
      const queueId = words[pair + PAIR_QUEUE]!;
      const filterId = words[pair + PAIR_FILTER]!;
      const node = words[pair + PAIR_NODE]!;
      const members = words[pair + PAIR_MEMBERS]!;
      pair = words[pair + PAIR_NEXT]!;
      if (filterId !== 0) {
        // A torn length could keep the reader busy.
        const length = texts.lengthOf(filterId);
        if (!lock.isUnchanged(version)) return false;
        if (texts.matchesAny(filterId, length, bytes, start, end)) {
          result.heldBackNodes |= 1 << node;
          continue;
        }
        result.hasFiltered = true;
      }
      if (queueId !== 0) result.addQueue(queueId, node, members);
      else result.plainNodes |= 1 << node;
    }
    return true;
  }

  /** The entry's pairs. The lock is held. */
  pairsOf(entry: number): MemberCount[] {
    const words = this.#words;
    const found: MemberCount[] = [];
    for (let pair = words[entry + ENTRY_PAIRS]!; pair !== 0; ) {
      found.push({
        queueId: words[pair + PAIR_QUEUE]!,
        filterId: words[pair + PAIR_FILTER]!,
        node: words[pair + PAIR_NODE]!,
        members: words[pair + PAIR_MEMBERS]!,
      });
      pair = words[pair + PAIR_NEXT]!;
    }
    return found;
  }

  /** Adds the entry's pairs to a view of it. The lock is held. */
  read(entry: number, view: EntryView): void {
    const words = this.#words;
    for (let pair = words[entry + ENTRY_PAIRS]!; pair !== 0; pair = words[pair + PAIR_NEXT]!) {
      const queueId = words[pair + PAIR_QUEUE]!;
      const node = words[pair + PAIR_NODE]!;
      if (queueId === 0) view.plainNodes |= 1 << node;
      else view.addMembers(this.#texts.byteStringOf(queueId), queueId, node, words[pair + PAIR_MEMBERS]!);
    }
  }

  /** Compares lists, counts, table and texts with each other; for tests. The lock is held. */
  invariants(entries: number[]): void {
    const words = this.#words;
    const references = new Map<number, number>();
    const pairs = new Set(this.#pairs.values());
    for (const entry of entries) {
      let previous = 0;
      for (let pair = words[entry + ENTRY_PAIRS]!; pair !== 0; ) {
        assert(pairs.delete(pair), "interest: pair is not in its table");
        assert(words[pair + PAIR_ENTRY] === entry, "interest: pair strays");
        assert(words[pair + PAIR_PREVIOUS] === previous, "interest: pair list is broken");
        assert(words[pair + PAIR_MEMBERS]! > 0, "interest: pair without members is kept");
        const queueId = words[pair + PAIR_QUEUE]!;
        const filterId = words[pair + PAIR_FILTER]!;
        assert(queueId !== 0 || filterId !== 0, "interest: plain interest without a filter is counted");
        assert(
          this.#find(entry, queueId, filterId, words[pair + PAIR_NODE]!) === pair,
          "interest: pair is not found",
        );
        for (const id of [queueId, filterId]) {
          if (id !== 0) references.set(id, (references.get(id) ?? 0) + 1);
        }
        previous = pair;
        pair = words[pair + PAIR_NEXT]!;
      }
    }
    assert(pairs.size === 0, "interest: pair is in no entry");
    this.#texts.invariants(references);
  }

  #find(entry: number, queueId: number, filterId: number, node: number): number {
    const words = this.#words;
    const pairs = this.#pairs;
    const hash = this.#hash(entry, queueId, filterId, node);
    for (let pair = pairs.seek(hash); pair !== 0; pair = pairs.seekNext()) {
      if (words[pair + PAIR_ENTRY] !== entry || words[pair + PAIR_QUEUE] !== queueId) continue;
      if (words[pair + PAIR_FILTER] === filterId && words[pair + PAIR_NODE] === node) return pair;
    }
    return 0;
  }

  /** Adds a pair with so many members; false when the region is full. */
  #insert(
    entry: number,
    queueId: number,
    filterId: number,
    node: number,
    members: number,
    arena: Arena,
  ): boolean {
    const words = this.#words;
    const pair = arena.allocate(PAIR_WORDS);
    if (pair === 0) return false;
    const list = entry + ENTRY_PAIRS;
    const next = words[list]!;
    words[pair + PAIR_ENTRY] = entry;
    words[pair + PAIR_QUEUE] = queueId;
    words[pair + PAIR_FILTER] = filterId;
    words[pair + PAIR_NODE] = node;
    words[pair + PAIR_MEMBERS] = members;
    words[pair + PAIR_NEXT] = next;
    words[pair + PAIR_PREVIOUS] = 0;
    if (next !== 0) words[next + PAIR_PREVIOUS] = pair;
    words[list] = pair;
    this.#pairs.insert(this.#hash(entry, queueId, filterId, node), pair);
    return true;
  }

  #release(queueId: number, filterId: number, arena: Arena): void {
    if (queueId !== 0) this.#texts.release(queueId, arena);
    if (filterId !== 0) this.#texts.release(filterId, arena);
  }

  #hash(entry: number, queueId: number, filterId: number, node: number): number {
    const seed = this.#seeds[0]! ^ Math.imul(node, 0xc2b2ae35) ^ Math.imul(filterId, 0x27d4eb2f);
    return mixHash(seed, entry, queueId);
  }
}
