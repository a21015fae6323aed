/** What a shard is started with, and what a reload may change. Plain data: it crosses threads. */
import type { AccountsChange } from "../account/accounts_change.ts";
import type { ClientInfo } from "../account/client_info.ts";
import type { AccountDefinition, ServiceLatency } from "../account/definition.ts";
import type { LatencySample } from "../account/latency.ts";
import type { ClientTls } from "../auth/jwt/claims.ts";
import type { LoginRequest, Verdict } from "../auth/login.ts";
import type { LoginRules } from "../auth/login_rules.ts";
import type { Permissions } from "../config/permissions.ts";
import type { ClientListenerKind, ListenerKind } from "../fabric/listeners.ts";
import type { LineLimit } from "../log/line_limit.ts";
import type { ServerInfo } from "../protocol/info.ts";
import type { TraceEntry, TraceReport, TraceTerms } from "../protocol/tracing/message_trace.ts";
import type { UpgradeRules } from "../protocol/websocket/upgrade.ts";
import type { HostAddresses } from "../runtime/host_lookup.ts";
import type { TlsContext } from "../runtime/tls.ts";
import type { HandedLeaf } from "./links/handed_leaf.ts";
import type { LinksNews, LinksSetup } from "./links/links_setup.ts";

export interface ShardOptions {
  readonly maxConnections: number;
  readonly maxPayloadBytes: number;
  readonly maxControlLineBytes: number;
  readonly maxPendingBytes: number;
  /** Per connection, 0 for unlimited. */
  readonly maxSubscriptions: number;
  /** Tokens of a subject in SUB, 0 for unlimited. */
  readonly maxSubscriptionTokens: number;
  readonly pingIntervalMs: number;
  readonly pingMax: number;
  readonly writeDeadlineMs: number;
  readonly retriesWrites: boolean;
  readonly dropsInsteadOfStalling: boolean;
  readonly supportsHeaders: boolean;
  /** Proxies may tell in a header whom they speak for. */
  readonly takesProxyHeaders: boolean;
  readonly logsDebug: boolean;
  readonly logsTrace: boolean;
  readonly tracesHeadersOnly: boolean;
  readonly maxTracedBytes: number;
  readonly login: LoginSettings;
  /** All accounts, the global one among them. */
  readonly accounts: readonly AccountDefinition[];
  /** Random words that the reply subjects of services are made from; the same on all shards. */
  readonly replySecret: readonly number[];
  /** What names this server in them where others must find it. */
  readonly serverHash: string;
  /** Decides which destinations of mappings count; undefined outside a cluster. */
  readonly clusterName: string | undefined;
  /** TLS for clients; null for none. */
  readonly tls: ShardTls | null;
  /** The port for WebSockets; null for none, which stays so. */
  readonly webSocket: ShardWebSocket | null;
}

/** What clients of the WebSocket port go by where it is not what those of the client port do. */
export interface ShardWebSocket {
  readonly rules: UpgradeRules;
  readonly tls: Pick<ShardTls, "context" | "pinnedCerts" | "checksPeers"> | null;
  /** For all that comes before INFO; 0 for no time. */
  readonly handshakeTimeoutMs: number;
  readonly pingIntervalMs: number;
  /** How long a client that must log in may take. */
  readonly loginTimeoutMs: number;
  /** Leaf nodes may come by it: there is a listener for them. */
  readonly takesLeafs: boolean;
  /** What INFO says otherwise than on the client port. */
  readonly info: Pick<
    ServerInfo,
    "host" | "port" | "authRequired" | "tlsRequired" | "tlsVerify" | "tlsAvailable"
  >;
}

export interface ShardTls {
  readonly context: TlsContext;
  /** Clients without TLS are served on the same port. */
  readonly allowsPlain: boolean;
  /** The handshake comes before INFO. */
  readonly isFirst: boolean;
  /** How long clients that come first have before INFO is sent in clear; 0: they must come first. */
  readonly fallbackDelayMs: number;
  readonly timeoutMs: number;
  /** SHA-256 of the public keys that clients may have, lower-case hex; empty for any. */
  readonly pinnedCerts: readonly string[];
  /** Handshakes a second of all shards together, 0 for any number. */
  readonly connectionRateLimit: number;
  /** Main is asked whether the authorities of a client's certificates stand by them. */
  readonly checksPeers: boolean;
}

export interface LoginSettings {
  readonly rules: LoginRules;
  /** How long a client that must log in may take. */
  readonly timeoutMs: number;
  /** What an auth callout's answers turn into besides: when it changes, those who are in are judged again. */
  readonly calloutTargets: readonly unknown[];
}

export interface ShardStart {
  readonly node: number;
  readonly memory: WebAssembly.Memory;
  readonly engineCode: WebAssembly.Module;
  readonly transport: "epoll" | "runtime";
  /** With the runtime's sockets shards listen by themselves. */
  readonly listen: readonly OwnListener[];
  readonly info: ServerInfo;
  readonly options: ShardOptions;
  /** Steady-clock milliseconds it looks again before it sleeps. */
  readonly spinMs: number;
  readonly hashSeed: number;
  /** Takes `LoginQuestion`s to the logins thread. */
  readonly logins: MessagePort;
}

/** A port that a shard listens on by itself. */
export interface OwnListener {
  readonly kind: ListenerKind;
  readonly host: string;
  /** 0 for a free one. */
  readonly port: number;
  /** Other shards listen on it, too. */
  readonly reusePort: boolean;
}

/** Shard → the logins thread: a login that takes more than comparing texts. */
export interface LoginQuestion {
  readonly node: number;
  readonly slot: number;
  readonly clientId: number;
  /** Comes back with the verdict (`Connection.loginNumber`). */
  readonly loginNumber: number;
  /** The client is in already; asked after a reload. */
  readonly isAgain: boolean;
  readonly request: LoginRequest;
  /** For a callout service; null without TLS, and where no service is asked. */
  readonly clientTls: ClientTls | null;
}

/**
 * From another shard: nobody there took this message of the client in a slot here, and nobody else could. The account is
 * the one that it was delivered in; subject and reply are byte strings.
 */
export interface UntakenMessage {
  readonly slot: number;
  readonly account: number;
  readonly subject: string;
  readonly reply: string;
}

/** Main, the logins thread or the acceptor → shard, in a ring. */
export type ShardControl =
  /** Operator mode: accounts are new, changed or gone, and what that means for who is logged in. */
  | { readonly type: "accounts"; readonly change: AccountsChange }
  /**
   * From another shard: who is about to answer a request to a service whose latency is measured. To the links shard with the
   * request's reply instead, where another server measures it.
   */
  | { readonly type: "responder"; readonly token: string; readonly info: ClientInfo }
  /** From main: what the responder's server has measured of a request; `subject` is the reply of it, a byte string. */
  | {
      readonly type: "latency";
      readonly account: number;
      readonly subject: string;
      readonly sample: LatencySample;
    }
  /**
   * From main or the logins thread: a request of the server's in an account, to the services that this one imports. Headers, ""
   * for none, and payload are base64.
   */
  | {
      readonly type: "request";
      readonly account: number;
      readonly subject: string;
      readonly reply: string;
      readonly headers: string;
      readonly payload: string;
    }
  /** The answer to a `LoginQuestion`. */
  | {
      readonly type: "verdict";
      readonly slot: number;
      readonly clientId: number;
      readonly loginNumber: number;
      readonly isAgain: boolean;
      readonly verdict: Verdict;
    }
  | ({ readonly type: "untaken" } & UntakenMessage)
  /** From another shard: a message of a trace that began there (`node`, `number`), for those here that it names. */
  | {
      readonly type: "trace";
      readonly node: number;
      readonly number: number;
      readonly terms: TraceTerms;
      /** Its parts as byte strings, headers and payload base64. */
      readonly message: {
        readonly context: number;
        readonly subject: string;
        readonly line: string;
        readonly headerLength: number;
        readonly payloadLength: number;
        readonly content: string;
      };
      readonly isPlain: boolean;
      readonly queues: readonly number[];
    }
  /** The answer to it: what became of the message, by how many links it has left, and how many took it. */
  | {
      readonly type: "traced";
      readonly number: number;
      readonly entries: readonly TraceEntry[];
      readonly hops: number;
      readonly taken: number;
    }
  /** Whether the connection of a `peer` report may go on. */
  | { readonly type: "peer"; readonly slot: number; readonly clientId: number; readonly isValid: boolean }
  | {
      readonly type: "accept";
      readonly listener: ListenerKind;
      readonly fd: number;
      readonly ip: string;
      readonly port: number;
    }
  /** From another shard to the links shard; by main and postMessage where the stream has a port. */
  | HandedLeaf
  | { readonly type: "options"; readonly options: ShardOptions; readonly info: ServerInfo }
  | { readonly type: "query"; readonly id: number; readonly query: ShardQuery }
  /** Sends INFO to clients that take it at any time: to all, to those who came by one port, or to one. */
  | {
      readonly type: "info";
      readonly info: ServerInfo;
      readonly listener?: ClientListenerKind;
      readonly clientId?: number;
    }
  /** Closes every `count`-th … the first `count` connections, for lame duck mode. */
  | { readonly type: "closeSome"; readonly count: number; readonly reason: number }
  /** Lowers the shard's connections to `count`, as after a reload of max_connections. */
  | { readonly type: "shrink"; readonly count: number }
  /** Closes these clients, of which their account has too many. */
  | { readonly type: "accountFull"; readonly clientIds: readonly number[] }
  /** Takes no more connections of these kinds, where the shard listens by itself. */
  | { readonly type: "stopListening"; readonly listeners: readonly ListenerKind[] }
  /** Closes every connection. With `leavesSockets` clients' sockets stay open for the end of the process to close. */
  | { readonly type: "stop"; readonly leavesSockets: boolean }
  | LinkControl
  /** Throws inside the shard; the test of what happens then. */
  | { readonly type: "fail" };

/** Main → the links shard. */
export type LinkControl =
  /** What it is to do; first of all, and again after a reload that changed it. */
  | { readonly type: "link"; readonly what: "start"; readonly setup: LinksSetup }
  /** The answer to a `resolve` report. */
  | ({ readonly type: "link"; readonly what: "addresses"; readonly host: string } & HostAddresses)
  /** Other servers have leaf links of an account: together they may be too many. */
  | { readonly type: "link"; readonly what: "limitLeafs"; readonly account: string }
  /** Lame duck mode begins. */
  | { readonly type: "link"; readonly what: "lameDuck" }
  /** Leaf nodes are to go, as clients are. */
  | { readonly type: "link"; readonly what: "closeLeafs" };

export type ShardQuery =
  /** Nothing: the answer says that every command before it has been carried out. */
  | { readonly what: "done" }
  /** Closes connections whose certificate is not pinned any more: how many. */
  | { readonly what: "closeUnpinned" }
  /** Open connections: a `ConnectionPage`. */
  | ({ readonly what: "connections" } & ConnectionPick)
  /**
   * All, or those that a message on a subject would reach: a `SubscriptionPage` with the first `count` of them. Of one
   * account, or of all ("").
   */
  | {
      readonly what: "subscriptions";
      readonly account: string;
      readonly subject: string | null;
      readonly count: number;
    }
  /** What an open client may do: a `UserRecord`, or null where it is not. */
  | { readonly what: "user"; readonly clientId: number }
  /** Closes a client: true where it was here. */
  | { readonly what: "kick"; readonly clientId: number }
  /** Tells a client to go by itself: whether it can be told, null where it is not here. */
  | { readonly what: "lameDuck"; readonly clientId: number }
  /** How many subscriptions of an account a message on a subject, or on any of a pattern, may reach. */
  | {
      readonly what: "subscribers";
      readonly account: string;
      readonly subject: string;
      /** Only members of this queue group; null for all subscriptions. */
      readonly queue: string | null;
    }
  /** Answers that are due to requests of clients of this shard, from the account of that name: `ResponseRecord[]`. */
  | { readonly what: "responses"; readonly account: string }
  /** Ids of the clients of an account, by its name. */
  | { readonly what: "clients"; readonly account: string }
  /** What each account has here: `AccountCounters` by name. */
  | { readonly what: "accounts" }
  | LinkQuery;

/** The links shard's alone: its links, as monitoring shows them. `subscriptions`: with what their peers want. */
export type LinkQuery =
  /** `LinkCounts` */
  | { readonly what: "links" }
  /** `LinkAccounts` */
  | { readonly what: "linkAccounts" }
  /** `RouteRecord[]` */
  | { readonly what: "routes"; readonly subscriptions: boolean }
  /** `GatewaysRecord`, null without gateways. */
  | { readonly what: "gateways"; readonly listsAccounts: boolean; readonly listsSubscriptions: boolean }
  /** `LeafRecord[]`, of one account, or of all (""). */
  | { readonly what: "leafs"; readonly account: string; readonly subscriptions: boolean };

/** Shard → main, by postMessage. */
export type ShardReport =
  /** With the ports it listens on by itself, in the order it was told to. */
  | { readonly type: "ready"; readonly ports: readonly number[] }
  | {
      readonly type: "log";
      readonly level: ShardLogLevel;
      readonly text: string;
      /** Absent for a line that is written each time. */
      readonly limit?: LineLimit;
    }
  /** Text, because to clone a page of connections takes a shard three times as long (2.3 of 0.8 ms; Deno: 1.7 of 0.9). */
  | { readonly type: "answer"; readonly id: number; readonly json: string }
  /** A peer whose certificates are to be checked: its verified chain, DER, its own first. Answered by `peer`. */
  | {
      readonly type: "peer";
      readonly slot: number;
      /** Below 0 for a WebSocket that is no client yet. */
      readonly clientId: number;
      /** Name of the TLS block that wants it, as of contexts. */
      readonly block: string;
      readonly chain: readonly Uint8Array[];
    }
  /** A client is in. Only where somebody listens to events of such. */
  | { readonly type: "opened"; readonly event: ClientEvent }
  /** Without an event where nobody listens. */
  | { readonly type: "closed"; readonly connection: ConnectionRecord; readonly event: ClientEvent | null }
  /** A trace is complete: main publishes it. */
  | { readonly type: "trace"; readonly result: TraceResult }
  /** For the links shard, which is to be given the port with it. */
  | HandedLeaf
  /** The links shard's alone. */
  | { readonly type: "links"; readonly news: LinksNews }
  /** The links shard wants the addresses of a host. */
  | { readonly type: "resolve"; readonly host: string }
  /** Where shards listen by themselves. The thread has served nobody and stops. */
  | { readonly type: "cannotListen"; readonly listener: OwnListener; readonly error: string }
  | { readonly type: "failed"; readonly error: string }
  | { readonly type: "stopped" }
  | { readonly type: "disposed" };

/** Main → a shard, by postMessage, after the start. */
export type ShardMessage =
  /** It has stopped, and is to give back what it opened. */
  | { readonly type: "dispose" }
  /** With the runtime's sockets, to the links shard. */
  | HandedLeaf;

export type ShardLogLevel = "info" | "warning" | "error" | "debug" | "trace";

/** What this server did with a message that is traced, and where that is to be published. */
export interface TraceResult {
  /** Id of the account. */
  readonly account: number;
  readonly destination: string;
  /** As the message asked for it, "" for none. */
  readonly acceptEncoding: string;
  readonly report: TraceReport;
}

/** What events of the system account tell of a client that came or went. */
export interface ClientEvent {
  readonly client: ClientInfo;
  /** The accounts whose number of connections it changed, the one it left by a second CONNECT first. */
  readonly countedAccounts: readonly string[];
  /** Of a client that was refused: the account that hears of it too, null for none, and why. */
  readonly failure: { readonly account: string | null; readonly reason: string } | null;
}

/** What a client may ask of itself. */
export interface UserRecord {
  /** Null permits everything. */
  readonly permissions: Permissions | null;
  readonly expiresAtMs: number | null;
  /** The account's name tag, or its name. */
  readonly accountNameTag: string;
}

/** A connection as monitoring shows it, open or closed. */
export interface ConnectionRecord {
  readonly clientId: number;
  readonly ip: string;
  readonly port: number;
  readonly startMs: number;
  readonly stopMs: number | null;
  readonly reason: string;
  readonly lastActivityMs: number;
  readonly rttMs: number;
  readonly pendingBytes: number;
  readonly inMessages: number;
  readonly outMessages: number;
  readonly inBytes: number;
  readonly outBytes: number;
  readonly stalls: number;
  readonly subscriptionCount: number;
  readonly name: string;
  readonly lang: string;
  readonly version: string;
  /** Who it is, or whom a client that was refused said it was. */
  readonly user: string;
  /** Name of the account, and what its JWT calls it, "" for nothing. */
  readonly account: string;
  readonly accountNameTag: string;
  /** Name in the user JWT; the JWT itself unless it is a bearer's, who issued it, and its tags. */
  readonly userNameTag: string;
  readonly jwt: string;
  readonly issuerKey: string;
  readonly tags: readonly string[];
  /** Key of the trusted proxy it came through, "" for none. */
  readonly proxyKey: string;
  readonly isWebSocket: boolean;
  readonly tls: ConnectionTlsRecord | null;
  readonly subscriptions: readonly SubscriptionSnapshot[] | null;
}

export interface ConnectionTlsRecord {
  /** `1.2` or `1.3`. */
  readonly version: string;
  /** The IANA name. */
  readonly cipherSuite: string;
  /** The handshake came before INFO. */
  readonly isFirst: boolean;
  readonly peerCertificates: readonly PeerCertificateRecord[];
}

export interface PeerCertificateRecord {
  readonly subject: string;
  readonly publicKeySha256Hex: string;
  readonly certificateSha256Hex: string;
}

/** Which connections are wanted. */
export interface ConnectionPick {
  /** The first `count` in this order, ties by client id. */
  readonly order: ConnectionOrder;
  readonly count: number;
  /** Only this client; 0 for all. */
  readonly clientId: number;
  /** Only clients that authenticated under this name; "" for all. */
  readonly user: string;
  /** Only clients of this account; "" for all. */
  readonly account: string;
  /** Only those with a subscription that can meet this subject; "" for all. */
  readonly subject: string;
  /** With their subscriptions. */
  readonly subscriptions: boolean;
}

/** Ascending ids, most subscriptions first, … as /connz has them. */
export type ConnectionOrder =
  | "cid"
  | "subs"
  | "pending"
  | "msgs_to"
  | "msgs_from"
  | "bytes_to"
  | "bytes_from"
  | "last"
  | "idle"
  | "uptime"
  | "rtt";

/** What a shard has counted of one account since it started. */
export interface AccountCounters {
  readonly connections: number;
  readonly subscriptions: number;
  readonly subscriptionsAdded: number;
  readonly subscriptionsRemoved: number;
  readonly inMessages: number;
  readonly inBytes: number;
  readonly outMessages: number;
  readonly outBytes: number;
  readonly slowConsumers: number;
}

export interface ConnectionPage {
  readonly connections: readonly ConnectionRecord[];
  /** How many are open, wanted or not. */
  readonly openCount: number;
}

/** An answer that a service owes. */
export interface ResponseRecord {
  /** What it is to be published on. */
  readonly subject: string;
  /** Who waits for it, and on what subject. */
  readonly account: string;
  readonly reply: string;
  readonly isShared: boolean;
  /** Null where this request's latency is not measured. */
  readonly latency: ServiceLatency | null;
}

export interface SubscriptionPage {
  readonly subscriptions: readonly SubscriptionSnapshot[];
  /** How many there are in all. */
  readonly matchCount: number;
}

export interface SubscriptionSnapshot {
  readonly account: string;
  /** As in a `ConnectionRecord`. */
  readonly accountNameTag: string;
  readonly clientId: number;
  readonly subject: string;
  readonly queue: string;
  readonly sid: string;
  readonly delivered: number;
  readonly max: number;
}
