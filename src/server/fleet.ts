/**
 * The threads of a server, as main sees them: starts shards and the acceptor, talks to them, replaces a shard that
 * died, stops them all.
 *
 *   main ──ring──▶ shard      commands (a shard in epoll_wait hears nothing else)
 *   main ◀─postMessage─ shard log lines, closed connections, answers
 */
import type { AccountsChange } from "../account/accounts_change.ts";
import type { AccountDefinition } from "../account/definition.ts";
import { createEngine, type Engine } from "../engine/engine.ts";
import { NO_HOST } from "../engine/no_host.ts";
import type { AcceptorListener, AcceptorReport, AcceptorStart } from "../fabric/acceptor_messages.ts";
import { InternalClient, type InternalRoutes } from "../fabric/internal_client.ts";
import { RecordQueue } from "../fabric/record_queue.ts";
import { Wake } from "../fabric/wake.ts";
import { createInterestIndex, type InterestIndex } from "../interest/interest_index.ts";
import type { AccountDetails } from "../link/account_details.ts";
import type { ServerSecrets } from "../link/callouts.ts";
import type { LoginsSettings } from "../link/logins.ts";
import type { OperatorSetup } from "../link/operator_mode.ts";
import {
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
  HEADER_ACCEPTOR_STOP,
  HEADER_CLIENT_ID,
  HEADER_CONNECTION_COUNT,
  HEADER_HANDSHAKES_REJECTED,
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
import type { ServerInfo } from "../protocol/info.ts";
import type { ServerIdentity } from "../protocol/server_object.ts";
import { wakeEpollPoller } from "../runtime/epoll_poller.ts";
import { listenTcp } from "../runtime/posix/listen.ts";
import type { Posix } from "../runtime/posix/posix.ts";
import { wakeSocketPoller } from "../runtime/socket_poller.ts";
import { CLIENT_LISTENER, WEBSOCKET_LISTENER } from "../shard/listeners.ts";
import type {
  ClientEvent,
  ConnectionRecord,
  ShardControl,
  ShardDispose,
  ShardLogLevel,
  ShardOptions,
  ShardQuery,
  ShardReport,
  ShardStart,
} from "../shard/shard_options.ts";

import { LinksThread } from "./links_thread.ts";
import { closeSockets, resetNode } from "./node_reset.ts";
import { RestartPolicy } from "./restart_policy.ts";

const BACKLOG = 4096;
/** How long a shard looks for work before it sleeps; less where threads outnumber cores. */
const SPIN_MS = 0.05;
const SPIN_CROWDED_MS = 0.01;
/** A thread that does not stop by then is left to the end of the process. */
const STOP_MS_MAX = 5000;
const SHARD_WORKER = new URL("../../workers/shard.ts", import.meta.url);
const ACCEPTOR_WORKER = new URL("../../workers/acceptor.ts", import.meta.url);

export interface ListenAddress {
  readonly host: string;
  /** 0 for a free port. */
  readonly port: number;
}

/** Ports that are listened on; 0 where the server has none of that kind. */
export interface ListeningPorts {
  readonly client: number;
  readonly webSocket: number;
}

export type FleetListenResult =
  | { readonly ok: true }
  | { readonly ok: false; readonly isWebSocket: boolean; readonly error: string };

/** What becomes of the options and INFO once the ports are known. */
type OnPorts = (ports: ListeningPorts) => { readonly info: ServerInfo; readonly options: ShardOptions };

export interface FleetOptions {
  readonly shardCount: number;
  readonly cpuCount: number;
  /** libc, for the epoll transport; null for the runtime's sockets. */
  readonly posix: Posix | null;
  readonly client: ListenAddress;
  readonly webSocket: ListenAddress | null;
  readonly server: ServerIdentity;
  readonly serverHash: string;
  readonly secrets: ServerSecrets;
  /** Null outside operator mode. */
  readonly operator: OperatorSetup | null;
}

export interface FleetEvents {
  log(level: ShardLogLevel, text: string): void;
  /** A client is in, and somebody listens to events of such. */
  opened(event: ClientEvent): void;
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
  readonly staleConnections: number;
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
  readonly listen: ShardStart["listen"];
  /** Resolves when it serves; with the ports it listens on, if it does by itself. */
  readonly ready: PromiseWithResolvers<readonly number[]>;
  /** Resolves when its loop has ended. */
  readonly stopped: PromiseWithResolvers<void>;
  /** Resolves when it has given back what it opened. */
  readonly disposed: PromiseWithResolvers<void>;
  hasFailed: boolean;
}

interface AcceptorThread {
  readonly worker: Worker;
  /** Resolves with its wake handle when it accepts. */
  readonly ready: PromiseWithResolvers<number>;
  readonly stopped: PromiseWithResolvers<void>;
}

export class Fleet {
  readonly #options: FleetOptions;
  readonly #events: FleetEvents;
  readonly #shared: SharedMemory;
  readonly #seeds: Uint32Array;
  readonly #index: InterestIndex;
  readonly #engine: Engine;
  readonly #commands: RecordQueue;
  readonly #shards: ShardThread[] = [];
  readonly #restarts: RestartPolicy[] = [];
  readonly #restartTimers = new Set<ReturnType<typeof setTimeout>>();
  #acceptor: AcceptorThread | null = null;
  readonly #links: LinksThread;
  #shardOptions: ShardOptions;
  #info: ServerInfo;
  /** By listener. */
  #ports: readonly number[] = [];
  #isListening = false;
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
    this.#shared = createSharedMemory(options.shardCount, this.#seeds);
    this.#engine = createEngine(this.#shared.memory, this.#shared.map.area(NODE_MAIN).area, NO_HOST);
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
    const { memory } = this.#shared;
    this.#links = new LinksThread(
      { memory, transport: this.transport, server, serverHash, secrets, operator },
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

  isShard(node: number): boolean {
    return node >= NODE_SHARD_FIRST && node < this.#shared.map.nodeCount;
  }

  /** How many connections an account has on all shards. */
  connectionsOf(accountId: number): number {
    return Atomics.load(this.#shared.words, accountWord(this.#shared.map, accountId));
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
      ...this.#shards.map((_, index) => `shard ${index}`),
      ...(this.#acceptor === null ? [] : ["acceptor"]),
      ...(this.#links.isRunning ? ["links"] : []),
    ];
  }

  get isListening(): boolean {
    return this.#isListening;
  }

  /** Starts the shards; they serve nobody before listen(). */
  async start(logins: LoginsSettings): Promise<void> {
    const links = this.#links.start(logins);
    if (this.#options.posix === null) return links;
    for (let i = 0; i < this.#options.shardCount; i++) this.#shards.push(this.#startShard(i, []));
    this.#acceptor = this.#startAcceptor();
    await Promise.all([links, ...this.#shards.map(({ ready }) => ready.promise)]);
  }

  /** Opens the ports. `onPorts` hears of them before anybody can connect. */
  async listen(onPorts: OnPorts): Promise<FleetListenResult> {
    const { posix } = this.#options;
    if (posix === null) return this.#listenByShards(onPorts);
    const listeners: (AcceptorListener & { readonly port: number })[] = [];
    for (const [listener, { host, port }] of this.#addresses()) {
      const result = await listenTcp(posix, host, port, BACKLOG);
      if (!result.ok) {
        for (const { fd } of listeners) posix.close(fd);
        return { ok: false, isWebSocket: listener === WEBSOCKET_LISTENER, error: result.error };
      }
      listeners.push({ listener, fd: result.fd, port: result.port });
    }
    this.#takePorts(listeners, onPorts);
    this.#broadcast({ type: "options", options: this.#shardOptions, info: this.#info });
    const start: AcceptorStart = { memory: this.#shared.memory, listeners };
    this.#acceptor!.worker.postMessage(start);
    await this.#acceptor!.ready.promise;
    this.#isListening = true;
    for (const shard of this.#shards) if (shard.hasFailed) this.#scheduleRestart(shard);
    return { ok: true };
  }

  /** What is listened on, in this order: listener, address. */
  #addresses(): (readonly [listener: number, address: ListenAddress])[] {
    const { client, webSocket } = this.#options;
    const all = [[WEBSOCKET_LISTENER, webSocket] as const, [CLIENT_LISTENER, client] as const];
    return all.flatMap(([listener, address]) => (address === null ? [] : [[listener, address] as const]));
  }

  #takePorts(listening: readonly { readonly listener: number; readonly port: number }[], onPorts: OnPorts) {
    const ports: number[] = [];
    for (const { listener, port } of listening) ports[listener] = port;
    this.#ports = ports;
    const { info, options } = onPorts({
      client: ports[CLIENT_LISTENER]!,
      webSocket: ports[WEBSOCKET_LISTENER] ?? 0,
    });
    this.#info = info;
    this.#shardOptions = options;
  }

  /** No new clients from now on. */
  async stopListening(): Promise<void> {
    if (!this.#isListening) return;
    this.#isListening = false;
    if (this.#acceptor === null) {
      this.#broadcast({ type: "stopListening" });
      return;
    }
    Atomics.store(this.#shared.words, HEADER_ACCEPTOR_STOP, 1);
    this.#options.posix!.signalEventfd(await this.#acceptor.ready.promise);
    await this.#acceptor.stopped.promise;
  }

  /** Closes every connection and ends the threads; false where one did not end in time. May be called again. */
  stop(): Promise<boolean> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<boolean> {
    this.#isStopping = true;
    for (const timer of this.#restartTimers) clearTimeout(timer);
    await this.stopListening();
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
    for (const { worker } of this.#shards) worker.postMessage({ type: "dispose" } satisfies ShardDispose);
    const isDisposed =
      isStopped &&
      (await within(STOP_MS_MAX, Promise.all(this.#shards.map(({ disposed }) => disposed.promise))));
    for (const { worker } of this.#shards) worker.terminate();
    this.#acceptor?.worker.terminate();
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
    await this.query({ what: "done" });
  }

  /** Sends INFO to the clients that take it at any time. */
  sendInfo(info: ServerInfo): void {
    this.#info = info;
    this.#broadcast({ type: "info", info });
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

  /** Closes the clients that an account has too many, the newest first. */
  async limitClients({ name, limits: { maxConnections } }: AccountDefinition): Promise<void> {
    if (maxConnections < 0) return;
    const ids = (await this.query<number[]>({ what: "clients", account: name })).flat();
    if (ids.length <= maxConnections) return;
    const clientIds = ids.sort((a, b) => b - a).slice(0, ids.length - maxConnections);
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
    const alive = this.#isStopping ? [] : this.#shards.filter(({ hasFailed }) => !hasFailed);
    const answers = alive.map(({ node }) => {
      const id = ++this.#lastQuery;
      const answer = new Promise<T | undefined>((resolve) => {
        this.#answers.set(id, { node, resolve: resolve as (data: unknown) => void });
      });
      this.#send(node, { type: "query", id, query });
      return answer;
    });
    return (await Promise.all(answers)).filter((answer) => answer !== undefined);
  }

  counters(): FleetCounters {
    const { words, map } = this.#shared;
    const sum = (offset: number) => {
      let total = 0;
      for (const { node } of this.#shards) total += counterValue(words, map.area(node).area + offset);
      return total;
    };
    const subscriptionsAdded = sum(AREA_SUBSCRIPTIONS_ADDED);
    const subscriptionsRemoved = sum(AREA_SUBSCRIPTIONS_REMOVED);
    return {
      inMessages: sum(AREA_IN_MESSAGES),
      inBytes: sum(AREA_IN_BYTES),
      outMessages: sum(AREA_OUT_MESSAGES),
      outBytes: sum(AREA_OUT_BYTES),
      connections: Atomics.load(words, HEADER_CONNECTION_COUNT),
      connectionsEver: Atomics.load(words, HEADER_CLIENT_ID) >>> 0,
      subscriptions: subscriptionsAdded - subscriptionsRemoved,
      subscriptionsAdded,
      subscriptionsRemoved,
      slowConsumers: sum(AREA_SLOW_CONSUMERS),
      staleConnections: sum(AREA_STALE_CONNECTIONS),
      stalls: sum(AREA_STALLS),
      pinnedAccountFailures: sum(AREA_PINNED_ACCOUNT_FAILURES),
    };
  }

  /** How many clients shards turned away for `tls.connection_rate_limit` since the last call. */
  takeRejectedHandshakes(): number {
    return Atomics.exchange(this.#shared.words, HEADER_HANDSHAKES_REJECTED, 0);
  }

  /** Makes one shard throw; for the test of what happens then. */
  failShard(index: number): void {
    this.#send(NODE_SHARD_FIRST + index, { type: "fail" });
  }

  async #listenByShards(onPorts: OnPorts): Promise<FleetListenResult> {
    const { shardCount } = this.#options;
    const addresses = this.#addresses();
    // Only Linux spreads connections over several listeners of one port.
    const reusePort = process.platform === "linux" && shardCount > 1;
    const listening = reusePort ? shardCount : 1;
    try {
      for (let i = 0; i < shardCount; i++) {
        const listen = addresses.map(([listener, { host, port }]) => {
          return { listener, host, port: this.#ports[listener] ?? port, reusePort };
        });
        const shard = this.#startShard(i, i < listening ? listen : []);
        this.#shards.push(shard);
        const ports = await shard.ready.promise;
        if (i === 0) {
          const listened = addresses.map(([listener], at) => ({ listener, port: ports[at]! }));
          this.#takePorts(listened, onPorts);
          this.#send(shard.node, { type: "options", options: this.#shardOptions, info: this.#info });
        }
      }
    } catch (error) {
      const isWebSocket = error instanceof ListenError && error.listener === WEBSOCKET_LISTENER;
      return { ok: false, isWebSocket, error: (error as Error).message };
    }
    // The first one has heard only now which port it listens on.
    await this.query({ what: "done" });
    this.#isListening = true;
    return { ok: true };
  }

  #startShard(index: number, listen: ShardStart["listen"]): ShardThread {
    const node = NODE_SHARD_FIRST + index;
    const { posix, shardCount, cpuCount } = this.#options;
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
      transport: posix === null ? "runtime" : "epoll",
      listen,
      info: this.#info,
      options: this.#shardOptions,
      spinMs: shardCount < cpuCount ? SPIN_MS : SPIN_CROWDED_MS,
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
      case "opened":
        this.#events.opened(report.event);
        break;
      case "answer":
        this.#answers.get(report.id)?.resolve(report.data);
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
        else shard.ready.reject(new ListenError(report.listener, report.error));
        break;
      case "failed":
        this.#onFailure(shard, report.error);
        break;
    }
  }

  /** A shard died: its clients are disconnected and find another one, and a new thread takes its place. */
  #onFailure(shard: ShardThread, error: string): void {
    if (shard.hasFailed) return;
    shard.hasFailed = true;
    shard.ready.reject(new Error(error));
    shard.stopped.resolve();
    shard.disposed.resolve();
    shard.worker.terminate();
    const { node, index } = shard;
    const { words } = this.#shared;
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
    this.#events.log("error", `Shard ${index} failed, its ${lost} connections are closed: ${error}`);
    if (this.#index.lockOwner() === node) {
      this.#events.fatal(`Shard ${index} failed while it changed the interest index`);
      return;
    }
    this.#index.removeNode(node);
    resetNode(this.#shared, node, this.#seeds);
    if (this.#isListening) this.#scheduleRestart(shard);
  }

  #scheduleRestart({ index, listen }: ShardThread): void {
    this.#restarts[index] ??= new RestartPolicy();
    const policy = this.#restarts[index];
    const pauseMs = policy.onFailure(performance.now());
    if (pauseMs === null) {
      this.#events.fatal(`Shard ${index} failed ${policy.failureCount} times within a minute`);
      return;
    }
    const timer = setTimeout(() => {
      this.#restartTimers.delete(timer);
      // Other threads went on sending while they thought it alive.
      resetNode(this.#shared, NODE_SHARD_FIRST + index, this.#seeds);
      const shard = this.#startShard(
        index,
        listen.map((each) => ({ ...each, port: this.#ports[each.listener]! })),
      );
      this.#shards[index] = shard;
      shard.ready.promise.then(
        () => this.#events.log("info", `Shard ${index} is replaced`),
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
    Atomics.sub(words, HEADER_CONNECTION_COUNT, lost - upgrading);
    Atomics.sub(words, nodeWord(node, NODE_LOAD), lost);
    return lost;
  }

  /** The thread alone: it accepts nothing before it is given a socket. */
  #startAcceptor(): AcceptorThread {
    const acceptor: AcceptorThread = {
      worker: new Worker(ACCEPTOR_WORKER, { type: "module" }),
      ready: Promise.withResolvers(),
      stopped: Promise.withResolvers(),
    };
    acceptor.ready.promise.catch(() => {});
    acceptor.worker.onmessage = ({ data }: MessageEvent<AcceptorReport>) => {
      if (data.type === "ready") acceptor.ready.resolve(data.wakeHandle);
      else if (data.type === "paused") this.#events.log("error", data.text);
      else acceptor.stopped.resolve();
    };
    acceptor.worker.onerror = (event) => {
      event.preventDefault();
      acceptor.ready.reject(new Error(event.message));
      acceptor.stopped.resolve();
      if (!this.#isStopping) this.#events.fatal(`The acceptor failed: ${event.message}`);
    };
    return acceptor;
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
    const loads = this.#shards.map(({ node }): [number, number] => [
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

/** A shard cannot listen by itself. */
class ListenError extends Error {
  readonly listener: number;

  constructor(listener: number, message: string) {
    super(message);
    this.listener = listener;
  }
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
