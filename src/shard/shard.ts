/**
 * One shard: a thread that serves connections. This file puts its parts together. Its loop is in `turns.ts`;
 * `commands.ts` takes what other nodes tell it; `context.ts` is what its parts see of each other.
 */
import type { Socket } from "node:net";
import { SYSTEM_ACCOUNT_ID } from "../account/definition.ts";
import { GrowthWatch } from "../base/growth_watch.ts";
import { TimerWheel } from "../base/timer_wheel.ts";
import { createWallClock } from "../base/wall_clock.ts";
import { createEngine, type Engine, type EngineHost } from "../engine/engine.ts";
import { HeldMessage, messageBytes } from "../fabric/held_message.ts";
import type { ListenerKind } from "../fabric/listeners.ts";
import { MappedReplies } from "../fabric/mapped_replies.ts";
import type { Delivery } from "../fabric/message_record.ts";
import { Wake } from "../fabric/wake.ts";
import { openInterestIndex } from "../interest/interest_index.ts";
import type { LineLimit } from "../log/line_limit.ts";
import { AREA_EXPIRED, AREA_MEMORY_BASE, AREA_STALLS, SUBSCRIPTION_EXPIRED_NEXT } from "../memory/layout.ts";
import { NODE_IS_ABSENT, NODE_LOAD, NODE_STATE, NODE_WAKE } from "../memory/map.ts";
import { increment, nodeWord, openSharedMemory, type SharedMemory } from "../memory/shared_memory.ts";
import type { ClientFault } from "../protocol/client_fault.ts";
import { CloseReason } from "../protocol/close_reason.ts";
import * as errors from "../protocol/errors.ts";
import { errorLine } from "../protocol/messages.ts";
import type { Upgrade } from "../protocol/websocket/upgrade.ts";
import type { Poller, StreamSource } from "../runtime/poller.ts";
import type { TlsLayer } from "../runtime/tls.ts";
import type { WebSocketLayer } from "../runtime/websocket/websocket_layer.ts";
import { byteStringOfText, bytesOf } from "../subject/byte_string.ts";
import { ShardAccounts } from "./accounts.ts";
import { Admission } from "./admission.ts";
import { ClientEvents } from "./client/client_events.ts";
import { ClientProtocol } from "./client/client_protocol.ts";
import { ConnectionCommands } from "./client/connection_commands.ts";
import { faultLine, operationLine, stallLine } from "./client/fault_line.ts";
import { Handshakes } from "./client/handshakes.ts";
import { NotedDeliveries } from "./client/noted_deliveries.ts";
import { TraceLog } from "./client/trace_log.ts";
import type { UpgradeHost, Upgrades } from "./client/upgrades.ts";
import { Closings } from "./closings.ts";
import { Commands } from "./commands.ts";
import { type Arrival, type Connection, STATE_CLOSING, type WebSocketPeer } from "./connection.ts";
import type { AskedAbout } from "./context.ts";
import { Contexts } from "./contexts.ts";
import { onTimer } from "./fired_timers.ts";
import { Inbound } from "./inbound.ts";
import { Input } from "./input/input.ts";
import { KeptInput } from "./input/kept_input.ts";
import { ReceiveBuffers } from "./input/receive_buffers.ts";
import { LocalInterest } from "./interest/local_interest.ts";
import { SubscriptionTable } from "./interest/subscription_table.ts";
import type { HandedLeaf } from "./links/handed_leaf.ts";
import type { LinkHost, LinkShard } from "./links/link_host.ts";
import { Outbound, outboundOptions } from "./output/outbound.ts";
import { PausedProducers } from "./output/paused_producers.ts";
import { SlowConsumers } from "./output/slow_consumers.ts";
import { ClientTargets } from "./plans/client_targets.ts";
import { PlanCache } from "./plans/plan_cache.ts";
import { Publishing } from "./publishing.ts";
import { Rings } from "./rings.ts";
import { ReplySubjects } from "./services/reply_subjects.ts";
import { Services } from "./services/services.ts";
import type { LoginQuestion, ShardControl, ShardLogLevel, ShardReport } from "./shard_messages.ts";
import type { ShardOptions, ShardStart } from "./shard_options.ts";
import { Slots } from "./slots.ts";
import { StallSignals } from "./stall_signals.ts";
import { SingleDelivery } from "./tracing/single_delivery.ts";
import { Tracing } from "./tracing/tracing.ts";
import { Turns } from "./turns.ts";
import { Queries } from "./watch/queries.ts";

const TICK_MS = 10;

export interface ShardDependencies {
  readonly poller: Poller;
  /** Wakes the thread whose poller has this handle. */
  wake(handle: number): void;
  /** `transfer`: the objects in the report that main owns from then on. */
  report(report: ShardReport, transfer?: Transferable[]): void;
  /** Sends a question to the logins thread. */
  ask(question: LoginQuestion): void;
  /**
   * Frees garbage. A thread that never returns to its event loop would otherwise keep its garbage until it needs the
   * room.
   */
  collectGarbage(): void;
  /** Frees recent garbage. */
  collectRecentGarbage(): void;
  /** Memory of the process in bytes; 0 if it cannot be told. */
  residentBytes(): number;
  /** The TLS of `poller`; null if there is none. */
  readonly tls: TlsLayer | null;
  /** The WebSocket framing of `poller` and the upgrades of connections to it; null if there are no WebSockets. */
  readonly webSocket: {
    readonly layer: WebSocketLayer;
    /** Null if this shard serves no WebSocket port: the links shard only dials. */
    readonly createUpgrades: ((host: UpgradeHost) => Upgrades) | null;
  } | null;
  /**
   * Ends listening for these kinds of connection, or for all. Only a shard that listens by itself has anything to end.
   */
  stopListening(listeners: readonly ListenerKind[] | "all"): void;
  /** Makes the parts that only the links shard has; null for shards of clients. */
  readonly createLinks: ((shard: LinkShard) => LinkHost) | null;
}

export class Shard implements LinkShard, UpgradeHost {
  readonly node: number;
  readonly shared: SharedMemory;
  readonly receiveBuffers: ReceiveBuffers;
  readonly engine: Engine;
  readonly poller: Poller;
  readonly index;
  readonly table: SubscriptionTable;
  readonly interest: LocalInterest;
  readonly accounts: ShardAccounts;
  readonly contexts: Contexts;
  readonly replySubjects: ReplySubjects;
  readonly plans: PlanCache;
  readonly replies: MappedReplies;
  readonly outbound: Outbound;
  readonly timers: TimerWheel;
  readonly connections: readonly (Connection | null)[];
  readonly tls: TlsLayer | null;
  options: ShardOptions;
  info;
  otherClusters: readonly string[];
  nowMs = performance.now();

  readonly #dependencies: ShardDependencies;
  readonly #slots: Slots;
  readonly #stalls: StallSignals;
  readonly #rings: Rings;
  readonly #publishing: Publishing;
  readonly #services: Services;
  readonly traceLog = new TraceLog(this);
  readonly tracing: Tracing;
  readonly #protocol: ClientProtocol;
  readonly #events: ClientEvents;
  readonly #handshakes: Handshakes;
  readonly #links: LinkHost | null;
  readonly #upgrades: Upgrades | null;
  readonly #admission: Admission;
  readonly #input: Input;
  readonly #closings: Closings;
  readonly #slowConsumers = new SlowConsumers(this);
  readonly #commands: Commands;
  readonly #notedDeliveries = new NotedDeliveries(this);
  readonly #words: Int32Array;
  readonly #wallClock = createWallClock();
  readonly #paused: PausedProducers;
  readonly #turns: Turns;

  constructor(start: ShardStart, dependencies: ShardDependencies) {
    const { poller } = dependencies;
    this.node = start.node;
    this.options = start.options;
    this.info = start.info;
    this.otherClusters = start.otherClusters;
    this.poller = poller;
    this.#paused = new PausedProducers(poller, (connection, pausedMs) => {
      const stall = stallLine(connection, pausedMs);
      if (stall !== null) this.log("warning", stall.text, stall.limit);
      if (connection.isPostponed) this.#input.resume(connection);
    });
    this.#dependencies = dependencies;
    this.shared = openSharedMemory(start.memory);
    const { words, map } = this.shared;
    this.#words = words;
    this.#slots = new Slots(this.shared, this.node);
    this.connections = this.#slots.connections;
    const regions = map.area(this.node);
    words[(regions.area + AREA_MEMORY_BASE) >> 2] = (poller.memoryBase % 2 ** 32) | 0;
    words[((regions.area + AREA_MEMORY_BASE) >> 2) + 1] = Math.floor(poller.memoryBase / 2 ** 32);
    const host: EngineHost = {
      flush: (slot) => this.outbound.flushFull(slot),
      reclaim: () => this.outbound.reclaim(),
      flushAll: () => this.outbound.flushAll(),
      attach: (slot, skipped) => this.#publishing.attach(slot, skipped),
      sendLarge: (node, isPlain, pickCount, wantsTaker) =>
        this.#publishing.sendLarge(node, isPlain, pickCount, wantsTaker !== 0),
      note: (slot, target, message) => this.#notedDeliveries.note(slot, target, message),
    };
    this.engine = createEngine(start.memory, regions.area, host, start.engineCode);
    this.index = openInterestIndex({ buffer: this.shared.buffer, ...map.index }, this.engine);
    this.timers = new TimerWheel(TICK_MS, this.nowMs);
    this.table = new SubscriptionTable(this.shared, start.hashSeed);
    this.interest = new LocalInterest(this.shared, this.engine, this.index, this.table, this.node);
    this.accounts = new ShardAccounts(start.options.accounts, start.options.clusterName);
    const { replySecret, serverHash } = start.options;
    this.replySubjects = new ReplySubjects(replySecret, serverHash, this.node);
    this.contexts = new Contexts(this.accounts, this.replySubjects);
    this.tls = dependencies.tls;
    this.#links = dependencies.createLinks?.(this) ?? null;
    this.#slowConsumers.links = this.#links;
    const targets = this.#links?.plans ?? new ClientTargets(this.shared.bytes, this.index, this.table);
    this.replies = new MappedReplies(this.shared, this.engine, this.node);
    this.plans = new PlanCache(
      this.shared,
      this.engine,
      this.index,
      this.node,
      this.replies,
      this.#links?.plans ?? this.contexts,
      targets,
    );
    this.contexts.onStartOver = () => this.plans.forgetAll();
    this.#stalls = new StallSignals(this);
    this.outbound = new Outbound(
      this.shared,
      this.node,
      this.engine,
      poller,
      this.connections,
      outboundOptions(start.options),
      {
        publish: () => this.#rings.publishAll(),
        fail: (connection, reason) => this.#slowConsumers.fail(connection, reason),
        startDeadline: (connection) => this.#slowConsumers.startDeadline(connection),
        exceed: (connection, byOneMessage) => this.#slowConsumers.exceed(connection, byOneMessage),
        recover: (connection) => this.#slowConsumers.recover(connection),
        wroteLink: (connection) => this.#links!.wrote(connection),
        resumeProducers: () => {
          this.resumeProducers();
          this.#stalls.tellResumed();
        },
      },
    );
    this.receiveBuffers = new ReceiveBuffers(this.shared, this.node, this.outbound);
    const wake = new Wake(words, dependencies.wake);
    this.#rings = new Rings(this, wake, this.#stalls, (command) =>
      this.#commands.take(command as ShardControl),
    );
    this.#publishing = new Publishing(this, this.#rings);
    this.#publishing.configure();
    this.#services = new Services(this, this.#publishing, this.#rings);
    this.#rings.inbound = new Inbound(this, this.#publishing, this.#services);
    this.#publishing.services = this.#services;
    this.tracing = this.#makeTracing();
    this.#protocol = new ClientProtocol(this, this.#publishing, this.#rings, this.tracing);
    this.#events = new ClientEvents(this);
    const kept = new KeptInput(this.shared.bytes);
    this.#handshakes = new Handshakes(this, this.#protocol, kept, dependencies.tls);
    this.#handshakes.configure();
    dependencies.webSocket?.layer.useUnmask(this.engine.unmask);
    this.#upgrades = dependencies.webSocket?.createUpgrades?.(this) ?? null;
    this.#upgrades?.configure();
    this.#publishing.links = this.#links;
    const { report } = dependencies;
    this.#admission = new Admission(this, this.#slots, this.#protocol, this.#handshakes, this.#rings, {
      reportLeaf: (leaf, port) => report(leaf, [port]),
      collectRecentGarbage: dependencies.collectRecentGarbage,
    });
    this.#input = new Input(this, kept, this.#protocol, this.#handshakes, this.#publishing, this.#links);
    this.#closings = new Closings(
      this,
      this.#slots,
      kept,
      this.#protocol,
      this.#events,
      this.#links,
      dependencies.webSocket?.layer ?? null,
      report,
    );
    if (this.#links !== null) {
      const links = this.#links;
      this.#rings.beforeDrain = () => links.announce();
      this.#rings.onHostDelivery = (delivery) => links.takeMessage(delivery);
    }
    words[nodeWord(this.node, NODE_WAKE)] = poller.wakeHandle;
    const parts = {
      protocol: this.#protocol,
      publishing: this.#publishing,
      rings: this.#rings,
      services: this.#services,
      tracing: this.tracing,
      handshakes: this.#handshakes,
      input: this.#input,
      closings: this.#closings,
      slowConsumers: this.#slowConsumers,
      paused: this.#paused,
      links: this.#links,
      upgrades: this.#upgrades,
    };
    this.#commands = new Commands(this, {
      ...parts,
      connections: new ConnectionCommands(
        this,
        this.#protocol,
        this.#handshakes,
        this.#upgrades,
        this.#links,
      ),
      queries: new Queries(this, parts),
    });
    this.#turns = new Turns(this, start.spinMs, {
      ...parts,
      commands: this.#commands,
      growth: new GrowthWatch(dependencies.residentBytes, dependencies.collectGarbage),
      onTimer: (id) => onTimer(this, parts, id),
      collectGarbage: dependencies.collectGarbage,
    });
    this.#rings.onCaughtUp = () => this.#turns.doLeftovers();
  }

  #makeTracing(): Tracing {
    const publishing = this.#publishing;
    const services = this.#services;
    const tracing = new Tracing(this, {
      rings: this.#rings,
      single: new SingleDelivery(this, (plan, message, line) => publishing.deliverBy(plan, message, line)),
      links: this.#links,
      takeAnswer: (message, trace) => services.takeTracedAnswer(message, trace),
      report: (result) => this.#dependencies.report({ type: "trace", result }),
    });
    publishing.tracing = tracing;
    services.tracing = tracing;
    return tracing;
  }

  /** Serves until the shard is told to stop. Rejects with whatever a turn threw. */
  run(): Promise<void> {
    return this.#turns.run();
  }

  /** Takes a connected socket as a connection of the shard. */
  accept(listener: ListenerKind, source: StreamSource, ip: string, port: number): void {
    switch (listener) {
      case "client":
        this.#admission.acceptClient(source, ip, port);
        this.#turns.shareOutboxes();
        break;
      case "websocket":
        this.#upgrades!.begin(this.#admission.takeForUpgrade(source), ip, port);
        break;
      default:
        this.#links!.accept(listener, source, ip, port);
    }
  }

  /** Takes a socket that this shard accepted by itself. */
  acceptOwn(listener: ListenerKind, socket: Socket, ip: string, port: number): void {
    if (this.#slots.isFull) {
      this.log(
        "error",
        `Cannot serve ${ip}:${port}: the shard has ${this.connections.length - 1} connections, its most`,
      );
      socket.destroy();
      return;
    }
    Atomics.add(this.#words, nodeWord(this.node, NODE_LOAD), 1);
    // The last turn may have been long ago, and the connection's timers count from now.
    this.nowMs = performance.now();
    this.accept(listener, socket, ip, port);
    this.outbound.flushAll();
    this.#turns.finishClosings();
  }

  /** Takes over a leaf node from another shard, which has already counted it as one of this shard's connections. */
  acceptHanded(leaf: HandedLeaf): void {
    // As in acceptOwn(): the last turn may have been long ago.
    this.nowMs = performance.now();
    this.#links!.acceptHanded(leaf);
  }

  takeHandshakeStep(): boolean {
    return this.#handshakes.takeStep();
  }

  admit(slot: number, peer: Arrival, webSocket: WebSocketPeer): void {
    this.#admission.admitUpgraded(slot, peer, webSocket);
    this.#turns.shareOutboxes();
  }

  handLeafOver(slot: number, peer: Arrival, upgrade: Upgrade): boolean {
    return this.#admission.handLeafOver(slot, peer, upgrade);
  }

  dismiss(slot: number): void {
    this.#admission.dismiss(slot);
  }

  openLink(source: StreamSource, peer: Arrival): Connection {
    return this.#admission.openLink(source, peer);
  }

  openDialled(ip: string, port: number): Connection | null {
    return this.#admission.openDialled(ip, port);
  }

  ownSocket({ slot }: Connection, fd: number): void {
    this.#slots.ownSocket(slot, fd);
  }

  fail(connection: Connection, code: number, fault?: ClientFault): void {
    const entry = errors.errorEntry(code);
    const { wireText, closeReason, logLevel } = entry;
    if (wireText !== null) {
      this.traceLog.sent(connection, "-ERR", wireText);
      this.outbound.append(connection, errorLine(wireText));
    }
    if (logLevel !== "none" && (fault !== undefined || wireText !== null)) {
      const line = fault === undefined ? faultLine(connection, entry) : operationLine(connection, fault);
      this.log(logLevel, line.text, line.limit);
    }
    if (closeReason !== null) this.close(connection, closeReason);
  }

  close(connection: Connection, reason: CloseReason): void {
    this.#closings.begin(connection, reason);
  }

  pause(connection: Connection, stalledBy = 0): void {
    // One slow client must not hold up a link and everybody whose messages come over it.
    if (connection.state >= STATE_CLOSING || connection.isLink) return;
    increment(this.#words, this.shared.map.area(this.node).area + AREA_STALLS);
    if (stalledBy !== 0) {
      this.#stalls.count(stalledBy);
      connection.readsLittle = this.#slots.connectionAt(stalledBy)?.isInExcess ?? false;
    }
    this.#paused.add(connection);
  }

  resumeProducers(): void {
    this.#paused.resumeAll();
  }

  holdInput(connection: Connection): void {
    this.#input.hold(connection);
  }

  resumeInput(connection: Connection): void {
    this.#input.resume(connection);
  }

  ask(question: LoginQuestion): void {
    this.#dependencies.ask(question);
  }

  askAboutPeer({ slot, clientId }: AskedAbout, block: string, chain: readonly Uint8Array[]): void {
    this.#dependencies.report({ type: "peer", slot, clientId, block, chain });
  }

  reportOpened(connection: Connection): void {
    const event = this.#events.opened(connection);
    if (event !== null) this.#dependencies.report({ type: "client", event });
  }

  report(report: ShardReport): void {
    this.#dependencies.report(report);
  }

  sendToNode(node: number, delivery: Delivery): void {
    this.tracing.send(node, delivery);
  }

  sendAnswer(node: number, message: HeldMessage): void {
    this.#services.sendAnswer(node, message);
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

  log(level: ShardLogLevel, text: string, limit?: LineLimit): void {
    // Verdicts on logins come with debug lines, wanted or not.
    if (level === "debug" && !this.options.logsDebug) return;
    this.#dependencies.report(
      limit === undefined ? { type: "log", level, text } : { type: "log", level, text, limit },
    );
  }

  stopListening(listeners: readonly ListenerKind[]): void {
    this.#dependencies.stopListening(listeners);
  }

  /**
   * Closes every connection and ends the loop. `leavesSockets`: the sockets of clients stay open until the process
   * ends.
   */
  stop(leavesSockets: boolean): void {
    this.#closings.leavesSockets = leavesSockets;
    this.#links?.stop();
    for (const connection of this.connections) {
      if (connection !== null) this.close(connection, CloseReason.ServerShutdown);
    }
    this.#rings.publishAll();
    this.outbound.flushAll();
    this.#turns.finishClosings();
    this.#dependencies.stopListening("all");
    // Nodes that wait for room in a ring to this shard then wait no more.
    Atomics.store(this.#words, nodeWord(this.node, NODE_STATE), NODE_IS_ABSENT);
    this.poller.stop();
  }

  connectionAt(address: number): Connection | null {
    return this.#slots.connectionAt(address);
  }

  removeExpired(): void {
    const words = this.#words;
    const head = (this.shared.map.area(this.node).area + AREA_EXPIRED) >> 2;
    let record = words[head]!;
    if (record === 0) return;
    words[head] = 0;
    while (record !== 0) {
      const next = words[(record + SUBSCRIPTION_EXPIRED_NEXT) >> 2]!;
      const connection = this.connectionAt(this.table.connectionOf(record));
      if (connection !== null) this.#protocol.removeSubscription(connection, record);
      record = next;
    }
  }
}
