/**
 * What /gatewayz shows of gateways, as far as their protocol knows it. Plain data; texts are texts here, no byte
 * strings.
 */
export interface GatewayGroupStatus {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly outbound: readonly GatewayLinkStatus[];
  readonly inbound: readonly GatewayLinkStatus[];
}

export interface GatewayLinkStatus {
  /** The name of the other cluster. */
  readonly name: string;
  /** False for discovered clusters and for all inbound connections. */
  readonly isConfigured: boolean;
  readonly id: number;
  /** The peer's server id, shown as the connection's name. */
  readonly remoteId: string;
  readonly ip: string;
  readonly port: number;
  readonly ageMs: number;
  /** 0 before the first measurement. */
  readonly roundTripNs: number;
  /** The number in all accounts. */
  readonly subscriptionCount: number;
  readonly accounts: readonly GatewayAccountStatus[];
}

export interface GatewayAccountStatus {
  readonly name: string;
  readonly interestMode: "Optimistic" | "Transitioning" | "Interest-Only";
  /** The number of refused subjects. */
  readonly noInterestCount: number;
  /** Includes those of queue groups. 0 for inbound connections, like the other numbers. */
  readonly subscriptionCount: number;
  readonly queueSubscriptionCount: number;
  readonly subscriptions: readonly { readonly subject: string; readonly queue: string }[];
}

/** Which lists are asked for; they may be long. */
export interface GatewayStatusQuery {
  readonly listsAccounts: boolean;
  readonly listsSubscriptions: boolean;
}
