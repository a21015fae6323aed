import type { LinkConnection } from "../core/link.ts";

/** What /gatewayz shows, but for what the connections themselves have counted. Names are byte strings. */
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
  readonly connection: LinkConnection;
  /** Shown as the connection's name. */
  readonly remoteId: string;
  readonly rttMs: number;
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
