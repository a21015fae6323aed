/** What monitoring shows of a fleet: the server's own words, counters from shared memory, lists asked of the shards. */
import type { AccountsChange } from "../account/accounts_change.ts";
import type { AccountDefinition } from "../account/definition.ts";
import type { Export } from "../account/exports.ts";
import type { Options } from "../config/option_table.ts";
import { ClosedRing } from "../monitor/closed_ring.ts";
import { selectConnections } from "../monitor/select_connections.ts";
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
  AccountCounters,
  ConnectionPage,
  ConnectionRecord,
  ResponseRecord,
  SubscriptionPage,
  SubscriptionSnapshot as SubscriptionRecord,
} from "../shard/shard_options.ts";
import { NO_COUNTERS } from "../shard/snapshot.ts";
import { subjectsCollideText } from "../subject/text.ts";
import { accountSnapshot, claimsSnapshot, describedAccount, responseSnapshot } from "./account_snapshots.ts";
import { CpuMeter } from "./cpu_meter.ts";
import type { Fleet } from "./fleet.ts";
import { isOperatorMode } from "./operator_mode.ts";
import type { MonitoredOperator } from "./operator_setup.ts";
import { authenticationTimeoutMs } from "./shard_settings.ts";
import { webSocketReport } from "./websocket_report.ts";
import { hasWebSocket } from "./websocket_settings.ts";

const TLS_TIMEOUT_MS = 2000;
const NONE_BY_KIND = { routes: 0, gateways: 0, leafnodes: 0 };
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
  readonly accounts: MonitoredAccounts;
  /** Whose word is believed in operator mode; empty elsewhere. */
  readonly operators: readonly MonitoredOperator[];
}

/** The accounts of the configuration. */
export interface MonitoredAccounts {
  readonly definitions: readonly AccountDefinition[];
  /** By the account's name. */
  readonly exports: ReadonlyMap<string, readonly Export[]>;
}

export class FleetMonitor implements MonitorSource {
  /** Requests by path; HTTP monitoring counts here. */
  readonly requestCounts = new Map<string, number>();
  /** What clients are told, with the real port once it is known. */
  info: ServerInfo;
  /** 0 without, and before it is known. */
  webSocketPort = 0;

  readonly #fleet: Fleet;
  readonly #server: MonitoredServer;
  readonly #startMs = Date.now();
  readonly #cpu = new CpuMeter();
  readonly #closed: ClosedRing<ConnectionSnapshot>;
  #options: Options;
  #accounts: ReadonlyMap<string, AccountDefinition>;
  #exports: ReadonlyMap<string, readonly Export[]>;
  #configDigest: string;
  /** Of the listener's certificate; null without TLS. */
  #certificateEndMs: number | null;
  #configLoadMs = this.#startMs;

  constructor(fleet: Fleet, server: MonitoredServer) {
    this.#fleet = fleet;
    this.#server = server;
    this.#options = server.options;
    this.#accounts = byName(server.accounts.definitions);
    this.#exports = server.accounts.exports;
    this.#configDigest = server.configDigest;
    this.#certificateEndMs = certificateEndOf(server.options);
    this.info = server.info;
    this.#closed = new ClosedRing(Math.max(server.options.maxClosedClients, 1));
  }

  /** A reload took place. */
  configure(options: Options, { definitions, exports }: MonitoredAccounts, configDigest: string): void {
    this.#options = options;
    // Those that operator mode has loaded stay.
    this.#accounts = new Map([...(isOperatorMode(options) ? this.#accounts : []), ...byName(definitions)]);
    this.#exports = exports;
    this.#configDigest = configDigest;
    this.#certificateEndMs = certificateEndOf(options);
    this.#configLoadMs = Date.now();
  }

  /** Operator mode: accounts were loaded, or changed. */
  changeAccounts({ changed, removed }: AccountsChange): void {
    const accounts = new Map(this.#accounts);
    for (const definition of changed) accounts.set(definition.name, definition);
    for (const { id, name } of this.#accounts.values()) if (removed.includes(id)) accounts.delete(name);
    this.#accounts = accounts;
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
        systemAccount: [...this.#accounts.values()].find(({ isSystem }) => isSystem)?.name ?? "",
        commandLine,
      },
      nowMs: Date.now(),
      startMs: this.#startMs,
      configLoadMs: this.#configLoadMs,
      configDigest: this.#configDigest,
      options: {
        ...monitoredOptions(this.#options, info, this.#server.operators, this.#certificateEndMs),
        webSocket: webSocketReport(this.#options, this.webSocketPort),
      },
      resources: {
        residentBytes: memory.rss,
        // Bun 1.4 counts the addresses that the shared memory reserves as used.
        heapUsedBytes: Math.min(memory.heapUsed, memory.heapTotal),
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
    if (query.account !== "" && !(await this.#knows(query.account))) return null;
    const pages = query.state === "closed" ? [] : await this.#openConnections(query);
    const open = pages.flatMap(({ connections }) => connections.map(connectionSnapshot));
    const openCount = pages.reduce((sum, page) => sum + page.openCount, 0);
    const closed = query.state === "open" ? [] : this.#closed.toArray();
    const selection = selectConnections(open, closed, query, subjectsCollideText);
    return { ...selection, totalCount: selection.totalCount - open.length + openCount };
  }

  async subscriptions(query: SubscriptionQuery): Promise<SubscriptionSelection> {
    const statistics = await this.#interest(query.account);
    if (!query.isListed) return { statistics, matchCount: 0, page: [] };
    const answers = await this.#fleet.query<SubscriptionPage>({
      what: "subscriptions",
      account: query.account,
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
    if (this.#fleet.isListening) return { listenersNotReady: [] };
    return { listenersNotReady: ["server", ...(hasWebSocket(this.#options) ? ["websocket"] : [])] };
  }

  async accounts(): Promise<readonly AccountSnapshot[]> {
    const counters = await this.#accountCounters();
    return [...this.#accounts.values()].map((account) =>
      accountSnapshot(account, counters.get(account.name) ?? NO_COUNTERS),
    );
  }

  async account(name: string): Promise<AccountDetailSnapshot | null> {
    const definition = this.#accounts.get(name);
    if (definition === undefined) return null;
    const [counters, interest, responses, details] = await Promise.all([
      this.#accountCounters(),
      this.#interest(name),
      this.#fleet.query<ResponseRecord[]>({ what: "responses", account: name }),
      this.#fleet.describeAccount(name),
    ]);
    const configured = {
      definition,
      exports: this.#exports.get(name) ?? [],
      lapsedImports: [],
      isComplete: true,
    };
    const claims = details?.claims ?? null;
    return {
      ...accountSnapshot(definition, counters.get(name) ?? NO_COUNTERS),
      ...describedAccount(details ?? configured),
      updateMs: details?.updatedAtMs ?? this.#configLoadMs,
      isExpired: details?.isExpired ?? false,
      responses: new Map(responses.flat().map((response) => [response.subject, responseSnapshot(response)])),
      interest,
      claims: claims === null ? null : claimsSnapshot(claims),
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
    const { sort, id, user, account, subject, count, listsSubscriptions } = query;
    // Open connections have neither stopped nor a reason, and start in the order of their ids.
    const order = sort === "start" || sort === "stop" || sort === "reason" ? "cid" : sort;
    return this.#fleet.query<ConnectionPage>({
      what: "connections",
      order,
      count,
      clientId: Number(id),
      user,
      account,
      subject,
      subscriptions: listsSubscriptions || subject !== "",
    });
  }

  /** Operator mode looks for an account that nobody has asked for yet. */
  async #knows(account: string): Promise<boolean> {
    if (!this.#accounts.has(account)) await this.#fleet.loadAccount(account);
    return this.#accounts.has(account);
  }

  /** Sums over the shards. */
  async #accountCounters(): Promise<Map<string, AccountCounters>> {
    const sums = new Map<string, AccountCounters>();
    for (const answer of await this.#fleet.query<Record<string, AccountCounters>>({ what: "accounts" })) {
      for (const [name, counters] of Object.entries(answer)) {
        sums.set(name, added(sums.get(name) ?? NO_COUNTERS, counters));
      }
    }
    return sums;
  }

  /** Shards do not count their look-ups, which are most of what they do. */
  async #interest(account: string): Promise<InterestStatistics> {
    const counters =
      account === "" ? this.#fleet.counters() : ((await this.#accountCounters()).get(account) ?? NO_COUNTERS);
    const { subscriptions, subscriptionsAdded, subscriptionsRemoved } = counters;
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
      pinnedAccountFailures: counters.pinnedAccountFailures,
    };
  }
}

function certificateEndOf({ tls }: Options): number | null {
  return tls === undefined ? null : certificateEndMs(tls);
}

function monitoredOptions(
  options: Options,
  info: ServerInfo,
  operators: readonly MonitoredOperator[],
  certificateEnd: number | null,
): Omit<MonitoredOptions, "webSocket"> {
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
    trustedOperatorJwts: operators.map(({ jwt }) => jwt),
    trustedOperatorClaims: operators.map(({ claims }) => claims),
    trustedProxyKeys: options.trustedProxies.length === 0 ? null : options.trustedProxies,
    cluster: {},
    gateway: {},
    leafnodes: {},
    mqtt: {},
  };
}

function byName(definitions: readonly AccountDefinition[]): ReadonlyMap<string, AccountDefinition> {
  return new Map(definitions.map((definition) => [definition.name, definition]));
}

function added(a: AccountCounters, b: AccountCounters): AccountCounters {
  return {
    connections: a.connections + b.connections,
    subscriptions: a.subscriptions + b.subscriptions,
    subscriptionsAdded: a.subscriptionsAdded + b.subscriptionsAdded,
    subscriptionsRemoved: a.subscriptionsRemoved + b.subscriptionsRemoved,
    inMessages: a.inMessages + b.inMessages,
    inBytes: a.inBytes + b.inBytes,
    outMessages: a.outMessages + b.outMessages,
    outBytes: a.outBytes + b.outBytes,
    slowConsumers: a.slowConsumers + b.slowConsumers,
  };
}

function connectionSnapshot(record: ConnectionRecord): ConnectionSnapshot {
  return {
    id: record.clientId,
    kind: "Client",
    type: record.isWebSocket ? "websocket" : "nats",
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
    account: record.account,
    accountNameTag: record.accountNameTag || record.account,
    userNameTag: record.userNameTag,
    jwt: record.jwt,
    issuerKey: record.issuerKey,
    tags: record.tags,
    mqttClient: "",
    proxyKey: record.proxyKey,
    subscriptions: (record.subscriptions ?? []).map(subscriptionSnapshot),
  };
}

function subscriptionSnapshot(record: SubscriptionRecord): SubscriptionSnapshot {
  return {
    account: record.account,
    accountNameTag: record.accountNameTag || record.account,
    subject: record.subject,
    queue: record.queue,
    sid: record.sid,
    deliveredMessages: record.delivered,
    deliveriesMax: record.max,
    connectionId: record.clientId,
  };
}
