/**
 * One shard: a thread that serves connections. Its life is a loop of turns, each of which takes what other nodes sent,
 * reads what its sockets have, and writes what came of it.
 *
 *   wait → drain rings → read, scan, deliver → publish rings → write outboxes → close, fire timers
 *
 * Rings are published before outboxes are written, so that whoever sees a PONG may rely on what was published before
 * it having reached the other shards.
 */
import type { Socket } from "node:net";
import { SYSTEM_ACCOUNT_ID } from "../account/definition.ts";
import { assert } from "../base/assert.ts";
import { GrowthWatch } from "../base/growth_watch.ts";
import { TimerWheel } from "../base/timer_wheel.ts";
import { createWallClock } from "../base/wall_clock.ts";
import { formatDuration } from "../config/duration.ts";
import { createEngine, type Engine, type EngineHost } from "../engine/engine.ts";
import { HeldMessage, messageBytes } from "../fabric/held_message.ts";
import type { ListenerKind } from "../fabric/listeners.ts";
import type { Delivery } from "../fabric/message_record.ts";
import { Wake } from "../fabric/wake.ts";
import { openInterestIndex } from "../interest/interest_index.ts";
import {
  AREA_CLIENTS_EVER,
  AREA_CONTROL_LINE_MAX,
  AREA_EXPIRED,
  AREA_MEMORY_BASE,
  AREA_SLOW_CONSUMERS,
  AREA_STALE_CONNECTIONS,
  AREA_STALLS,
  CONNECTION_BYTES,
  CONNECTION_CLIENT,
  CONNECTION_FD,
  CONNECTION_FLAGS,
  CONNECTION_IN_BYTES,
  CONNECTION_IN_MESSAGES,
  CONNECTION_IS_CLOSED,
  CONNECTION_IS_UPGRADING,
  CONNECTION_OUT_BYTES,
  CONNECTION_OUT_MESSAGES,
  MESSAGE_LINE_BYTES_MAX,
  SUBSCRIPTION_EXPIRED_NEXT,
} from "../memory/layout.ts";
import {
  HEADER_CLIENT_ID,
  HEADER_CONNECTION_COUNT,
  NODE_IS_ABSENT,
  NODE_IS_ASLEEP,
  NODE_IS_UP,
  NODE_LOAD,
  NODE_STATE,
  NODE_WAKE,
  READ_BYTES,
  READ_BYTES_BEFORE_LOGIN,
} from "../memory/map.ts";
import {
  counterValue,
  increment,
  nodeWord,
  openSharedMemory,
  type SharedMemory,
} from "../memory/shared_memory.ts";
import { CloseReason, closeReasonEntry } from "../protocol/close_reason.ts";
import * as errors from "../protocol/errors.ts";
import { errorLine, PING_LINE } from "../protocol/messages.ts";
import { traceOperation } from "../protocol/trace.ts";
import type { Upgrade } from "../protocol/websocket/upgrade.ts";
import {
  HANGUP,
  type Poller,
  READ_FAILED,
  READABLE,
  type StreamSource,
  WOULD_BLOCK,
  WRITABLE,
} from "../runtime/poller.ts";
import type { TlsLayer } from "../runtime/tls.ts";
import type { WebSocketLayer } from "../runtime/websocket/websocket_layer.ts";
import { byteStringOfText, bytesOf } from "../subject/byte_string.ts";
import { NO_COUNTERS, withTraffic } from "./account_counters.ts";
import { ShardAccounts } from "./accounts.ts";
import { BufferPool } from "./buffer_pool.ts";
import { ClientEvents } from "./client_events.ts";
import { ClientProtocol, pingIntervalMs } from "./client_protocol.ts";
import { ClientTargets } from "./client_targets.ts";
import {
  Connection,
  PHASE_PEER_CHECK,
  PHASE_SETTLED,
  STATE_CLOSED,
  STATE_CLOSING,
  STATE_CONNECTED,
  STATE_NEW,
  STATE_WAITING,
  type WebSocketPeer,
} from "./connection.ts";
import { Contexts } from "./contexts.ts";
import { type HandedLeaf, handedLeaf } from "./handed_leaf.ts";
import { Handshakes } from "./handshakes.ts";
import type { LinkHost, LinkShard } from "./link_host.ts";
import { LocalInterest } from "./local_interest.ts";
import { NotedDeliveries } from "./noted_deliveries.ts";
import { Outbound, type OutboundOptions } from "./outbound.ts";
import { PausedProducers } from "./paused_producers.ts";
import { PlanCache } from "./plan_cache.ts";
import { Publishing } from "./publishing.ts";
import { Rings } from "./rings.ts";
import { Services } from "./services.ts";
import type {
  AccountCounters,
  LoginQuestion,
  ShardControl,
  ShardOptions,
  ShardReport,
  ShardStart,
} from "./shard_options.ts";
import {
  accountCounters,
  clientsOf,
  connectionPage,
  connectionRecord,
  openConnection,
  subscriberCount,
  subscriptionPage,
  userRecord,
} from "./snapshot.ts";
import { NO_SUBSCRIPTION, SubscriptionTable } from "./subscription_table.ts";
import {
  TIMER_AUTHENTICATION,
  TIMER_EXPIRY,
  TIMER_LINKS,
  TIMER_PING,
  TIMER_SERVICES,
  TIMER_WRITE,
  TIMERS_PER_CONNECTION,
  timerId,
} from "./timers.ts";
import type { Arrival, UpgradeHost, Upgrades } from "./upgrades.ts";

const TICK_MS = 10;
/**
 * Connections accepted after which what their coming left behind is freed. On Bun what stays of them would lie scattered
 * over a heap of garbage, and keep all of it: 7 KiB a connection instead of 3.
 */
const ACCEPTED_PER_COLLECTION = 256;
/** What is queued for a connection that is being closed has this long to leave. */
const CLOSING_MS = 1000;
/** Connections that may hold an outbox when the next one is served: each outbox ever lent is memory touched. */
const OUTBOXES_HELD_MAX = 64;
/** Idle for this long after work, a shard tidies up. */
const TIDY_AFTER_MS = 1000;
const HOUR_MS = 3_600_000;
const NO_QUEUES = new Int32Array(0);
/** Subscriptions of a closed connection that monitoring still shows. */
const CLOSED_SUBSCRIPTIONS_MAX = 256;

export interface ShardDependencies {
  readonly poller: Poller;
  /** Wakes the thread whose poller has this handle. */
  wake(handle: number): void;
  /** `transfer`: what in it goes to main for good. */
  report(report: ShardReport, transfer?: Transferable[]): void;
  /** Sends a question to the links thread. */
  ask(question: LoginQuestion): void;
  /** Frees what is garbage: a thread that never returns to its event loop would keep it until it needs the room. */
  collectGarbage(): void;
  /** Frees what has become garbage lately. */
  collectRecentGarbage(): void;
  /** Memory of the process. */
  residentBytes(): number;
  /** The TLS of `poller`; null where there is none. */
  readonly tls: TlsLayer | null;
  /** The framing of `poller`, and who upgrades connections to it; null where there are no WebSockets. */
  readonly webSocket: {
    readonly layer: WebSocketLayer;
    /** Null where no port for them is this shard's: the links shard dials. */
    readonly createUpgrades: ((host: UpgradeHost) => Upgrades) | null;
  } | null;
  /** Takes no more connections of these kinds, or of any, where the shard listens by itself. */
  stopListening(listeners: readonly ListenerKind[] | "all"): void;
  /** Makes what the links shard has besides; null for shards of clients. */
  readonly createLinks: ((shard: LinkShard) => LinkHost) | null;
}

export class Shard implements LinkShard, UpgradeHost {
  readonly node: number;
  readonly shared: SharedMemory;
  readonly engine: Engine;
  readonly poller: Poller;
  readonly index;
  readonly table: SubscriptionTable;
  readonly interest: LocalInterest;
  readonly accounts: ShardAccounts;
  readonly contexts: Contexts;
  readonly plans: PlanCache;
  readonly outbound: Outbound;
  readonly timers: TimerWheel;
  readonly connections: (Connection | null)[] = [null];
  readonly tls: TlsLayer | null;
  options: ShardOptions;
  info;
  nowMs = performance.now();

  readonly #dependencies: ShardDependencies;
  readonly #rings: Rings;
  readonly #publishing: Publishing;
  readonly #services: Services;
  readonly #protocol: ClientProtocol;
  readonly #events: ClientEvents;
  readonly #handshakes: Handshakes;
  readonly #links: LinkHost | null;
  readonly #upgrades: Upgrades | null;
  readonly #notedDeliveries = new NotedDeliveries(this);
  readonly #words: Int32Array;
  /** Address of the receive buffer. */
  readonly receive: number;
  readonly #spinMs: number;
  readonly #wallClock = createWallClock();
  readonly #freeSlots: number[] = [];
  readonly #buffers = new BufferPool();
  readonly #closing: Connection[] = [];
  /** Connections whose verdict is there: what they sent meanwhile is to be taken. */
  #resumable: Connection[] = [];
  /** What closed connections have counted, by account. */
  readonly #goneCounters = new Map<string, AccountCounters>();
  readonly #paused: PausedProducers;
  #acceptedSinceCollection = 0;
  #lastBusyMs = 0;
  #isTidy = true;
  readonly #growth: GrowthWatch;
  #failure: Error | null = null;
  /** Clients' sockets stay open when their connection ends: the process ends, and closes them. */
  #leavesSockets = false;

  constructor(start: ShardStart, dependencies: ShardDependencies) {
    const { poller } = dependencies;
    this.node = start.node;
    this.options = start.options;
    this.info = start.info;
    this.poller = poller;
    this.#paused = new PausedProducers(poller);
    this.#dependencies = dependencies;
    this.#growth = new GrowthWatch(dependencies.residentBytes, dependencies.collectGarbage);
    this.#spinMs = start.spinMs;
    this.shared = openSharedMemory(start.memory);
    const { words, map } = this.shared;
    this.#words = words;
    const regions = map.area(this.node);
    this.receive = regions.receive;
    this.#limitLines();
    words[(regions.area + AREA_MEMORY_BASE) >> 2] = (poller.memoryBase % 2 ** 32) | 0;
    words[((regions.area + AREA_MEMORY_BASE) >> 2) + 1] = Math.floor(poller.memoryBase / 2 ** 32);
    const host: EngineHost = {
      flush: (slot) => this.outbound.flush(slot),
      reclaim: () => this.outbound.reclaim(),
      attach: (slot, skipped) => this.#publishing.attach(slot, skipped),
      sendLarge: (node, isPlain, pickCount, wantsTaker) =>
        this.#publishing.sendLarge(node, isPlain !== 0, pickCount, wantsTaker !== 0),
      note: (...message) => this.#notedDeliveries.note(...message),
    };
    this.engine = createEngine(start.memory, regions.area, host, start.engineCode);
    this.index = openInterestIndex({ buffer: this.shared.buffer, ...map.index });
    this.timers = new TimerWheel(TICK_MS, this.nowMs);
    this.table = new SubscriptionTable(this.shared, start.hashSeed);
    this.interest = new LocalInterest(this.shared, this.engine, this.index, this.table, this.node);
    this.accounts = new ShardAccounts(start.options.accounts, start.options.clusterName);
    this.contexts = new Contexts(this.accounts);
    this.tls = dependencies.tls;
    this.#links = dependencies.createLinks?.(this) ?? null;
    const targets = this.#links?.plans ?? new ClientTargets(this.shared.bytes, this.index, this.table);
    this.plans = new PlanCache(
      this.shared,
      this.engine,
      this.index,
      this.node,
      this.#links?.plans ?? this.contexts,
      targets,
    );
    this.outbound = new Outbound(
      this.shared,
      this.node,
      this.engine,
      poller,
      this.connections,
      outboundOptions(start.options),
      {
        fail: (connection, reason) => this.#failOutput(connection, reason),
        startDeadline: (connection) => this.#startDeadline(connection),
        wroteLink: (connection) => this.#links!.wrote(connection),
        resumeProducers: () => {
          this.resumeProducers();
          this.#rings.tellResumed();
        },
      },
    );
    const wake = new Wake(words, dependencies.wake);
    this.#rings = new Rings(this, wake, (message) => this.#control(message as ShardControl));
    this.#publishing = new Publishing(this, this.#rings);
    this.#rings.publishing = this.#publishing;
    this.#services = new Services(this, this.#publishing, this.#rings);
    this.#publishing.services = this.#services;
    this.#protocol = new ClientProtocol(this, this.#publishing, this.#rings);
    this.#events = new ClientEvents(this);
    this.#handshakes = new Handshakes(this, this.#protocol, dependencies.tls);
    this.#handshakes.configure();
    dependencies.webSocket?.layer.useUnmask(this.engine.unmask);
    this.#upgrades = dependencies.webSocket?.createUpgrades?.(this) ?? null;
    this.#upgrades?.configure();
    this.#publishing.links = this.#links;
    if (this.#links !== null) {
      const links = this.#links;
      this.#rings.beforeDrain = () => links.announce();
      this.#rings.onHostDelivery = (delivery) => links.takeMessage(delivery);
    }
    words[nodeWord(this.node, NODE_WAKE)] = poller.wakeHandle;
    // A poller of the runtime's sockets sleeps outside its turns: it is woken whenever there is something.
    if (poller.kind === "runtime") Atomics.store(words, nodeWord(this.node, NODE_IS_ASLEEP), 1);
  }

  /** Serves until it is told to stop; throws what a turn threw. */
  async run(): Promise<void> {
    await this.poller.run(() => {
      try {
        this.#turn();
      } catch (error) {
        this.#failure = error instanceof Error ? error : new Error(String(error));
        this.poller.stop();
      }
    });
    if (this.#failure !== null) throw this.#failure;
  }

  /** Takes a connected socket. */
  accept(listener: ListenerKind, source: StreamSource, ip: string, port: number): void {
    switch (listener) {
      case "client":
        this.#admit(this.#takeSlot(source), source, { ip, port, tls: null }, null);
        break;
      case "websocket":
        this.#beginUpgrade(source, ip, port);
        break;
      default:
        this.#links!.accept(listener, source, ip, port);
    }
  }

  #beginUpgrade(source: StreamSource, ip: string, port: number): void {
    const slot = this.#takeSlot(source);
    this.connections[slot] = null;
    this.#words[(this.#addressOf(slot) + CONNECTION_FLAGS) >> 2] = CONNECTION_IS_UPGRADING;
    this.poller.add(slot, source);
    this.#upgrades!.begin(slot, ip, port);
  }

  admit(slot: number, peer: Arrival, webSocket: WebSocketPeer): void {
    this.#words[(this.#addressOf(slot) + CONNECTION_FLAGS) >> 2] = 0;
    this.#admit(slot, null, peer, webSocket);
  }

  dismiss(slot: number): void {
    this.poller.close(slot);
    this.#freeUpgraded(slot);
  }

  /** The slot of a connection that has not become one of this shard's. */
  #freeUpgraded(slot: number): void {
    const address = this.#addressOf(slot);
    this.#words[(address + CONNECTION_FD) >> 2] = -1;
    this.#words[(address + CONNECTION_FLAGS) >> 2] = 0;
    this.#freeSlots.push(slot);
    Atomics.sub(this.#words, nodeWord(this.node, NODE_LOAD), 1);
  }

  handLeafOver(slot: number, peer: Arrival, upgrade: Upgrade): boolean {
    const { linksNode } = this.shared.map;
    const isUp = linksNode !== 0 && Atomics.load(this.#words, nodeWord(linksNode, NODE_STATE)) === NODE_IS_UP;
    if (!isUp || !this.#reserveLink(linksNode)) return false;
    const stream = this.poller.handOver(slot);
    const leaf = handedLeaf(stream, peer, upgrade);
    if (stream.kind === "runtime") this.#dependencies.report(leaf, [stream.port]);
    else if (!this.#rings.sendControl(linksNode, leaf)) {
      // It died while there was no room.
      Atomics.sub(this.#words, nodeWord(linksNode, NODE_LOAD), 1);
      this.poller.add(slot, stream);
      return false;
    }
    this.#freeUpgraded(slot);
    return true;
  }

  /** Takes a leaf node over from another shard, which has counted it as one of this one's. */
  acceptHanded(leaf: HandedLeaf): void {
    // As for a socket: the last turn may have been long ago.
    this.nowMs = performance.now();
    this.#links!.acceptHanded(leaf);
  }

  takeHandshakeStep(): boolean {
    return this.#handshakes.takeStep();
  }

  /** A client, whose stream is `source`, or in the poller already. */
  #admit(slot: number, source: StreamSource | null, peer: Arrival, webSocket: WebSocketPeer | null): void {
    const open = Atomics.add(this.#words, HEADER_CONNECTION_COUNT, 1) + 1;
    this.#count(AREA_CLIENTS_EVER);
    const connection = this.#open(slot, source, peer, webSocket);
    if (this.options.logsDebug) this.log("debug", `${connection.label} - Client connection created`);
    this.#protocol.logins.begin(connection);
    this.#protocol.applyOptions(connection);
    const isTooMany = open > this.options.maxConnections || this.options.maxConnections <= 0;
    if (webSocket === null) this.#handshakes.begin(connection, isTooMany);
    else this.#handshakes.skip(connection, isTooMany);
    this.#shareOutboxes();
    if (++this.#acceptedSinceCollection < ACCEPTED_PER_COLLECTION) return;
    this.#acceptedSinceCollection = 0;
    this.#dependencies.collectRecentGarbage();
  }

  openLink(source: StreamSource, peer: Arrival): Connection {
    const connection = this.#openLink(source, peer);
    connection.hasStream = true;
    return connection;
  }

  openDialled(ip: string, port: number): Connection | null {
    return this.#reserveLink(this.node) ? this.#openLink(null, { ip, port, tls: null }) : null;
  }

  /** Counts one more link of the links shard; false where it takes none. */
  #reserveLink(linksNode: number): boolean {
    const load = nodeWord(linksNode, NODE_LOAD);
    // The acceptor may be counting one more at this very moment: the last slot is for that.
    const isFull = Atomics.add(this.#words, load, 1) >= this.shared.map.slotCount(linksNode) - 2;
    if (isFull) Atomics.sub(this.#words, load, 1);
    return !isFull;
  }

  #openLink(source: StreamSource | null, peer: Arrival): Connection {
    const connection = this.#open(this.#takeSlot(source), source, peer, null);
    connection.isLink = true;
    connection.state = STATE_CONNECTED;
    return connection;
  }

  /** A free slot, with a fresh record for whoever has this socket. */
  #takeSlot(source: StreamSource | null): number {
    const slot = this.#freeSlots.pop() ?? this.connections.length;
    const { words, map } = this.shared;
    assert(slot < map.slotCount(this.node), "connections go to shards with room");
    const address = this.#addressOf(slot);
    words.fill(0, address >> 2, (address + CONNECTION_BYTES) >> 2);
    words[(address + CONNECTION_FD) >> 2] = source === null ? -1 : fdOf(source);
    return slot;
  }

  #addressOf(slot: number): number {
    return this.shared.map.area(this.node).connections + slot * CONNECTION_BYTES;
  }

  /** `source` is null where the poller has the stream already, or nobody has one yet. */
  #open(
    slot: number,
    source: StreamSource | null,
    { ip, port, tls }: Arrival,
    webSocket: WebSocketPeer | null,
  ): Connection {
    const { words } = this.shared;
    const address = this.#addressOf(slot);
    const connection = new Connection({
      slot,
      address,
      clientId: Atomics.add(words, HEADER_CLIENT_ID, 1) + 1,
      ip,
      port,
      startMs: this.wallMs(),
      nonce: this.#protocol.logins.newNonce(),
      webSocket,
      tls,
      account: this.accounts.global,
      maxPayloadBytes: this.options.maxPayloadBytes,
      maxSubscriptions: -1,
    });
    this.connections[slot] = connection;
    Atomics.store(words, (address + CONNECTION_CLIENT) >> 2, connection.clientId);
    this.plans.slotsUsed = this.connections.length;
    if (source !== null) this.poller.add(slot, source);
    connection.lastInputMs = this.nowMs;
    return connection;
  }

  /** Takes a socket that this shard accepted by itself. */
  acceptOwn(listener: ListenerKind, socket: Socket, ip: string, port: number): void {
    if (this.#freeSlots.length === 0 && this.connections.length >= this.shared.map.slotCount(this.node)) {
      this.log(
        "error",
        `Cannot serve ${ip}:${port}: the shard has ${this.connections.length - 1} connections, its most`,
      );
      socket.destroy();
      return;
    }
    Atomics.add(this.#words, nodeWord(this.node, NODE_LOAD), 1);
    // The last turn may have been long ago, and the connection's time begins now.
    this.nowMs = performance.now();
    this.accept(listener, socket, ip, port);
    this.outbound.flushAll();
    if (this.#closing.length > 0) this.#finishClosing();
  }

  fail(connection: Connection, code: number): void {
    const { wireText, closeReason, logLevel } = errors.errorEntry(code);
    if (wireText !== null) {
      if (this.options.logsTrace) {
        this.log("trace", `${connection.label} - ${traceOperation("out", "-ERR", wireText)}`);
      }
      this.outbound.append(connection, errorLine(wireText));
      if (logLevel !== "none") this.log(logLevel, `${connection.label} - ${wireText}`);
    }
    if (closeReason !== null) this.close(connection, closeReason);
  }

  close(connection: Connection, reason: CloseReason): void {
    if (connection.state >= STATE_CLOSING) return;
    connection.state = STATE_CLOSING;
    connection.closeReason = reason;
    this.#words[(connection.address + CONNECTION_FLAGS) >> 2]! |= CONNECTION_IS_CLOSED;
    Atomics.store(this.#words, (connection.address + CONNECTION_CLIENT) >> 2, 0);
    this.#closing.push(connection);
  }

  pause(connection: Connection): void {
    // One slow client must not hold up a link, nor everybody behind it.
    if (connection.state >= STATE_CLOSING || connection.isLink) return;
    this.#count(AREA_STALLS);
    this.#paused.add(connection);
  }

  ask(question: LoginQuestion): void {
    this.#dependencies.ask(question);
  }

  askAboutPeer({ slot, clientId }: Connection, block: string, chain: readonly Uint8Array[]): void {
    this.#dependencies.report({ type: "peer", slot, clientId, block, chain });
  }

  reportOpened(connection: Connection): void {
    const event = this.#events.opened(connection);
    if (event !== null) this.#dependencies.report({ type: "opened", event });
  }

  holdInput(connection: Connection): void {
    this.poller.setInterest(connection.slot, false, connection.isWriteWanted);
  }

  resumeInput(connection: Connection): void {
    this.#resumable.push(connection);
  }

  /** Takes what connections sent while their logins were judged, or their certificates. */
  #takeHeldInput(): void {
    for (const connection of this.#resumable.splice(0)) {
      if (connection.state >= STATE_CLOSING || connection.state === STATE_WAITING) continue;
      this.poller.setInterest(connection.slot, true, connection.isWriteWanted);
      const kept = connection.keptLength;
      if (kept === 0) {
        // TLS may have read ahead, of which no socket tells.
        this.#read(connection, READABLE);
        continue;
      }
      if (this.outbound.hasGathered) this.outbound.flushAll();
      this.shared.bytes.set(connection.kept!.subarray(0, kept), this.receive);
      this.#take(connection, this.receive, this.receive + kept);
    }
  }

  report(report: ShardReport): void {
    this.#dependencies.report(report);
  }

  nodeOfReply(account: number, subject: string): number {
    return this.#services.nodeOfReply(account, subject);
  }

  replyPattern(account: number): string {
    return this.#services.replyPattern(account);
  }

  sendToNode(node: number, delivery: Delivery): void {
    this.#rings.send(node, delivery);
  }

  sendAnswer(node: number, message: HeldMessage): void {
    if (node === this.node) this.#services.takeAnswer(message);
    // A peer may make subjects up.
    else if (this.shared.map.hasConnections(node))
      this.#rings.send(node, { message, isPlain: true, queues: NO_QUEUES, wantsTaker: false });
  }

  waitForRoom(node: number): void {
    this.#rings.waitForRoom(node);
  }

  publishSystem(subject: string, json: string): void {
    const content = messageBytes(new TextEncoder().encode(json));
    const name = bytesOf(byteStringOfText(subject));
    this.#publishing.deliver(HeldMessage.fromServer(SYSTEM_ACCOUNT_ID, name, content));
  }

  enter(connection: Connection, message: HeldMessage, subject: string): string | null {
    return this.#publishing.enter(connection, message, subject);
  }

  wallMs(): number {
    return this.#wallClock() / 1000;
  }

  log(level: "info" | "warning" | "error" | "debug" | "trace", text: string): void {
    this.#dependencies.report({ type: "log", level, text });
  }

  #turn(): void {
    const events = this.#wait();
    this.nowMs = performance.now();
    this.#handshakes.startTurn();
    let isBusy = this.#rings.drainAll();
    this.#rings.tellUntaken();
    this.#links?.announce();
    this.#services.doWork();
    if (this.#resumable.length > 0) this.#takeHeldInput();
    for (let i = 0; i < events; i++) {
      const flags = this.poller.eventFlags(i);
      const slot = this.poller.eventSlot(i);
      const connection = this.connections[slot];
      if (flags === 0) continue;
      isBusy = true;
      if (connection == null) {
        this.#upgrades?.serve(slot);
        continue;
      }
      if (connection.isLink && connection.phase !== PHASE_SETTLED && !this.#proceed(connection)) continue;
      if ((flags & WRITABLE) !== 0) {
        this.outbound.onWritable(connection);
        if (connection.state === STATE_CLOSING && connection.pending === null) this.#end(connection);
      }
      if ((flags & (READABLE | HANGUP)) !== 0) this.#read(connection, flags);
      this.#shareOutboxes();
    }
    if (isBusy) {
      this.#lastBusyMs = this.nowMs;
      this.#isTidy = false;
      this.#growth.check(this.nowMs);
    }
    this.timers.advance(this.nowMs, (id) => this.#onTimer(id));
    this.#paused.resumeDue();
    this.#rings.publishAll();
    if (this.outbound.dirtyCount > 0) this.outbound.flushAll();
    if (this.#closing.length > 0) this.#finishClosing();
  }

  /** What a drain in the middle of a turn left for the next one: no socket and no ring will tell of it. */
  get #hasWork(): boolean {
    const hasOwn = this.#resumable.length > 0 || this.#services.hasWork || this.#rings.hasUntaken;
    return hasOwn || (this.#links?.hasNews ?? false);
  }

  /** Another node has something for this one. */
  get #hasNews(): boolean {
    return this.engine.hasInbound() !== 0 || (this.#links?.hasNews ?? false);
  }

  #shareOutboxes(): void {
    if (this.outbound.dirtyCount < OUTBOXES_HELD_MAX) return;
    this.#rings.publishAll();
    this.outbound.flushAll();
  }

  /** Waits for sockets, rings or timers; looks for a while before it sleeps. */
  #wait(): number {
    const now = performance.now();
    if (now - this.#lastBusyMs < this.#spinMs || this.#hasWork) return this.poller.wait(0);
    let timeoutMs = this.timers.waitMs(now);
    if (!this.#isTidy) {
      const leftMs = this.#lastBusyMs + TIDY_AFTER_MS - now;
      if (leftMs > 0) timeoutMs = Math.min(timeoutMs, leftMs);
      else {
        this.#isTidy = true;
        this.#dependencies.collectGarbage();
      }
    }
    if (!this.#paused.isEmpty) timeoutMs = Math.min(timeoutMs, 1);
    const wholeMs = timeoutMs === Number.POSITIVE_INFINITY ? -1 : Math.ceil(timeoutMs);
    if (this.poller.kind === "runtime") return this.poller.wait(this.#hasNews ? 0 : wholeMs);
    const asleep = nodeWord(this.node, NODE_IS_ASLEEP);
    // Say that we sleep, then look once more: whoever publishes does it the other way round.
    Atomics.store(this.#words, asleep, 1);
    const events = this.poller.wait(this.#hasNews ? 0 : wholeMs);
    Atomics.store(this.#words, asleep, 0);
    return events;
  }

  /** Goes on with what stands between a connection and its protocol; true once nothing does. */
  #proceed(connection: Connection): boolean {
    return connection.isLink ? this.#links!.proceed(connection) : this.#handshakes.proceed(connection);
  }

  #read(connection: Connection, flags: number): void {
    if (connection.state >= STATE_CLOSING) {
      if ((flags & HANGUP) !== 0) this.#end(connection);
      return;
    }
    if (connection.phase === PHASE_PEER_CHECK) {
      if ((flags & HANGUP) !== 0) this.close(connection, CloseReason.TlsHandshakeFailure);
      return;
    }
    if (connection.phase !== PHASE_SETTLED && !this.#proceed(connection)) return;
    if (connection.pausedUntilMs !== 0 && (flags & HANGUP) === 0) return;
    if (connection.state === STATE_WAITING) {
      if ((flags & HANGUP) !== 0) this.close(connection, CloseReason.ClientClosed);
      return;
    }
    // The receive buffer is about to be written over.
    if (this.outbound.hasGathered) this.outbound.flushAll();
    const start = this.receive;
    const kept = connection.keptLength;
    if (kept > 0) this.shared.bytes.set(connection.kept!.subarray(0, kept), start);
    // Whoever may have to wait for its login is not to have the server keep much more than its CONNECT meanwhile.
    const mayWait = connection.state === STATE_NEW && this.#protocol.logins.isRequired(connection);
    const bytesMax = mayWait ? READ_BYTES_BEFORE_LOGIN : READ_BYTES;
    const count = this.poller.read(connection.slot, start + kept, bytesMax);
    if (count === WOULD_BLOCK) return;
    if (count <= 0) {
      if (count === READ_FAILED && connection.hasFrames) {
        const label = connection.isLink ? this.#links!.labelOf(connection) : connection.label;
        this.log("error", `${label} - read error: ${this.poller.lastError()}`);
      }
      this.close(connection, count === 0 ? CloseReason.ClientClosed : CloseReason.ReadError);
      return;
    }
    this.#take(connection, start, start + kept + count);
  }

  /** Takes the input in the receive buffer. */
  #take(connection: Connection, start: number, end: number): void {
    const rest = connection.isLink
      ? this.#links!.receive(connection, start, end)
      : this.#protocol.receive(connection, start, end);
    this.#keep(connection, rest, end);
    if (this.#publishing.takeStalled()) this.pause(connection);
  }

  /** Remembers the start of an unfinished operation. */
  #keep(connection: Connection, start: number, end: number): void {
    const length = end - start;
    connection.keptLength = length;
    if (connection.kept !== null && (length === 0 || connection.kept.length < length))
      this.#forget(connection);
    if (length === 0) return;
    connection.kept ??= this.#buffers.take(length);
    connection.kept.set(this.shared.bytes.subarray(start, end));
  }

  #forget(connection: Connection): void {
    if (connection.kept !== null) this.#buffers.give(connection.kept);
    connection.kept = null;
  }

  #control(message: ShardControl): void {
    switch (message.type) {
      case "accept":
        this.accept(message.listener, message.fd, message.ip, message.port);
        break;
      case "handedLeaf":
        this.acceptHanded(message);
        break;
      case "options":
        this.#changeOptions(message.options);
        this.info = message.info;
        break;
      case "accounts": {
        const { changed, removed, terms } = message.change;
        this.#protocol.logins.expel(removed);
        this.accounts.update(changed, removed);
        this.#protocol.logins.applyTerms(terms);
        this.#protocol.logins.refresh(false);
        this.#links?.refresh(terms);
        break;
      }
      case "request":
        this.#services.takeRequest(message);
        break;
      case "link":
        this.#links?.control(message);
        break;
      case "responder":
        if (this.#links === null) this.#services.setResponder(message.token, message.info);
        else this.#links.responds(message.token, message.info);
        break;
      case "latency":
        this.#services.takeRemoteLatency(message.account, message.subject, message.sample);
        break;
      case "verdict": {
        const connection = this.connections[message.slot];
        if (connection?.clientId !== message.clientId) break;
        if (connection.isLink) this.#links!.answer(connection, message.verdict);
        else this.#protocol.logins.answer(connection, message);
        break;
      }
      case "untaken":
        this.#publishing.untaken(message.slot, message.subject, message.reply);
        break;
      case "peer": {
        const connection = this.connections[message.slot];
        if (connection?.clientId !== message.clientId) break;
        if (connection.isLink) this.#links!.peerChecked(connection, message.isValid);
        else this.#handshakes.onPeerChecked(connection, message.isValid);
        break;
      }
      case "query":
        this.#dependencies.report({
          type: "answer",
          id: message.id,
          json: JSON.stringify(this.#answer(message.query)),
        });
        break;
      case "info":
        if (message.clientId === undefined) this.info = message.info;
        for (const connection of this.connections) {
          if (connection === null || connection.state >= STATE_CLOSING || connection.isLink) continue;
          if (message.clientId !== undefined && message.clientId !== connection.clientId) continue;
          if (message.listener !== undefined && message.listener !== connection.listener) continue;
          this.#protocol.sendInfo(connection, message.info);
        }
        break;
      case "closeSome":
        this.#closeSome(message.count, (connection) => this.close(connection, message.reason as CloseReason));
        break;
      case "shrink":
        this.#closeSome(message.count, (connection) =>
          this.fail(connection, errors.ERROR_MAXIMUM_CONNECTIONS),
        );
        break;
      case "accountFull": {
        const ids = new Set(message.clientIds);
        for (const connection of this.connections) {
          if (connection === null || !ids.has(connection.clientId)) continue;
          this.fail(connection, errors.ERROR_MAXIMUM_ACCOUNT_CONNECTIONS);
        }
        break;
      }
      case "stopListening":
        this.#dependencies.stopListening(message.listeners);
        break;
      case "stop":
        this.#leavesSockets = message.leavesSockets;
        this.#links?.stop();
        for (const connection of this.connections) {
          if (connection !== null) this.close(connection, CloseReason.ServerShutdown);
        }
        this.#rings.publishAll();
        this.outbound.flushAll();
        this.#finishClosing();
        this.#dependencies.stopListening("all");
        // Whoever waits for room in a ring to this shard waits no more.
        Atomics.store(this.#words, nodeWord(this.node, NODE_STATE), NODE_IS_ABSENT);
        this.poller.stop();
        break;
      case "fail":
        throw new Error("the shard was told to fail");
    }
  }

  #answer(query: Extract<ShardControl, { type: "query" }>["query"]): unknown {
    switch (query.what) {
      case "done":
        return null;
      case "closeUnpinned":
        return this.#handshakes.closeUnpinned();
      case "connections":
        return connectionPage(this, query);
      case "subscriptions":
        return subscriptionPage(this, query);
      case "user":
        return userRecord(this, query.clientId);
      case "kick": {
        if (this.#links !== null) return this.#links.kick(query.clientId);
        const connection = openConnection(this, query.clientId);
        if (connection === undefined) return false;
        this.close(connection, CloseReason.Kicked);
        return true;
      }
      case "lameDuck": {
        const connection = openConnection(this, query.clientId);
        return connection === undefined ? null : this.#protocol.sendLameDuck(connection);
      }
      case "subscribers":
        return this.#links?.countSubscribers(query) ?? subscriberCount(this, query);
      case "responses": {
        const account = this.accounts.byName(query.account);
        return account === undefined ? [] : this.#services.responsesOf(account.id);
      }
      case "clients":
        return clientsOf(this, query.account);
      case "accounts":
        return accountCounters(this, this.#goneCounters);
      case "links":
      case "linkAccounts":
      case "routes":
      case "gateways":
      case "leafs":
        return this.#links?.query(query) ?? null;
    }
  }

  #changeOptions(options: ShardOptions): void {
    const haveRulesChanged = JSON.stringify(options.login) !== JSON.stringify(this.options.login);
    this.options = options;
    this.#handshakes.configure();
    this.#upgrades?.configure();
    this.outbound.options = outboundOptions(options);
    this.#limitLines();
    this.accounts.configure(options.accounts, options.clusterName);
    this.#protocol.logins.refresh(haveRulesChanged);
    for (const connection of this.connections) {
      if (connection !== null && !connection.isLink) this.#protocol.applyOptions(connection);
    }
    this.#links?.refresh([]);
  }

  /** Tells the engine how long the lines are that it may take. */
  #limitLines(): void {
    const word = (this.shared.map.area(this.node).area + AREA_CONTROL_LINE_MAX) >> 2;
    this.#words[word] = Math.min(this.options.maxControlLineBytes, MESSAGE_LINE_BYTES_MAX);
  }

  #closeSome(count: number, close: (connection: Connection) => void): void {
    let left = count;
    for (const connection of this.connections) {
      if (left <= 0) return;
      if (connection === null || connection.state >= STATE_CLOSING) continue;
      close(connection);
      left--;
    }
  }

  #onTimer(id: number): void {
    if (id === TIMER_SERVICES) {
      this.#services.expire();
      return;
    }
    if (id === TIMER_LINKS) {
      this.#links?.onTimer();
      return;
    }
    const connection = this.connections[Math.floor(id / TIMERS_PER_CONNECTION)];
    if (connection == null) {
      this.#upgrades?.onTimer(Math.floor(id / TIMERS_PER_CONNECTION));
      return;
    }
    switch (id % TIMERS_PER_CONNECTION) {
      case TIMER_PING:
        this.#onPingTimer(connection);
        break;
      case TIMER_AUTHENTICATION:
        if (connection.phase !== PHASE_SETTLED) this.#handshakes.onTimer(connection);
        else if (connection.state === STATE_NEW) this.fail(connection, errors.ERROR_AUTHENTICATION_TIMEOUT);
        break;
      case TIMER_WRITE:
        this.#onWriteDeadline(connection);
        break;
      case TIMER_EXPIRY:
        this.#protocol.logins.onExpiry(connection);
        break;
    }
  }

  #onPingTimer(connection: Connection): void {
    if (connection.state >= STATE_CLOSING) return;
    const { pingMax } = this.options;
    const intervalMs = pingIntervalMs(connection, this.options);
    const now = this.nowMs;
    const isActive = now - connection.lastInputMs < intervalMs;
    // The first expiry always measures, and so does one an hour.
    const isDue = connection.pingSentMs === 0 || now - connection.pingSentMs >= HOUR_MS;
    if (!isActive || isDue) {
      if (connection.pingsOutstanding + 1 > pingMax) {
        this.#count(AREA_STALE_CONNECTIONS);
        this.fail(connection, errors.ERROR_STALE_CONNECTION);
        return;
      }
      connection.pingsOutstanding++;
      connection.pingSentMs = performance.now();
      if (this.options.logsTrace) {
        this.log("trace", `${connection.label} - ${traceOperation("out", "PING")}`);
      }
      this.outbound.append(connection, PING_LINE);
    }
    this.timers.set(timerId(connection, TIMER_PING), now + intervalMs);
  }

  #startDeadline(connection: Connection): void {
    const { writtenBytes, pending } = connection;
    connection.deadlineWrittenBytes = writtenBytes;
    connection.deadlineMark = writtenBytes + (pending?.length ?? 0);
    this.timers.set(timerId(connection, TIMER_WRITE), this.nowMs + this.options.writeDeadlineMs);
  }

  /** What was queued when the deadline was set must have left by now. */
  #onWriteDeadline(connection: Connection): void {
    if (connection.state === STATE_CLOSED) return;
    if (connection.state === STATE_CLOSING) {
      this.#end(connection);
      return;
    }
    if (connection.pending === null) return;
    const isLate = connection.writtenBytes < connection.deadlineMark;
    const hasMoved = connection.writtenBytes > connection.deadlineWrittenBytes;
    if (isLate && !((this.options.retriesWrites || connection.isLink) && hasMoved)) {
      this.#failOutput(connection, CloseReason.SlowConsumerWriteDeadline);
    } else this.#startDeadline(connection);
  }

  #failOutput(connection: Connection, reason: CloseReason): void {
    if (connection.state >= STATE_CLOSING) return;
    const { maxPendingBytes, writeDeadlineMs } = this.options;
    const pending = connection.pending;
    if (reason === CloseReason.SlowConsumerPendingBytes) {
      this.#count(AREA_SLOW_CONSUMERS);
      this.log(
        "info",
        `${connection.label} - Slow Consumer Detected: MaxPending of ${maxPendingBytes} Exceeded`,
      );
    } else if (reason === CloseReason.SlowConsumerWriteDeadline) {
      this.#count(AREA_SLOW_CONSUMERS);
      this.log(
        "info",
        `${connection.label} - Slow Consumer Detected: WriteDeadline of ${formatDuration(writeDeadlineMs)} exceeded with ` +
          `${pending?.chunkCount ?? 0} chunks of ${pending?.length ?? 0} total bytes.`,
      );
    }
    this.close(connection, reason);
  }

  /** Connections told to close: their subscriptions go at once, what is queued may still leave. */
  #finishClosing(): void {
    for (const connection of this.#closing.splice(0)) {
      if (connection.state === STATE_CLOSED) continue;
      if (connection.isLink) this.#links!.ended(connection);
      else {
        this.#reportClosed(connection);
        while (connection.firstSubscription !== NO_SUBSCRIPTION) {
          this.#protocol.removeSubscription(connection, connection.firstSubscription);
        }
      }
      const reason = connection.closeReason as CloseReason;
      const isFlushed = closeReasonEntry(reason).flushesPending && connection.pending !== null;
      if (!isFlushed || reason === CloseReason.ClientClosed) this.#end(connection);
      else {
        this.timers.set(timerId(connection, TIMER_WRITE), this.nowMs + CLOSING_MS);
        this.poller.setInterest(connection.slot, false, true);
      }
    }
    // What was said of those that went, and the interest that went with them.
    this.#rings.publishAll();
  }

  /**
   * The socket goes, and everything the connection held. One told to close in this turn still has subscriptions and
   * an outbox: #finishClosing() comes to it.
   */
  #end(connection: Connection): void {
    if (connection.state === STATE_CLOSED || this.#closing.includes(connection)) return;
    connection.state = STATE_CLOSED;
    const { slot } = connection;
    this.outbound.discard(connection);
    this.#forget(connection);
    for (let timer = 0; timer < TIMERS_PER_CONNECTION; timer++) this.timers.clear(timerId(connection, timer));
    if (!connection.isLink) this.#protocol.logins.leave(connection);
    this.plans.forgetConnection(connection.address);
    this.#words[(connection.address + CONNECTION_FD) >> 2] = -1;
    if (connection.hasFrames) this.#sayGoodbye(connection);
    if (connection.hasStream && !this.#leavesSocket(connection)) this.poller.close(slot);
    this.connections[slot] = null;
    this.#freeSlots.push(slot);
    if (!connection.isLink) Atomics.sub(this.#words, HEADER_CONNECTION_COUNT, 1);
    Atomics.sub(this.#words, nodeWord(this.node, NODE_LOAD), 1);
  }

  /** Only a client's: other servers are to have heard of the end by then, and told theirs. TLS has a last word to say. */
  #leavesSocket({ isLink, tls }: Connection): boolean {
    return this.#leavesSockets && !isLink && tls === null;
  }

  #sayGoodbye({ slot, closeReason }: Connection): void {
    const { text, webSocketStatus, flushesPending } = closeReasonEntry(closeReason as CloseReason);
    this.#dependencies.webSocket!.layer.endFrames(slot, flushesPending ? webSocketStatus : 0, text);
  }

  #reportClosed(connection: Connection): void {
    const { name } = connection.account;
    const gone = this.#goneCounters.get(name) ?? NO_COUNTERS;
    const isSlow =
      connection.closeReason === CloseReason.SlowConsumerPendingBytes ||
      connection.closeReason === CloseReason.SlowConsumerWriteDeadline;
    this.#goneCounters.set(name, {
      ...withTraffic(gone, this.countersOf(connection)),
      slowConsumers: gone.slowConsumers + (isSlow ? 1 : 0),
    });
    const isListed = connection.subscriptionCount <= CLOSED_SUBSCRIPTIONS_MAX;
    const record = connectionRecord(this, connection, isListed);
    const event = this.#events.closed(connection, record);
    this.#dependencies.report({ type: "closed", connection: record, event });
    if (this.options.logsDebug) {
      this.log("debug", `${connection.label} - Client connection closed: ${record.reason}`);
    }
  }

  removeExpired(): void {
    const words = this.#words;
    const head = (this.shared.map.area(this.node).area + AREA_EXPIRED) >> 2;
    let record = words[head]!;
    if (record === 0) return;
    words[head] = 0;
    while (record !== 0) {
      const next = words[(record + SUBSCRIPTION_EXPIRED_NEXT) >> 2]!;
      const slot =
        (this.table.connectionOf(record) - this.shared.map.area(this.node).connections) / CONNECTION_BYTES;
      const connection = this.connections[slot];
      if (connection != null) this.#protocol.removeSubscription(connection, record);
      record = next;
    }
  }

  resumeProducers(): void {
    this.#paused.resumeAll();
  }

  /** u64 counters of a connection: messages and bytes in, messages and bytes out. */
  countersOf(connection: Connection): readonly [number, number, number, number] {
    return [
      counterValue(this.#words, connection.address + CONNECTION_IN_MESSAGES),
      counterValue(this.#words, connection.address + CONNECTION_IN_BYTES),
      counterValue(this.#words, connection.address + CONNECTION_OUT_MESSAGES),
      counterValue(this.#words, connection.address + CONNECTION_OUT_BYTES),
    ];
  }

  #count(counter: number): void {
    increment(this.#words, this.shared.map.area(this.node).area + counter);
  }
}

/** The descriptor that main closes should this thread die; -1 where the runtime does. */
function fdOf(source: StreamSource): number {
  if (typeof source === "number") return source;
  return "fd" in source ? source.fd : -1;
}

function outboundOptions(options: ShardOptions): OutboundOptions {
  const { maxPendingBytes, writeDeadlineMs, retriesWrites, dropsInsteadOfStalling } = options;
  return { maxPendingBytes, writeDeadlineMs, retriesWrites, dropsInsteadOfStalling };
}
