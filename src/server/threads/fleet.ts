/**
 * The threads of a server, as main sees them: shards, the logins thread and, where there is one, the acceptor. Starts
 * them, gives them their options, and stops them all.
 */
import type { AccountsChange } from "../../account/accounts_change.ts";
import { loadDeflateCode } from "../../engine/deflater.ts";
import { loadEngineCode } from "../../engine/engine.ts";
import { loadS2Code } from "../../engine/s2_codec.ts";
import { EventLoopNode } from "../../fabric/event_loop_node.ts";
import type { InternalClient, InternalRoutes } from "../../fabric/internal_client.ts";
import { type ClientListenerKind, type ListenerKind, servesClients } from "../../fabric/listeners.ts";
import { createInterestIndex } from "../../interest/interest_index.ts";
import type { LineLimit } from "../../log/line_limit.ts";
import type { AccountDetails } from "../../logins/account_details.ts";
import type { ServerSecrets } from "../../logins/callouts.ts";
import type { LoginsSettings } from "../../logins/logins.ts";
import type { AccountsOrigin, OperatorSetup } from "../../logins/operator_mode.ts";
import { HEADER_HANDSHAKES_REJECTED, NODE_MAIN, NODE_SHARD_FIRST } from "../../memory/map.ts";
import { createSharedMemory, nextMessageNumber, type SharedMemory } from "../../memory/shared_memory.ts";
import type { ShardSnapshot } from "../../monitor/snapshots/server.ts";
import type { ServerInfo } from "../../protocol/info.ts";
import type { ServerIdentity } from "../../protocol/server_object.ts";
import { lookUpHost } from "../../runtime/host_lookup.ts";
import { hangUp } from "../../runtime/port_stream.ts";
import type { Posix } from "../../runtime/posix/posix.ts";
import type { HandedLeaf } from "../../shard/links/handed_leaf.ts";
import type { LinksNews, LinksSetup } from "../../shard/links/links_setup.ts";
import type { ClientEvent, ShardLogLevel, ShardReport, TraceResult } from "../../shard/shard_messages.ts";
import type { ShardOptions } from "../../shard/shard_options.ts";
import { shardFigures } from "../reports/shard_figures.ts";
import { AcceptorListening } from "./acceptor_listening.ts";
import { ClientCounts } from "./client_counts.ts";
import { type FleetCounters, fleetCounters } from "./fleet_counters.ts";
import type { ListenerOptions } from "./listeners.ts";
import type { Listening, ListenResult, Ports } from "./listening.ts";
import { LoginsThread } from "./logins_thread.ts";
import { ShardListening } from "./shard_listening.ts";
import { type ShardNews, Shards } from "./shards.ts";

/** A thread that does not stop by then is left to the end of the process. */
const STOP_MS_MAX = 5000;

/** What becomes of the options and INFO once the ports are known. */
type OnPorts = (ports: Ports) => { readonly info: ServerInfo; readonly options: ShardOptions };

export interface FleetOptions {
  readonly shardCount: number;
  readonly cpuCount: number;
  /** libc, for the epoll transport; null for the runtime's sockets. */
  readonly posix: Posix | null;
  /** The ports to open, the clients' first. */
  readonly listeners: readonly ListenerOptions[];
  /** There is a shard for links from the start: other servers connect to this one, or it to them. */
  readonly hasLinks: boolean;
  /** The process ends with the server, and gives back what threads have open. */
  readonly endsProcess: boolean;
  /** A reload may bring the first ones. */
  readonly mayHaveLinks: boolean;
  readonly server: ServerIdentity;
  readonly serverHash: string;
  readonly secrets: ServerSecrets;
  /** Null outside operator mode. */
  readonly operator: OperatorSetup | null;
}

export interface FleetEvents {
  /** The links shard's setup, given the ports that are open. */
  linksSetup(ports: Ports): LinksSetup;
  /** The links shard has news. */
  onLinks(news: LinksNews): void;
  log(level: ShardLogLevel, text: string, limit?: LineLimit): void;
  /**
   * Whether a peer with this verified chain may connect, by the rules of the TLS block of that name. The chain is in
   * DER, the peer's own certificate first.
   */
  checkPeer(block: string, chain: readonly Uint8Array[]): Promise<boolean>;
  /** A client has come or gone, and somebody listens to such events. */
  onClient(event: ClientEvent): void;
  /** A message has been traced. */
  traced(result: TraceResult): void;
  /** Clients are gone: JSON of `ConnectionRecord[]`, and how many. */
  closed(json: string, count: number): void;
  onAccounts(change: AccountsChange): void;
  /** Something that main cannot mend: the server stops. */
  fatal(text: string): void;
}

export class Fleet {
  readonly shards: Shards;
  readonly clients: ClientCounts;
  readonly #options: FleetOptions;
  readonly #events: FleetEvents;
  readonly #shared: SharedMemory;
  readonly #main: EventLoopNode;
  readonly #logins: LoginsThread;
  readonly #listening: Listening;
  readonly #openListeners = new Set<ListenerKind>();
  #ports: Ports = new Map();
  #takesClients = false;
  #stopping: Promise<boolean> | null = null;

  constructor(options: FleetOptions, shardOptions: ShardOptions, info: ServerInfo, events: FleetEvents) {
    this.#options = options;
    this.#events = events;
    const { shardCount, cpuCount, posix, hasLinks, server, serverHash, secrets, operator } = options;
    const engineCode = loadEngineCode();
    // Read once: a shard that takes another's place must not depend on files.
    const mayHaveLinks = hasLinks || options.mayHaveLinks;
    const s2Code = mayHaveLinks ? loadS2Code() : null;
    const hasWebSockets = mayHaveLinks || options.listeners.some(({ kind }) => kind === "websocket");
    const deflateCode = hasWebSockets ? loadDeflateCode() : null;
    const seeds = crypto.getRandomValues(new Uint32Array(4));
    const shared = createSharedMemory(shardCount, seeds, mayHaveLinks);
    this.#shared = shared;
    const index = createInterestIndex(
      { buffer: shared.buffer, ...shared.map.index },
      { hashSeed: [...crypto.getRandomValues(new Uint32Array(4))].map((seed) => seed | 0) },
    );
    this.#main = new EventLoopNode(shared, index, NODE_MAIN, engineCode, posix);
    const { memory } = shared;
    const { transport } = this;
    this.#logins = new LoginsThread(
      { memory, engineCode, transport, server, serverHash, secrets, operator },
      events,
    );
    const { queue } = this.#main;
    this.shards = new Shards(
      { shared, index, seeds, engineCode, s2Code, deflateCode, posix, cpuCount, hasLinks, queue },
      shardOptions,
      info,
      {
        onNews: (node, news) => this.#onNews(node, news),
        connectLogins: (node, port) => this.#logins.connect(node, port),
        linksSetup: () => events.linksSetup(this.#ports),
        isOpen: (kind) => this.#openListeners.has(kind),
        log: (level, text) => events.log(level, text),
        fatal: (text) => events.fatal(text),
      },
    );
    this.clients = new ClientCounts(shared, this.shards);
    this.#listening =
      posix === null
        ? new ShardListening(this.shards, shardCount)
        : new AcceptorListening(this.shards, shared, engineCode, posix, events);
    this.#main.markUp();
  }

  /** Makes the client of this thread, which is a node like any other. There is one at most. */
  createClient(routes: InternalRoutes): InternalClient {
    return this.#main.createClient((text) => this.#events.log("error", text), routes);
  }

  /** The number of the next message that says which server sends it. */
  nextMessageNumber(): number {
    return nextMessageNumber(this.#shared.words);
  }

  /** Whether a node serves connections, of clients or of links: only such are told of answers. */
  hasConnections(node: number): boolean {
    return this.#shared.map.hasConnections(node);
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
      ...this.shards.threads.map(({ name }) => name),
      ...this.#listening.threadNames,
      ...(this.#logins.isRunning ? ["logins"] : []),
    ];
  }

  /** The ports that are open so far. */
  get ports(): Ports {
    return this.#ports;
  }

  /** Configured listeners that take no connections: not yet, or not any more. */
  get closedListeners(): readonly ListenerKind[] {
    return this.#options.listeners.map(({ kind }) => kind).filter((kind) => !this.#openListeners.has(kind));
  }

  /** Starts the threads; they serve nobody before listen(). */
  async start(logins: LoginsSettings): Promise<void> {
    await Promise.all([this.#logins.start(logins), this.#listening.start()]);
  }

  /** Opens the ports. `onPorts` hears of them before anybody can connect. */
  async listen(onPorts: OnPorts): Promise<ListenResult> {
    const result = await this.#listening.listen(this.#options.listeners, {
      portsKnown: (ports) => {
        this.#ports = ports;
        const { info, options } = onPorts(ports);
        this.shards.info = info;
        this.refreshOptions(options);
      },
      setUpLinks: () => this.shards.setUpLinks(),
    });
    if (!result.ok) return result;
    this.#takesClients = true;
    for (const kind of result.ports.keys()) this.#openListeners.add(kind);
    this.shards.beginReplacing();
    return result;
  }

  /** Takes no connections of these kinds any more; resolves when nobody can connect. */
  async stopListening(kinds: readonly ListenerKind[]): Promise<void> {
    if (!this.#takesClients) return;
    for (const kind of kinds) this.#openListeners.delete(kind);
    if (kinds.some(servesClients)) {
      this.#takesClients = false;
      this.shards.endReplacing();
    }
    await this.#listening.close(kinds);
  }

  /**
   * Closes every connection and ends the threads; false where threads may still use what they were given: one did not
   * end in time, or they end with the process. May be called again.
   */
  stop(): Promise<boolean> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<boolean> {
    // Clients hear of the end when the process is gone, as from nats-server: who waits for one of the two finds the other done.
    const { endsProcess } = this.#options;
    this.#takesClients = false;
    this.shards.beginStopping();
    this.#openListeners.clear();
    await this.#listening.stop();
    const { threads } = this.shards;
    // A thread that is not up yet takes no commands.
    const ready = threads.map((shard) => shard.ready.promise.catch(() => {}));
    const isStopped = await within(
      STOP_MS_MAX,
      Promise.all(ready).then(() => {
        this.shards.broadcast({ type: "stop", leavesSockets: endsProcess });
        return Promise.all(threads.map(({ stopped }) => stopped.promise));
      }),
    );
    if (!isStopped) this.#events.log("error", `Shards did not stop within ${STOP_MS_MAX} ms`);
    if (endsProcess) return false;
    // Only now can nobody wake a shard any more, by a descriptor that it is about to close.
    for (const shard of threads) shard.post({ type: "dispose" });
    const isDisposed =
      isStopped && (await within(STOP_MS_MAX, Promise.all(threads.map(({ disposed }) => disposed.promise))));
    for (const shard of threads) shard.terminate();
    this.#logins.stop();
    return isDisposed;
  }

  /**
   * Gives every shard new options; what clients are told changes with them. `accounts` is null outside operator mode. Resolves
   * when all go by them.
   */
  async changeOptions(
    options: ShardOptions,
    info: ServerInfo,
    logins: LoginsSettings,
    accounts: AccountsOrigin | null,
  ): Promise<void> {
    this.shards.options = options;
    this.shards.info = info;
    // First the logins thread: what a shard asks by its new rules must not be judged by the old ones.
    await this.#logins.reload(logins, accounts);
    this.#tellOptions();
    this.shards.setUpLinks();
    await this.shards.settle();
  }

  /** Gives every shard options that mean the same to the logins thread and to clients. */
  refreshOptions(options: ShardOptions): void {
    this.shards.options = options;
    this.#tellOptions();
  }

  #tellOptions(): void {
    const { options, info } = this.shards;
    this.shards.broadcast({ type: "options", options, info });
  }

  /** Where gateways lead to, nearest first, which services are told of who asks them. */
  tellOtherClusters(names: readonly string[]): void {
    this.shards.otherClusters = names;
    this.shards.broadcast({ type: "otherClusters", names });
  }

  /** Sends INFO to the clients that take it at any time: all, or those who came by one port. */
  sendInfo(info: ServerInfo, listener?: ClientListenerKind): void {
    this.shards.info = info;
    this.shards.broadcast(listener === undefined ? { type: "info", info } : { type: "info", info, listener });
  }

  /** An account of operator mode, as the logins thread has it. */
  describeAccount(name: string): Promise<AccountDetails | undefined> {
    return this.#logins.describe(name, false);
  }

  /** Loads an account of operator mode if it can be found and is not known yet. */
  async loadAccount(name: string): Promise<void> {
    await this.#logins.describe(name, true);
  }

  /** Sums over what shards count. */
  counters(): FleetCounters {
    return fleetCounters(this.#shared);
  }

  /** The load of each shard, the links shard included. */
  shardFigures(): ShardSnapshot[] {
    return shardFigures(this.#shared);
  }

  /** How many clients shards turned away for `tls.connection_rate_limit` since the last call. */
  takeRejectedHandshakes(): number {
    return Atomics.exchange(this.#shared.words, HEADER_HANDSHAKES_REJECTED, 0);
  }

  /** Makes one shard throw; for the test of what happens then. */
  failShard(index: number): void {
    this.shards.send(NODE_SHARD_FIRST + index, { type: "fail" });
  }

  #onNews(node: number, news: ShardNews): void {
    switch (news.type) {
      case "log":
        this.#events.log(news.level, news.text, news.limit);
        break;
      case "closed":
        this.#events.closed(news.json, news.count);
        break;
      case "trace":
        this.#events.traced(news.result);
        break;
      case "client":
        this.#events.onClient(news.event);
        break;
      case "peer":
        void this.#checkPeer(node, news);
        break;
      case "handedLeaf":
        this.#passOn(news);
        break;
      case "links":
        this.#events.onLinks(news.news);
        break;
      case "resolve":
        lookUpHost(news.host).then((found) =>
          this.shards.tellLinks({ type: "link", what: "addresses", host: news.host, ...found }),
        );
        break;
    }
  }

  /** Gives a leaf node, whose bytes come by a port, to the links shard. */
  #passOn(leaf: HandedLeaf): void {
    if (leaf.stream.kind !== "runtime") return;
    const { links } = this.shards;
    if (links === undefined) hangUp(leaf.stream.port);
    else links.post(leaf, [leaf.stream.port]);
  }

  async #checkPeer(
    node: number,
    { slot, clientId, block, chain }: Extract<ShardReport, { type: "peer" }>,
  ): Promise<void> {
    // Whatever goes wrong with the question, nobody comes in by it.
    const isValid = await this.#events.checkPeer(block, chain).catch(() => false);
    this.shards.send(node, { type: "peer", slot, clientId, isValid });
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
