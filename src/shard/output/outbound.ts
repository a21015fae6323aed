/**
 * The outbound side of a shard's connections: writes outboxes to sockets, keeps what the kernel does not take, slows
 * producers, and tells which consumers are too slow. Hot: once per outbox that is written.
 *
 *   engine frames → outbox ─writev→ kernel
 *                      └ what it did not take → pending queue ─write→ kernel, when it has room again
 *
 * Nothing is written past a pending queue, so bytes leave in the order they were framed. A turn that has lasted long
 * does not write large payloads: they wait in pending queues, and the following turns take what clients send meanwhile.
 */
import type { Engine } from "../../engine/engine.ts";
import {
  AREA_DIRTY_COUNT,
  AREA_HAS_GATHERED,
  AREA_LOOK_AT,
  AREA_OUT_BYTES,
  AREA_OUT_MESSAGES,
  AREA_OUTBOX_FREE,
  CONNECTION_BYTES,
  CONNECTION_CURSOR,
  CONNECTION_DROPS,
  CONNECTION_FLAGS,
  CONNECTION_IOVECS,
  CONNECTION_IS_CLOSED,
  CONNECTION_IS_CONGESTED,
  CONNECTION_LIMIT,
  CONNECTION_OUT_MESSAGES,
  CONNECTION_OUTBOX,
  CONNECTION_SEGMENT,
  OUTBOX_BYTES,
  OUTBOX_DATA,
  OUTBOX_SLACK,
} from "../../memory/layout.ts";
import { counterValue, type SharedMemory } from "../../memory/shared_memory.ts";
import { CloseReason } from "../../protocol/close_reason.ts";
import { type Poller, WOULD_BLOCK, WRITE_FAILED } from "../../runtime/poller.ts";
import { writeByteString } from "../../subject/byte_string.ts";
import { type Connection, STATE_CLOSED } from "../connection.ts";
import type { ShardOptions } from "../shard_options.ts";
import type { PayloadBuffers } from "./payload_buffers.ts";
import { ChunkPool, PendingQueue } from "./pending_queue.ts";
import { TimeLimit } from "./time_limit.ts";

/** A producer is slowed once one of its consumers has this much pending, or less if less may be pending. */
const STALL_BYTES = 512 * 1024;
/** Outboxes made available at a time; the rest of the pool stays untouched memory. */
const OUTBOXES_PER_STEP = 8;
/** Largest piece that append() writes at once. */
const APPEND_BYTES_MAX = 16384;
/**
 * A turn that has lasted this long is late: it begins nothing more that can wait, and writes no more large payloads.
 */
const TURN_MS_MAX = 10;
/** Deliveries after which the clock is read; they take a fraction of a millisecond. */
const DELIVERIES_PER_LOOK = 8192;
/**
 * Bytes framed before they are written out. One message to many connections fills that many outboxes, and writing those
 * takes longer than a turn.
 */
const FRAMED_BYTES_MAX = 8 * 1024 * 1024;
/** Estimated bytes of a delivery besides its payload. */
const LINE_BYTES = 24;
/** How long a turn may write what is pending. */
const DRAIN_MS_MAX = 10;
/** A write is worth its cost from this many bytes on, and deferring it is worth a copy. */
const LARGE_BYTES = 4096;

/**
 * Stands in the list of slots with outboxes for one whose outbox was taken back. It is the fabric's slot, to which
 * nothing is written.
 */
const NOBODY = 0;

// Which outboxes go to the pending queue, although the kernel might take them.
const QUEUE_NOTHING = 0;
/** The whole outbox, if it names large payloads. */
const QUEUE_NAMED = 1;
/** The whole outbox, if it holds little. */
const QUEUE_SMALL = 2;

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
  /** Shows other nodes what is for them: a client that reads a PONG may rely on that. */
  publish(): void;
  /** The connection is to be closed after the turn; nothing more is written to it. */
  fail(connection: Connection, reason: CloseReason): void;
  /** Something was queued where nothing was pending: the write deadline begins. */
  startDeadline(connection: Connection): void;
  /** A client has more pending than it may have. `byOneMessage`: it was not congested before the last message. */
  exceed(connection: Connection, byOneMessage: boolean): void;
  /** A connection that had missed a write deadline has written what was due by then. */
  recover(connection: Connection): void;
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
  /** Word indices of the area header, the connection records and the list of slots with outboxes. */
  readonly #area: number;
  readonly #records: number;
  readonly #dirty: number;
  readonly #outboxesEnd: number;
  #nextOutbox: number;
  #congestedCount = 0;
  #isLate = false;
  /** Bytes framed before the turn began. */
  #framedAtStart = 0;
  /** Bytes framed before the turn began or before look() last wrote everything out. */
  #framedBefore = 0;
  /** When the turn began, steady clock. */
  #turnMs = 0;
  readonly #turn = new TimeLimit(TURN_MS_MAX);
  readonly #drains = new TimeLimit(DRAIN_MS_MAX);
  #hasDrained = false;
  /**
   * Copies of pieces that lie outside outboxes, by address, shared by all connections they go to until the next
   * flushAll().
   */
  readonly #copies = new Map<number, Uint8Array>();
  #options: OutboundOptions;

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
    this.#options = options;
    const regions = shared.map.area(node);
    this.#area = regions.area >> 2;
    this.#records = regions.connections >> 2;
    this.#dirty = regions.dirty >> 2;
    this.#nextOutbox = regions.outboxes;
    this.#outboxesEnd = regions.outboxes + regions.outboxCount * OUTBOX_BYTES;
  }

  /** Applies new options. They may change which connections are congested and whether messages are dropped for them. */
  configure(options: OutboundOptions): void {
    this.#options = options;
    for (const connection of this.#connections) {
      if (connection === null || connection.pending === null) continue;
      this.#setCongested(connection, false);
      this.#setCongested(connection, connection.pending.length > this.#stallBytes);
    }
  }

  /** A turn begins; `nowMs` is the steady clock. */
  startTurn(nowMs: number): void {
    this.#turnMs = nowMs;
    this.#turn.start(nowMs);
    this.#hasDrained = false;
    this.#isLate = false;
    this.#framedAtStart = this.#framedBytes();
    this.#framedBefore = this.#framedAtStart;
    this.#setNextLook();
  }

  /** Whether the turn is late: then nothing more is begun that can wait for the next one. Asked between operations. */
  isLate(): boolean {
    const words = this.#words;
    const dueIn = words[this.#area + (AREA_LOOK_AT >> 2)]! - words[this.#area + (AREA_OUT_MESSAGES >> 2)]!;
    if ((dueIn | 0) <= 0) return this.look();
    // Some operations take time without delivering anything.
    if (!this.#isLate && this.#turn.isOver()) this.#noteTime(true);
    return this.#isLate;
  }

  /**
   * Reads the clock after something that may have lasted long: many deliveries, or a wait for another shard. Writes out
   * what is framed if that is much. Returns `isLate()`. Called between messages only.
   */
  look(): boolean {
    const framedBytes = this.#framedBytes();
    if (framedBytes - this.#framedBefore > FRAMED_BYTES_MAX) {
      this.#framedBefore = framedBytes;
      this.#events.publish();
      this.flushAll();
    }
    this.#noteTime(this.#turn.look());
    return this.#isLate;
  }

  #noteTime(isLate: boolean): void {
    this.#isLate = isLate;
    this.#setNextLook();
  }

  /** Estimate of the bytes framed for connections in this turn. */
  get framedInTurn(): number {
    return this.#framedBytes() - this.#framedAtStart;
  }

  /** Estimate of the bytes framed for connections so far. */
  #framedBytes(): number {
    const area = this.#area * 4;
    const messages = counterValue(this.#words, area + AREA_OUT_MESSAGES);
    return counterValue(this.#words, area + AREA_OUT_BYTES) + messages * LINE_BYTES;
  }

  /**
   * Tells the engine when the clock is to be read next: after some deliveries or, once the turn is late, after each
   * message.
   */
  #setNextLook(): void {
    const delivered = this.#words[this.#area + (AREA_OUT_MESSAGES >> 2)]!;
    this.#words[this.#area + (AREA_LOOK_AT >> 2)] = delivered + (this.#isLate ? 0 : DELIVERIES_PER_LOOK);
  }

  /** Queues `bytes` behind what the connection is already being sent. */
  append(connection: Connection, bytes: Uint8Array): void {
    const cursorWord = (connection.address + CONNECTION_CURSOR) >> 2;
    for (let at = 0; at < bytes.length; at += APPEND_BYTES_MAX) {
      const piece = bytes.length <= APPEND_BYTES_MAX ? bytes : bytes.subarray(at, at + APPEND_BYTES_MAX);
      const cursor = this.#engine.room(connection.address, piece.length);
      this.#bytes.set(piece, cursor);
      this.#words[cursorWord] = cursor + piece.length;
    }
  }

  /** append() for a byte string. */
  appendText(connection: Connection, text: string): void {
    const cursorWord = (connection.address + CONNECTION_CURSOR) >> 2;
    for (let at = 0; at < text.length; at += APPEND_BYTES_MAX) {
      const length = Math.min(text.length - at, APPEND_BYTES_MAX);
      const cursor = this.#engine.room(connection.address, length);
      writeByteString(this.#bytes, cursor, text, at, at + length);
      this.#words[cursorWord] = cursor + length;
    }
  }

  /** Buffers for payloads that attach() sends. */
  get payloads(): PayloadBuffers {
    return this.#pool.payloads;
  }

  /**
   * Sends `bytes[start, end)` behind everything framed so far, without copying it. The bytes must not change before
   * they are written.
   */
  attach(connection: Connection, bytes: Uint8Array, start: number, end: number): void {
    this.flush(connection.slot);
    if (this.#isGone(connection)) return;
    const isLate = this.#isLateToWrite();
    if (connection.pending === null && !isLate) {
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
    const pending = this.#pendingOf(connection);
    const byOneMessage = this.#isTooLong(pending, end - start);
    pending.refer(bytes, start, end);
    this.#afterQueueing(connection, isLate, byOneMessage);
  }

  /**
   * Writes out a connection's outbox, if it has one, or queues it as `what` says. Afterwards the outbox is empty and
   * still lent.
   */
  flush(slot: number, what = QUEUE_NOTHING): void {
    const record = this.#records + ((slot * CONNECTION_BYTES) >> 2);
    const words = this.#words;
    const outbox = words[record + (CONNECTION_OUTBOX >> 2)]!;
    if (outbox === 0) return;
    const connection = this.#connections[slot];
    if (connection != null && !this.#isGone(connection)) {
      this.#engine.closeSegment(connection.address);
      const count = words[record + (CONNECTION_IOVECS >> 2)]!;
      if (count !== 0) this.#write(connection, outbox, count, what);
      const messages = words[record + (CONNECTION_OUT_MESSAGES >> 2)]!;
      if (messages !== connection.writtenMessages) {
        connection.writtenMessages = messages;
        connection.lastOutputMs = this.#turnMs;
      }
      if (connection.isLink) this.#events.wroteLink(connection);
    }
    words[record + (CONNECTION_CURSOR >> 2)] = outbox + OUTBOX_DATA;
    words[record + (CONNECTION_SEGMENT >> 2)] = outbox + OUTBOX_DATA;
    words[record + (CONNECTION_LIMIT >> 2)] = outbox + OUTBOX_BYTES - OUTBOX_SLACK;
    words[record + (CONNECTION_IOVECS >> 2)] = 0;
  }

  /**
   * Writes out every outbox and takes all of them back. `areCrowded`: outboxes are too few, so those that hold little
   * go into pending queues.
   */
  flushAll(areCrowded = false): void {
    const words = this.#words;
    const countWord = this.#area + (AREA_DIRTY_COUNT >> 2);
    const count = words[countWord]!;
    for (let i = 0; i < count; i++) {
      const slot = words[this.#dirty + i]!;
      if (slot === NOBODY) continue;
      this.flush(slot, areCrowded ? QUEUE_SMALL : this.#isLateToWrite() ? QUEUE_NAMED : QUEUE_NOTHING);
      this.#takeBack(slot);
    }
    words[countWord] = 0;
    words[this.#area + (AREA_HAS_GATHERED >> 2)] = 0;
    this.#copies.clear();
  }

  /** Frees the outbox that is lent to a slot. */
  #takeBack(slot: number): void {
    const words = this.#words;
    const record = this.#records + ((slot * CONNECTION_BYTES) >> 2);
    const outbox = words[record + (CONNECTION_OUTBOX >> 2)]!;
    const freeWord = this.#area + (AREA_OUTBOX_FREE >> 2);
    words[record + (CONNECTION_OUTBOX >> 2)] = 0;
    words[record + (CONNECTION_CURSOR >> 2)] = 0;
    words[outbox >> 2] = words[freeWord]!;
    words[freeWord] = outbox;
  }

  /** Writes out a full outbox, for the engine. */
  flushFull(slot: number): void {
    this.#isLateToWrite();
    this.flush(slot);
  }

  /** Whether the turn is late. Asked before each write, when a message may be under way. */
  #isLateToWrite(): boolean {
    if (!this.#isLate && this.#turn.isOver()) this.#noteTime(true);
    return this.#isLate;
  }

  /** Makes at least one outbox free: unused ones if there are any, otherwise all that are lent. */
  reclaim(): void {
    if (this.#nextOutbox === this.#outboxesEnd) {
      // More connections are written to than there are outboxes. A write per message and connection would take the most
      // time.
      this.#isLateToWrite();
      this.flushAll(true);
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

  /** Number of congested connections. */
  get congestedCount(): number {
    return this.#congestedCount;
  }

  /** Number of connections that hold an outbox. */
  get dirtyCount(): number {
    return this.#words[this.#area + (AREA_DIRTY_COUNT >> 2)]!;
  }

  /** The kernel takes bytes of the connection again. */
  onWritable(connection: Connection): void {
    const pending = connection.pending;
    if (pending === null) {
      this.#wantWrite(connection, false);
      return;
    }
    if (!this.#hasDrained) this.#drains.start(performance.now());
    this.#hasDrained = true;
    // If the time is over, the poller reports the connection again.
    if (!this.#drains.isOver()) this.#drain(connection, pending);
  }

  /** Writes what is pending, even if the turn is late. */
  writePending(connection: Connection): void {
    if (connection.pending !== null) this.#drain(connection, connection.pending);
  }

  #drain(connection: Connection, pending: PendingQueue): void {
    const before = pending.length;
    const result = pending.drain((bytes, start, end) =>
      this.#poller.write(connection.slot, bytes, start, end),
    );
    connection.writtenBytes += before - pending.length;
    if (result === WRITE_FAILED) {
      this.#events.fail(connection, CloseReason.WriteError);
      return;
    }
    if (connection.isSlow && connection.writtenBytes >= connection.deadlineMark)
      this.#events.recover(connection);
    if (pending.length < this.#stallBytes / 2) this.#setCongested(connection, false);
    if (pending.length === 0) {
      connection.pending = null;
      this.#wantWrite(connection, false);
    }
  }

  /** Bytes queued for a connection, including its outbox. */
  pendingBytes(connection: Connection): number {
    const record = connection.address >> 2;
    const cursor = this.#words[record + (CONNECTION_CURSOR >> 2)]!;
    const outbox = this.#words[record + (CONNECTION_OUTBOX >> 2)]!;
    const framed = cursor === 0 ? 0 : cursor - outbox - OUTBOX_DATA;
    return framed + (connection.pending?.length ?? 0);
  }

  /**
   * Drops what is queued for a connection that is gone. Its slot may belong to another connection within the same turn.
   */
  discard(connection: Connection): void {
    const { slot } = connection;
    if (this.#words[(connection.address + CONNECTION_OUTBOX) >> 2] !== 0) {
      const lent = this.#words.subarray(this.#dirty, this.#dirty + this.dirtyCount);
      lent[lent.indexOf(slot)] = NOBODY;
      this.#takeBack(slot);
    }
    connection.pending?.discard();
    connection.pending = null;
    this.#setCongested(connection, false);
  }

  #isGone(connection: Connection): boolean {
    return connection.state === STATE_CLOSED;
  }

  #write(connection: Connection, outbox: number, count: number, what: number): void {
    let total = 0;
    const lengths = (outbox >> 2) + 2;
    for (let i = 0; i < count; i++) total += this.#words[lengths + i * 4]!;
    const isDeferred = what === QUEUE_NAMED && this.#namedBytes(outbox, count) >= LARGE_BYTES;
    const isAside = what === QUEUE_SMALL && total < LARGE_BYTES;
    let taken = 0;
    if (connection.pending === null && !isDeferred && !isAside) {
      taken = this.#poller.writeGathered(connection.slot, outbox, count);
      if (taken === WRITE_FAILED) {
        this.#events.fail(connection, CloseReason.WriteError);
        return;
      }
      if (taken === WOULD_BLOCK) taken = 0;
      connection.writtenBytes += taken;
      if (taken === total) return;
    }
    const byOneMessage = this.#keepRest(connection, outbox, count, taken, isDeferred);
    this.#afterQueueing(connection, isDeferred, byOneMessage);
  }

  /**
   * Queues what the kernel did not take. A deferred outbox is queued as exact copies: thousands of connections with a
   * chunk each would take too much memory. Returns whether a single message made too much pending.
   */
  #keepRest(
    connection: Connection,
    outbox: number,
    count: number,
    taken: number,
    isDeferred: boolean,
  ): boolean {
    const pending = this.#pendingOf(connection);
    let byOneMessage = false;
    for (let i = 0; i < count; i++) {
      const length = this.#words[(outbox >> 2) + i * 4 + 2]!;
      if (taken >= length) {
        taken -= length;
        continue;
      }
      const address = this.#pieceAddress(outbox, i);
      // Pieces inside the outbox are small messages.
      if (isOutside(outbox, address) && this.#isTooLong(pending, length)) byOneMessage = true;
      if (isDeferred) pending.refer(this.#copyOf(outbox, address, length), 0, length);
      else pending.append(this.#bytes, address + taken, address + length);
      taken = 0;
    }
    return byOneMessage;
  }

  /** Whether a payload of this length makes too much pending for a connection that is not congested yet. */
  #isTooLong(pending: PendingQueue, length: number): boolean {
    return pending.length <= this.#stallBytes && pending.length + length > this.#options.maxPendingBytes;
  }

  /** Address in the shared memory of the piece that an iovec names. */
  #pieceAddress(outbox: number, i: number): number {
    const iovec = (outbox >> 2) + i * 4;
    return (this.#words[iovec]! >>> 0) + this.#words[iovec + 1]! * 2 ** 32 - this.#poller.memoryBase;
  }

  /** Total length of an outbox's pieces that lie outside it. */
  #namedBytes(outbox: number, count: number): number {
    let bytes = 0;
    for (let i = 0; i < count; i++) {
      if (isOutside(outbox, this.#pieceAddress(outbox, i))) bytes += this.#words[(outbox >> 2) + i * 4 + 2]!;
    }
    return bytes;
  }

  /** A copy of a piece; outboxes that name the same piece share one copy. */
  #copyOf(outbox: number, address: number, length: number): Uint8Array {
    const isNamed = isOutside(outbox, address);
    const known = isNamed ? this.#copies.get(address) : undefined;
    if (known?.length === length) return known;
    const bytes = new Uint8Array(new ArrayBuffer(length));
    bytes.set(this.#bytes.subarray(address, address + length));
    if (isNamed) this.#copies.set(address, bytes);
    return bytes;
  }

  #pendingOf(connection: Connection): PendingQueue {
    if (connection.pending === null) {
      connection.pending = new PendingQueue(this.#pool);
      connection.isDeadlineSet = false;
      this.#wantWrite(connection, true);
    }
    return connection.pending;
  }

  #afterQueueing(connection: Connection, isDeferred: boolean, byOneMessage: boolean): void {
    const pending = connection.pending!;
    if (!connection.isDeadlineSet) {
      connection.isDeadlineSet = true;
      this.#events.startDeadline(connection);
    }
    // Deferred output was not offered to the kernel: write it before the connection counts as slow.
    if (isDeferred && pending.length > this.#stallBytes) this.#drain(connection, pending);
    const { length } = pending;
    // A link is never closed for how much is pending, only for missing its write deadline.
    if (length > this.#stallBytes) this.#setCongested(connection, true);
    if (length > this.#options.maxPendingBytes && !connection.isLink)
      this.#events.exceed(connection, byOneMessage);
  }

  /**
   * With more than this pending a connection is congested. Where messages are dropped instead, that happens as late as
   * in nats-server.
   */
  get #stallBytes(): number {
    const { maxPendingBytes, dropsInsteadOfStalling } = this.#options;
    return Math.min(dropsInsteadOfStalling ? Infinity : STALL_BYTES, maxPendingBytes * 0.75);
  }

  #setCongested(connection: Connection, isCongested: boolean): void {
    const word = (connection.address + CONNECTION_FLAGS) >> 2;
    const flags = this.#words[word]!;
    if (((flags & CONNECTION_IS_CONGESTED) !== 0) === isCongested) return;
    const bits = CONNECTION_IS_CONGESTED | (this.#options.dropsInsteadOfStalling ? CONNECTION_DROPS : 0);
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

function isOutside(outbox: number, address: number): boolean {
  return address < outbox || address >= outbox + OUTBOX_BYTES;
}
