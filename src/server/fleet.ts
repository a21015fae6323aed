/**
 * The threads of a server, as main sees them: starts shards and the acceptor, talks to them, replaces a shard that
 * died, stops them all.
 *
 *   main ──ring──▶ shard      commands (a shard in epoll_wait hears nothing else)
 *   main ◀─postMessage─ shard log lines, closed connections, answers
 */
import type { AccountsChange } from "../account/accounts_change.ts";
import type { AccountDefinition } from "../account/definition.ts";
import type { LatencySample } from "../account/latency.ts";
import { createEngine, type Engine, loadEngineCode } from "../engine/engine.ts";
import { NO_HOST } from "../engine/no_host.ts";
import { InternalClient, type InternalRoutes } from "../fabric/internal_client.ts";
import { type ClientListenerKind, type ListenerKind, servesClients } from "../fabric/listeners.ts";
import { RecordQueue } from "../fabric/record_queue.ts";
import { Wake } from "../fabric/wake.ts";
import { createInterestIndex, type InterestIndex } from "../interest/interest_index.ts";
import type { AccountDetails } from "../link/account_details.ts";
import type { ServerSecrets } from "../link/callouts.ts";
import type { LoginsSettings } from "../link/logins.ts";
import type { OperatorSetup } from "../link/operator_mode.ts";
import {
  AREA_CLIENTS_EVER,
  AREA_IN_BYTES,
  AREA_IN_MESSAGES,
  AREA_OUT_BYTES,
  AREA_OUT_MESSAGES,
  AREA_PINNED_ACCOUNT_FAILURES,
  AREA_SLOW_CONSUMERS,
  AREA_STALE_CONNECTIONS,
  AREA_STALLS,
  AREA_SUBSCRIPTIONS_ADDED,
  AREA_SUBSCRIPTIONS_REMOVED,
} from "../memory/layout.ts";
import {
  accountWord,
  clientsElsewhereWord,
  HEADER_CONNECTION_COUNT,
  HEADER_HANDSHAKES_REJECTED,
  leafnodesElsewhereWord,
  NODE_FAR,
  NODE_IS_ASLEEP,
  NODE_IS_DEAD,
  NODE_IS_UP,
  NODE_LOAD,
  NODE_MAIN,
  NODE_SHARD_FIRST,
  NODE_STATE,
} from "../memory/map.ts";
import {
  counterValue,
  createSharedMemory,
  nextMessageNumber,
  nodeWord,
  type SharedMemory,
} from "../memory/shared_memory.ts";
import type { ShardSnapshot } from "../monitor/snapshot.ts";
import type { ServerInfo } from "../protocol/info.ts";
import type { ServerIdentity } from "../protocol/server_object.ts";
import { lookUpHost } from "../runtime/host_lookup.ts";
import { hangUp } from "../runtime/port_stream.ts";
import { listenTcp } from "../runtime/posix/listen.ts";
import type { Posix } from "../runtime/posix/posix.ts";
import { wakeEpollPoller, wakeSocketPoller } from "../runtime/wake_poller.ts";
import { workerUrl } from "../runtime/worker_url.ts";
import type { HandedLeaf } from "../shard/handed_leaf.ts";
import type { LinkTraffic } from "../shard/link_records.ts";
import type { LinksNews, LinksSetup } from "../shard/links_setup.ts";
import type {
  ClientEvent,
  ConnectionRecord,
  LinkControl,
  OwnListener,
  ShardControl,
  ShardLogLevel,
  ShardMessage,
  ShardOptions,
  ShardQuery,
  ShardReport,
  ShardStart,
  TraceResult,
} from "../shard/shard_options.ts";

import { AcceptorThread } from "./acceptor_thread.ts";
import { LinksThread } from "./links_thread.ts";
import type { ListenerOptions } from "./listeners.ts";
import { closeHandedOver, closeSockets, resetNode } from "./node_reset.ts";
import { RestartPolicy } from "./restart_policy.ts";
import { shardFigures } from "./shard_figures.ts";

const BACKLOG = 4096;
/** How long a shard looks for work before it sleeps; less where threads outnumber cores. */
const SPIN_MS = 0.05;
const SPIN_CROWDED_MS = 0.01;
/** A thread that does not stop by then is left to the end of the process. */
const STOP_MS_MAX = 5000;
const SHARD_WORKER = workerUrl("shard.ts");

/** What becomes of the options and INFO once the ports are known. */
type OnPorts = (ports: Ports) => { readonly info: ServerInfo; readonly options: ShardOptions };

export interface FleetOptions {
  readonly shardCount: number;
  readonly cpuCount: number;
  /** libc, for the epoll transport; null for the runtime's sockets. */
  readonly posix: Posix | null;
  /** The ports to open, the clients' first. */
  readonly listeners: readonly ListenerOptions[];
  /** There is a shard for links: other servers connect to this one, or it to them. */
  readonly hasLinks: boolean;
  readonly server: ServerIdentity;
  readonly serverHash: string;
  readonly secrets: ServerSecrets;
  /** Null outside operator mode. */
  readonly operator: OperatorSetup | null;
}

/** The port that each kind of connection comes to. */
export type Ports = ReadonlyMap<ListenerKind, number>;

export type FleetListenResult =
  | { readonly ok: true; readonly ports: Ports }
  | { readonly ok: false; readonly listener: ListenerOptions; readonly error: string };

export interface FleetEvents {
  /** What the links shard is to do, on these ports. */
  linksSetup(ports: Ports): LinksSetup;
  /** The links shard tells of something. */
  onLinks(news: LinksNews): void;
  log(level: ShardLogLevel, text: string): void;
  /** Whether a peer with this verified chain may connect, DER, its own certificate first; by the TLS block of that name. */
  checkPeer(block: string, chain: readonly Uint8Array[]): Promise<boolean>;
  /** A client is in, and somebody listens to events of such. */
  opened(event: ClientEvent): void;
  /** A message has been traced. */
  traced(result: TraceResult): void;
  /** `event` is null where nobody listens. */
  closed(connection: ConnectionRecord, event: ClientEvent | null): void;
  onAccounts(change: AccountsChange): void;
  /** Something that main cannot mend: the server stops. */
  fatal(text: string): void;
}

/** Sums over the shards' counters. */
export interface FleetCounters {
  readonly inMessages: number;
  readonly inBytes: number;
  readonly outMessages: number;
  readonly outBytes: number;
  readonly connections: number;
  readonly connectionsEver: number;
  /** Held now. */
  readonly subscriptions: number;
  readonly subscriptionsAdded: number;
  readonly subscriptionsRemoved: number;
  readonly slowConsumers: number;
  /** Without those of links. */
  readonly clients: {
    readonly traffic: LinkTraffic;
    readonly slowConsumers: number;
    readonly staleConnections: number;
  };
  /** How often a producer was kept waiting. */
  readonly stalls: number;
  /** Logins into accounts that are not among `resolver_pinned_accounts`. */
  readonly pinnedAccountFailures: number;
}

/** One life of a shard. */
interface ShardThread {
  readonly index: number;
  readonly node: number;
  readonly worker: Worker;
  /** What its successor listens on, too. */
  listen: readonly OwnListener[];
  /** Resolves when it serves, with the ports it listens on by itself. */
  readonly ready: PromiseWithResolvers<readonly number[]>;
  /** Resolves when its loop has ended. */
  readonly stopped: PromiseWithResolvers<void>;
  /** Resolves when it has given back what it opened. */
  readonly disposed: PromiseWithResolvers<void>;
  hasFailed: boolean;
}

/** A port that a shard was to listen on is not to be had; the message says why. */
class CannotListen extends Error {
  readonly listener: ListenerOptions;

  constructor(listener: ListenerOptions, message: string) {
    super(message);
    this.listener = listener;
  }
}

export class Fleet {
  readonly #options: FleetOptions;
  readonly #events: FleetEvents;
  readonly #shared: SharedMemory;
  readonly #seeds: Uint32Array;
  readonly #index: InterestIndex;
  readonly #engineCode = loadEngineCode();
  readonly #engine: Engine;
  readonly #commands: RecordQueue;
  readonly #shards: ShardThread[] = [];
  readonly #restarts: RestartPolicy[] = [];
  readonly #restartTimers = new Set<ReturnType<typeof setTimeout>>();
  #acceptor: AcceptorThread | null = null;
  readonly #links: LinksThread;
  #shardOptions: ShardOptions;
  #info: ServerInfo;
  #isListening = false;
  readonly #openListeners = new Set<ListenerKind>();
  #linksSetup: LinksSetup | null = null;
  #ports: Ports = new Map();
  #isStopping = false;
  #stopping: Promise<boolean> | null = null;
  #lastQuery = 0;
  readonly #answers = new Map<number, { readonly node: number; resolve(data: unknown): void }>();

  constructor(options: FleetOptions, shardOptions: ShardOptions, info: ServerInfo, events: FleetEvents) {
    this.#options = options;
    this.#shardOptions = shardOptions;
    this.#info = info;
    this.#events = events;
    this.#seeds = crypto.getRandomValues(new Uint32Array(4));
    this.#shared = createSharedMemory(options.shardCount, this.#seeds, options.hasLinks);
    const { memory, map } = this.#shared;
    this.#engine = createEngine(memory, map.area(NODE_MAIN).area, NO_HOST, this.#engineCode);
    this.#index = createInterestIndex(
      { buffer: this.#shared.buffer, ...this.#shared.map.index },
      { hashSeed: [...crypto.getRandomValues(new Uint32Array(4))].map((seed) => seed | 0) },
    );
    const { posix } = options;
    const wake = new Wake(this.#shared.words, (handle) => {
      if (posix !== null) wakeEpollPoller(posix, handle);
      else wakeSocketPoller(this.#shared.words, handle);
    });
    this.#commands = new RecordQueue(this.#engine, this.#shared, wake);
    const { server, serverHash, secrets, operator } = options;
    this.#links = new LinksThread(
      {
        memory,
        engineCode: this.#engineCode,
        transport: this.transport,
        server,
        serverHash,
        secrets,
        operator,
      },
      events,
    );
    Atomics.store(this.#shared.words, nodeWord(NODE_MAIN, NODE_STATE), NODE_IS_UP);
  }

  /** Interest of the whole process, for monitoring. */
  get index(): InterestIndex {
    return this.#index;
  }

  /** A client on this thread, which is a node like any other; one at most. */
  createClient(routes: InternalRoutes): InternalClient {
    const onError = (text: string) => this.#events.log("error", text);
    return new InternalClient(
      this.#shared,
      this.#engine,
      this.#index,
      this.#commands,
      NODE_MAIN,
      onError,
      routes,
    );
  }

  /** Of the next message that says which server sends it. */
  nextMessageNumber(): number {
    return nextMessageNumber(this.#shared.words);
  }

  /** Whether a node serves connections, of clients or of links: only such are told of answers. */
  hasConnections(node: number): boolean {
    return this.#shared.map.hasConnections(node);
  }

  /** How many connections an account has on all shards. */
  connectionsOf(accountId: number): number {
    return Atomics.load(this.#shared.words, accountWord(this.#shared.map, accountId));
  }

  /** Whether there is a shard for links, which is for the whole life of the process. */
  get hasLinks(): boolean {
    return this.#options.hasLinks;
  }

  get shardCount(): number {
    return this.#options.shardCount;
  }

  /** How sockets are served. */
  get transport(): "epoll" | "runtime" {
    return this.#options.posix === null ? "runtime" : "epoll";
  }

  /** Threads that run server code, main's own included. */
  get threadCount(): number {
    return 1 + this.threadNames.length;
  }

  /** All but main. */
  get threadNames(): readonly string[] {
    return [
      ...this.#shards.map((shard) => nameOf(shard, this.#shared.map.linksNode)),
      ...(this.#acceptor === null ? [] : ["acceptor"]),
      ...(this.#links.isRunning ? ["links"] : []),
    ];
  }

  /** Configured listeners that take nobody: not yet, or not any more. */
  get closedListeners(): readonly ListenerKind[] {
    return this.#options.listeners.map(({ kind }) => kind).filter((kind) => !this.#openListeners.has(kind));
  }

  /** Starts the shards; they serve nobody before listen(). */
  async start(logins: LoginsSettings): Promise<void> {
    const links = this.#links.start(logins);
    if (this.#options.posix === null) return links;
    for (let i = 0; i < this.#servingCount; i++) this.#shards.push(this.#startShard(i, []));
    this.#acceptor = new AcceptorThread(this.#shared, this.#engineCode, this.#options.posix, this.#events);
    await Promise.all([links, ...this.#shards.map(({ ready }) => ready.promise)]);
  }

  /** What it listens on, as far as it does yet. */
  get ports(): Ports {
    return this.#ports;
  }

  /** Shards, the one for links among them: it comes behind the others. */
  get #servingCount(): number {
    return this.#options.shardCount + (this.#options.hasLinks ? 1 : 0);
  }

  /** Opens the ports. `onPorts` hears of them before anybody can connect. */
  async listen(onPorts: OnPorts): Promise<FleetListenResult> {
    const { posix, listeners } = this.#options;
    if (posix === null) return this.#listenByShards(onPorts);
    const opened: { kind: ListenerKind; fd: number; port: number }[] = [];
    for (const listener of listeners) {
      const result = await listenTcp(posix, listener.host, listener.port, BACKLOG);
      if (!result.ok) {
        for (const { fd } of opened) posix.close(fd);
        return { ok: false, listener, error: result.error };
      }
      opened.push({ kind: listener.kind, fd: result.fd, port: result.port });
    }
    const ports = new Map(opened.map(({ kind, port }) => [kind, port]));
    this.#takePorts(ports, onPorts);
    this.#broadcast({ type: "options", options: this.#shardOptions, info: this.#info });
    this.#setUpLinks();
    await this.#acceptor!.accept(opened.map(({ kind, fd }) => ({ kind, fd })));
    this.#isListening = true;
    for (const kind of ports.keys()) this.#openListeners.add(kind);
    for (const shard of this.#shards) if (shard.hasFailed) this.#scheduleRestart(shard);
    return { ok: true, ports };
  }

  /** Takes no connections of these kinds any more; resolves when nobody can connect. */
  async stopListening(kinds: readonly ListenerKind[]): Promise<void> {
    if (!this.#isListening) return;
    for (const kind of kinds) this.#openListeners.delete(kind);
    if (kinds.some(servesClients)) this.#isListening = false;
    if (this.#acceptor !== null) {
      await this.#acceptor.close(kinds);
      return;
    }
    this.#broadcast({ type: "stopListening", listeners: kinds });
    await Promise.all([this.query({ what: "done" }), this.queryLinks({ what: "done" })]);
  }

  /** Closes every connection and ends the threads; false where one did not end in time. May be called again. */
  stop(): Promise<boolean> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<boolean> {
    this.#isStopping = true;
    for (const timer of this.#restartTimers) clearTimeout(timer);
    this.#isListening = false;
    this.#openListeners.clear();
    await this.#acceptor?.stop();
    // A thread that is not up yet takes no commands.
    const ready = this.#shards.map((shard) => shard.ready.promise.catch(() => {}));
    const isStopped = await within(
      STOP_MS_MAX,
      Promise.all(ready).then(() => {
        this.#broadcast({ type: "stop" });
        return Promise.all(this.#shards.map(({ stopped }) => stopped.promise));
      }),
    );
    if (!isStopped) this.#events.log("error", `Shards did not stop within ${STOP_MS_MAX} ms`);
    // Only now can nobody wake a shard any more, by a descriptor that it is about to close.
    for (const { worker } of this.#shards) worker.postMessage({ type: "dispose" } satisfies ShardMessage);
    const isDisposed =
      isStopped &&
      (await within(STOP_MS_MAX, Promise.all(this.#shards.map(({ disposed }) => disposed.promise))));
    for (const { worker } of this.#shards) worker.terminate();
    this.#links.stop();
    return isDisposed;
  }

  /** Gives every shard new options; what clients are told changes with them. Resolves when all go by them. */
  async changeOptions(
    options: ShardOptions,
    info: ServerInfo,
    logins: LoginsSettings,
    preload: OperatorSetup["preload"],
  ): Promise<void> {
    this.#shardOptions = options;
    this.#info = info;
    // First the links thread: what a shard asks by its new rules must not be judged by the old ones.
    await this.#links.reload(logins, preload);
    this.#broadcast({ type: "options", options, info });
    this.#setUpLinks();
    await Promise.all([this.query({ what: "done" }), this.queryLinks({ what: "done" })]);
  }

  /** Gives every shard options that mean the same to the links thread and to clients. */
  refreshOptions(options: ShardOptions): void {
    this.#shardOptions = options;
    this.#broadcast({ type: "options", options, info: this.#info });
  }

  /** Sends INFO to the clients that take it at any time: all, or those who came by one port. */
  sendInfo(info: ServerInfo, listener?: ClientListenerKind): void {
    this.#info = info;
    this.#broadcast(listener === undefined ? { type: "info", info } : { type: "info", info, listener });
  }

  /** Closes `count` connections for `reason`, taken from the shards in turn. */
  closeSome(count: number, reason: number): void {
    for (const [node, share] of this.#shares(count))
      this.#send(node, { type: "closeSome", count: share, reason });
  }

  /** Closes `count` connections because there are too many. */
  shrink(count: number): void {
    for (const [node, share] of this.#shares(count)) this.#send(node, { type: "shrink", count: share });
  }

  /** Other servers have so many connections of an account. */
  setConnectionsElsewhere(accountId: number, clients: number, leafnodes: number): void {
    const { words, map } = this.#shared;
    Atomics.store(words, clientsElsewhereWord(map, accountId), clients);
    Atomics.store(words, leafnodesElsewhereWord(map, accountId), leafnodes);
  }

  /** Tells the shard that remembers a measured request what the responder's server has measured. */
  sendLatency(node: number, account: number, subject: string, sample: LatencySample): void {
    this.#send(node, { type: "latency", account, subject, sample });
  }

  /** Has a shard give a message to the services that an account imports on its subject. */
  askServices(account: number, subject: string, payload: Uint8Array, headers: Uint8Array): void {
    this.#send(NODE_SHARD_FIRST, {
      type: "request",
      account,
      subject,
      reply: "",
      headers: headers.toBase64(),
      payload: payload.toBase64(),
    });
  }

  /** Closes the clients that an account has too many, the newest first. */
  async limitClients({ id, name, limits: { maxConnections } }: AccountDefinition): Promise<void> {
    if (maxConnections < 0) return;
    const { words, map } = this.#shared;
    const elsewhere = Atomics.load(words, clientsElsewhereWord(map, id));
    if (this.connectionsOf(id) + elsewhere <= maxConnections) return;
    const ids = (await this.query<number[]>({ what: "clients", account: name })).flat();
    const surplus = this.connectionsOf(id) + elsewhere - maxConnections;
    if (surplus <= 0) return;
    const clientIds = ids.sort((a, b) => b - a).slice(0, surplus);
    this.#broadcast({ type: "accountFull", clientIds });
  }

  /** An account of operator mode, as the links thread has it. */
  describeAccount(name: string): Promise<AccountDetails | undefined> {
    return this.#links.describe(name, false);
  }

  /** Sees to it that an account is known that operator mode can find. */
  async loadAccount(name: string): Promise<void> {
    await this.#links.describe(name, true);
  }

  /** Asks every shard; its answers in the order of the shards. One that is dead, or dies meanwhile, answers nothing. */
  async query<T>(query: ShardQuery): Promise<T[]> {
    const answers = this.#clientShards.map(({ node }) => this.#ask<T>(node, query));
    return (await Promise.all(answers)).filter((answer) => answer !== undefined);
  }

  /** Asks the links shard; undefined where there is none, or it is dead. */
  async queryLinks<T>(query: ShardQuery): Promise<T | undefined> {
    const { linksNode } = this.#shared.map;
    return linksNode === 0 ? undefined : this.#ask<T>(linksNode, query);
  }

  /** Tells the links shard something, where there is one. */
  tellLinks(message: LinkControl): void {
    const { linksNode } = this.#shared.map;
    if (linksNode !== 0) this.#send(linksNode, message);
  }

  #ask<T>(node: number, query: ShardQuery): Promise<T | undefined> {
    const isAlive = this.#shards.some((shard) => shard.node === node && !shard.hasFailed);
    if (this.#isStopping || !isAlive) return Promise.resolve(undefined);
    const id = ++this.#lastQuery;
    return new Promise((resolve) => {
      this.#answers.set(id, { node, resolve: resolve as (data: unknown) => void });
      this.#send(node, { type: "query", id, query });
    });
  }

  get #clientShards(): ShardThread[] {
    return this.#shards.filter(({ node }) => this.#shared.map.isShard(node));
  }

  counters(): FleetCounters {
    const { words, map } = this.#shared;
    const sumOver = (shards: readonly ShardThread[], offset: number) => {
      let total = 0;
      for (const { node } of shards) total += counterValue(words, map.area(node).area + offset);
      return total;
    };
    const sum = (offset: number) => sumOver(this.#shards, offset);
    const clientShards = this.#clientShards;
    const ofClients = (offset: number) => sumOver(clientShards, offset);
    const subscriptionsAdded = sum(AREA_SUBSCRIPTIONS_ADDED);
    const subscriptionsRemoved = sum(AREA_SUBSCRIPTIONS_REMOVED);
    return {
      inMessages: sum(AREA_IN_MESSAGES),
      inBytes: sum(AREA_IN_BYTES),
      outMessages: sum(AREA_OUT_MESSAGES),
      outBytes: sum(AREA_OUT_BYTES),
      connections: Atomics.load(words, HEADER_CONNECTION_COUNT),
      connectionsEver: sum(AREA_CLIENTS_EVER),
      subscriptions: subscriptionsAdded - subscriptionsRemoved,
      subscriptionsAdded,
      subscriptionsRemoved,
      slowConsumers: sum(AREA_SLOW_CONSUMERS),
      clients: {
        traffic: {
          inMessages: ofClients(AREA_IN_MESSAGES),
          inBytes: ofClients(AREA_IN_BYTES),
          outMessages: ofClients(AREA_OUT_MESSAGES),
          outBytes: ofClients(AREA_OUT_BYTES),
        },
        slowConsumers: ofClients(AREA_SLOW_CONSUMERS),
        staleConnections: ofClients(AREA_STALE_CONNECTIONS),
      },
      stalls: sum(AREA_STALLS),
      pinnedAccountFailures: sum(AREA_PINNED_ACCOUNT_FAILURES),
    };
  }

  /** What each shard has to do, the one for links among them. */
  shardFigures(): ShardSnapshot[] {
    return shardFigures(this.#shared);
  }

  /** How many clients shards turned away for `tls.connection_rate_limit` since the last call. */
  takeRejectedHandshakes(): number {
    return Atomics.exchange(this.#shared.words, HEADER_HANDSHAKES_REJECTED, 0);
  }

  /** Makes one shard throw; for the test of what happens then. */
  failShard(index: number): void {
    this.#send(NODE_SHARD_FIRST + index, { type: "fail" });
  }

  #takePorts(ports: Ports, onPorts: OnPorts): void {
    this.#ports = ports;
    const { info, options } = onPorts(ports);
    this.#info = info;
    this.#shardOptions = options;
  }

  async #listenByShards(onPorts: OnPorts): Promise<FleetListenResult> {
    const { listeners, shardCount, hasLinks } = this.#options;
    const forClients = listeners.filter(({ kind }) => servesClients(kind));
    const forLinks = listeners.filter(({ kind }) => !servesClients(kind));
    // Only Linux spreads connections over several listeners of one port.
    const reusePort = process.platform === "linux" && shardCount > 1;
    const listening = reusePort ? shardCount : 1;
    let own: readonly OwnListener[] = forClients.map((listener) => ({ ...listener, reusePort }));
    const ports = new Map<ListenerKind, number>();
    try {
      if (hasLinks) {
        const links = this.#startShard(
          shardCount,
          forLinks.map((listener) => ({ ...listener, reusePort: false })),
        );
        this.#shards[shardCount] = links;
        const listened = await links.ready.promise;
        for (const [at, { kind }] of forLinks.entries()) ports.set(kind, listened[at]!);
      }
      for (let i = 0; i < shardCount; i++) {
        const shard = this.#startShard(i, i < listening ? own : []);
        this.#shards[i] = shard;
        const listened = await shard.ready.promise;
        if (i === 0) {
          // The others listen on the ports that the first one got.
          own = own.map((listener, at) => ({ ...listener, port: listened[at]! }));
          shard.listen = own;
          for (const { kind, port } of own) ports.set(kind, port);
          this.#takePorts(ports, onPorts);
          this.#send(shard.node, { type: "options", options: this.#shardOptions, info: this.#info });
        }
      }
    } catch (error) {
      if (!(error instanceof CannotListen)) throw error;
      return { ok: false, listener: error.listener, error: error.message };
    }
    this.#setUpLinks();
    // The first one has heard only now which port it listens on.
    await this.query({ what: "done" });
    this.#isListening = true;
    for (const kind of ports.keys()) this.#openListeners.add(kind);
    return { ok: true, ports };
  }

  /** Tells the links shard what it is to do, now that all ports are known, and again when it is replaced. */
  #setUpLinks(): void {
    const { linksNode } = this.#shared.map;
    if (linksNode === 0) return;
    this.#linksSetup = this.#events.linksSetup(this.#ports);
    this.#send(linksNode, { type: "link", what: "start", setup: this.#linksSetup });
  }

  #startShard(index: number, listen: readonly OwnListener[]): ShardThread {
    const node = NODE_SHARD_FIRST + index;
    const { posix, cpuCount } = this.#options;
    const shard: ShardThread = {
      index,
      node,
      worker: new Worker(SHARD_WORKER, { type: "module" }),
      listen,
      ready: Promise.withResolvers(),
      stopped: Promise.withResolvers(),
      disposed: Promise.withResolvers(),
      hasFailed: false,
    };
    // Who does not wait for it hears of a failure by other ways.
    shard.ready.promise.catch(() => {});
    shard.worker.onmessage = ({ data }: MessageEvent<ShardReport>) => this.#onReport(shard, data);
    shard.worker.onerror = (event) => {
      event.preventDefault();
      this.#onFailure(shard, event.message);
    };
    const { port1, port2 } = new MessageChannel();
    const start: ShardStart = {
      node,
      memory: this.#shared.memory,
      engineCode: this.#engineCode,
      transport: posix === null ? "runtime" : "epoll",
      listen,
      info: this.#info,
      options: this.#shardOptions,
      spinMs: this.#servingCount < cpuCount ? SPIN_MS : SPIN_CROWDED_MS,
      hashSeed: crypto.getRandomValues(new Int32Array(1))[0]!,
      links: port1,
    };
    Atomics.store(this.#shared.words, nodeWord(node, NODE_STATE), NODE_IS_UP);
    shard.worker.postMessage(start, [port1]);
    this.#links.connect(node, port2);
    return shard;
  }

  #onReport(shard: ShardThread, report: ShardReport): void {
    switch (report.type) {
      case "ready":
        shard.ready.resolve(report.ports);
        break;
      case "log":
        this.#events.log(report.level, report.text);
        break;
      case "closed":
        this.#events.closed(report.connection, report.event);
        break;
      case "trace":
        this.#events.traced(report.result);
        break;
      case "opened":
        this.#events.opened(report.event);
        break;
      case "peer":
        void this.#checkPeer(shard.node, report);
        break;
      case "handedLeaf":
        this.#passOn(report);
        break;
      case "links":
        this.#events.onLinks(report.news);
        break;
      case "resolve":
        lookUpHost(report.host).then((found) =>
          this.tellLinks({ type: "link", what: "addresses", host: report.host, ...found }),
        );
        break;
      case "answer":
        this.#answers.get(report.id)?.resolve(JSON.parse(report.json));
        this.#answers.delete(report.id);
        break;
      case "stopped":
        shard.stopped.resolve();
        break;
      case "disposed":
        shard.disposed.resolve();
        break;
      case "cannotListen":
        // At the start that is for the operator to mend; a successor that cannot have the port back has failed.
        if (this.#isListening) this.#onFailure(shard, report.error);
        else shard.ready.reject(new CannotListen(report.listener, report.error));
        break;
      case "failed":
        this.#onFailure(shard, report.error);
        break;
    }
  }

  /** Gives a leaf node, whose bytes come by a port, to the links shard. */
  #passOn(leaf: HandedLeaf): void {
    if (leaf.stream.kind !== "runtime") return;
    const { linksNode } = this.#shared.map;
    const links = this.#shards.find(({ node, hasFailed }) => node === linksNode && !hasFailed);
    if (links === undefined) hangUp(leaf.stream.port);
    else links.worker.postMessage(leaf satisfies ShardMessage, [leaf.stream.port]);
  }

  async #checkPeer(
    node: number,
    { slot, clientId, block, chain }: Extract<ShardReport, { type: "peer" }>,
  ): Promise<void> {
    // Whatever goes wrong with the question, nobody comes in by it.
    const isValid = await this.#events.checkPeer(block, chain).catch(() => false);
    this.#send(node, { type: "peer", slot, clientId, isValid });
  }

  /** A shard died: its clients are disconnected and find another one, and a new thread takes its place. */
  #onFailure(shard: ShardThread, error: string): void {
    if (shard.hasFailed) return;
    shard.hasFailed = true;
    shard.ready.reject(new Error(error));
    shard.stopped.resolve();
    shard.disposed.resolve();
    shard.worker.terminate();
    const { node } = shard;
    const { words } = this.#shared;
    const handedOver = closeHandedOver(this.#shared, node, (fd) => this.#options.posix?.close(fd));
    Atomics.sub(words, nodeWord(node, NODE_LOAD), handedOver);
    Atomics.store(words, nodeWord(node, NODE_STATE), NODE_IS_DEAD);
    Atomics.store(words, nodeWord(node, NODE_IS_ASLEEP), 0);
    this.#commands.forget(node);
    for (const [id, answer] of this.#answers) {
      if (answer.node !== node) continue;
      this.#answers.delete(id);
      answer.resolve(undefined);
    }
    const lost = this.#closeSockets(node);
    if (this.#isStopping) return;
    const text = capitalised(nameOf(shard, this.#shared.map.linksNode));
    this.#events.log("error", `${text} failed, its ${lost} connections are closed: ${error}`);
    const lockOwner = this.#index.lockOwner();
    const isFarOwner = lockOwner === NODE_FAR && node === this.#shared.map.linksNode;
    if (lockOwner === node || isFarOwner) {
      this.#events.fatal(`${text} failed while it changed the interest index`);
      return;
    }
    this.#index.removeNode(node);
    if (node === this.#shared.map.linksNode) this.#index.removeNode(NODE_FAR);
    resetNode(this.#shared, node, this.#seeds);
    if (this.#isListening) this.#scheduleRestart(shard);
  }

  #scheduleRestart(failed: ShardThread): void {
    const { index, listen } = failed;
    this.#restarts[index] ??= new RestartPolicy();
    const policy = this.#restarts[index];
    const pauseMs = policy.onFailure(performance.now());
    if (pauseMs === null) {
      const name = capitalised(nameOf(failed, this.#shared.map.linksNode));
      this.#events.fatal(`${name} failed ${policy.failureCount} times within a minute`);
      return;
    }
    const timer = setTimeout(() => {
      this.#restartTimers.delete(timer);
      // Other threads went on sending while they thought it alive.
      resetNode(this.#shared, NODE_SHARD_FIRST + index, this.#seeds);
      const shard = this.#startShard(index, listen);
      this.#shards[index] = shard;
      if (this.#linksSetup !== null && shard.node === this.#shared.map.linksNode) {
        this.tellLinks({ type: "link", what: "start", setup: this.#linksSetup });
      }
      shard.ready.promise.then(
        () =>
          this.#events.log("info", `${capitalised(nameOf(shard, this.#shared.map.linksNode))} is replaced`),
        () => {},
      );
    }, pauseMs);
    this.#restartTimers.add(timer);
  }

  /** Closes what a dead shard left open and counts it off; returns how many connections that were. */
  #closeSockets(node: number): number {
    const { words } = this.#shared;
    const { posix } = this.#options;
    // The runtime's own sockets went with their thread.
    const { sockets, upgrading } = closeSockets(this.#shared, node, (fd) => posix?.close(fd));
    const lost = posix === null ? Atomics.load(words, nodeWord(node, NODE_LOAD)) : sockets;
    if (this.#shared.map.isShard(node)) Atomics.sub(words, HEADER_CONNECTION_COUNT, lost - upgrading);
    Atomics.sub(words, nodeWord(node, NODE_LOAD), lost);
    return lost;
  }

  #broadcast(message: ShardControl): void {
    for (const { node } of this.#shards) this.#send(node, message);
  }

  #send(node: number, message: ShardControl): void {
    if (this.#shards.some((shard) => shard.node === node && !shard.hasFailed))
      this.#commands.sendControl(node, message);
  }

  /** Splits a number over the shards by the connections they have. */
  #shares(count: number): [node: number, share: number][] {
    const loads = this.#clientShards.map(({ node }): [number, number] => [
      node,
      Atomics.load(this.#shared.words, nodeWord(node, NODE_LOAD)),
    ]);
    const shares: [number, number][] = loads.map(([node]) => [node, 0]);
    for (let left = count; left > 0; left--) {
      let most = 0;
      for (let i = 1; i < loads.length; i++) if (loads[i]![1] > loads[most]![1]) most = i;
      if (loads[most] === undefined || loads[most]![1] <= 0) break;
      loads[most]![1]--;
      shares[most]![1]++;
    }
    return shares.filter(([, share]) => share > 0);
  }
}

function nameOf({ index, node }: ShardThread, linksNode: number): string {
  return node === linksNode ? "links shard" : `shard ${index}`;
}

function capitalised(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

/** Whether the work ends within a time. */
async function within(ms: number, work: Promise<unknown>): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  const isDone = await Promise.race([work.then(() => true), late]);
  clearTimeout(timer);
  return isDone;
}
