/** What a shard is started with, and the options that a reload may change. Plain data: it crosses threads. */
import type { AccountDefinition } from "../account/definition.ts";
import type { LoginRules } from "../auth/login_rules.ts";
import type { ListenerKind } from "../fabric/listeners.ts";
import type { ServerInfo } from "../protocol/info.ts";
import type { UpgradeRules } from "../protocol/websocket/upgrade.ts";
import type { TlsContext } from "../runtime/tls.ts";

export interface ShardOptions {
  readonly maxConnections: number;
  readonly maxPayloadBytes: number;
  readonly maxControlLineBytes: number;
  readonly maxPendingBytes: number;
  /** Subscriptions per connection, 0 for unlimited. */
  readonly maxSubscriptions: number;
  /** Tokens of a subject in SUB, 0 for unlimited. */
  readonly maxSubscriptionTokens: number;
  readonly pingIntervalMs: number;
  readonly pingMax: number;
  readonly writeDeadlineMs: number;
  readonly retriesWrites: boolean;
  readonly dropsInsteadOfStalling: boolean;
  readonly supportsHeaders: boolean;
  /** Whether proxies may send a header that tells their client's address. */
  readonly takesProxyHeaders: boolean;
  readonly logsDebug: boolean;
  readonly logsTrace: boolean;
  readonly tracesHeadersOnly: boolean;
  readonly maxTracedBytes: number;
  readonly login: LoginSettings;
  /** All accounts, including the global one. */
  readonly accounts: readonly AccountDefinition[];
  /** Random words that the reply subjects of services are derived from; the same on all shards. */
  readonly replySecret: readonly number[];
  /** The part of such a reply subject that tells other servers to find this one. */
  readonly serverHash: string;
  /** The cluster's name, which decides which destinations of mappings count; undefined outside a cluster. */
  readonly clusterName: string | undefined;
  /** TLS for clients; null for none. */
  readonly tls: ShardTls | null;
  /** The WebSocket port; null if there is none, which no reload changes. */
  readonly webSocket: ShardWebSocket | null;
}

/** Options of clients of the WebSocket port that differ from those of the client port. */
export interface ShardWebSocket {
  readonly rules: UpgradeRules;
  readonly tls: Pick<ShardTls, "context" | "pinnedCerts" | "checksPeers"> | null;
  /** Time for everything that comes before INFO; 0 for no time set. */
  readonly handshakeTimeoutMs: number;
  readonly pingIntervalMs: number;
  /** How long a client that must log in may take. */
  readonly loginTimeoutMs: number;
  /** Whether leaf nodes may come by the WebSocket port, which they may if there is a listener for leaf nodes. */
  readonly takesLeafs: boolean;
  /** Fields of INFO that differ from the client port's. */
  readonly info: Pick<ServerInfo, "host" | "port" | "tlsRequired" | "tlsVerify" | "tlsAvailable">;
}

export interface ShardTls {
  readonly context: TlsContext;
  /** Whether clients without TLS are served on the same port. */
  readonly allowsPlain: boolean;
  /** Whether the handshake comes before INFO. */
  readonly isFirst: boolean;
  /** How long a client has to begin the handshake before INFO is sent in clear; 0: it must begin with the handshake. */
  readonly fallbackDelayMs: number;
  readonly timeoutMs: number;
  /** SHA-256 of the public keys that clients may have, lower-case hex; empty for any. */
  readonly pinnedCerts: readonly string[];
  /** Handshakes per second of all shards together, 0 for any number. */
  readonly connectionRateLimit: number;
  /** Whether main is asked if the authorities still vouch for a client's certificates. */
  readonly checksPeers: boolean;
}

export interface LoginSettings {
  readonly rules: LoginRules;
  /** How long a client that must log in may take. */
  readonly timeoutMs: number;
  /** What else the answers of an auth callout depend on: when it changes, logged-in clients are judged again. */
  readonly calloutTargets: readonly unknown[];
}

export interface ShardStart {
  readonly node: number;
  readonly memory: WebAssembly.Memory;
  readonly engineCode: WebAssembly.Module;
  /** For the links shard: the code that compresses its links (`engine/s2_codec.ts`). */
  readonly s2Code: WebAssembly.Module | null;
  /** The code that compresses WebSocket messages (`engine/deflater.ts`), null if there are no WebSockets. */
  readonly deflateCode: WebAssembly.Module | null;
  readonly transport: "epoll" | "runtime";
  /** The ports that the shard listens on by itself, as it does with the runtime's sockets. */
  readonly listen: readonly OwnListener[];
  readonly info: ServerInfo;
  /** Names of the clusters that gateways lead to, nearest first. */
  readonly otherClusters: readonly string[];
  readonly options: ShardOptions;
  /** Steady-clock milliseconds for which the shard looks for work before it sleeps. */
  readonly spinMs: number;
  readonly hashSeed: number;
  /** Takes `LoginQuestion`s, as JSON, to the logins thread. */
  readonly logins: MessagePort;
}

/** A port that a shard listens on by itself. */
export interface OwnListener {
  readonly kind: ListenerKind;
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  /** Whether other shards listen on the same port. */
  readonly reusePort: boolean;
}
