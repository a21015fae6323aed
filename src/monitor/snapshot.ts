/**
 * What monitoring asks of a running server, in neutral units: numbers, milliseconds, plain strings.
 * The reports turn it into nats-server's field names and formats; nothing here knows about JSON.
 *
 * Every snapshot is taken once per request and not changed afterwards.
 */

import type { EpochMs, Integer } from "./go_json.ts";
import type { ConnectionState } from "./parameters.ts";

/** The server's side of monitoring. All of it may wait for other threads. */
export interface MonitorSource {
  server(): Promise<ServerSnapshot>;
  /**
   * Clients and leafnode connections, filtered as `query` says; see `selectConnections`, which does it
   * for lists that are at hand. `null` if `query.account` names no known account.
   */
  connections(query: ConnectionQuery): Promise<ConnectionSelection | null>;
  subscriptions(query: SubscriptionQuery): Promise<SubscriptionSelection>;
  health(): Promise<HealthSnapshot>;
  /** Names of what `accounts` describes, without asking the threads that count for them. */
  accountNames(): Promise<readonly string[]>;
  /** Accounts loaded on this server, always with `$G` and the system account. */
  accounts(): Promise<readonly AccountSnapshot[]>;
  /** Everything about one account, `null` if it is not loaded. */
  account(name: string): Promise<AccountDetailSnapshot | null>;
  routes(listSubscriptions: boolean): Promise<RoutesSnapshot>;
  /** `null` on a server without gateways. */
  gateways(query: GatewayQuery): Promise<GatewaysSnapshot | null>;
  leafnodes(query: LeafnodeQuery): Promise<readonly LeafnodeSnapshot[]>;
  /** Internal queues by name, empty ones too. */
  queues(): Promise<ReadonlyMap<string, QueueSnapshot>>;
  /** The threads that serve connections. */
  shards(): Promise<readonly ShardSnapshot[]>;
  /** One text per thread: its name and, where it can be had, its stack. */
  threads(): Promise<readonly string[]>;
}

// ── the server ──────────────────────────────────────────────────────────────────────────────────

export interface ServerSnapshot {
  readonly identity: ServerIdentity;
  readonly nowMs: number;
  readonly startMs: number;
  /** When the configuration was last loaded or reloaded. */
  readonly configLoadMs: number;
  /** `sha256:<hex>` of the parsed configuration, empty without a file. */
  readonly configDigest: string;
  readonly options: MonitoredOptions;
  readonly resources: ResourceSnapshot;
  readonly counters: ServerCounters;
  /** Requests answered by HTTP monitoring, by path without the base path. */
  readonly httpRequestCounts: ReadonlyMap<string, number>;
  /** `host:port` of the servers a client may use, own first; empty until a peer told of one. */
  readonly connectUrls: readonly string[];
  readonly webSocketConnectUrls: readonly string[];
}

export interface ServerIdentity {
  /** The server's public NKey, `N…`. */
  readonly id: string;
  /** Equals `id` where none is configured. */
  readonly name: string;
  readonly version: string;
  readonly protocol: number;
  readonly gitCommit: string;
  /** Runtime and its version, any text. */
  readonly runtime: string;
  /** The client listener's address, or what it advertises. */
  readonly host: string;
  readonly port: number;
  /** Empty where there is none. */
  readonly systemAccount: string;
  readonly commandLine: readonly string[];
}

/** OCSP checks of peers, and what is cached of the responders' answers; null where nothing is. */
export interface OcspMonitor {
  readonly checksClients: boolean;
  readonly cache: {
    readonly type: string;
    readonly hits: number;
    readonly misses: number;
    /** Responses kept, by what they say. */
    readonly good: number;
    readonly revoked: number;
    readonly unknown: number;
  } | null;
}

/** The configured values that monitoring shows. */
export interface MonitoredOptions {
  readonly isAuthRequired: boolean;
  readonly isTlsRequired: boolean;
  readonly isTlsVerified: boolean;
  /** OCSP checks of peers; null where there are none. */
  readonly ocspPeers: OcspMonitor | null;
  readonly connectionsMax: number;
  /** 0: no limit. */
  readonly subscriptionsMax: number;
  readonly pingIntervalMs: number;
  readonly pingsOutMax: number;
  readonly httpHost: string;
  /** As configured: -1 stays -1, 0 is off. */
  readonly httpPort: number;
  /** As configured, not normalised. */
  readonly httpBasePath: string;
  readonly httpsPort: number;
  readonly authTimeoutMs: number;
  readonly controlLineBytesMax: number;
  readonly payloadBytesMax: number;
  readonly pendingBytesMax: number;
  readonly tlsTimeoutMs: number;
  readonly writeDeadlineMs: number;
  readonly writeTimeoutPolicy: WriteTimeoutPolicy;
  /** Expiry of the client listener's own certificate. */
  readonly tlsCertNotAfterMs: EpochMs;
  readonly tags: readonly string[];
  readonly metadata: ReadonlyMap<string, string>;
  readonly featureFlags: ReadonlyMap<string, boolean>;
  readonly trustedOperatorJwts: readonly string[];
  /** The decoded claims of each, as their JSON says. */
  readonly trustedOperatorClaims: readonly unknown[];
  /** Public keys of the trusted proxies, `null` without a `proxies` block. */
  readonly trustedProxyKeys: readonly string[] | null;
  /** A block that is off is an empty object; so are the others. */
  readonly cluster: ClusterOptions;
  readonly gateway: GatewayOptions;
  readonly leafnodes: LeafnodeOptions;
  readonly mqtt: MqttOptions;
  readonly webSocket: WebSocketOptions;
}

/** `""`: the default. */
export type WriteTimeoutPolicy = "" | "close" | "retry";

/** What the blocks with a listener of their own have in common. */
export interface ListenerOptions {
  readonly host?: string;
  readonly port?: number;
  readonly authTimeoutMs?: number;
  readonly tlsTimeoutMs?: number;
  readonly isTlsRequired?: boolean;
  readonly isTlsVerified?: boolean;
  readonly tlsCertNotAfterMs?: EpochMs;
}

export interface ClusterOptions extends ListenerOptions {
  readonly name?: string;
  /** `host:port` of the configured routes, without credentials. */
  readonly urls?: readonly string[];
  /** -1 if so configured. */
  readonly poolSize?: number;
  readonly writeDeadlineMs?: number;
  readonly writeTimeoutPolicy?: WriteTimeoutPolicy;
}

export interface GatewayOptions extends ListenerOptions {
  readonly name?: string;
  readonly advertise?: string;
  readonly connectRetries?: number;
  readonly remotes?: readonly { name: string; tlsTimeoutMs: number; urls: readonly string[] }[];
  readonly rejectsUnknown?: boolean;
}

export interface LeafnodeOptions extends ListenerOptions {
  readonly remotes?: readonly LeafnodeRemoteOptions[];
}

export interface LeafnodeRemoteOptions {
  readonly localAccount: string;
  readonly tlsTimeoutMs: number;
  readonly urls: readonly string[];
  readonly denyExports: readonly string[];
  readonly denyImports: readonly string[];
}

export interface MqttOptions extends ListenerOptions {
  readonly noAuthUser?: string;
  readonly mapsTlsIdentity?: boolean;
  readonly tlsPinnedCerts?: readonly string[];
  readonly jetStreamDomain?: string;
  readonly ackWaitMs?: number;
  readonly acksPendingMax?: number;
}

export interface WebSocketOptions extends ListenerOptions {
  readonly advertise?: string;
  readonly noAuthUser?: string;
  readonly jwtCookie?: string;
  readonly handshakeTimeoutMs?: number;
  readonly isTlsDisabled?: boolean;
  readonly mapsTlsIdentity?: boolean;
  readonly tlsPinnedCerts?: readonly string[];
  readonly isSameOrigin?: boolean;
  readonly allowedOrigins?: readonly string[];
  readonly isCompressed?: boolean;
}

export interface ResourceSnapshot {
  readonly residentBytes: number;
  readonly heapUsedBytes: number;
  readonly heapReservedBytes: number;
  readonly cpuCount: number;
  /** Threads that run server code. */
  readonly threadCount: number;
  /** 100 is one CPU in full. */
  readonly cpuPercent: number;
}

export interface ServerCounters {
  /** Open clients, without leafnodes. */
  readonly connections: number;
  readonly connectionsEver: number;
  /** Route connections, several per peer. */
  readonly routes: number;
  /** Distinct route peers. */
  readonly routePeers: number;
  readonly leafnodes: number;
  /** Of every kind of connection; payload bytes only. */
  readonly traffic: Traffic;
  readonly clientTraffic: Traffic;
  /** May count one client twice. */
  readonly slowConsumers: number;
  readonly staleConnections: number;
  /** Events, not clients. */
  readonly stalls: number;
  readonly subscriptions: number;
  readonly slowConsumersByKind: CountByKind;
  readonly staleConnectionsByKind: CountByKind;
  readonly pinnedAccountFailures: number;
}

/** In is what the server received, out what it sent. */
export interface Traffic {
  readonly inMessages: number;
  readonly outMessages: number;
  readonly inBytes: number;
  readonly outBytes: number;
}

export interface CountByKind {
  readonly clients: number;
  readonly routes: number;
  readonly gateways: number;
  readonly leafnodes: number;
}

// ── connections ─────────────────────────────────────────────────────────────────────────────────

export interface ConnectionSnapshot extends Traffic {
  readonly id: number;
  readonly kind: "Client" | "Leafnode" | "Gateway";
  /** Empty for everything but clients. */
  readonly type: "nats" | "websocket" | "mqtt" | "";
  readonly ip: string;
  readonly port: number;
  readonly startMs: number;
  /** CONNECT, messages or subscription changes; not PING. */
  readonly lastActivityMs: number;
  /** `null` while open. */
  readonly stop: { readonly atMs: number; readonly reason: string } | null;
  /** 0: no CONNECT yet. */
  readonly roundTripNs: number;
  readonly pendingBytes: number;
  readonly stalls: number;
  readonly subscriptionCount: number;
  readonly name: string;
  readonly language: string;
  readonly version: string;
  readonly tls: ConnectionTls | null;
  /** NKey, user name, subject of the user JWT, or `[REDACTED]` for any token; empty without. */
  readonly user: string;
  /** Empty while not bound to one. */
  readonly account: string;
  /** The account's name tag, or its name. */
  readonly accountNameTag: string;
  /** Name of the user JWT. */
  readonly userNameTag: string;
  /** Never a bearer token. */
  readonly jwt: string;
  readonly issuerKey: string;
  readonly tags: readonly string[];
  readonly mqttClient: string;
  /** Public key of the trusted proxy in between, empty without. */
  readonly proxyKey: string;
  /** May be empty where the query did not ask for them. */
  readonly subscriptions: readonly SubscriptionSnapshot[];
}

export interface ConnectionTls {
  /** `1.2`, `1.3`. */
  readonly version: string;
  /** IANA name, such as `TLS_AES_128_GCM_SHA256`. */
  readonly cipherSuite: string;
  /** The handshake came before INFO. */
  readonly isFirst: boolean;
  readonly peerCertificates: readonly PeerCertificate[];
}

export interface PeerCertificate {
  /** RFC 2253 order. */
  readonly subject: string;
  readonly publicKeySha256Hex: string;
  readonly certificateSha256Hex: string;
}

/** Orders of connections; which way each goes says `pageOfConnections`. */
export type ConnectionSort =
  | "cid"
  | "start"
  | "subs"
  | "pending"
  | "msgs_to"
  | "msgs_from"
  | "bytes_to"
  | "bytes_from"
  | "last"
  | "idle"
  | "uptime"
  | "stop"
  | "reason"
  | "rtt";

export interface ConnectionQuery {
  readonly state: ConnectionState;
  /** Only this connection; 0: all. */
  readonly id: Integer;
  /** Exact matches; empty: no filter. */
  readonly account: string;
  readonly user: string;
  readonly mqttClient: string;
  /** Only open connections with a subscription that can meet this subject; empty: no filter. */
  readonly subject: string;
  readonly sort: ConnectionSort;
  /** Time for the orders that depend on it. */
  readonly nowMs: number;
  /** The page ends here: no more than this many connections are looked at. */
  readonly count: number;
  /** Whether the subscriptions and the credentials of the connections will be shown. */
  readonly listsSubscriptions: boolean;
  readonly showsCredentials: boolean;
}

export interface ConnectionSelection {
  /** Connections in the asked state (and account), before the other filters. */
  readonly totalCount: number;
  /** At least the first `query.count` of the matching ones in the asked order; more, in any order, do no harm. */
  readonly connections: readonly ConnectionSnapshot[];
}

// ── subscriptions ───────────────────────────────────────────────────────────────────────────────

export interface SubscriptionSnapshot {
  readonly account: string;
  /** The account's name tag, or its name. */
  readonly accountNameTag: string;
  readonly subject: string;
  /** Queue group, empty without. */
  readonly queue: string;
  readonly sid: string;
  readonly deliveredMessages: number;
  /** Auto-unsubscribe limit, 0 without. */
  readonly deliveriesMax: number;
  readonly connectionId: number;
}

export interface SubscriptionQuery {
  /** Only this account; empty: all. An unknown one has no subscriptions. */
  readonly account: string;
  /** Without it only the statistics are wanted. */
  readonly isListed: boolean;
  /** Only subscriptions that a message on this literal subject would reach; empty: all. */
  readonly testSubject: string;
  /** The wanted part of the matching subscriptions, in any but a steady order: [start, end). */
  readonly start: number;
  readonly end: number;
}

export interface SubscriptionSelection {
  readonly statistics: InterestStatistics;
  /** How many subscriptions match, before paging; 0 unless listed. */
  readonly matchCount: number;
  readonly page: readonly SubscriptionSnapshot[];
}

/** Sums over the accounts asked for. */
export interface InterestStatistics {
  readonly subscriptions: number;
  readonly cacheEntries: number;
  readonly inserts: number;
  readonly removes: number;
  /** Look-ups, those answered from the cache included. */
  readonly matches: number;
  readonly cacheHits: number;
  /** Most subscriptions in one cached result. */
  readonly fanoutMax: number;
  /** Subscriptions in all cached results together. */
  readonly fanoutTotal: number;
}

// ── health, accounts, links, queues ─────────────────────────────────────────────────────────────

export interface HealthSnapshot {
  /**
   * Configured listeners that are not open: `server`, `route`, `gateway`, `leafnode`, `websocket`,
   * `mqtt`; with the cause where there is one: `route(<error>)`.
   */
  readonly listenersNotReady: readonly string[];
}

export interface AccountSnapshot {
  readonly name: string;
  /** The account's name tag, or its name. */
  readonly nameTag: string;
  /** Local clients, without leafnodes. */
  readonly clients: number;
  readonly leafnodes: number;
  readonly subscriptions: number;
  /** Delivered by the server to this account's connections. */
  readonly sent: AccountTraffic;
  /** Published by them. */
  readonly received: AccountTraffic;
  readonly slowConsumers: number;
}

export interface AccountTraffic extends MessageCount {
  readonly gateways: MessageCount;
  readonly routes: MessageCount;
  readonly leafnodes: MessageCount;
}

export interface MessageCount {
  readonly messages: number;
  readonly bytes: number;
}

export interface AccountDetailSnapshot extends AccountSnapshot {
  readonly updateMs: EpochMs;
  readonly isSystem: boolean;
  readonly isExpired: boolean;
  readonly isComplete: boolean;
  /** Source subject → where its messages go. */
  readonly mappings: ReadonlyMap<string, readonly MappingDestination[]>;
  readonly exports: readonly ExportSnapshot[];
  readonly imports: readonly ImportSnapshot[];
  /** Pending service replies by their `_R_` subject. */
  readonly responses: ReadonlyMap<string, ImportSnapshot>;
  readonly interest: InterestStatistics;
  /** Operator mode only; `null` elsewhere. */
  readonly claims: AccountClaimsSnapshot | null;
}

export interface MappingDestination {
  readonly subject: string;
  readonly weightPercent: number;
  readonly cluster: string;
}

export interface ExportSnapshot {
  readonly subject: string;
  readonly type: "service" | "stream";
  readonly isTokenRequired: boolean;
  /** Empty for streams. */
  readonly responseType: "Singleton" | "Streamed" | "Chunked" | "";
  readonly latency: LatencyOptions | null;
  readonly approvedAccounts: readonly string[];
  /** Revoked activations, account → since when. */
  readonly revokedActivations: ReadonlyMap<string, number>;
}

export interface ImportSnapshot {
  readonly type: "service" | "stream";
  /** The exporter's subject. */
  readonly subject: string;
  readonly account: string;
  /** Subject used in the importing account; may be empty for a stream without prefix. */
  readonly localSubject: string;
  readonly isInvalid: boolean;
  readonly isShared: boolean;
  readonly isTracked: boolean;
  readonly latency: LatencyOptions | null;
}

export interface LatencyOptions {
  /** Percent of requests, or `headers`. */
  readonly sampling: number | "headers";
  readonly resultSubject: string;
}

export interface AccountClaimsSnapshot {
  readonly jwt: string;
  readonly issuerKey: string;
  readonly tags: readonly string[];
  /** The claims as their JSON says. */
  readonly decoded: unknown;
  readonly issues: readonly { description: string; isBlocking: boolean; isTimeCheck: boolean }[];
  /** User → since when. */
  readonly revokedUsers: ReadonlyMap<string, number>;
}

export interface RoutesSnapshot {
  /** The cluster's configured permissions, `null` without. */
  readonly importPermission: SubjectPermission | null;
  readonly exportPermission: SubjectPermission | null;
  /** One per connection, several per peer. */
  readonly routes: readonly RouteSnapshot[];
}

export interface SubjectPermission {
  readonly allow: readonly string[];
  readonly deny: readonly string[];
}

export interface RouteSnapshot extends Traffic {
  readonly id: number;
  readonly remoteId: string;
  readonly remoteName: string;
  readonly isSolicited: boolean;
  /** Its URL stands in this server's own `routes`. */
  readonly isConfigured: boolean;
  readonly ip: string;
  readonly port: number;
  readonly startMs: number;
  readonly lastActivityMs: number;
  readonly roundTripNs: number;
  /** As the peer sent them, `null` without. */
  readonly importPermission: SubjectPermission | null;
  readonly exportPermission: SubjectPermission | null;
  readonly pendingBytes: number;
  readonly subscriptionCount: number;
  readonly subscriptions: readonly SubscriptionSnapshot[];
  /** The account this connection is dedicated to, empty on a pooled one. */
  readonly account: string;
  readonly compression: string;
}

export interface GatewayQuery {
  /** Only this remote; empty: all. */
  readonly gateway: string;
  readonly listsAccounts: boolean;
  /** Only this account; empty: all. */
  readonly account: string;
  readonly listsSubscriptions: boolean;
}

export interface GatewaysSnapshot {
  readonly name: string;
  /** Advertised address if there is one. */
  readonly host: string;
  readonly port: number;
  readonly outbound: readonly GatewaySnapshot[];
  readonly inbound: readonly GatewaySnapshot[];
}

export interface GatewaySnapshot {
  readonly name: string;
  /** False for discovered and for all inbound ones. */
  readonly isConfigured: boolean;
  readonly connection: ConnectionSnapshot;
  readonly accounts: readonly GatewayAccountSnapshot[];
}

export interface GatewayAccountSnapshot {
  readonly name: string;
  readonly interestMode: string;
  readonly noInterestCount: number;
  readonly interestOnlyThreshold: number;
  readonly subscriptionCount: number;
  readonly queueSubscriptionCount: number;
  readonly subscriptions: readonly SubscriptionSnapshot[];
}

export interface LeafnodeQuery {
  /** Only this local account; empty: all. */
  readonly account: string;
  readonly listsSubscriptions: boolean;
}

export interface LeafnodeSnapshot extends Traffic {
  readonly id: number;
  /** The remote server's. */
  readonly name: string;
  /** This server is the spoke, normally the soliciting side. */
  readonly isSpoke: boolean;
  readonly isIsolated: boolean;
  readonly account: string;
  readonly ip: string;
  readonly port: number;
  readonly roundTripNs: number;
  readonly subscriptionCount: number;
  readonly subscriptions: readonly SubscriptionSnapshot[];
  readonly compression: string;
  readonly isWebSocket: boolean;
  readonly proxyKey: string;
}

export interface QueueSnapshot {
  readonly pending: number;
  readonly inProgress: number;
}

/** A thread that serves connections. Its counters go on where it is replaced. */
export interface ShardSnapshot extends Traffic {
  /** `0`, `1`, …; `links` where the connections are routes, gateways and leaf nodes. */
  readonly name: string;
  /** False while it is being replaced. */
  readonly isUp: boolean;
  /** Those that have not logged in yet among them. */
  readonly connections: number;
  readonly connectionsEver: number;
  readonly subscriptions: number;
  readonly slowConsumers: number;
  readonly staleConnections: number;
  readonly stalls: number;
  /** What other threads have sent it that it has not taken yet. */
  readonly waitingBytes: number;
}
