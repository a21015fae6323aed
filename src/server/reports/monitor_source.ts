/**
 * What monitoring shows of a server: facts that the server knows, counters from the shared memory, and lists that the
 * shards are asked for.
 */
import type { AccountsChange } from "../../account/accounts_change.ts";
import type { AccountDefinition } from "../../account/definition.ts";
import type { Export } from "../../account/exports.ts";
import type { Options } from "../../config/option_table.ts";
import type { SubjectPermission as ConfiguredPermission } from "../../config/permissions.ts";
import type { ListenerKind } from "../../fabric/listeners.ts";
import { ClosedConnections } from "../../monitor/closed_connections.ts";
import { includesClosed, includesOpen, selectConnections } from "../../monitor/select_connections.ts";
import type { AccountDetailSnapshot, AccountSnapshot } from "../../monitor/snapshots/accounts.ts";
import type {
  ConnectionQuery,
  ConnectionSelection,
  ConnectionSnapshot,
} from "../../monitor/snapshots/connections.ts";
import type {
  GatewayQuery,
  GatewaysSnapshot,
  LeafnodeQuery,
  LeafnodeSnapshot,
  RoutesSnapshot,
  SubjectPermission,
} from "../../monitor/snapshots/links.ts";
import type { OcspMonitor } from "../../monitor/snapshots/options.ts";
import type {
  HealthSnapshot,
  QueueSnapshot,
  ServerCounters,
  ServerSnapshot,
  ShardSnapshot,
} from "../../monitor/snapshots/server.ts";
import type {
  InterestStatistics,
  SubscriptionQuery,
  SubscriptionSelection,
} from "../../monitor/snapshots/subscriptions.ts";
import type { MonitorSource } from "../../monitor/source.ts";
import type { ServerInfo } from "../../protocol/info.ts";
import { processMemory } from "../../runtime/process_memory.ts";
import type {
  GatewaysRecord,
  LeafRecord,
  LinkAccounts,
  LinkCountByKind,
  LinkCounts,
  RouteRecord,
} from "../../shard/links/link_records.ts";
import { NO_COUNTERS, sumsByAccount } from "../../shard/watch/account_counters.ts";
import type {
  AccountCounters,
  ConnectionPage,
  ConnectionRecord,
  ResponseRecord,
  SubscriptionPage,
} from "../../shard/watch/records.ts";
import { subjectsCollideText } from "../../subject/text.ts";
import { isOperatorMode } from "../settings/operator_mode.ts";
import type { MonitoredOperator } from "../settings/operator_setup.ts";
import type { Fleet } from "../threads/fleet.ts";
import { accountSnapshot, claimsSnapshot, describedAccount, responseSnapshot } from "./account_snapshots.ts";
import { connectionSnapshot, subscriptionSnapshot } from "./connection_snapshots.ts";
import { CpuMeter } from "./cpu_meter.ts";
import {
  gatewaysSnapshot,
  leafConnectionSnapshot,
  leafnodeSnapshot,
  routeSnapshot,
} from "./link_snapshots.ts";
import { type MonitoredCertificates, monitoredOptions } from "./monitored_options.ts";

/** nats-server's names for listeners that are not ready. */
const LISTENER_NAMES: Readonly<Record<ListenerKind, string>> = {
  client: "server",
  websocket: "websocket",
  cluster: "route",
  gateway: "gateway",
  leafnodes: "leafnode",
};
const NO_LINKS: LinkCounts = {
  routes: 0,
  routePeers: 0,
  leafnodes: 0,
  slowConsumers: { routes: 0, gateways: 0, leafnodes: 0 },
  staleConnections: { routes: 0, gateways: 0, leafnodes: 0 },
  remoteGateways: [],
};
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
  /** What clients are told, as it stands when it is asked for. */
  readonly announced: { readonly info: ServerInfo };
  readonly accounts: MonitoredAccounts;
  readonly certificates: MonitoredCertificates;
  /** The trusted operators in operator mode; empty elsewhere. */
  readonly operators: readonly MonitoredOperator[];
  /** Checks of clients' certificates, as they stand when they are asked for. */
  readonly ocsp: { readonly monitored: OcspMonitor | null };
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

  readonly #fleet: Fleet;
  readonly #server: MonitoredServer;
  readonly #startMs = Date.now();
  readonly #cpu = new CpuMeter();
  readonly #closed: ClosedConnections<ConnectionSnapshot>;
  #options: Options;
  #accounts: ReadonlyMap<string, AccountDefinition>;
  #exports: ReadonlyMap<string, readonly Export[]>;
  #configDigest: string;
  #certificates: MonitoredCertificates;
  #configLoadMs = this.#startMs;

  constructor(fleet: Fleet, server: MonitoredServer) {
    this.#fleet = fleet;
    this.#server = server;
    this.#options = server.options;
    this.#accounts = byName(server.accounts.definitions);
    this.#exports = server.accounts.exports;
    this.#configDigest = server.configDigest;
    this.#certificates = server.certificates;
    this.#closed = new ClosedConnections(Math.max(server.options.maxClosedClients, 1), (json) =>
      (JSON.parse(json) as ConnectionRecord[]).map(connectionSnapshot),
    );
  }

  /** A reload took place. */
  configure(
    options: Options,
    { definitions, exports }: MonitoredAccounts,
    certificates: MonitoredCertificates,
    configDigest: string,
  ): void {
    this.#options = options;
    // Those that operator mode has loaded stay.
    this.#accounts = new Map([...(isOperatorMode(options) ? this.#accounts : []), ...byName(definitions)]);
    this.#exports = exports;
    this.#configDigest = configDigest;
    this.#certificates = certificates;
    this.#configLoadMs = Date.now();
  }

  /** Operator mode: accounts were loaded, or changed. */
  changeAccounts({ changed, removed }: AccountsChange): void {
    const accounts = new Map(this.#accounts);
    for (const definition of changed) accounts.set(definition.name, definition);
    for (const { id, name } of this.#accounts.values()) if (removed.includes(id)) accounts.delete(name);
    this.#accounts = accounts;
  }

  /** JSON of `ConnectionRecord[]`, and how many they are. */
  addClosed(json: string, count: number): void {
    this.#closed.addText(json, count);
  }

  addClosedLeaf(record: LeafRecord, reason: string): void {
    this.#closed.add({ ...leafConnectionSnapshot(record), stop: { atMs: Date.now(), reason } });
  }

  async server(): Promise<ServerSnapshot> {
    const { id, runtime, commandLine, cpuCount } = this.#server;
    const { info } = this.#server.announced;
    const links = await this.#linkCounts();
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
      options: monitoredOptions(this.#options, {
        info,
        operators: this.#server.operators,
        ocspPeers: this.#server.ocsp.monitored,
        ports: this.#fleet.ports,
        links,
        certificates: this.#certificates,
      }),
      resources: {
        ...processMemory(),
        cpuCount,
        threadCount: this.#fleet.threadCount,
        cpuPercent: this.#cpu.percent(),
      },
      counters: this.#counters(links ?? NO_LINKS),
      httpRequestCounts: this.requestCounts,
      connectUrls: info.connectUrls ?? [],
      webSocketConnectUrls: info.webSocketConnectUrls ?? [],
    };
  }

  async connections(query: ConnectionQuery): Promise<ConnectionSelection | null> {
    if (query.account !== "" && !(await this.#knows(query.account))) return null;
    const pages = includesOpen(query.state) ? await this.#openConnections(query) : [];
    const leafs = includesOpen(query.state) ? await this.#openLeafs(query) : [];
    const clients = pages.flatMap(({ connections }) => connections.map(connectionSnapshot));
    const open = [...clients, ...leafs];
    const openCount = pages.reduce((sum, page) => sum + page.openCount, leafs.length);
    const closed = includesClosed(query.state) ? await this.#closedConnections(query) : [];
    const selection = selectConnections(open, closed, query, subjectsCollideText);
    return { ...selection, totalCount: selection.totalCount - open.length + openCount };
  }

  async subscriptions(query: SubscriptionQuery): Promise<SubscriptionSelection> {
    const statistics = await this.#interest(query.account);
    if (!query.isListed) return { statistics, matchCount: 0, page: [] };
    const answers = await this.#fleet.shards.query<SubscriptionPage>({
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
    return { listenersNotReady: this.#fleet.closedListeners.map((kind) => LISTENER_NAMES[kind]) };
  }

  async accountNames(): Promise<readonly string[]> {
    return [...this.#accounts.keys()];
  }

  async accounts(): Promise<readonly AccountSnapshot[]> {
    const [counters, links] = await Promise.all([this.#accountCounters(), this.#linkAccounts()]);
    return [...this.#accounts.values()].map((account) =>
      accountSnapshot(account, counters.get(account.name) ?? NO_COUNTERS, links[account.name]),
    );
  }

  async account(name: string): Promise<AccountDetailSnapshot | null> {
    const definition = this.#accounts.get(name);
    if (definition === undefined) return null;
    const [counters, links, interest, responses, details] = await Promise.all([
      this.#accountCounters(),
      this.#linkAccounts(),
      this.#interest(name),
      this.#fleet.shards.query<ResponseRecord[]>({ what: "responses", account: name }),
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
      ...accountSnapshot(definition, counters.get(name) ?? NO_COUNTERS, links[name]),
      ...describedAccount(details ?? configured),
      updateMs: details?.updatedAtMs ?? this.#configLoadMs,
      isExpired: details?.isExpired ?? false,
      responses: new Map(responses.flat().map((response) => [response.subject, responseSnapshot(response)])),
      interest,
      claims: claims === null ? null : claimsSnapshot(claims),
    };
  }

  async routes(subscriptions: boolean): Promise<RoutesSnapshot> {
    const { permissions } = this.#options.cluster;
    const records = await this.#fleet.shards.queryLinks<RouteRecord[]>({ what: "routes", subscriptions });
    return {
      importPermission: subjectPermission(permissions?.import),
      exportPermission: subjectPermission(permissions?.export),
      routes: (records ?? []).map(routeSnapshot),
    };
  }

  async gateways({ listsAccounts, listsSubscriptions }: GatewayQuery): Promise<GatewaysSnapshot | null> {
    const query = { what: "gateways", listsAccounts, listsSubscriptions } as const;
    const record = await this.#fleet.shards.queryLinks<GatewaysRecord | null>(query);
    return record == null ? null : gatewaysSnapshot(record);
  }

  async leafnodes({ account, listsSubscriptions }: LeafnodeQuery): Promise<readonly LeafnodeSnapshot[]> {
    const query = { what: "leafs", account, subscriptions: listsSubscriptions } as const;
    return ((await this.#fleet.shards.queryLinks<LeafRecord[]>(query)) ?? []).map(leafnodeSnapshot);
  }

  async queues(): Promise<ReadonlyMap<string, QueueSnapshot>> {
    return new Map();
  }

  async shards(): Promise<readonly ShardSnapshot[]> {
    return this.#fleet.shardFigures();
  }

  async threads(): Promise<readonly string[]> {
    const stack = new Error("main").stack ?? "main";
    return [stack.replace(/^Error: /, ""), ...this.#fleet.threadNames];
  }

  /** Before they answer anything, shards tell of those that are closed. */
  async #closedConnections({ state }: ConnectionQuery): Promise<ConnectionSnapshot[]> {
    if (!includesOpen(state)) await this.#fleet.shards.query({ what: "done" });
    return this.#closed.toArray();
  }

  /** The connections that can be on the page; a server with many connections does not hand over the rest. */
  #openConnections(query: ConnectionQuery): Promise<ConnectionPage[]> {
    const { sort, id, user, account, subject, count, listsSubscriptions } = query;
    // Open connections have neither stopped nor a reason, and start in the order of their ids.
    const order = sort === "start" || sort === "stop" || sort === "reason" ? "cid" : sort;
    return this.#fleet.shards.query<ConnectionPage>({
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

  async #openLeafs({ account, listsSubscriptions, subject }: ConnectionQuery): Promise<ConnectionSnapshot[]> {
    const query = { what: "leafs", account, subscriptions: listsSubscriptions || subject !== "" } as const;
    return ((await this.#fleet.shards.queryLinks<LeafRecord[]>(query)) ?? []).map(leafConnectionSnapshot);
  }

  /** Null where there are no links. */
  async #linkCounts(): Promise<LinkCounts | null> {
    return (await this.#fleet.shards.queryLinks<LinkCounts>({ what: "links" })) ?? null;
  }

  async #linkAccounts(): Promise<LinkAccounts> {
    return (await this.#fleet.shards.queryLinks<LinkAccounts>({ what: "linkAccounts" })) ?? {};
  }

  /** Whether the account exists; in operator mode one that has not been asked for yet is looked for. */
  async #knows(account: string): Promise<boolean> {
    if (!this.#accounts.has(account)) await this.#fleet.loadAccount(account);
    return this.#accounts.has(account);
  }

  /** Sums over the shards. */
  async #accountCounters(): Promise<ReadonlyMap<string, AccountCounters>> {
    return sumsByAccount(
      await this.#fleet.shards.query<Record<string, AccountCounters>>({ what: "accounts" }),
    );
  }

  /** Shards do not count their look-ups, which are most of what they do. */
  async #interest(account: string): Promise<InterestStatistics> {
    const counters =
      account === "" ? this.#fleet.counters() : ((await this.#accountCounters()).get(account) ?? NO_COUNTERS);
    const { subscriptions, subscriptionsAdded, subscriptionsRemoved } = counters;
    return { ...NO_INTEREST, subscriptions, inserts: subscriptionsAdded, removes: subscriptionsRemoved };
  }

  #counters(links: LinkCounts): ServerCounters {
    const counters = this.#fleet.counters();
    const { inMessages, inBytes, outMessages, outBytes, clients } = counters;
    const { slowConsumers, staleConnections } = links;
    const traffic = { inMessages, inBytes, outMessages, outBytes };
    return {
      connections: counters.connections,
      connectionsEver: counters.connectionsEver,
      routes: links.routes,
      // One connection to each.
      routePeers: links.routePeers,
      leafnodes: links.leafnodes,
      traffic,
      clientTraffic: clients.traffic,
      slowConsumers: counters.slowConsumers,
      staleConnections: clients.staleConnections + sumOf(staleConnections),
      stalls: counters.stalls,
      subscriptions: counters.subscriptions,
      slowConsumersByKind: { ...slowConsumers, clients: clients.slowConsumers },
      staleConnectionsByKind: { ...staleConnections, clients: clients.staleConnections },
      pinnedAccountFailures: counters.pinnedAccountFailures,
    };
  }
}

function sumOf({ routes, gateways, leafnodes }: LinkCountByKind): number {
  return routes + gateways + leafnodes;
}

function subjectPermission(configured: ConfiguredPermission | undefined): SubjectPermission | null {
  return configured === undefined ? null : { allow: configured.allow ?? [], deny: configured.deny ?? [] };
}

function byName(definitions: readonly AccountDefinition[]): ReadonlyMap<string, AccountDefinition> {
  return new Map(definitions.map((definition) => [definition.name, definition]));
}
