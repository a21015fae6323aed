/** Subscriptions as monitoring shows them, and how it asks for them. */

export interface SubscriptionSnapshot {
  readonly account: string;
  /** The account's name tag, or its name. */
  readonly accountNameTag: string;
  readonly subject: string;
  /** Queue group, empty without. */
  readonly queue: string;
  readonly sid: string;
  readonly deliveredMessages: number;
  /** Auto-unsubscribe limit, 0 without. */
  readonly deliveriesMax: number;
  readonly connectionId: number;
}

export interface SubscriptionQuery {
  /** Only this account; empty: all. An unknown one has no subscriptions. */
  readonly account: string;
  /** Without it only the statistics are wanted. */
  readonly isListed: boolean;
  /** Only subscriptions that a message on this literal subject would reach; empty: all. */
  readonly testSubject: string;
  /** The wanted part of the matching subscriptions, in any but a steady order: [start, end). */
  readonly start: number;
  readonly end: number;
}

export interface SubscriptionSelection {
  readonly statistics: InterestStatistics;
  /** How many subscriptions match, before paging; 0 unless listed. */
  readonly matchCount: number;
  readonly page: readonly SubscriptionSnapshot[];
}

/** Sums over the accounts asked for. */
export interface InterestStatistics {
  readonly subscriptions: number;
  readonly cacheEntries: number;
  readonly inserts: number;
  readonly removes: number;
  /** Look-ups, those answered from the cache included. */
  readonly matches: number;
  readonly cacheHits: number;
  /** Most subscriptions in one cached result. */
  readonly fanoutMax: number;
  /** Subscriptions in all cached results together. */
  readonly fanoutTotal: number;
}
