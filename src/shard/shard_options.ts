/** What a shard is started with, and what a reload may change. Plain data: it crosses threads. */
import type { ServerInfo } from "../protocol/info.ts";
import type { TlsContext } from "../runtime/tls.ts";

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
  readonly logsDebug: boolean;
  readonly logsTrace: boolean;
  readonly tracesHeadersOnly: boolean;
  readonly maxTracedBytes: number;
  readonly credentials: Credentials;
  /** TLS for clients; null for none. */
  readonly tls: ShardTls | null;
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
}

/** Who may connect. One of the ways; `none` accepts everybody. */
export type Credentials =
  | { readonly kind: "none" }
  | { readonly kind: "token"; readonly token: string; readonly timeoutMs: number }
  | {
      readonly kind: "users";
      readonly users: readonly { readonly user: string; readonly password: string }[];
      /** The user of clients that send no credentials, "" for none. */
      readonly noAuthUser: string;
      readonly timeoutMs: number;
    };

export interface ShardStart {
  readonly node: number;
  readonly memory: WebAssembly.Memory;
  readonly transport: "epoll" | "runtime";
  /** With the runtime's sockets every shard listens by itself. */
  readonly listen: { readonly host: string; readonly port: number; readonly reusePort: boolean } | null;
  readonly info: ServerInfo;
  readonly options: ShardOptions;
  /** Steady-clock milliseconds it looks again before it sleeps. */
  readonly spinMs: number;
  readonly hashSeed: number;
}

/** Main or the acceptor → shard, in a ring. */
export type ShardControl =
  | { readonly type: "accept"; readonly fd: number; readonly ip: string; readonly port: number }
  | { readonly type: "options"; readonly options: ShardOptions; readonly info: ServerInfo }
  | { readonly type: "query"; readonly id: number; readonly query: ShardQuery }
  /** Sends INFO to clients that take it at any time. */
  | { readonly type: "info"; readonly info: ServerInfo; readonly clientId?: number }
  /** Closes every `count`-th … the first `count` connections, for lame duck mode. */
  | { readonly type: "closeSome"; readonly count: number; readonly reason: number }
  /** Lowers the shard's connections to `count`, as after a reload of max_connections. */
  | { readonly type: "shrink"; readonly count: number }
  | { readonly type: "stopListening" }
  | { readonly type: "stop" }
  /** Throws inside the shard; the test of what happens then. */
  | { readonly type: "fail" };

export type ShardQuery =
  /** Nothing: the answer says that every command before it has been carried out. */
  | { readonly what: "done" }
  /** Closes connections whose certificate is not pinned any more: how many. */
  | { readonly what: "closeUnpinned" }
  /** Open connections: a `ConnectionPage`. */
  | ({ readonly what: "connections" } & ConnectionPick)
  /** All, or those that a message on a subject would reach: a `SubscriptionPage` with the first `count` of them. */
  | { readonly what: "subscriptions"; readonly subject: string | null; readonly count: number };

/** Shard → main, by postMessage. */
export type ShardReport =
  | { readonly type: "ready"; readonly port: number }
  | { readonly type: "log"; readonly level: ShardLogLevel; readonly text: string }
  | { readonly type: "answer"; readonly id: number; readonly data: unknown }
  | { readonly type: "closed"; readonly connection: ConnectionRecord }
  /** Where shards listen by themselves. The thread has served nobody and stops. */
  | { readonly type: "cannotListen"; readonly error: string }
  | { readonly type: "failed"; readonly error: string }
  | { readonly type: "stopped" }
  | { readonly type: "disposed" };

/** Main → a shard that has stopped, by postMessage: to give back what it opened. */
export interface ShardDispose {
  readonly type: "dispose";
}

export type ShardLogLevel = "info" | "warning" | "error" | "debug" | "trace";

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
  readonly user: string;
  readonly account: number;
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

export interface ConnectionPage {
  readonly connections: readonly ConnectionRecord[];
  /** How many are open, wanted or not. */
  readonly openCount: number;
}

export interface SubscriptionPage {
  readonly subscriptions: readonly SubscriptionSnapshot[];
  /** How many there are in all. */
  readonly matchCount: number;
}

export interface SubscriptionSnapshot {
  readonly account: number;
  readonly clientId: number;
  readonly subject: string;
  readonly queue: string;
  readonly sid: string;
  readonly delivered: number;
  readonly max: number;
}
