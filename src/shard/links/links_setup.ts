/** What the links shard is told to be, and what it tells main. Plain data: it crosses threads. */
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
  /** The NATS version that other servers are told, and what runs this one. */
  readonly version: string;
  readonly goVersion: string;
  readonly gitCommit: string;
  readonly maxPayloadBytes: number;
  readonly maxControlLineBytes: number;
  readonly pingIntervalMs: number;
  /** Of what goes by WebSocket. */
  readonly webSocketPingIntervalMs: number;
  readonly pingsOutMax: number;
  readonly supportsHeaders: boolean;
  /** Of a connection, −1 for any number. */
  readonly maxSubscriptions: number;
  /** Accounts may come that no configuration names. */
  readonly isOperatorMode: boolean;
  /** Of a links shard that takes the place of another, in lame duck mode. */
  readonly isLameDuck: boolean;
  /** It was a leaf node from its start, so it is a cluster of its own where it is in no other. */
  readonly isOwnCluster: boolean;
  /** "" without one. */
  readonly systemAccount: string;
  readonly connectErrorReports: number;
  readonly reconnectErrorReports: number;
  /** `host:port` at which clients reach this server, and the same for WebSocket. */
  readonly connectUrls: readonly string[];
  readonly webSocketUrls: readonly string[];
  /** IP addresses of this machine. */
  readonly ownAddresses: readonly string[];
  /** By the names of contexts: `cluster`, `gateway`, `gateway:<name>`, `leafnodes`, `leaf:<index>`, `leaf:<index>:proxy`. */
  readonly tls: LinkTlsBlocks;
  /** Null without; `port` of each is the one that is open. */
  readonly cluster: LinksBlock<ClusterOptions> | null;
  readonly gateway: LinksBlock<GatewayOptions> | null;
  /** With a port of 0 where leaf nodes are only dialled. */
  readonly leafnodes: LinksBlock<LeafnodesOptions> | null;
}

/** The context for a remote, by its number in the configuration. */
export function leafRemoteContext(index: number): string {
  return `leaf:${index}`;
}

/** The context for the proxy of a remote that has this one. */
export function leafProxyContext(remote: string): string {
  return `${remote}:proxy`;
}

export type LinkTlsBlocks = Readonly<Record<string, LinkTlsBlock>>;

export interface LinkTlsBlock {
  readonly context: TlsContext;
  /** SHA-256 of the public keys that the other side may have, lower-case hex; empty for any. */
  readonly pinnedCerts: readonly string[];
  /** Main is asked whether the authorities of the other side's certificates stand by them. */
  readonly checksPeers: boolean;
}

export interface LinksBlock<T> {
  readonly options: T;
  readonly port: number;
}

/** The links shard → main, besides what every shard reports. */
export type LinksNews =
  /** Where clients reach the cluster's other servers has changed. */
  | {
      readonly type: "clientUrls";
      readonly listener: ClientListenerKind;
      readonly urls: readonly string[];
    }
  /** The cluster has another name than before. */
  | { readonly type: "clusterName"; readonly name: string }
  /** The clusters that gateways lead to have changed, or their order, nearest first. */
  | { readonly type: "otherClusters"; readonly names: readonly string[] }
  /** A message has come in an account that nobody has asked for here: it is to be found. */
  | { readonly type: "accountAwaited"; readonly account: string }
  /** A leaf link is up. */
  | { readonly type: "leafOpened"; readonly leaf: ClientInfo; readonly announces: boolean }
  /** One that was is over. */
  | {
      readonly type: "leafClosed";
      readonly leaf: ClientInfo;
      readonly record: LeafRecord;
      readonly reason: string;
    }
  /** A connection of leaf nodes is over that never was a link. */
  | { readonly type: "leafFailed"; readonly record: LeafRecord; readonly reason: string }
  /** A leaf node could not log in. */
  | { readonly type: "leafRefused"; readonly leaf: ClientInfo; readonly reason: string }
  /** A leaf node connected in an account, which other clusters are to know. */
  | { readonly type: "leafConnected"; readonly account: string };
