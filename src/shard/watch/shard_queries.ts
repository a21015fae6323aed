/** What monitoring asks of shards; the answers are `records.ts`. Plain data: both cross threads. */

export type ShardQuery =
  /** Nothing: the answer says that every command before it has been carried out. */
  | { readonly what: "done" }
  /** Closes connections whose certificate is not pinned any more: how many. */
  | { readonly what: "closeUnpinned" }
  /** Open connections: a `ConnectionPage`. */
  | ({ readonly what: "connections" } & ConnectionPick)
  /**
   * All, or those that a message on a subject would reach: a `SubscriptionPage` with the first `count` of them. Of one
   * account, or of all ("").
   */
  | {
      readonly what: "subscriptions";
      readonly account: string;
      readonly subject: string | null;
      readonly count: number;
    }
  /** What an open client may do: a `UserRecord`, or null where it is not. */
  | { readonly what: "user"; readonly clientId: number }
  /** Closes a client: true where it was here. */
  | { readonly what: "kick"; readonly clientId: number }
  /** Tells a client to go by itself: whether it can be told, null where it is not here. */
  | { readonly what: "lameDuck"; readonly clientId: number }
  /** How many subscriptions of an account a message on a subject, or on any of a pattern, may reach. */
  | {
      readonly what: "subscribers";
      readonly account: string;
      readonly subject: string;
      /** Only members of this queue group; null for all subscriptions. */
      readonly queue: string | null;
    }
  /** Answers that are due to requests of clients of this shard, from the account of that name: `ResponseRecord[]`. */
  | { readonly what: "responses"; readonly account: string }
  /** Ids of the connections that an account has here, by its name: clients, and on the links shard leaf nodes. */
  | { readonly what: "accountConnections"; readonly account: string }
  /** What each account has here: `AccountCounters` by name. */
  | { readonly what: "accounts" }
  | LinkQuery;

/** The links shard's alone: its links, as monitoring shows them. `subscriptions`: with what their peers want. */
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
  /** The first `count` in this order, ties by client id. */
  readonly order: ConnectionOrder;
  readonly count: number;
  /** Only this client; 0 for all. */
  readonly clientId: number;
  /** Only clients that authenticated under this name; "" for all. */
  readonly user: string;
  /** Only clients of this account; "" for all. */
  readonly account: string;
  /** Only those with a subscription that can meet this subject; "" for all. */
  readonly subject: string;
  /** With their subscriptions. */
  readonly subscriptions: boolean;
}

/** Ascending ids, most subscriptions first, … as /connz has them. */
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
