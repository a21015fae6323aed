/** The queries of monitoring to shards; `records.ts` has the answers. Plain data: both cross threads. */

export type ShardQuery =
  /** Asks nothing: the answer says that every earlier command has been carried out. */
  | { readonly what: "done" }
  /** Closes connections whose certificate is not pinned any more. Answer: how many. */
  | { readonly what: "closeUnpinned" }
  /** Open connections: a `ConnectionPage`. */
  | ({ readonly what: "connections" } & ConnectionPick)
  /**
   * All subscriptions, or those that a message on `subject` would reach; of one account, or of all (""). Answer: a
   * `SubscriptionPage` with the first `count` of them.
   */
  | {
      readonly what: "subscriptions";
      readonly account: string;
      readonly subject: string | null;
      readonly count: number;
    }
  /** What an open client may do. Answer: a `UserRecord`, or null if the client is not here. */
  | { readonly what: "user"; readonly clientId: number }
  /** Closes a client. Answer: whether it was here. */
  | { readonly what: "kick"; readonly clientId: number }
  /** Tells a client to leave by itself. Answer: whether it can be told, or null if it is not here. */
  | { readonly what: "lameDuck"; readonly clientId: number }
  /** How many subscriptions of an account a message on a subject, or on any subject of a pattern, may reach. */
  | {
      readonly what: "subscribers";
      readonly account: string;
      readonly subject: string;
      /** Only members of this queue group; null for all subscriptions. */
      readonly queue: string | null;
    }
  /** The answers due to requests of this shard's clients, from the account of that name: `ResponseRecord[]`. */
  | { readonly what: "responses"; readonly account: string }
  /** Ids of the connections that an account has here, by its name: clients, and on the links shard leaf nodes. */
  | { readonly what: "accountConnections"; readonly account: string }
  /** The counters of each account here: `AccountCounters` by name. */
  | { readonly what: "accounts" }
  | LinkQuery;

/**
 * Queries to the links shard only: its links as monitoring shows them. `subscriptions`: include the peers'
 * subscriptions.
 */
export type LinkQuery =
  /** `LinkCounts` */
  | { readonly what: "links" }
  /** `LinkAccounts` */
  | { readonly what: "linkAccounts" }
  /** `RouteRecord[]` */
  | { readonly what: "routes"; readonly subscriptions: boolean }
  /** `GatewaysRecord`, null without gateways. */
  | { readonly what: "gateways"; readonly listsAccounts: boolean; readonly listsSubscriptions: boolean }
  /** `LeafRecord[]`, of one account, or of all (""). */
  | { readonly what: "leafs"; readonly account: string; readonly subscriptions: boolean };

/** Which connections are wanted. */
export interface ConnectionPick {
  /** The first `count` connections in this order; ties are ordered by client id. */
  readonly order: ConnectionOrder;
  readonly count: number;
  /** Only this client; 0 for all. */
  readonly clientId: number;
  /** Only clients that authenticated under this name; "" for all. */
  readonly user: string;
  /** Only clients of this account; "" for all. */
  readonly account: string;
  /** Only clients with a subscription that overlaps this subject; "" for all. */
  readonly subject: string;
  /** Whether to include the subscriptions. */
  readonly subscriptions: boolean;
}

/** Orders of connections as /connz has them: ascending ids, most subscriptions first, … */
export type ConnectionOrder =
  | "cid"
  | "subs"
  | "pending"
  | "msgs_to"
  | "msgs_from"
  | "bytes_to"
  | "bytes_from"
  | "last"
  | "idle"
  | "uptime"
  | "rtt";
