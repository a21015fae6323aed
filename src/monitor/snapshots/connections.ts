/** Connections as monitoring shows them, and how it asks for them. */
import type { Integer } from "../go_json.ts";
import type { ConnectionState } from "../parameters.ts";
import type { SubscriptionSnapshot } from "./subscriptions.ts";
import type { Traffic } from "./traffic.ts";

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

/** Orders of connections; `pageOfConnections` says which of them ascend. */
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
  /** Where the page ends: no more than this many connections are looked at. */
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
