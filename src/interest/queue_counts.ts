// Hot: `collect` runs once per matching entry.
import { assert } from "../base/assert.ts";
import type { Arena } from "./arena.ts";
import { areBytesEqual } from "./entries.ts";
import {
  ENTRY_PAIRS,
  type InterestMemory,
  isInside,
  PAIR_ENTRY,
  PAIR_MEMBERS,
  PAIR_NEXT,
  PAIR_NODE,
  PAIR_PREVIOUS,
  PAIR_QUEUE,
  PAIR_TABLE,
  PAIR_WORDS,
  QUEUE_HASH,
  QUEUE_NAME,
  QUEUE_NAME_BYTES,
  QUEUE_REFERENCES,
  QUEUE_TABLE,
  SEEDS,
} from "./layout.ts";
import type { MatchResult } from "./match_result.ts";
import { SlotTable } from "./slot_table.ts";
import { hashSubject, mixHash } from "./subject_hash.ts";
import type { WriteLock } from "./write_lock.ts";

const STEPS_BETWEEN_CHECKS = 256;

/** How many members of one queue one node has in an entry. */
export interface QueuePair {
  readonly queueId: number;
  readonly node: number;
  readonly members: number;
}

/**
 * Queue names, interned with a reference count, and per entry the pairs (queue, node) with their number of
 * members: a linked list to read, a slot table to change one of many in constant time.
 */
export class QueueCounts {
  readonly #memory: InterestMemory;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #bytes: Uint8Array<SharedArrayBuffer>;
  readonly #seeds: Int32Array;
  readonly #names: SlotTable;
  readonly #pairs: SlotTable;

  constructor(memory: InterestMemory) {
    this.#memory = memory;
    this.#words = memory.words;
    this.#bytes = memory.bytes;
    this.#seeds = memory.words.slice(SEEDS, SEEDS + 4);
    this.#names = new SlotTable(memory, QUEUE_TABLE);
    this.#pairs = new SlotTable(memory, PAIR_TABLE);
  }

  reserve(arena: Arena, lock: WriteLock): boolean {
    return this.#names.reserve(1, arena, lock) && this.#pairs.reserve(1, arena, lock);
  }

  /** Counts one member more, where `reserve` made room; returns the queue id, or 0 when full. */
  add(entry: number, node: number, bytes: Uint8Array, start: number, end: number, arena: Arena): number {
    const words = this.#words;
    const queue = this.#findName(bytes, start, end);
    const found = queue === 0 ? 0 : this.#findPair(entry, queue, node);
    if (found !== 0) {
      words[found + PAIR_MEMBERS]! += 1;
      return queue;
    }
    const pair = arena.allocate(PAIR_WORDS);
    if (pair === 0) return 0;
    const named = queue !== 0 ? queue : this.#addName(bytes, start, end, arena);
    if (named === 0) {
      arena.free(pair);
      return 0;
    }
    words[named + QUEUE_REFERENCES]! += 1;
    const list = entry + ENTRY_PAIRS;
    const next = words[list]!;
    words[pair + PAIR_ENTRY] = entry;
    words[pair + PAIR_QUEUE] = named;
    words[pair + PAIR_NODE] = node;
    words[pair + PAIR_MEMBERS] = 1;
    words[pair + PAIR_NEXT] = next;
    words[pair + PAIR_PREVIOUS] = 0;
    if (next !== 0) words[next + PAIR_PREVIOUS] = pair;
    words[list] = pair;
    this.#pairs.insert(this.#pairHash(entry, named, node), pair);
    return named;
  }

  /** Counts `members` less; false if the node has none in that queue. */
  remove(entry: number, queueId: number, node: number, members: number, arena: Arena): boolean {
    const words = this.#words;
    const pair = this.#findPair(entry, queueId, node);
    if (pair === 0) return false;
    words[pair + PAIR_MEMBERS]! -= members;
    if (words[pair + PAIR_MEMBERS]! > 0) return true;
    const next = words[pair + PAIR_NEXT]!;
    const previous = words[pair + PAIR_PREVIOUS]!;
    if (previous === 0) words[entry + ENTRY_PAIRS] = next;
    else words[previous + PAIR_NEXT] = next;
    if (next !== 0) words[next + PAIR_PREVIOUS] = previous;
    this.#pairs.remove(this.#pairHash(entry, queueId, node), pair);
    arena.free(pair);
    words[queueId + QUEUE_REFERENCES]! -= 1;
    if (words[queueId + QUEUE_REFERENCES] === 0) {
      this.#names.remove(words[queueId + QUEUE_HASH]!, queueId);
      arena.free(queueId);
    }
    return true;
  }

  /** Appends the entry's pairs to `result`; false as soon as a change since `version` is seen. */
  collect(entry: number, result: MatchResult, lock: WriteLock, version: number): boolean {
    const words = this.#words;
    let stepCount = 0;
    let pair = words[entry + ENTRY_PAIRS]!;
    while (pair !== 0) {
      if (!isInside(this.#memory, pair, PAIR_WORDS)) return false;
      if (++stepCount % STEPS_BETWEEN_CHECKS === 0 && !lock.isUnchanged(version)) return false;
      result.addQueue(words[pair + PAIR_QUEUE]!, words[pair + PAIR_NODE]!, words[pair + PAIR_MEMBERS]!);
      pair = words[pair + PAIR_NEXT]!;
    }
    return true;
  }

  /** The entry's pairs; the lock is held. */
  pairsOf(entry: number): QueuePair[] {
    const words = this.#words;
    const found: QueuePair[] = [];
    for (let pair = words[entry + ENTRY_PAIRS]!; pair !== 0; ) {
      found.push({
        queueId: words[pair + PAIR_QUEUE]!,
        node: words[pair + PAIR_NODE]!,
        members: words[pair + PAIR_MEMBERS]!,
      });
      pair = words[pair + PAIR_NEXT]!;
    }
    return found;
  }

  /** A copy of a queue's name; the lock is held, or a member held by the caller's node. */
  nameOf(queueId: number): Uint8Array<ArrayBuffer> {
    const start = (queueId + QUEUE_NAME) * 4;
    const copy = new Uint8Array(this.#words[queueId + QUEUE_NAME_BYTES]!);
    copy.set(this.#bytes.subarray(start, start + copy.length));
    return copy;
  }

  /** Checks lists, counts and both tables against each other; for tests. The lock is held. */
  invariants(entries: number[]): void {
    const words = this.#words;
    const references = new Map<number, number>();
    const pairs = new Set(this.#pairs.values());
    for (const entry of entries) {
      let previous = 0;
      for (let pair = words[entry + ENTRY_PAIRS]!; pair !== 0; ) {
        assert(pairs.delete(pair), "interest: queue pair is not in its table");
        assert(words[pair + PAIR_ENTRY] === entry, "interest: queue pair strays");
        assert(words[pair + PAIR_PREVIOUS] === previous, "interest: pair list is broken");
        assert(words[pair + PAIR_MEMBERS]! > 0, "interest: pair without members is kept");
        const queueId = words[pair + PAIR_QUEUE]!;
        assert(
          this.#findPair(entry, queueId, words[pair + PAIR_NODE]!) === pair,
          "interest: pair is not found",
        );
        references.set(queueId, (references.get(queueId) ?? 0) + 1);
        previous = pair;
        pair = words[pair + PAIR_NEXT]!;
      }
    }
    assert(pairs.size === 0, "interest: queue pair is in no entry");
    for (const queueId of this.#names.values()) {
      assert(words[queueId + QUEUE_REFERENCES] === references.get(queueId), "interest: queue name miscounts");
      const name = this.nameOf(queueId);
      assert(this.#findName(name, 0, name.length) === queueId, "interest: queue name is not found");
      references.delete(queueId);
    }
    assert(references.size === 0, "interest: queue name is in no table");
  }

  #findName(bytes: Uint8Array, start: number, end: number): number {
    const words = this.#words;
    const names = this.#names;
    const hash = hashSubject(this.#seeds, 0, bytes, start, end);
    for (let queue = names.seek(hash); queue !== 0; queue = names.seekNext()) {
      if (words[queue + QUEUE_NAME_BYTES] !== end - start) continue;
      if (areBytesEqual(this.#bytes, (queue + QUEUE_NAME) * 4, bytes, start, end)) return queue;
    }
    return 0;
  }

  #addName(bytes: Uint8Array, start: number, end: number, arena: Arena): number {
    const words = this.#words;
    const queue = arena.allocate(QUEUE_NAME + ((end - start + 3) >> 2));
    if (queue === 0) return 0;
    const hash = hashSubject(this.#seeds, 0, bytes, start, end);
    words[queue + QUEUE_REFERENCES] = 0;
    words[queue + QUEUE_HASH] = hash;
    words[queue + QUEUE_NAME_BYTES] = end - start;
    for (let at = start, to = (queue + QUEUE_NAME) * 4; at < end; ) this.#bytes[to++] = bytes[at++]!;
    this.#names.insert(hash, queue);
    return queue;
  }

  #findPair(entry: number, queueId: number, node: number): number {
    const words = this.#words;
    const pairs = this.#pairs;
    for (let pair = pairs.seek(this.#pairHash(entry, queueId, node)); pair !== 0; pair = pairs.seekNext()) {
      if (words[pair + PAIR_ENTRY] !== entry) continue;
      if (words[pair + PAIR_QUEUE] === queueId && words[pair + PAIR_NODE] === node) return pair;
    }
    return 0;
  }

  #pairHash(entry: number, queueId: number, node: number): number {
    return mixHash(this.#seeds[0]! ^ Math.imul(node, 0xc2b2ae35), entry, queueId);
  }
}
