/** What monitoring shows of the configuration. */
import type { EpochMs } from "../go_json.ts";

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
  /** A block that is off has no port, and beside that only what is configured. */
  readonly cluster: ClusterOptions;
  readonly gateway: GatewayOptions;
  readonly leafnodes: LeafnodeOptions;
  readonly mqtt: MqttOptions;
  readonly webSocket: WebSocketOptions;
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
