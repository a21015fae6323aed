/** Routes, gateways and leaf nodes as monitoring shows them, and how it asks for them. */
import type { ConnectionSnapshot } from "./connections.ts";
import type { SubscriptionSnapshot } from "./subscriptions.ts";
import type { Traffic } from "./traffic.ts";

export interface RoutesSnapshot {
  /** The cluster's configured permissions, `null` without. */
  readonly importPermission: SubjectPermission | null;
  readonly exportPermission: SubjectPermission | null;
  /** One per connection, several per peer. */
  readonly routes: readonly RouteSnapshot[];
}

export interface SubjectPermission {
  readonly allow: readonly string[];
  readonly deny: readonly string[];
}

export interface RouteSnapshot extends Traffic {
  readonly id: number;
  readonly remoteId: string;
  readonly remoteName: string;
  readonly isSolicited: boolean;
  /** Its URL stands in this server's own `routes`. */
  readonly isConfigured: boolean;
  readonly ip: string;
  readonly port: number;
  readonly startMs: number;
  readonly lastActivityMs: number;
  readonly roundTripNs: number;
  /** As the peer sent them, `null` without. */
  readonly importPermission: SubjectPermission | null;
  readonly exportPermission: SubjectPermission | null;
  readonly pendingBytes: number;
  readonly subscriptionCount: number;
  readonly subscriptions: readonly SubscriptionSnapshot[];
  /** The account this connection is dedicated to, empty on a pooled one. */
  readonly account: string;
  readonly compression: string;
}

export interface GatewayQuery {
  /** Only this remote; empty: all. */
  readonly gateway: string;
  readonly listsAccounts: boolean;
  /** Only this account; empty: all. */
  readonly account: string;
  readonly listsSubscriptions: boolean;
}

export interface GatewaysSnapshot {
  readonly name: string;
  /** Advertised address if there is one. */
  readonly host: string;
  readonly port: number;
  readonly outbound: readonly GatewaySnapshot[];
  readonly inbound: readonly GatewaySnapshot[];
}

export interface GatewaySnapshot {
  readonly name: string;
  /** False for discovered and for all inbound ones. */
  readonly isConfigured: boolean;
  readonly connection: ConnectionSnapshot;
  readonly accounts: readonly GatewayAccountSnapshot[];
}

export interface GatewayAccountSnapshot {
  readonly name: string;
  readonly interestMode: string;
  readonly noInterestCount: number;
  readonly interestOnlyThreshold: number;
  readonly subscriptionCount: number;
  readonly queueSubscriptionCount: number;
  readonly subscriptions: readonly SubscriptionSnapshot[];
}

export interface LeafnodeQuery {
  /** Only this local account; empty: all. */
  readonly account: string;
  readonly listsSubscriptions: boolean;
}

export interface LeafnodeSnapshot extends Traffic {
  readonly id: number;
  /** The remote server's. */
  readonly name: string;
  /** This server is the spoke, normally the soliciting side. */
  readonly isSpoke: boolean;
  readonly isIsolated: boolean;
  readonly account: string;
  readonly ip: string;
  readonly port: number;
  readonly roundTripNs: number;
  readonly subscriptionCount: number;
  readonly subscriptions: readonly SubscriptionSnapshot[];
  readonly compression: string;
  readonly isWebSocket: boolean;
  readonly proxyKey: string;
}
