/**
 * A shard's end of the fabric: shows other nodes what was committed for them, takes what they sent, and waits for room
 * when a ring is full. Hot: once per turn.
 *
 * A full ring never deadlocks: a shard that waits for room drains its own inbound rings meanwhile, so two shards that
 * wait for each other both make room. Sockets are not read during the wait, which slows the clients that filled the
 * ring.
 */
import { assert } from "../base/assert.ts";
import { ControlReader, controlPieces, sendPiece } from "../fabric/control.ts";
import type { HeldMessage } from "../fabric/held_message.ts";
import {
  type Delivery,
  publisherOf,
  type Received,
  readRecord,
  recordBytes,
  slotAt,
  writeRecord,
} from "../fabric/message_record.ts";
import type { Wake } from "../fabric/wake.ts";
import {
  AREA_DROPS_NOTHING,
  AREA_PICKS,
  AREA_RESUME,
  AREA_UNPUBLISHED,
  CONTEXT_IS_RESPONSE,
  NODES_MAX,
  REASON_DONE,
  REASON_HOST_PLAN,
  REASON_MISS,
  REASON_OTHER,
  REASON_STALLED,
  REASON_UNSERVED,
  REASON_UNTAKEN,
  RECORD_BODY,
  RECORD_GOES_BACK,
  RECORD_IS_PLAIN,
  RECORD_KIND,
  RECORD_KIND_CONTROL,
  RECORD_KIND_LARGE,
  RECORD_KIND_PIECE,
  RECORD_KIND_RESUME,
  RECORD_KIND_STALL,
  RECORD_LENGTH,
  RECORD_LINE_LENGTH,
  RECORD_ORIGIN,
  RECORD_QUEUE_COUNT,
  RECORD_REST_LENGTH,
  RECORD_TRIED,
  RING_END_OTHER,
  RING_END_POSITION,
  RING_IS_AWAITED,
  RING_TAIL,
} from "../memory/layout.ts";
import { NODE_IS_UP, NODE_STATE } from "../memory/map.ts";
import { nodeWord, outEndWord } from "../memory/shared_memory.ts";
import type { ShardContext } from "./context.ts";
import type { Inbound } from "./inbound.ts";
import { Leftovers } from "./leftovers.ts";
import type { ShardControl } from "./shard_messages.ts";
import type { StallSignals } from "./stall_signals.ts";

/** Bytes taken from one node before the other nodes and the sockets get their turn. */
const DRAIN_BYTES_MAX = 256 * 1024;
/** Largest payload of one piece of a large message, and how many pieces must fit a ring, so that pieces flow. */
const PIECE_BYTES_MAX = 128 * 1024;
const PIECES_PER_RING = 8;
/** A shard that waits for room drains its own rings again after this time. */
const FULL_SLEEP_MS = 1;

export class Rings {
  readonly #shard: ShardContext;
  readonly #wake: Wake;
  readonly #stalls: StallSignals;
  readonly #onControl: (message: unknown) => void;
  readonly #words: Int32Array;
  readonly #area: number;
  readonly #nodeCount: number;
  #inbound: Inbound | null = null;
  /** Large messages that are being collected, by the node that sends them. */
  readonly #incoming: (Received | null)[] = [];
  readonly #controls: ControlReader[] = [];
  /** Large messages that the engine has published, until sendLargeMessages(). */
  #outgoing: { readonly node: number; readonly delivery: Delivery }[] = [];
  readonly #leftovers: Leftovers;
  /** Position in each node's ring at which drainAll() stops, an int32 that wraps. */
  readonly #until = new Int32Array(NODES_MAX);
  /** Position in each node's ring at which catchUp() stops, an int32 that wraps. */
  readonly #ends = new Int32Array(NODES_MAX);
  /**
   * Called before records of other nodes are taken. If it is set, a drain takes only what had been published before the
   * call: the links shard must tell other servers of new interest before a message that follows it.
   */
  beforeDrain: (() => void) | null = null;
  /**
   * Serves plain subscribers and the named queue groups where plans leave messages of other nodes to the host. Returns
   * how many took the message. null if no plan of this shard does so.
   */
  onHostDelivery: ((delivery: Delivery) => number) | null = null;
  /** Does the work that drains have left for later. Called only when no message is under way. */
  onCaughtUp: (() => void) | null = null;

  constructor(shard: ShardContext, wake: Wake, stalls: StallSignals, onControl: (message: unknown) => void) {
    this.#shard = shard;
    this.#wake = wake;
    this.#stalls = stalls;
    this.#leftovers = new Leftovers(shard);
    this.#onControl = onControl;
    this.#words = shard.shared.words;
    this.#area = shard.shared.map.area(shard.node).area >> 2;
    this.#nodeCount = shard.shared.map.nodeCount;
    this.#dropsNothing = !shard.shared.map.isShard(shard.node);
  }

  /** Set once, right after both are made: inbound publishes, and publishing needs rings. */
  set inbound(inbound: Inbound) {
    this.#inbound = inbound;
  }

  /**
   * Shows the other nodes everything committed for them and wakes those that sleep. Wakes the links shard for new
   * interest, too.
   */
  publishAll(): void {
    let nodes = this.#words[this.#area + (AREA_UNPUBLISHED >> 2)]!;
    while (nodes !== 0) {
      const node = 31 - Math.clz32(nodes & -nodes);
      this.#shard.engine.publish(node);
      this.#wake.ifAsleep(node);
      nodes &= nodes - 1;
    }
    const { index, shared } = this.#shard;
    const { linksNode } = shared.map;
    if (linksNode !== 0 && linksNode !== this.#shard.node && !index.journal!.isEmpty) {
      this.#wake.ifAsleep(linksNode);
    }
  }

  /**
   * See `StallSignals`. Concerns messages of this shard only: drainAll() keeps stalls of other nodes' messages apart.
   */
  get stalledBy(): number {
    return this.#stalls.stalledBy;
  }

  set stalledBy(stalledBy: number) {
    this.#stalls.stalledBy = stalledBy;
  }

  /**
   * Takes a bounded amount of what each other node has published. Returns whether there was anything. May run while a
   * message of this shard is under way; that message's stall is kept apart from those of the messages taken.
   */
  drainAll(): boolean {
    let nodes = this.#look();
    if (nodes === 0) return false;
    this.beforeDrain?.();
    const { stalledBy } = this;
    for (; nodes !== 0; nodes &= nodes - 1) this.#drain(31 - Math.clz32(nodes & -nodes));
    this.stalledBy = stalledBy;
    return true;
  }

  /**
   * Takes everything that other nodes have published by now; drainAll() may leave some of it for the next turn. Called
   * before something that must come after it: a client that asks, or changes its interest, may already have heard of
   * those messages.
   */
  catchUp(): void {
    const { engine } = this.#shard;
    if (engine.hasInbound() !== 0) {
      for (let node = 0; node < this.#nodeCount; node++) {
        this.#ends[node] = engine.taken(node) + engine.available(node);
      }
      while (this.#isBehind()) this.drainAll();
    }
    this.onCaughtUp?.();
  }

  #isBehind(): boolean {
    for (let node = 0; node < this.#nodeCount; node++) {
      if (((this.#ends[node]! - this.#shard.engine.taken(node)) | 0) > 0) return true;
    }
    return false;
  }

  /**
   * Returns the bitmap of the nodes that have published something, and notes how much of each ring is taken this time.
   */
  #look(): number {
    const { engine } = this.#shard;
    let nodes = 0;
    for (let node = 0; node < this.#nodeCount; node++) {
      const available = engine.available(node);
      if (available === 0) continue;
      nodes |= 1 << node;
      const bytes = this.beforeDrain === null ? DRAIN_BYTES_MAX : Math.min(available, DRAIN_BYTES_MAX);
      this.#until[node] = engine.taken(node) + bytes;
    }
    return nodes;
  }

  /** Bytes of a node's ring that are still to be taken this time. */
  #left(node: number): number {
    return (this.#until[node]! - this.#shard.engine.taken(node)) | 0;
  }

  /** Returns once a ring that the engine found full has more room, or the node that reads it is gone. */
  waitForRoom(node: number): void {
    assert(node !== this.#shard.node, "nobody else makes room in a ring of one's own");
    const { map } = this.#shard.shared;
    const { area } = map.area(this.#shard.node);
    const seenTailWord = outEndWord(area, node, RING_END_OTHER);
    const ring = map.ring(this.#shard.node, node);
    const tailWord = (ring + RING_TAIL) >> 2;
    const awaitedWord = (ring + RING_IS_AWAITED) >> 2;
    // The ring's tail, as the engine saw it when there was too little room.
    const tail = this.#words[seenTailWord]!;
    while (Atomics.load(this.#words, tailWord) === tail) {
      this.publishAll();
      if (!this.#isUp(node)) {
        // Nobody reads the ring any more: overwrite its content until the interest of the node is gone, too.
        this.#words[seenTailWord] = this.#words[outEndWord(area, node, RING_END_POSITION)]!;
        break;
      }
      this.#wake.ifAsleep(node);
      if (this.drainAll()) continue;
      Atomics.store(this.#words, awaitedWord, 1);
      Atomics.wait(this.#words, tailWord, tail, FULL_SLEEP_MS);
    }
    this.#shard.outbound.look();
  }

  #isUp(node: number): boolean {
    return Atomics.load(this.#words, nodeWord(node, NODE_STATE)) === NODE_IS_UP;
  }

  /**
   * Notes a large message for a node; `isPlain` is its RECORD_IS_PLAIN. sendLargeMessages() sends it, once the engine
   * is done with it.
   */
  addLarge(
    message: HeldMessage,
    node: number,
    isPlain: number,
    pickCount: number,
    wantsTaker: boolean,
  ): void {
    const picks = this.#words[this.#area + (AREA_PICKS >> 2)]! >> 2;
    const queues: number[] = [];
    for (let i = 0; i < pickCount; i++) {
      if (this.#words[picks + i * 2] === node) queues.push(this.#words[picks + i * 2 + 1]!);
    }
    const delivery = {
      message,
      isPlain: isPlain !== 0,
      goesBack: (isPlain & RECORD_GOES_BACK) !== 0,
      queues: Int32Array.from(queues),
      wantsTaker,
    };
    this.#outgoing.push({ node, delivery });
  }

  /** Sends a control message to a shard, which may be this one. Waits for room. Returns false if the shard is gone. */
  sendControl(node: number, message: ShardControl): boolean {
    if (node === this.#shard.node) {
      this.#onControl(message);
      return true;
    }
    const { engine, shared } = this.#shard;
    for (const piece of controlPieces(message)) {
      while (!sendPiece(engine, shared, node, piece)) {
        this.waitForRoom(node);
        if (!this.#isUp(node)) return false;
      }
    }
    this.#wake.ifAsleep(node);
    return true;
  }

  sendLargeMessages(): void {
    if (this.#outgoing.length === 0) return;
    const outgoing = this.#outgoing;
    this.#outgoing = [];
    for (const { node, delivery } of outgoing) this.send(node, delivery);
  }

  /** Sends a message to one node, whatever its interest. Waits for room. */
  send(node: number, delivery: Delivery): void {
    const { message } = delivery;
    const { shared } = this.#shard;
    const start = this.#reserve(node, recordBytes(delivery));
    if (start === 0) return;
    writeRecord(shared, start, delivery);
    this.#commit(node, start);
    if (!message.isLarge) return;
    const { words, bytes, map } = shared;
    const pieceBytes = Math.min(PIECE_BYTES_MAX, map.ringCapacity(this.#shard.node, node) / PIECES_PER_RING);
    for (let from = 0; from < message.bytes.length; from += pieceBytes) {
      const piece = message.bytes.subarray(from, from + pieceBytes);
      const record = this.#reserve(node, RECORD_BODY + piece.length);
      if (record === 0) return;
      words[(record + RECORD_KIND) >> 2] = RECORD_KIND_PIECE;
      words[(record + RECORD_REST_LENGTH) >> 2] = piece.length;
      bytes.set(piece, record + RECORD_BODY);
      this.#commit(node, record);
    }
  }

  /**
   * Reserves room for a record, waiting for it if necessary, and writes the record's length. Returns the record's
   * address, 0 if the node is gone.
   */
  #reserve(node: number, bytes: number): number {
    const length = (bytes + 15) & ~15;
    for (;;) {
      const record = this.#shard.engine.reserve(node, length);
      if (record !== 0) {
        this.#words[(record + RECORD_LENGTH) >> 2] = length;
        return record;
      }
      if (!this.#isUp(node)) return 0;
      this.waitForRoom(node);
    }
  }

  #commit(node: number, record: number): void {
    this.#shard.engine.commit(node, this.#words[(record + RECORD_LENGTH) >> 2]!);
  }

  #drain(node: number): void {
    const { engine, outbound, shared } = this.#shard;
    const before = this.#dropsNothing;
    this.#dropsNothing = !shared.map.isShard(node);
    for (let left = this.#left(node); left > 0; left = this.#left(node)) {
      const reason = engine.drain(node, left);
      const resume = this.#words[this.#area + (AREA_RESUME >> 2)]!;
      this.#shard.removeExpired();
      if (reason === REASON_DONE) break;
      const isTaken = this.#goOn(node, reason, resume);
      // After a record that is to be taken again the loop goes on: the plan built for it may serve only once.
      if (isTaken && outbound.isLate()) break;
    }
    // Outboxes may name bytes that lie in the ring: write them before the producer reuses the room.
    if (outbound.hasGathered) outbound.flushAll();
    engine.release(node);
    this.#wakeProducer(node);
    this.#dropsNothing = before;
  }

  /**
   * Whether the messages being delivered come from no client of this server, but from another server or from this
   * server itself. Such messages are not dropped for congested connections.
   */
  get #dropsNothing(): boolean {
    return this.#words[this.#area + (AREA_DROPS_NOTHING >> 2)] !== 0;
  }

  set #dropsNothing(dropsNothing: boolean) {
    this.#words[this.#area + (AREA_DROPS_NOTHING >> 2)] = dropsNothing ? 1 : 0;
  }

  /** Does what drain() has left to the host. Returns false if drain() is to take the record again. */
  #goOn(node: number, reason: number, resume: number): boolean {
    const { engine, shared } = this.#shard;
    switch (reason) {
      case REASON_MISS:
        return this.#deliverMissed(node, resume);
      case REASON_STALLED:
        this.#stalls.tell(node, resume);
        break;
      case REASON_OTHER:
        this.#takeOther(node, resume);
        break;
      case REASON_HOST_PLAN: {
        const incoming = readRecord(shared, resume);
        engine.skip(node, resume);
        this.#leftovers.noteUntaken(node, incoming, this.#deliverByHost(incoming));
        break;
      }
      case REASON_UNSERVED: {
        const incoming = readRecord(shared, resume);
        this.#leftovers.noteUnserved(node, incoming, incoming.wantsTaker ? 0 : 1);
        this.#stalls.tell(node, incoming.origin);
        break;
      }
      case REASON_UNTAKEN:
        this.#leftovers.noteUntaken(node, readRecord(shared, resume), 0);
        break;
    }
    return true;
  }

  /** Builds the plan that the engine has not found for a record. Returns whether the record has been served. */
  #deliverMissed(node: number, record: number): boolean {
    const { engine, shared } = this.#shard;
    const origin = this.#word(record, RECORD_ORIGIN);
    const publisher = publisherOf(node, { origin, tried: this.#word(record, RECORD_TRIED) });
    const queueCount = this.#word(record, RECORD_QUEUE_COUNT);
    const isServed = this.#inbound!.deliverMissed(
      slotAt(this.#shard.node, publisher),
      this.#word(record, RECORD_IS_PLAIN) !== 0,
      record + RECORD_BODY,
      queueCount,
      this.#word(record, RECORD_REST_LENGTH),
    );
    if (isServed) {
      engine.skip(node, record);
      // A plan of several parts has takers.
      if (queueCount > 0) this.#leftovers.noteUnserved(node, readRecord(shared, record), 1);
    }
    this.#shard.removeExpired();
    this.#stalls.tell(node, origin);
    return isServed;
  }

  /** Wakes a producer that sleeps until there is room. */
  #wakeProducer(node: number): void {
    const ring = this.#shard.shared.map.ring(node, this.#shard.node);
    const awaitedWord = (ring + RING_IS_AWAITED) >> 2;
    if (Atomics.load(this.#words, awaitedWord) === 0) return;
    Atomics.store(this.#words, awaitedWord, 0);
    Atomics.notify(this.#words, (ring + RING_TAIL) >> 2);
  }

  #deliverByHost(delivery: Delivery): number {
    assert(this.onHostDelivery !== null, "plans leave messages of other nodes to a host that serves them");
    return this.onHostDelivery(delivery);
  }

  /** Whether something that a drain came upon is still to be done. */
  get hasLeftovers(): boolean {
    return !this.#leftovers.isEmpty;
  }

  /** Does what drains have left to be done. Must not be called from within a drain. */
  settleLeftovers(): void {
    if (this.#leftovers.isEmpty) return;
    const inbound = this.#inbound!;
    this.#leftovers.settle({
      serveGroup: (message, queue, slot, tried) => inbound.serveGroup(message, queue, slot, tried),
      send: (node, delivery) => this.send(node, delivery),
      sendControl: (node, message) => this.sendControl(node, message),
    });
  }

  #takeOther(node: number, record: number): void {
    const { engine, shared } = this.#shard;
    const kind = this.#word(record, RECORD_KIND);
    if (kind === RECORD_KIND_CONTROL) {
      this.#controls[node] ??= new ControlReader();
      const message = this.#controls[node].read(shared, record);
      engine.skip(node, record);
      if (message !== undefined) this.#onControl(message);
      return;
    }
    if (kind === RECORD_KIND_STALL) {
      const connection = this.#shard.connections[this.#word(record, RECORD_ORIGIN)];
      engine.skip(node, record);
      if (connection != null) this.#shard.pause(connection);
      return;
    }
    if (kind === RECORD_KIND_RESUME) {
      engine.skip(node, record);
      this.#shard.resumeProducers();
      return;
    }
    if (kind === RECORD_KIND_LARGE) {
      const payloadBytes = this.#word(record, RECORD_REST_LENGTH) - this.#word(record, RECORD_LINE_LENGTH);
      this.#incoming[node] = readRecord(shared, record, this.#shard.outbound.payloads.take(payloadBytes));
    } else {
      assert(kind === RECORD_KIND_PIECE, "a ring holds records of known kinds");
      const incoming = this.#incoming[node];
      if (incoming != null) {
        const start = record + RECORD_BODY;
        incoming.message.fill(shared.bytes, start, start + this.#word(record, RECORD_REST_LENGTH));
        if (incoming.message.isComplete) {
          this.#incoming[node] = null;
          this.#deliverLarge(node, incoming);
        }
      }
    }
    engine.skip(node, record);
  }

  #deliverLarge(node: number, incoming: Received): void {
    const { message, queues, origin } = incoming;
    const takers = this.#inbound!.deliverLarge(
      incoming,
      slotAt(this.#shard.node, publisherOf(node, incoming)),
    );
    this.#shard.removeExpired();
    if (takers === null) this.#leftovers.noteUntaken(node, incoming, this.#deliverByHost(incoming));
    else this.#leftovers.noteUnserved(node, incoming, takers);
    this.#stalls.tell(node, origin);
    // The payload is still needed if an answer, or a message for groups that were not served, was put aside.
    const isAnswer = (message.context & CONTEXT_IS_RESPONSE) !== 0;
    const isDone = takers !== null && !isAnswer && queues.every((queue) => queue === 0);
    if (isDone) this.#shard.outbound.payloads.release(message.bytes);
  }

  #word(record: number, offset: number): number {
    return this.#words[(record + offset) >> 2]!;
  }
}
