/** Gateways as monitoring shows them: from what their protocol knows, and what the links shard counts. */
import type {
  GatewayAccountStatus,
  GatewayGroupStatus,
  GatewayLinkStatus,
} from "../link/gateway/gateway_status.ts";
import type {
  ConnectionSnapshot,
  GatewayAccountSnapshot,
  GatewayQuery,
  GatewaySnapshot,
  GatewaysSnapshot,
} from "../monitor/snapshot.ts";

/** As many refused subjects of an account make a gateway tell its interest instead. Source: nats-server. */
const REFUSED_SUBJECTS_MAX = 1000;

/** `connections` has the sockets of gateways among others; one that has closed meanwhile is left out. */
export function gatewaysSnapshot(
  { name, host, port, outbound, inbound }: GatewayGroupStatus,
  connections: readonly ConnectionSnapshot[],
  query: GatewayQuery,
): GatewaysSnapshot {
  const byId = new Map(connections.map((connection) => [connection.id, connection]));
  const shown = (links: readonly GatewayLinkStatus[]): GatewaySnapshot[] =>
    links.flatMap((link) => {
      const connection = byId.get(link.id);
      const isAsked = query.gateway === "" || query.gateway === link.name;
      return connection !== undefined && isAsked ? [gatewaySnapshot(link, connection, query)] : [];
    });
  return { name, host, port, outbound: shown(outbound), inbound: shown(inbound) };
}

function gatewaySnapshot(
  link: GatewayLinkStatus,
  connection: ConnectionSnapshot,
  query: GatewayQuery,
): GatewaySnapshot {
  const { name, isConfigured, remoteId, roundTripNs, subscriptionCount, accounts } = link;
  const isAsked = ({ name: account }: GatewayAccountStatus) =>
    query.account === "" || query.account === account;
  return {
    name,
    isConfigured,
    connection: {
      ...connection,
      kind: "Gateway",
      type: "",
      name: remoteId,
      roundTripNs,
      subscriptionCount,
    },
    accounts: accounts.filter(isAsked).map((account) => accountSnapshot(account, connection.id)),
  };
}

function accountSnapshot(account: GatewayAccountStatus, connectionId: number): GatewayAccountSnapshot {
  const { name, interestMode, noInterestCount, subscriptionCount, queueSubscriptionCount } = account;
  return {
    name,
    interestMode,
    noInterestCount,
    interestOnlyThreshold: REFUSED_SUBJECTS_MAX,
    subscriptionCount,
    queueSubscriptionCount,
    subscriptions: account.subscriptions.map(({ subject, queue }) => ({
      account: "",
      accountNameTag: "",
      subject,
      queue,
      sid: "",
      deliveredMessages: 0,
      deliveriesMax: 0,
      connectionId,
    })),
  };
}
