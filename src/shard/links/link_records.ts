/** Links as monitoring shows them, and what the links shard counts. Plain data: it crosses threads. */
import type { ConnectionTlsRecord } from "../watch/records.ts";

/** What every link has. */
export interface LinkRecord {
  readonly id: number;
  /** Of the other end. */
  readonly ip: string;
  readonly port: number;
  readonly startMs: number;
  /** When messages crossed it last, or interest came. */
  readonly lastActivityMs: number;
  /** 0 before the first measurement. */
  readonly roundTripNs: number;
  readonly pendingBytes: number;
  readonly inMessages: number;
  readonly outMessages: number;
  readonly inBytes: number;
  readonly outBytes: number;
  /** What the peer wants. */
  readonly subscriptionCount: number;
  /** Empty unless asked for. */
  readonly subscriptions: readonly LinkSubscription[];
  readonly tls: ConnectionTlsRecord | null;
}

export interface LinkSubscription {
  readonly account: string;
  readonly subject: string;
  /** "" for plain interest. */
  readonly queue: string;
  /** By what name nats-server knows it: `R <account> <subject>`; "" for none. */
  readonly sid: string;
}

export interface RouteRecord extends LinkRecord {
  readonly remoteId: string;
  readonly remoteName: string;
  readonly isSolicited: boolean;
  /** Its URL stands in this server's configuration. */
  readonly isConfigured: boolean;
  /** As the peer sent them, null without. */
  readonly importPermission: SubjectLists | null;
  readonly exportPermission: SubjectLists | null;
  readonly compression: string;
  /** The account it is dedicated to, "" where it is of the pool. */
  readonly account: string;
}

export interface SubjectLists {
  readonly allow: readonly string[];
  readonly deny: readonly string[];
}

export interface GatewaysRecord {
  readonly name: string;
  /** As others may dial it. */
  readonly host: string;
  readonly port: number;
  readonly outbound: readonly GatewayRecord[];
  readonly inbound: readonly GatewayRecord[];
}

export interface GatewayRecord extends LinkRecord {
  /** The other cluster. */
  readonly name: string;
  /** False for discovered and for all inbound ones. */
  readonly isConfigured: boolean;
  readonly remoteId: string;
  readonly accounts: readonly GatewayAccountRecord[];
}

export interface GatewayAccountRecord {
  readonly name: string;
  readonly interestMode: string;
  readonly noInterestCount: number;
  readonly subscriptionCount: number;
  readonly queueSubscriptionCount: number;
  readonly subscriptions: readonly { readonly subject: string; readonly queue: string }[];
}

export interface LeafRecord extends LinkRecord {
  /** The server at the other end, and its version as it said. */
  readonly name: string;
  readonly version: string;
  /** This server is the leaf node. */
  readonly isSpoke: boolean;
  readonly isSolicited: boolean;
  readonly isIsolated: boolean;
  readonly account: string;
  /** Who logged in; "" on the side that dialled. */
  readonly user: string;
  readonly compression: string;
  readonly isWebSocket: boolean;
  readonly proxyKey: string;
}

/** What the links shard counts of all its links. */
export interface LinkCounts {
  /** Route connections. */
  readonly routes: number;
  /** Servers at their other ends. */
  readonly routePeers: number;
  readonly leafnodes: number;
  readonly slowConsumers: LinkCountByKind;
  readonly staleConnections: LinkCountByKind;
  /** Clusters that are known, with `host:port` of their gateways. */
  readonly remoteGateways: readonly { readonly name: string; readonly urls: readonly string[] }[];
}

/** By account: its leaf links, and what messages of it have crossed links of each kind since the shard started. */
export type LinkAccounts = Readonly<Record<string, LinkAccountCounters>>;

export interface LinkAccountCounters {
  readonly leafnodes: number;
  readonly byRoutes: LinkTraffic;
  readonly byGateways: LinkTraffic;
  readonly byLeafnodes: LinkTraffic;
}

export interface LinkTraffic {
  readonly inMessages: number;
  readonly inBytes: number;
  readonly outMessages: number;
  readonly outBytes: number;
}

export interface LinkCountByKind {
  readonly routes: number;
  readonly gateways: number;
  readonly leafnodes: number;
}
