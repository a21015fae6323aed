/**
 * What monitoring asks of a running server, in neutral units: numbers, milliseconds, plain strings. Reports turn it into
 * nats-server's field names and formats; nothing here, nor in `snapshots/`, knows about JSON.
 *
 * Every snapshot is taken once per request and not changed afterwards.
 */
import type { AccountDetailSnapshot, AccountSnapshot } from "./snapshots/accounts.ts";
import type { ConnectionQuery, ConnectionSelection } from "./snapshots/connections.ts";
import type {
  GatewayQuery,
  GatewaysSnapshot,
  LeafnodeQuery,
  LeafnodeSnapshot,
  RoutesSnapshot,
} from "./snapshots/links.ts";
import type { HealthSnapshot, QueueSnapshot, ServerSnapshot, ShardSnapshot } from "./snapshots/server.ts";
import type { SubscriptionQuery, SubscriptionSelection } from "./snapshots/subscriptions.ts";

/** The server's side of monitoring. All of it may wait for other threads. */
export interface MonitorSource {
  server(): Promise<ServerSnapshot>;
  /**
   * Clients and leafnode connections, filtered as `query` says; see `selectConnections`, which does it
   * for lists that are at hand. `null` if `query.account` names no known account.
   */
  connections(query: ConnectionQuery): Promise<ConnectionSelection | null>;
  subscriptions(query: SubscriptionQuery): Promise<SubscriptionSelection>;
  health(): Promise<HealthSnapshot>;
  /** Names of what `accounts` describes, without asking the threads that count for them. */
  accountNames(): Promise<readonly string[]>;
  /** Accounts loaded on this server, always with `$G` and the system account. */
  accounts(): Promise<readonly AccountSnapshot[]>;
  /** Everything about one account, `null` if it is not loaded. */
  account(name: string): Promise<AccountDetailSnapshot | null>;
  routes(listSubscriptions: boolean): Promise<RoutesSnapshot>;
  /** `null` on a server without gateways. */
  gateways(query: GatewayQuery): Promise<GatewaysSnapshot | null>;
  leafnodes(query: LeafnodeQuery): Promise<readonly LeafnodeSnapshot[]>;
  /** Internal queues by name, empty ones too. */
  queues(): Promise<ReadonlyMap<string, QueueSnapshot>>;
  /** The threads that serve connections. */
  shards(): Promise<readonly ShardSnapshot[]>;
  /** One text per thread: its name and, where it can be had, its stack. */
  threads(): Promise<readonly string[]>;
}
