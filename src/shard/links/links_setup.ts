/** What the links shard is told to do, and what it tells main. Plain data: it crosses threads. */
import type { ClientInfo } from "../../account/client_info.ts";
import type { ClusterOptions } from "../../config/cluster.ts";
import type { GatewayOptions } from "../../config/gateway.ts";
import type { LeafnodesOptions } from "../../config/leafnodes.ts";
import type { ClientListenerKind } from "../../fabric/listeners.ts";
import type { TlsContext } from "../../runtime/tls.ts";
import type { LeafRecord } from "./link_records.ts";

export interface LinksSetup {
  readonly serverId: string;
  readonly serverName: string;
  /** The NATS version that other servers are told, and the software of this one. */
  readonly version: string;
  readonly goVersion: string;
  readonly gitCommit: string;
  readonly maxPayloadBytes: number;
  readonly maxControlLineBytes: number;
  readonly pingIntervalMs: number;
  /** Ping interval of links over WebSocket. */
  readonly webSocketPingIntervalMs: number;
  readonly pingsOutMax: number;
  readonly supportsHeaders: boolean;
  /** Subscriptions of a connection, −1 for any number. */
  readonly maxSubscriptions: number;
  /** Whether there may be accounts that no configuration names. */
  readonly isOperatorMode: boolean;
  /** Whether lame duck mode has begun, for a links shard that replaces a dead one. */
  readonly isLameDuck: boolean;
  /**
   * As it is configured. A server that has a name, was a leaf node from its start and is in no cluster is one by itself.
   * "" for none.
   */
  readonly clusterName: string;
  /** Name of the system account; "" if there is none. */
  readonly systemAccount: string;
  readonly connectErrorReports: number;
  readonly reconnectErrorReports: number;
  /** `host:port` at which clients reach this server, by TCP and by WebSocket. */
  readonly connectUrls: readonly string[];
  readonly webSocketUrls: readonly string[];
  /** IP addresses of this machine. */
  readonly ownAddresses: readonly string[];
  /**
   * TLS blocks by the names of contexts: `cluster`, `gateway`, `gateway:<name>`, `leafnodes`, `leaf:<index>`,
   * `leaf:<index>:proxy`.
   */
  readonly tls: LinkTlsBlocks;
  /** Null if there are no routes. The `port` of each block is the one that is open. */
  readonly cluster: LinksBlock<ClusterOptions> | null;
  readonly gateway: LinksBlock<GatewayOptions> | null;
  /** Its port is 0 if leaf nodes are only dialled. */
  readonly leafnodes: LinksBlock<LeafnodesOptions> | null;
}

/** Name of the TLS context for a remote, by its number in the configuration. */
export function leafRemoteContext(index: number): string {
  return `leaf:${index}`;
}

/** Name of the TLS context for the proxy of a remote, by the name of the remote's context. */
export function leafProxyContext(remote: string): string {
  return `${remote}:proxy`;
}

export type LinkTlsBlocks = Readonly<Record<string, LinkTlsBlock>>;

export interface LinkTlsBlock {
  readonly context: TlsContext;
  /** SHA-256 of the public keys that the peer may have, lower-case hex; empty for any. */
  readonly pinnedCerts: readonly string[];
  /** Whether main is asked if the authorities still vouch for the peer's certificates. */
  readonly checksPeers: boolean;
}

export interface LinksBlock<T> {
  readonly options: T;
  readonly port: number;
}

/** What the links shard tells main, besides the reports of every shard. */
export type LinksNews =
  /** The addresses at which clients reach the cluster's other servers have changed. */
  | {
      readonly type: "clientUrls";
      readonly listener: ClientListenerKind;
      readonly urls: readonly string[];
    }
  /** The name of the cluster has changed. */
  | { readonly type: "clusterName"; readonly name: string }
  /** The clusters that gateways lead to, or their order, nearest first, have changed. */
  | { readonly type: "otherClusters"; readonly names: readonly string[] }
  /** A message has come in an account that nobody has asked for here: main is to find the account. */
  | { readonly type: "accountAwaited"; readonly account: string }
  /** A leaf node's link is up. */
  | { readonly type: "leafOpened"; readonly leaf: ClientInfo; readonly announces: boolean }
  /** A leaf node's link that was up has ended. */
  | {
      readonly type: "leafClosed";
      readonly leaf: ClientInfo;
      readonly record: LeafRecord;
      readonly reason: string;
    }
  /** A leaf node's connection has ended before its link was up. */
  | { readonly type: "leafFailed"; readonly record: LeafRecord; readonly reason: string }
  /** A leaf node could not log in. */
  | { readonly type: "leafRefused"; readonly leaf: ClientInfo; readonly reason: string }
  /** A leaf node has connected in an account, which other clusters are to know. */
  | { readonly type: "leafConnected"; readonly account: string };
