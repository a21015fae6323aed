/** What a shard is started with, and what a reload may change. Plain data: it crosses threads. */
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
  readonly info: Pick<ServerInfo, "host" | "port" | "tlsRequired" | "tlsVerify" | "tlsAvailable">;
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
  /** Of the links shard: how its links are compressed (`engine/s2_codec.ts`). */
  readonly s2Code: WebAssembly.Module | null;
  /** How messages of WebSockets are compressed (`engine/deflater.ts`), null where there are none. */
  readonly deflateCode: WebAssembly.Module | null;
  readonly transport: "epoll" | "runtime";
  /** With the runtime's sockets shards listen by themselves. */
  readonly listen: readonly OwnListener[];
  readonly info: ServerInfo;
  /** Where gateways lead to, nearest first. */
  readonly otherClusters: readonly string[];
  readonly options: ShardOptions;
  /** Steady-clock milliseconds it looks again before it sleeps. */
  readonly spinMs: number;
  readonly hashSeed: number;
  /** Takes `LoginQuestion`s, as JSON, to the logins thread. */
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
