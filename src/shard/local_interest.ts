/**
 * What this shard's connections subscribe to: the shard's own subscription table, and its part of the shared index,
 * which is touched only when the shard's first subscriber of a subject comes or its last one goes.
 */
import type { Engine } from "../engine/engine.ts";
import { INDEX_FULL, type InterestIndex } from "../interest/interest_index.ts";
import {
  AREA_LOCAL_BUCKET_COUNT,
  AREA_LOCAL_BUCKETS,
  AREA_LOCAL_WILDCARDS,
  AREA_SUBSCRIPTIONS_ADDED,
  AREA_SUBSCRIPTIONS_REMOVED,
} from "../memory/layout.ts";
import { increment, type SharedMemory } from "../memory/shared_memory.ts";
import { isLiteral } from "../subject/tokens.ts";
import type { Connection } from "./connection.ts";
import { grown, NO_SUBSCRIPTION, type SubscriptionTable } from "./subscription_table.ts";

export class LocalInterest {
  readonly #shared: SharedMemory;
  readonly #engine: Engine;
  readonly #index: InterestIndex;
  readonly #table: SubscriptionTable;
  readonly #node: number;
  readonly #area: number;
  /** Plain subscriptions of this shard, by entry id. */
  #plainCounts = new Int32Array(1024);
  /** Index of the generation word that a change to the entry's subscriptions bumps, by entry id. */
  #generationWords = new Int32Array(1024);
  /** Hears of each subscription that goes; null while nobody wants to. */
  onRemoved: ((account: number, subject: Uint8Array) => void) | null = null;

  constructor(
    shared: SharedMemory,
    engine: Engine,
    index: InterestIndex,
    table: SubscriptionTable,
    node: number,
  ) {
    this.#shared = shared;
    this.#engine = engine;
    this.#index = index;
    this.#table = table;
    this.#node = node;
    this.#area = shared.map.area(node).area;
  }

  /**
   * Adds a subscription to `bytes[subjectStart, subjectEnd)`, a valid subject in the shared memory; an empty queue
   * range means a plain one. Returns its record, or NO_SUBSCRIPTION when the index or the memory is full.
   */
  subscribe(
    connection: Connection,
    bytes: Uint8Array,
    subjectStart: number,
    subjectEnd: number,
    queueStart: number,
    queueEnd: number,
    sidStart: number,
    sidEnd: number,
  ): number {
    const account = connection.account.id;
    const isPlain = queueStart === queueEnd;
    const index = this.#index;
    let entry: number;
    let queue = 0;
    if (isPlain) {
      entry = index.find(account, bytes, subjectStart, subjectEnd);
      if (entry < 0 || !(this.#plainCounts[entry]! > 0)) {
        entry = index.addPlain(this.#node, account, bytes, subjectStart, subjectEnd);
      }
    } else {
      entry = index.addQueue(
        this.#node,
        account,
        bytes,
        subjectStart,
        subjectEnd,
        bytes,
        queueStart,
        queueEnd,
      );
      queue = index.lastQueueId + 1;
    }
    if (entry === INDEX_FULL) return NO_SUBSCRIPTION;
    this.#makeRoom(entry);
    const record = this.#table.add(
      connection.address,
      connection.firstSubscription,
      entry,
      queue,
      bytes,
      sidStart,
      sidEnd,
    );
    if (record === NO_SUBSCRIPTION) {
      this.#withdraw(entry, queue, 0);
      return NO_SUBSCRIPTION;
    }
    if (isPlain) this.#plainCounts[entry]!++;
    connection.firstSubscription = record;
    connection.subscriptionCount++;
    connection.account.tally.subscriptionsAdded++;
    increment(this.#shared.words, this.#area + AREA_SUBSCRIPTIONS_ADDED);
    this.#generationWords[entry] = this.#generationWord(account, bytes, subjectStart, subjectEnd);
    this.#bump(entry);
    return record;
  }

  unsubscribe(connection: Connection, record: number): void {
    const table = this.#table;
    const entry = table.entryOf(record);
    const queue = table.queueOf(record);
    connection.firstSubscription = table.remove(record, connection.firstSubscription);
    connection.subscriptionCount--;
    connection.account.tally.subscriptionsRemoved++;
    increment(this.#shared.words, this.#area + AREA_SUBSCRIPTIONS_REMOVED);
    this.#bump(entry);
    if (this.onRemoved === null) this.#withdraw(entry, queue, 1);
    else {
      const subject = this.#index.subjectOf(entry);
      this.#withdraw(entry, queue, 1);
      this.onRemoved(connection.account.id, subject);
    }
  }

  /** Takes back what the index holds for one subscription that is gone (`counted` 1) or never came to be (0). */
  #withdraw(entry: number, queue: number, counted: number): void {
    if (queue !== 0) {
      this.#index.removeQueue(this.#node, entry, queue - 1);
      return;
    }
    this.#plainCounts[entry]! -= counted;
    if (this.#plainCounts[entry] === 0) this.#index.removePlain(this.#node, entry);
  }

  #makeRoom(entry: number): void {
    if (entry < this.#plainCounts.length) return;
    this.#plainCounts = grown(this.#plainCounts, entry + 1);
    this.#generationWords = grown(this.#generationWords, entry + 1);
  }

  #generationWord(account: number, bytes: Uint8Array, start: number, end: number): number {
    if (!isLiteral(bytes, start, end)) return (this.#area + AREA_LOCAL_WILDCARDS + account * 4) >> 2;
    const bucket = this.#engine.hash(start, end - start) & (AREA_LOCAL_BUCKET_COUNT - 1);
    return (this.#area + AREA_LOCAL_BUCKETS + bucket * 4) >> 2;
  }

  #bump(entry: number): void {
    this.#shared.words[this.#generationWords[entry]!]!++;
  }
}
