/**
 * The subscriptions of this shard's connections: the shard's own subscription table and its part of the shared index.
 * The index is touched only when the shard's first subscriber of a subject comes or its last one goes; queue group
 * members and filtered subscriptions are counted there one by one.
 */
import { grown } from "../../base/grown_array.ts";
import type { Engine } from "../../engine/engine.ts";
import { INDEX_FULL, type InterestIndex } from "../../interest/interest_index.ts";
import { AREA_SUBSCRIPTIONS_ADDED, AREA_SUBSCRIPTIONS_REMOVED } from "../../memory/layout.ts";
import { increment, type SharedMemory } from "../../memory/shared_memory.ts";
import { byteStringOf, bytesOf } from "../../subject/byte_string.ts";
import type { Connection } from "../connection.ts";
import { LocalGenerations } from "../plans/local_generations.ts";
import { NO_SUBSCRIPTION, type SubscriptionTable } from "./subscription_table.ts";

const NO_QUEUE = new Uint8Array(0);

/** Is told of each subscription that is removed, while it waits for removals. */
export interface RemovalListener {
  readonly isWaiting: boolean;
  removed(account: number, subject: Uint8Array): void;
}

export class LocalInterest {
  readonly #shared: SharedMemory;
  readonly #index: InterestIndex;
  readonly #table: SubscriptionTable;
  readonly #node: number;
  readonly #area: number;
  readonly #generations: LocalGenerations;
  /** Plain subscriptions of this shard without a filter, by entry id. */
  #plainCounts = new Int32Array(1024);
  /** Index of the generation word that a change to the entry's subscriptions bumps, by entry id. */
  #generationWords = new Int32Array(1024);
  /** Set once, after all parts are made. */
  removals: RemovalListener | null = null;

  constructor(
    shared: SharedMemory,
    engine: Engine,
    index: InterestIndex,
    table: SubscriptionTable,
    node: number,
  ) {
    this.#shared = shared;
    this.#index = index;
    this.#table = table;
    this.#node = node;
    this.#area = shared.map.area(node).area;
    this.#generations = new LocalGenerations(shared, engine, node);
  }

  /**
   * Adds a subscription to `bytes[subjectStart, subjectEnd)`, a valid subject in the shared memory. An empty queue
   * range means a plain one. `filter` holds the subjects that it is not sent (`UserPermissions.filterFor`), "" for
   * none. Returns its record, or NO_SUBSCRIPTION if the index or the memory is full.
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
    filter: string,
  ): number {
    const account = connection.account.id;
    const entry = this.#announce(
      account,
      bytes,
      subjectStart,
      subjectEnd,
      bytes,
      queueStart,
      queueEnd,
      filter,
    );
    if (entry === INDEX_FULL) return NO_SUBSCRIPTION;
    const queue = queueStart === queueEnd ? 0 : this.#index.lastQueueId + 1;
    const filterId = filter === "" ? 0 : this.#index.lastFilterId;
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
      this.#withdraw(entry, queue, filterId);
      return NO_SUBSCRIPTION;
    }
    if (filterId !== 0) this.#table.setFilter(record, filterId);
    connection.firstSubscription = record;
    connection.subscriptionCount++;
    connection.account.tally.subscriptionsAdded++;
    increment(this.#shared.words, this.#area + AREA_SUBSCRIPTIONS_ADDED);
    this.#generationWords[entry] = this.#generations.wordOf(account, bytes, subjectStart, subjectEnd);
    this.#bump(entry);
    return record;
  }

  unsubscribe(connection: Connection, record: number): void {
    const table = this.#table;
    const entry = table.entryOf(record);
    const queue = table.queueOf(record);
    const filterId = table.filterOf(record);
    connection.firstSubscription = table.remove(record, connection.firstSubscription);
    connection.subscriptionCount--;
    connection.account.tally.subscriptionsRemoved++;
    increment(this.#shared.words, this.#area + AREA_SUBSCRIPTIONS_REMOVED);
    this.#bump(entry);
    if (this.removals?.isWaiting !== true) this.#withdraw(entry, queue, filterId);
    else {
      const subject = this.#index.subjectOf(entry);
      this.#withdraw(entry, queue, filterId);
      this.removals.removed(connection.account.id, subject);
    }
  }

  /** Replaces a subscription's filter. Returns false, with nothing changed, if the index is full. */
  refilter(connection: Connection, record: number, filter: string): boolean {
    const table = this.#table;
    const index = this.#index;
    const before = table.filterOf(record);
    if (filter === (before === 0 ? "" : byteStringOf(index.filterOf(before)))) return true;
    const entry = table.entryOf(record);
    const queue = table.queueOf(record);
    const subject = index.subjectOf(entry);
    const queueName = queue === 0 ? NO_QUEUE : index.queueNameOf(queue - 1);
    // The new interest is added before the old one is removed, so that entry and queue keep their ids.
    const account = connection.account.id;
    if (
      this.#announce(account, subject, 0, subject.length, queueName, 0, queueName.length, filter) ===
      INDEX_FULL
    ) {
      return false;
    }
    table.setFilter(record, filter === "" ? 0 : index.lastFilterId);
    this.#withdraw(entry, queue, before);
    this.#bump(entry);
    return true;
  }

  /** Adds the interest of one subscription to the index. Returns its entry, or INDEX_FULL. */
  #announce(
    account: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    queueBytes: Uint8Array,
    queueStart: number,
    queueEnd: number,
    filter: string,
  ): number {
    const index = this.#index;
    const node = this.#node;
    const isPlain = queueStart === queueEnd;
    let entry: number;
    if (filter !== "") {
      const patterns = bytesOf(filter);
      entry = index.addFiltered(node, account, bytes, start, end, queueBytes, queueStart, queueEnd, patterns);
    } else if (!isPlain) {
      entry = index.addQueue(node, account, bytes, start, end, queueBytes, queueStart, queueEnd);
    } else {
      entry = index.find(account, bytes, start, end);
      if (entry < 0 || !(this.#plainCounts[entry]! > 0)) {
        entry = index.addPlain(node, account, bytes, start, end);
      }
    }
    if (entry === INDEX_FULL) return INDEX_FULL;
    this.#makeRoom(entry);
    if (isPlain && filter === "") this.#plainCounts[entry]!++;
    return entry;
  }

  /** Removes the interest of one subscription from the index. */
  #withdraw(entry: number, queue: number, filterId: number): void {
    const index = this.#index;
    if (filterId !== 0) index.removeFiltered(this.#node, entry, queue === 0 ? 0 : queue - 1, filterId);
    else if (queue !== 0) index.removeQueue(this.#node, entry, queue - 1);
    else if (--this.#plainCounts[entry]! === 0) index.removePlain(this.#node, entry);
  }

  #makeRoom(entry: number): void {
    if (entry < this.#plainCounts.length) return;
    this.#plainCounts = grown(this.#plainCounts, entry + 1);
    this.#generationWords = grown(this.#generationWords, entry + 1);
  }

  #bump(entry: number): void {
    this.#generations.bump(this.#generationWords[entry]!);
  }
}
