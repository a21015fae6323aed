/**
 * The outbound side of a shard's connections: writes outboxes to sockets, keeps what the kernel does not take, slows
 * producers, and says which consumers are too slow. Hot: once per outbox that is written.
 *
 *   engine frames → outbox ─writev→ kernel
 *                      └ what it did not take → pending queue ─write→ kernel, when it has room again
 *
 * Nothing is written past a pending queue, so bytes leave in the order they were framed.
 */
import type { Engine } from "../../engine/engine.ts";
import {
  AREA_DIRTY_COUNT,
  AREA_HAS_GATHERED,
  AREA_OUTBOX_FREE,
  CONNECTION_BYTES,
  CONNECTION_CURSOR,
  CONNECTION_DROPS,
  CONNECTION_FLAGS,
  CONNECTION_IOVECS,
  CONNECTION_IS_CLOSED,
  CONNECTION_IS_CONGESTED,
  CONNECTION_LIMIT,
  CONNECTION_OUTBOX,
  CONNECTION_SEGMENT,
  OUTBOX_BYTES,
  OUTBOX_DATA,
  OUTBOX_SLACK,
} from "../../memory/layout.ts";
import type { SharedMemory } from "../../memory/shared_memory.ts";
import { CloseReason } from "../../protocol/close_reason.ts";
import { type Poller, WOULD_BLOCK, WRITE_FAILED } from "../../runtime/poller.ts";
import { type Connection, STATE_CLOSED } from "../connection.ts";
import type { ShardOptions } from "../shard_options.ts";
import { ChunkPool, PendingQueue } from "./pending_queue.ts";

/** A producer is slowed once one of its consumers has this much pending. */
const STALL_BYTES = 512 * 1024;
/** Outboxes made available at a time; the rest of the pool stays untouched. */
const OUTBOXES_PER_STEP = 8;
/** Largest piece append() writes at once. */
const APPEND_BYTES_MAX = 16384;

export interface OutboundOptions {
  readonly maxPendingBytes: number;
  readonly writeDeadlineMs: number;
  /** A slow client stays while each deadline sees at least one byte go out (`write_timeout: retry`). */
  readonly retriesWrites: boolean;
  readonly dropsInsteadOfStalling: boolean;
}

export function outboundOptions(options: ShardOptions): OutboundOptions {
  const { maxPendingBytes, writeDeadlineMs, retriesWrites, dropsInsteadOfStalling } = options;
  return { maxPendingBytes, writeDeadlineMs, retriesWrites, dropsInsteadOfStalling };
}

/** What the shard does when a connection's output fails or recovers. */
export interface OutboundEvents {
  /** The connection is to be closed, after the turn; nothing more is written. */
  fail(connection: Connection, reason: CloseReason): void;
  /** Something was queued where nothing was: watch the write deadline. */
  startDeadline(connection: Connection): void;
  /** Bytes for a link have left, or are queued. */
  wroteLink(connection: Connection): void;
  /** The last congested connection of the shard has caught up. */
  resumeProducers(): void;
}

export class Outbound {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #engine: Engine;
  readonly #poller: Poller;
  readonly #events: OutboundEvents;
  readonly #connections: readonly (Connection | null)[];
  readonly #pool = new ChunkPool();
  /** Word index of the area header, of the connection records, of the dirty list. */
  readonly #area: number;
  readonly #records: number;
  readonly #dirty: number;
  readonly #outboxesEnd: number;
  #nextOutbox: number;
  #congestedCount = 0;
  options: OutboundOptions;

  constructor(
    shared: SharedMemory,
    node: number,
    engine: Engine,
    poller: Poller,
    connections: readonly (Connection | null)[],
    options: OutboundOptions,
    events: OutboundEvents,
  ) {
    this.#words = shared.words;
    this.#bytes = shared.bytes;
    this.#engine = engine;
    this.#poller = poller;
    this.#connections = connections;
    this.#events = events;
    this.options = options;
    const regions = shared.map.area(node);
    this.#area = regions.area >> 2;
    this.#records = regions.connections >> 2;
    this.#dirty = regions.dirty >> 2;
    this.#nextOutbox = regions.outboxes;
    this.#outboxesEnd = regions.outboxes + regions.outboxCount * OUTBOX_BYTES;
  }

  /** Puts `bytes` behind what the connection is already being sent. */
  append(connection: Connection, bytes: Uint8Array): void {
    const cursorWord = (connection.address + CONNECTION_CURSOR) >> 2;
    for (let at = 0; at < bytes.length; at += APPEND_BYTES_MAX) {
      const piece = bytes.length <= APPEND_BYTES_MAX ? bytes : bytes.subarray(at, at + APPEND_BYTES_MAX);
      const cursor = this.#engine.room(connection.address, piece.length);
      this.#bytes.set(piece, cursor);
      this.#words[cursorWord] = cursor + piece.length;
    }
  }

  /** Sends `bytes[start, end)`, which nobody changes any more, behind everything framed so far; without copying it. */
  attach(connection: Connection, bytes: Uint8Array, start: number, end: number): void {
    this.flush(connection.slot);
    if (this.#isGone(connection)) return;
    if (connection.pending === null) {
      const taken = this.#poller.write(connection.slot, bytes, start, end);
      if (taken === WRITE_FAILED) {
        this.#events.fail(connection, CloseReason.WriteError);
        return;
      }
      if (taken > 0) {
        connection.writtenBytes += taken;
        start += taken;
      }
      if (start === end) return;
    }
    this.#pendingOf(connection).refer(bytes, start, end);
    this.#afterQueueing(connection);
  }

  /** Writes out a connection's outbox, if it has one; afterwards it is empty and still lent. */
  flush(slot: number): void {
    const record = this.#records + ((slot * CONNECTION_BYTES) >> 2);
    const words = this.#words;
    const outbox = words[record + (CONNECTION_OUTBOX >> 2)]!;
    if (outbox === 0) return;
    const connection = this.#connections[slot];
    if (connection != null && !this.#isGone(connection)) {
      this.#engine.closeSegment(connection.address);
      const count = words[record + (CONNECTION_IOVECS >> 2)]!;
      if (count !== 0) this.#write(connection, outbox, count);
      if (connection.isLink) this.#events.wroteLink(connection);
    }
    words[record + (CONNECTION_CURSOR >> 2)] = outbox + OUTBOX_DATA;
    words[record + (CONNECTION_SEGMENT >> 2)] = outbox + OUTBOX_DATA;
    words[record + (CONNECTION_LIMIT >> 2)] = outbox + OUTBOX_BYTES - OUTBOX_SLACK;
    words[record + (CONNECTION_IOVECS >> 2)] = 0;
  }

  /** Writes out every outbox and takes them back. */
  flushAll(): void {
    const words = this.#words;
    const countWord = this.#area + (AREA_DIRTY_COUNT >> 2);
    const freeWord = this.#area + (AREA_OUTBOX_FREE >> 2);
    const count = words[countWord]!;
    for (let i = 0; i < count; i++) {
      const slot = words[this.#dirty + i]!;
      this.flush(slot);
      const record = this.#records + ((slot * CONNECTION_BYTES) >> 2);
      const outbox = words[record + (CONNECTION_OUTBOX >> 2)]!;
      words[record + (CONNECTION_OUTBOX >> 2)] = 0;
      words[record + (CONNECTION_CURSOR >> 2)] = 0;
      words[outbox >> 2] = words[freeWord]!;
      words[freeWord] = outbox;
    }
    words[countWord] = 0;
    words[this.#area + (AREA_HAS_GATHERED >> 2)] = 0;
  }

  /** Makes at least one outbox free: an unused one, or all that are lent. */
  reclaim(): void {
    if (this.#nextOutbox === this.#outboxesEnd) {
      this.flushAll();
      return;
    }
    const freeWord = this.#area + (AREA_OUTBOX_FREE >> 2);
    for (let i = 0; i < OUTBOXES_PER_STEP && this.#nextOutbox < this.#outboxesEnd; i++) {
      this.#words[this.#nextOutbox >> 2] = this.#words[freeWord]!;
      this.#words[freeWord] = this.#nextOutbox;
      this.#nextOutbox += OUTBOX_BYTES;
    }
  }

  /** Whether outboxes name bytes outside themselves, which must not be overwritten before flushAll(). */
  get hasGathered(): boolean {
    return this.#words[this.#area + (AREA_HAS_GATHERED >> 2)] !== 0;
  }

  /** Connections that hold an outbox. */
  get dirtyCount(): number {
    return this.#words[this.#area + (AREA_DIRTY_COUNT >> 2)]!;
  }

  /** The kernel takes bytes again. */
  onWritable(connection: Connection): void {
    const pending = connection.pending;
    if (pending === null) {
      this.#wantWrite(connection, false);
      return;
    }
    const before = pending.length;
    const result = pending.drain((bytes, start, end) =>
      this.#poller.write(connection.slot, bytes, start, end),
    );
    connection.writtenBytes += before - pending.length;
    if (result === WRITE_FAILED) {
      this.#events.fail(connection, CloseReason.WriteError);
      return;
    }
    if (pending.length < this.#stallBytes / 2) this.#setCongested(connection, false);
    if (pending.length === 0) {
      connection.pending = null;
      this.#wantWrite(connection, false);
    }
  }

  /** Bytes queued for a connection, its outbox included. */
  pendingBytes(connection: Connection): number {
    const record = connection.address >> 2;
    const cursor = this.#words[record + (CONNECTION_CURSOR >> 2)]!;
    const outbox = this.#words[record + (CONNECTION_OUTBOX >> 2)]!;
    const framed = cursor === 0 ? 0 : cursor - outbox - OUTBOX_DATA;
    return framed + (connection.pending?.length ?? 0);
  }

  /** Drops what is queued for a connection that is gone. */
  discard(connection: Connection): void {
    connection.pending?.discard();
    connection.pending = null;
    this.#setCongested(connection, false);
  }

  #isGone(connection: Connection): boolean {
    return connection.state === STATE_CLOSED;
  }

  #write(connection: Connection, outbox: number, count: number): void {
    let taken = 0;
    if (connection.pending === null) {
      taken = this.#poller.writeGathered(connection.slot, outbox, count);
      if (taken === WRITE_FAILED) {
        this.#events.fail(connection, CloseReason.WriteError);
        return;
      }
      if (taken === WOULD_BLOCK) taken = 0;
      connection.writtenBytes += taken;
      let total = 0;
      const lengths = (outbox >> 2) + 2;
      for (let i = 0; i < count; i++) total += this.#words[lengths + i * 4]!;
      if (taken === total) return;
    }
    this.#keepRest(connection, outbox, count, taken);
    this.#afterQueueing(connection);
  }

  #keepRest(connection: Connection, outbox: number, count: number, taken: number): void {
    const pending = this.#pendingOf(connection);
    const words = this.#words;
    for (let i = 0; i < count; i++) {
      const iovec = (outbox >> 2) + i * 4;
      const length = words[iovec + 2]!;
      if (taken >= length) {
        taken -= length;
        continue;
      }
      const address = (words[iovec]! >>> 0) + words[iovec + 1]! * 2 ** 32 - this.#poller.memoryBase;
      pending.append(this.#bytes, address + taken, address + length);
      taken = 0;
    }
  }

  #pendingOf(connection: Connection): PendingQueue {
    if (connection.pending === null) {
      connection.pending = new PendingQueue(this.#pool);
      connection.isDeadlineSet = false;
      this.#wantWrite(connection, true);
    }
    return connection.pending;
  }

  #afterQueueing(connection: Connection): void {
    const { length } = connection.pending!;
    if (!connection.isDeadlineSet) {
      connection.isDeadlineSet = true;
      this.#events.startDeadline(connection);
    }
    // However far another server is behind, only its write deadline ends it.
    if (length > this.options.maxPendingBytes && !connection.isLink) {
      this.#events.fail(connection, CloseReason.SlowConsumerPendingBytes);
    } else if (length > this.#stallBytes) this.#setCongested(connection, true);
  }

  get #stallBytes(): number {
    return Math.min(STALL_BYTES, this.options.maxPendingBytes * 0.75);
  }

  #setCongested(connection: Connection, isCongested: boolean): void {
    const word = (connection.address + CONNECTION_FLAGS) >> 2;
    const flags = this.#words[word]!;
    if (((flags & CONNECTION_IS_CONGESTED) !== 0) === isCongested) return;
    const bits = CONNECTION_IS_CONGESTED | (this.options.dropsInsteadOfStalling ? CONNECTION_DROPS : 0);
    this.#words[word] = isCongested ? flags | bits : flags & ~(CONNECTION_IS_CONGESTED | CONNECTION_DROPS);
    this.#congestedCount += isCongested ? 1 : -1;
    if (this.#congestedCount === 0) this.#events.resumeProducers();
  }

  #wantWrite(connection: Connection, isWanted: boolean): void {
    if (connection.isWriteWanted === isWanted || this.#isGone(connection)) return;
    connection.isWriteWanted = isWanted;
    const flags = this.#words[(connection.address + CONNECTION_FLAGS) >> 2]!;
    const isRead =
      connection.pausedUntilMs === 0 && !connection.isHeld && (flags & CONNECTION_IS_CLOSED) === 0;
    this.#poller.setInterest(connection.slot, isRead, isWanted);
  }
}
