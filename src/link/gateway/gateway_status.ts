/** What /gatewayz shows of gateways, as far as their protocol knows it. Plain data; texts are texts again. */
export interface GatewayGroupStatus {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly outbound: readonly GatewayLinkStatus[];
  readonly inbound: readonly GatewayLinkStatus[];
}

export interface GatewayLinkStatus {
  /** The other cluster. */
  readonly name: string;
  /** False for discovered and for all inbound ones. */
  readonly isConfigured: boolean;
  readonly id: number;
  /** Shown as the connection's name. */
  readonly remoteId: string;
  readonly ip: string;
  readonly port: number;
  readonly ageMs: number;
  /** 0 before the first measurement. */
  readonly roundTripNs: number;
  /** Of all accounts. */
  readonly subscriptionCount: number;
  readonly accounts: readonly GatewayAccountStatus[];
}

export interface GatewayAccountStatus {
  readonly name: string;
  readonly interestMode: "Optimistic" | "Transitioning" | "Interest-Only";
  /** Refused subjects. */
  readonly noInterestCount: number;
  /** With those of queue groups; 0 for inbound ones, like the rest. */
  readonly subscriptionCount: number;
  readonly queueSubscriptionCount: number;
  readonly subscriptions: readonly { readonly subject: string; readonly queue: string }[];
}

/** What of it is asked for: lists may be long. */
export interface GatewayStatusQuery {
  readonly listsAccounts: boolean;
  readonly listsSubscriptions: boolean;
}
