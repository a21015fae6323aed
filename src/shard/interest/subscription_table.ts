/**
 * The subscriptions of one shard: fixed records in the shared memory, where the engine reads them. Each is on three
 * lists: of its interest entry, of its connection, and of its bucket in the sid table. No JavaScript object per
 * subscription.
 */
import { grown } from "../../base/grown_array.ts";
import {
  SUBSCRIPTION_BYTES,
  SUBSCRIPTION_CONNECTION,
  SUBSCRIPTION_CONNECTION_NEXT,
  SUBSCRIPTION_CONNECTION_PREVIOUS,
  SUBSCRIPTION_DELIVERED,
  SUBSCRIPTION_ENTRY,
  SUBSCRIPTION_ENTRY_NEXT,
  SUBSCRIPTION_ENTRY_PREVIOUS,
  SUBSCRIPTION_MAX,
  SUBSCRIPTION_QUEUE,
  SUBSCRIPTION_SID,
  SUBSCRIPTION_SID_INLINE_MAX,
  SUBSCRIPTION_SID_LENGTH,
  SUBSCRIPTION_SID_NEXT,
} from "../../memory/layout.ts";
import { BLOCK_BYTES } from "../../memory/map.ts";
import { type SharedMemory, takeBlock } from "../../memory/shared_memory.ts";

/** No subscription's address. */
export const NO_SUBSCRIPTION = 0;

const SID_BUCKETS_MIN = 1024;

export class SubscriptionTable {
  readonly #shared: SharedMemory;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #hashSeed: number;
  /** First record of each interest entry, by entry id. */
  #entryHeads = new Int32Array(1024);
  #sidBuckets = new Int32Array(SID_BUCKETS_MIN);
  /** Sids that are too long for their record, by record. */
  readonly #longSids = new Map<number, Uint8Array>();
  /** Filter ids of the few subscriptions that have one, by record. */
  readonly #filters = new Map<number, number>();
  /** Records that were freed, chained through their first word. */
  #free = NO_SUBSCRIPTION;
  #blockAt = 0;
  #blockEnd = 0;
  count = 0;

  constructor(shared: SharedMemory, hashSeed: number) {
    this.#shared = shared;
    this.#words = shared.words;
    this.#bytes = shared.bytes;
    this.#hashSeed = hashSeed;
  }

  /**
   * Adds a record to all its lists; `queue` is 0 or a queue id + 1. Returns its address, NO_SUBSCRIPTION if the memory
   * is full.
   */
  add(
    connection: number,
    connectionHead: number,
    entry: number,
    queue: number,
    bytes: Uint8Array,
    sidStart: number,
    sidEnd: number,
  ): number {
    const record = this.#allocate();
    if (record === NO_SUBSCRIPTION) return record;
    const words = this.#words;
    const at = record >> 2;
    words.fill(0, at, at + (SUBSCRIPTION_BYTES >> 2));
    words[at + (SUBSCRIPTION_CONNECTION >> 2)] = connection;
    words[at + (SUBSCRIPTION_ENTRY >> 2)] = entry;
    words[at + (SUBSCRIPTION_QUEUE >> 2)] = queue;
    this.#storeSid(record, bytes, sidStart, sidEnd);

    if (entry >= this.#entryHeads.length) this.#entryHeads = grown(this.#entryHeads, entry + 1);
    const entryHead = this.#entryHeads[entry]!;
    words[at + (SUBSCRIPTION_ENTRY_NEXT >> 2)] = entryHead;
    if (entryHead !== 0) words[(entryHead + SUBSCRIPTION_ENTRY_PREVIOUS) >> 2] = record;
    this.#entryHeads[entry] = record;

    words[at + (SUBSCRIPTION_CONNECTION_NEXT >> 2)] = connectionHead;
    if (connectionHead !== 0) words[(connectionHead + SUBSCRIPTION_CONNECTION_PREVIOUS) >> 2] = record;

    if (this.count >= this.#sidBuckets.length) this.#growSidBuckets();
    const bucket = this.#bucketOf(connection, bytes, sidStart, sidEnd);
    words[at + (SUBSCRIPTION_SID_NEXT >> 2)] = this.#sidBuckets[bucket]!;
    this.#sidBuckets[bucket] = record;
    this.count++;
    return record;
  }

  /** Takes a record off all its lists. Returns the connection's first record afterwards. */
  remove(record: number, connectionHead: number): number {
    const words = this.#words;
    const at = record >> 2;
    const entryNext = words[at + (SUBSCRIPTION_ENTRY_NEXT >> 2)]!;
    const entryPrevious = words[at + (SUBSCRIPTION_ENTRY_PREVIOUS >> 2)]!;
    if (entryNext !== 0) words[(entryNext + SUBSCRIPTION_ENTRY_PREVIOUS) >> 2] = entryPrevious;
    if (entryPrevious !== 0) words[(entryPrevious + SUBSCRIPTION_ENTRY_NEXT) >> 2] = entryNext;
    else this.#entryHeads[this.entryOf(record)] = entryNext;

    const next = words[at + (SUBSCRIPTION_CONNECTION_NEXT >> 2)]!;
    const previous = words[at + (SUBSCRIPTION_CONNECTION_PREVIOUS >> 2)]!;
    if (next !== 0) words[(next + SUBSCRIPTION_CONNECTION_PREVIOUS) >> 2] = previous;
    if (previous !== 0) words[(previous + SUBSCRIPTION_CONNECTION_NEXT) >> 2] = next;

    this.#removeFromBucket(record);
    this.#longSids.delete(record);
    this.#filters.delete(record);
    words[at] = this.#free;
    this.#free = record;
    this.count--;
    return previous === 0 ? next : connectionHead;
  }

  /** The connection's subscription with that sid, or NO_SUBSCRIPTION. */
  find(connection: number, bytes: Uint8Array, sidStart: number, sidEnd: number): number {
    const words = this.#words;
    const length = sidEnd - sidStart;
    let record = this.#sidBuckets[this.#bucketOf(connection, bytes, sidStart, sidEnd)]!;
    for (; record !== 0; record = words[(record + SUBSCRIPTION_SID_NEXT) >> 2]!) {
      if (words[(record + SUBSCRIPTION_CONNECTION) >> 2] !== connection) continue;
      if (words[(record + SUBSCRIPTION_SID_LENGTH) >> 2] !== length) continue;
      if (this.#hasSid(record, bytes, sidStart, length)) return record;
    }
    return NO_SUBSCRIPTION;
  }

  /** First subscription of an interest entry; follow with nextOfEntry(). */
  firstOfEntry(entry: number): number {
    return entry < this.#entryHeads.length ? this.#entryHeads[entry]! : NO_SUBSCRIPTION;
  }

  nextOfEntry(record: number): number {
    return this.#words[(record + SUBSCRIPTION_ENTRY_NEXT) >> 2]!;
  }

  nextOfConnection(record: number): number {
    return this.#words[(record + SUBSCRIPTION_CONNECTION_NEXT) >> 2]!;
  }

  entryOf(record: number): number {
    return this.#words[(record + SUBSCRIPTION_ENTRY) >> 2]!;
  }

  /** Queue id + 1, or 0 for a plain subscription. */
  queueOf(record: number): number {
    return this.#words[(record + SUBSCRIPTION_QUEUE) >> 2]!;
  }

  /** Id of the filter that decides what the subscription is sent, 0 for none. */
  filterOf(record: number): number {
    return this.#filters.size === 0 ? 0 : (this.#filters.get(record) ?? 0);
  }

  setFilter(record: number, filter: number): void {
    if (filter === 0) this.#filters.delete(record);
    else this.#filters.set(record, filter);
  }

  connectionOf(record: number): number {
    return this.#words[(record + SUBSCRIPTION_CONNECTION) >> 2]!;
  }

  deliveredOf(record: number): number {
    const at = (record + SUBSCRIPTION_DELIVERED) >> 2;
    return (this.#words[at]! >>> 0) + this.#words[at + 1]! * 2 ** 32;
  }

  maxOf(record: number): number {
    return this.#words[(record + SUBSCRIPTION_MAX) >> 2]!;
  }

  setMax(record: number, max: number): void {
    this.#words[(record + SUBSCRIPTION_MAX) >> 2] = max;
  }

  sidLength(record: number): number {
    return this.#words[(record + SUBSCRIPTION_SID_LENGTH) >> 2]!;
  }

  /** Copies the sid to `bytes` at `to`. Returns the offset after it. */
  writeSid(record: number, bytes: Uint8Array, to: number): number {
    const length = this.sidLength(record);
    const long = this.#longSids.get(record);
    if (long !== undefined) bytes.set(long, to);
    else for (let i = 0; i < length; i++) bytes[to + i] = this.#bytes[record + SUBSCRIPTION_SID + i]!;
    return to + length;
  }

  sidOf(record: number): Uint8Array {
    const sid = new Uint8Array(this.sidLength(record));
    this.writeSid(record, sid, 0);
    return sid;
  }

  #allocate(): number {
    const free = this.#free;
    if (free !== NO_SUBSCRIPTION) {
      this.#free = this.#words[free >> 2]!;
      return free;
    }
    if (this.#blockAt === this.#blockEnd) {
      const block = takeBlock(this.#shared);
      if (block === 0) return NO_SUBSCRIPTION;
      this.#blockAt = block;
      this.#blockEnd = block + BLOCK_BYTES;
    }
    const record = this.#blockAt;
    this.#blockAt += SUBSCRIPTION_BYTES;
    return record;
  }

  #storeSid(record: number, bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    this.#words[(record + SUBSCRIPTION_SID_LENGTH) >> 2] = length;
    if (length > SUBSCRIPTION_SID_INLINE_MAX) this.#longSids.set(record, bytes.slice(start, end));
    else for (let i = 0; i < length; i++) this.#bytes[record + SUBSCRIPTION_SID + i] = bytes[start + i]!;
  }

  #hasSid(record: number, bytes: Uint8Array, start: number, length: number): boolean {
    const long = this.#longSids.get(record);
    const sid = long ?? this.#bytes;
    const at = long === undefined ? record + SUBSCRIPTION_SID : 0;
    for (let i = 0; i < length; i++) if (sid[at + i] !== bytes[start + i]) return false;
    return true;
  }

  #bucketOf(connection: number, bytes: Uint8Array, start: number, end: number): number {
    let hash = Math.imul(connection ^ this.#hashSeed, 0x9e3779b1);
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193) + (hash >>> 15);
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    return (hash ^ (hash >>> 13)) & (this.#sidBuckets.length - 1);
  }

  #bucketOfRecord(record: number): number {
    const connection = this.connectionOf(record);
    const long = this.#longSids.get(record);
    if (long !== undefined) return this.#bucketOf(connection, long, 0, long.length);
    const start = record + SUBSCRIPTION_SID;
    return this.#bucketOf(connection, this.#bytes, start, start + this.sidLength(record));
  }

  #removeFromBucket(record: number): void {
    const words = this.#words;
    const bucket = this.#bucketOfRecord(record);
    const after = words[(record + SUBSCRIPTION_SID_NEXT) >> 2]!;
    let at = this.#sidBuckets[bucket]!;
    if (at === record) {
      this.#sidBuckets[bucket] = after;
      return;
    }
    for (;;) {
      const next = words[(at + SUBSCRIPTION_SID_NEXT) >> 2]!;
      if (next === record) break;
      at = next;
    }
    words[(at + SUBSCRIPTION_SID_NEXT) >> 2] = after;
  }

  #growSidBuckets(): void {
    const words = this.#words;
    const old = this.#sidBuckets;
    this.#sidBuckets = new Int32Array(old.length * 2);
    for (let head of old) {
      while (head !== 0) {
        const next = words[(head + SUBSCRIPTION_SID_NEXT) >> 2]!;
        const bucket = this.#bucketOfRecord(head);
        words[(head + SUBSCRIPTION_SID_NEXT) >> 2] = this.#sidBuckets[bucket]!;
        this.#sidBuckets[bucket] = head;
        head = next;
      }
    }
  }
}
