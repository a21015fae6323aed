/** Links as the shard reports them, turned into what monitoring shows. */
import type { ConnectionSnapshot } from "../../monitor/snapshots/connections.ts";
import type {
  GatewaySnapshot,
  GatewaysSnapshot,
  LeafnodeSnapshot,
  RouteSnapshot,
} from "../../monitor/snapshots/links.ts";
import type { SubscriptionSnapshot } from "../../monitor/snapshots/subscriptions.ts";
import type {
  GatewayRecord,
  GatewaysRecord,
  LeafRecord,
  LinkRecord,
  LinkSubscription,
  RouteRecord,
} from "../../shard/links/link_records.ts";

/** nats-server's value. This server has no use for it: it tells all its interest from the start. */
const INTEREST_ONLY_THRESHOLD = 1000;

export function routeSnapshot(record: RouteRecord): RouteSnapshot {
  return { ...record, subscriptions: subscriptionsOf(record) };
}

export function gatewaysSnapshot({ outbound, inbound, ...own }: GatewaysRecord): GatewaysSnapshot {
  return { ...own, outbound: outbound.map(gatewaySnapshot), inbound: inbound.map(gatewaySnapshot) };
}

function gatewaySnapshot(record: GatewayRecord): GatewaySnapshot {
  const { name, isConfigured, remoteId, accounts } = record;
  return {
    name,
    isConfigured,
    connection: { ...connectionOf(record), kind: "Gateway", name: remoteId },
    accounts: accounts.map((account) => ({
      ...account,
      interestOnlyThreshold: INTEREST_ONLY_THRESHOLD,
      subscriptions: account.subscriptions.map((each) =>
        subscriptionSnapshot({ ...each, account: account.name, sid: "" }, record.id),
      ),
    })),
  };
}

export function leafnodeSnapshot(record: LeafRecord): LeafnodeSnapshot {
  return { ...record, subscriptions: subscriptionsOf(record) };
}

/** A leaf link in the list of connections. One that this server dialled has no name there. */
export function leafConnectionSnapshot(record: LeafRecord): ConnectionSnapshot {
  const { isSolicited, name, version, account, user, proxyKey } = record;
  return {
    ...connectionOf(record),
    kind: "Leafnode",
    name: isSolicited ? "" : name,
    version: isSolicited ? "" : version,
    user,
    account,
    accountNameTag: account,
    proxyKey,
  };
}

function connectionOf(record: LinkRecord): ConnectionSnapshot {
  return {
    ...record,
    kind: "Leafnode",
    type: "",
    stop: null,
    stalls: 0,
    name: "",
    language: "",
    version: "",
    user: "",
    account: "",
    accountNameTag: "",
    userNameTag: "",
    jwt: "",
    issuerKey: "",
    tags: [],
    mqttClient: "",
    proxyKey: "",
    subscriptions: subscriptionsOf(record),
  };
}

function subscriptionsOf({ id, subscriptions }: LinkRecord): SubscriptionSnapshot[] {
  return subscriptions.map((each) => subscriptionSnapshot(each, id));
}

function subscriptionSnapshot(
  { account, subject, queue, sid }: LinkSubscription,
  connectionId: number,
): SubscriptionSnapshot {
  return {
    account,
    accountNameTag: account,
    subject,
    queue,
    sid,
    deliveredMessages: 0,
    deliveriesMax: 0,
    connectionId,
  };
}
