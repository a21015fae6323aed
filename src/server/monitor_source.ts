/** What monitoring shows of a fleet: the server's own words, counters from shared memory, lists asked of the shards. */
import type { Options } from "../config/option_table.ts";
import { ClosedRing } from "../monitor/closed_ring.ts";
import { GLOBAL_ACCOUNT, selectConnections } from "../monitor/select_connections.ts";
import type {
  AccountDetailSnapshot,
  AccountSnapshot,
  ConnectionQuery,
  ConnectionSelection,
  ConnectionSnapshot,
  HealthSnapshot,
  InterestStatistics,
  LeafnodeSnapshot,
  MonitoredOptions,
  MonitorSource,
  QueueSnapshot,
  RoutesSnapshot,
  ServerCounters,
  ServerSnapshot,
  SubscriptionQuery,
  SubscriptionSelection,
  SubscriptionSnapshot,
} from "../monitor/snapshot.ts";
import type { ServerInfo } from "../protocol/info.ts";
import { certificateEndMs } from "../runtime/tls_files.ts";
import type {
  ConnectionPage,
  ConnectionRecord,
  SubscriptionPage,
  SubscriptionSnapshot as SubscriptionRecord,
} from "../shard/shard_options.ts";
import { subjectsCollideText } from "../subject/text.ts";
import { CpuMeter } from "./cpu_meter.ts";
import type { Fleet } from "./fleet.ts";
import { authenticationTimeoutMs } from "./shard_settings.ts";

const SYSTEM_ACCOUNT = "$SYS";
const TLS_TIMEOUT_MS = 2000;
const NONE_BY_KIND = { routes: 0, gateways: 0, leafnodes: 0 };
const NO_MESSAGES = { messages: 0, bytes: 0 };
const NO_INTEREST: InterestStatistics = {
  subscriptions: 0,
  cacheEntries: 0,
  inserts: 0,
  removes: 0,
  matches: 0,
  cacheHits: 0,
  fanoutMax: 0,
  fanoutTotal: 0,
};

/** What the server itself knows. */
export interface MonitoredServer {
  readonly id: string;
  /** Runtime and version. */
  readonly runtime: string;
  readonly commandLine: readonly string[];
  readonly cpuCount: number;
  readonly options: Options;
  readonly configDigest: string;
  readonly info: ServerInfo;
}

export class FleetMonitor implements MonitorSource {
  /** Requests by path; HTTP monitoring counts here. */
  readonly requestCounts = new Map<string, number>();
  /** What clients are told, with the real port once it is known. */
  info: ServerInfo;

  readonly #fleet: Fleet;
  readonly #server: MonitoredServer;
  readonly #startMs = Date.now();
  readonly #cpu = new CpuMeter();
  readonly #closed: ClosedRing<ConnectionSnapshot>;
  #options: Options;
  #configDigest: string;
  /** Of the listener's certificate; null without TLS. */
  #certificateEndMs: number | null;
  #configLoadMs = this.#startMs;

  constructor(fleet: Fleet, server: MonitoredServer) {
    this.#fleet = fleet;
    this.#server = server;
    this.#options = server.options;
    this.#configDigest = server.configDigest;
    this.#certificateEndMs = certificateEndOf(server.options);
    this.info = server.info;
    this.#closed = new ClosedRing(Math.max(server.options.maxClosedClients, 1));
  }

  /** A reload took place. */
  configure(options: Options, configDigest: string): void {
    this.#options = options;
    this.#configDigest = configDigest;
    this.#certificateEndMs = certificateEndOf(options);
    this.#configLoadMs = Date.now();
  }

  addClosed(record: ConnectionRecord): void {
    this.#closed.add(connectionSnapshot(record));
  }

  async server(): Promise<ServerSnapshot> {
    const { id, runtime, commandLine, cpuCount } = this.#server;
    const { info } = this;
    const memory = process.memoryUsage();
    return {
      identity: {
        id,
        name: info.serverName,
        version: info.version,
        protocol: 1,
        gitCommit: "",
        runtime,
        host: info.host,
        port: info.port,
        systemAccount: this.#options.noSystemAccount ? "" : SYSTEM_ACCOUNT,
        commandLine,
      },
      nowMs: Date.now(),
      startMs: this.#startMs,
      configLoadMs: this.#configLoadMs,
      configDigest: this.#configDigest,
      options: monitoredOptions(this.#options, info, this.#certificateEndMs),
      resources: {
        residentBytes: memory.rss,
        heapUsedBytes: memory.heapUsed,
        heapReservedBytes: memory.heapTotal,
        cpuCount,
        threadCount: this.#fleet.threadCount,
        cpuPercent: this.#cpu.percent(),
      },
      counters: this.#counters(),
      httpRequestCounts: this.requestCounts,
      connectUrls: [],
      webSocketConnectUrls: [],
    };
  }

  async connections(query: ConnectionQuery): Promise<ConnectionSelection | null> {
    if (query.account !== "" && !this.#accountNames().includes(query.account)) return null;
    const pages = query.state === "closed" ? [] : await this.#openConnections(query);
    const open = pages.flatMap(({ connections }) => connections.map(connectionSnapshot));
    const openCount = pages.reduce((sum, page) => sum + page.openCount, 0);
    const closed = query.state === "open" ? [] : this.#closed.toArray();
    const selection = selectConnections(open, closed, query, subjectsCollideText);
    return { ...selection, totalCount: selection.totalCount - open.length + openCount };
  }

  async subscriptions(query: SubscriptionQuery): Promise<SubscriptionSelection> {
    const statistics = this.#interest(query.account);
    if (!query.isListed || (query.account !== "" && query.account !== GLOBAL_ACCOUNT)) {
      return { statistics, matchCount: 0, page: [] };
    }
    const answers = await this.#fleet.query<SubscriptionPage>({
      what: "subscriptions",
      subject: query.testSubject === "" ? null : query.testSubject,
      count: query.end,
    });
    const records = answers.flatMap(({ subscriptions }) => subscriptions);
    return {
      statistics,
      matchCount: answers.reduce((sum, { matchCount }) => sum + matchCount, 0),
      page: records.slice(query.start, query.end).map(subscriptionSnapshot),
    };
  }

  async health(): Promise<HealthSnapshot> {
    return { listenersNotReady: this.#fleet.isListening ? [] : ["server"] };
  }

  async accounts(): Promise<readonly AccountSnapshot[]> {
    return this.#accountNames().map((name) => this.#account(name));
  }

  async account(name: string): Promise<AccountDetailSnapshot | null> {
    if (!this.#accountNames().includes(name)) return null;
    return {
      ...this.#account(name),
      updateMs: this.#configLoadMs,
      isSystem: name === SYSTEM_ACCOUNT,
      isExpired: false,
      isComplete: true,
      mappings: new Map(),
      exports: [],
      imports: [],
      responses: new Map(),
      interest: this.#interest(name),
      claims: null,
    };
  }

  async routes(): Promise<RoutesSnapshot> {
    return { importPermission: null, exportPermission: null, routes: [] };
  }

  async gateways(): Promise<null> {
    return null;
  }

  async leafnodes(): Promise<readonly LeafnodeSnapshot[]> {
    return [];
  }

  async queues(): Promise<ReadonlyMap<string, QueueSnapshot>> {
    return new Map();
  }

  async threads(): Promise<readonly string[]> {
    const stack = new Error("main").stack ?? "main";
    return [stack.replace(/^Error: /, ""), ...this.#fleet.threadNames];
  }

  /** What can be on the page; a server with many connections does not hand over the others. */
  #openConnections(query: ConnectionQuery): Promise<ConnectionPage[]> {
    const { sort, id, user, subject, count, listsSubscriptions } = query;
    // Open connections have neither stopped nor a reason, and start in the order of their ids.
    const order = sort === "start" || sort === "stop" || sort === "reason" ? "cid" : sort;
    return this.#fleet.query<ConnectionPage>({
      what: "connections",
      order,
      count,
      clientId: Number(id),
      user,
      subject,
      subscriptions: listsSubscriptions || subject !== "",
    });
  }

  #accountNames(): string[] {
    return this.#options.noSystemAccount ? [GLOBAL_ACCOUNT] : [GLOBAL_ACCOUNT, SYSTEM_ACCOUNT];
  }

  /** All clients are in $G: nobody can be in another account yet. */
  #account(name: string): AccountSnapshot {
    const isGlobal = name === GLOBAL_ACCOUNT;
    const counters = this.#fleet.counters();
    const traffic = (messages: number, bytes: number) => ({
      ...(isGlobal ? { messages, bytes } : NO_MESSAGES),
      gateways: NO_MESSAGES,
      routes: NO_MESSAGES,
      leafnodes: NO_MESSAGES,
    });
    return {
      name,
      nameTag: name,
      clients: isGlobal ? counters.connections : 0,
      leafnodes: 0,
      subscriptions: isGlobal ? counters.subscriptions : 0,
      sent: traffic(counters.outMessages, counters.outBytes),
      received: traffic(counters.inMessages, counters.inBytes),
      slowConsumers: isGlobal ? counters.slowConsumers : 0,
    };
  }

  /** Shards do not count their look-ups, which are most of what they do. */
  #interest(account: string): InterestStatistics {
    if (account !== "" && account !== GLOBAL_ACCOUNT) return NO_INTEREST;
    const { subscriptions, subscriptionsAdded, subscriptionsRemoved } = this.#fleet.counters();
    return { ...NO_INTEREST, subscriptions, inserts: subscriptionsAdded, removes: subscriptionsRemoved };
  }

  #counters(): ServerCounters {
    const counters = this.#fleet.counters();
    const { inMessages, inBytes, outMessages, outBytes } = counters;
    const traffic = { inMessages, inBytes, outMessages, outBytes };
    return {
      connections: counters.connections,
      connectionsEver: counters.connectionsEver,
      routes: 0,
      routePeers: 0,
      leafnodes: 0,
      traffic,
      clientTraffic: traffic,
      slowConsumers: counters.slowConsumers,
      staleConnections: counters.staleConnections,
      stalls: counters.stalls,
      subscriptions: counters.subscriptions,
      slowConsumersByKind: { ...NONE_BY_KIND, clients: counters.slowConsumers },
      staleConnectionsByKind: { ...NONE_BY_KIND, clients: counters.staleConnections },
      pinnedAccountFailures: 0,
    };
  }
}

function certificateEndOf({ tls }: Options): number | null {
  return tls === undefined ? null : certificateEndMs(tls);
}

function monitoredOptions(
  options: Options,
  info: ServerInfo,
  certificateEnd: number | null,
): MonitoredOptions {
  return {
    isAuthRequired: info.authRequired ?? false,
    isTlsRequired: info.tlsRequired ?? false,
    isTlsVerified: info.tlsVerify ?? false,
    connectionsMax: options.maxConnections,
    subscriptionsMax: options.maxSubscriptions,
    pingIntervalMs: options.pingIntervalMs,
    pingsOutMax: options.maxPingsOut,
    httpHost: options.httpHost ?? options.host,
    httpPort: options.httpPort,
    httpBasePath: options.httpBasePath,
    httpsPort: options.httpsPort,
    authTimeoutMs: authenticationTimeoutMs(options),
    controlLineBytesMax: options.maxControlLineBytes,
    payloadBytesMax: options.maxPayloadBytes,
    pendingBytesMax: options.maxPendingBytes,
    tlsTimeoutMs: options.tls?.timeoutMs ?? TLS_TIMEOUT_MS,
    writeDeadlineMs: options.writeDeadlineMs,
    writeTimeoutPolicy: options.writeTimeout === "default" ? "" : options.writeTimeout,
    tlsCertNotAfterMs: certificateEnd,
    tags: options.serverTags,
    metadata: options.serverMetadata,
    featureFlags: new Map(),
    trustedOperatorJwts: [],
    trustedOperatorClaims: [],
    trustedProxyKeys: null,
    cluster: {},
    gateway: {},
    leafnodes: {},
    mqtt: {},
    webSocket: {},
  };
}

function connectionSnapshot(record: ConnectionRecord): ConnectionSnapshot {
  return {
    id: record.clientId,
    kind: "Client",
    type: "nats",
    ip: record.ip,
    port: record.port,
    startMs: record.startMs,
    lastActivityMs: record.lastActivityMs,
    stop: record.stopMs === null ? null : { atMs: record.stopMs, reason: record.reason },
    roundTripNs: Math.round(record.rttMs * 1e6),
    pendingBytes: record.pendingBytes,
    inMessages: record.inMessages,
    outMessages: record.outMessages,
    inBytes: record.inBytes,
    outBytes: record.outBytes,
    stalls: record.stalls,
    subscriptionCount: record.subscriptionCount,
    name: record.name,
    language: record.lang,
    version: record.version,
    tls: record.tls,
    user: record.user,
    account: GLOBAL_ACCOUNT,
    accountNameTag: GLOBAL_ACCOUNT,
    userNameTag: "",
    jwt: "",
    issuerKey: "",
    tags: [],
    mqttClient: "",
    proxyKey: "",
    subscriptions: (record.subscriptions ?? []).map(subscriptionSnapshot),
  };
}

function subscriptionSnapshot(record: SubscriptionRecord): SubscriptionSnapshot {
  return {
    account: GLOBAL_ACCOUNT,
    accountNameTag: GLOBAL_ACCOUNT,
    subject: record.subject,
    queue: record.queue,
    sid: record.sid,
    deliveredMessages: record.delivered,
    deliveriesMax: record.max,
    connectionId: record.clientId,
  };
}
