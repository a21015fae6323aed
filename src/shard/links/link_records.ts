/** Links as monitoring shows them, and the counters of the links shard. Plain data: it crosses threads. */
import type { ConnectionTlsRecord } from "../watch/records.ts";

/** What the records of all links have. */
export interface LinkRecord {
  readonly id: number;
  /** Address of the other end. */
  readonly ip: string;
  readonly port: number;
  readonly startMs: number;
  /** When messages last crossed the link, or interest came. */
  readonly lastActivityMs: number;
  /** 0 before the first measurement. */
  readonly roundTripNs: number;
  readonly pendingBytes: number;
  readonly inMessages: number;
  readonly outMessages: number;
  readonly inBytes: number;
  readonly outBytes: number;
  /** Number of subscriptions of the peer. */
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
  /** The name under which nats-server knows it, `R <account> <subject>`; "" for none. */
  readonly sid: string;
}

export interface RouteRecord extends LinkRecord {
  readonly remoteId: string;
  readonly remoteName: string;
  readonly isSolicited: boolean;
  /** Whether its URL stands in this server's configuration. */
  readonly isConfigured: boolean;
  /** The permissions as the peer sent them, null if it sent none. */
  readonly importPermission: SubjectLists | null;
  readonly exportPermission: SubjectLists | null;
  readonly compression: string;
  /** The account that the route is dedicated to, "" for a route of the pool. */
  readonly account: string;
}

export interface SubjectLists {
  readonly allow: readonly string[];
  readonly deny: readonly string[];
}

export interface GatewaysRecord {
  readonly name: string;
  /** The address at which others may dial the gateway. */
  readonly host: string;
  readonly port: number;
  readonly outbound: readonly GatewayRecord[];
  readonly inbound: readonly GatewayRecord[];
}

export interface GatewayRecord extends LinkRecord {
  /** Name of the other cluster. */
  readonly name: string;
  /** Whether the gateway is configured; false for discovered and all inbound ones. */
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
  /** Name and version of the server at the other end, as it told them. */
  readonly name: string;
  readonly version: string;
  /** Whether this server is the leaf node. */
  readonly isSpoke: boolean;
  readonly isSolicited: boolean;
  readonly isIsolated: boolean;
  readonly account: string;
  /** The user that logged in; "" on the side that dialled. */
  readonly user: string;
  readonly compression: string;
  readonly isWebSocket: boolean;
  readonly proxyKey: string;
}

/** Counters of the links shard over all its links. */
export interface LinkCounts {
  /** Number of route connections. */
  readonly routes: number;
  /** Number of servers at the other ends of routes. */
  readonly routePeers: number;
  readonly leafnodes: number;
  readonly slowConsumers: LinkCountByKind;
  readonly staleConnections: LinkCountByKind;
  /** Known clusters, with `host:port` of their gateways. */
  readonly remoteGateways: readonly { readonly name: string; readonly urls: readonly string[] }[];
}

/**
 * For each account: the number of its leaf nodes, and the messages that have crossed links of each kind since the shard
 * started.
 */
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
