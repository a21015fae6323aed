import { connectionReport, subscriptionLists } from "./connection_report.ts";
import { formatTime, omitEmpty, sortedRecord } from "./go_json.ts";
import type { SubscriptionListing } from "./parameters.ts";
import type { GatewayAccountSnapshot, GatewaySnapshot } from "./snapshots/links.ts";
import type { MonitorSource } from "./source.ts";

export interface GatewayzOptions {
  /** Only this remote; empty: all. */
  readonly gateway: string;
  readonly listsAccounts: boolean;
  /** Only this account, which also lists accounts; empty: all. */
  readonly account: string;
  /** Needs accounts. */
  readonly subscriptions: SubscriptionListing;
}

const GATEWAYZ_DEFAULTS: GatewayzOptions = {
  gateway: "",
  listsAccounts: false,
  account: "",
  subscriptions: "none",
};

export type Gatewayz = Awaited<ReturnType<typeof gatewayz>>;

/** Gateway connections by remote cluster. Source: nats-server `Gatewayz`. */
export async function gatewayz(source: MonitorSource, options: Partial<GatewayzOptions> = {}) {
  const all = { ...GATEWAYZ_DEFAULTS, ...options };
  const { identity, nowMs } = await source.server();
  const listsAccounts = all.listsAccounts || all.account !== "";
  const snapshot = await source.gateways({
    gateway: all.gateway,
    listsAccounts,
    account: all.account,
    listsSubscriptions: all.subscriptions !== "none",
  });
  const now = formatTime(nowMs);
  if (snapshot === null) return { server_id: identity.id, now, outbound_gateways: {}, inbound_gateways: {} };

  const isShown = ({ name }: GatewaySnapshot) => all.gateway === "" || name === all.gateway;
  const show = (gateway: GatewaySnapshot) => gatewayReport(gateway, nowMs, all, listsAccounts);
  const outbound = snapshot.outbound.filter(isShown);
  const inbound = Map.groupBy(snapshot.inbound.filter(isShown), ({ name }) => name);
  return {
    server_id: identity.id,
    now,
    name: omitEmpty(snapshot.name),
    host: omitEmpty(snapshot.host),
    port: omitEmpty(snapshot.port),
    // A remote that nobody knows is null, not an empty list.
    outbound_gateways:
      all.gateway !== "" && outbound.length === 0
        ? null
        : sortedRecord(outbound.map((gateway) => [gateway.name, show(gateway)] as const)),
    inbound_gateways: sortedRecord(
      [...inbound].map(([name, gateways]) => [name, gateways.map(show)] as const),
    ),
  };
}

function gatewayReport(
  gateway: GatewaySnapshot,
  nowMs: number,
  options: GatewayzOptions,
  listsAccounts: boolean,
) {
  const accounts = gateway.accounts.filter(({ name }) => options.account === "" || name === options.account);
  return {
    configured: gateway.isConfigured,
    connection: connectionReport(gateway.connection, {
      nowMs,
      showsCredentials: false,
      subscriptions: "none",
    }),
    accounts: listsAccounts
      ? omitEmpty(accounts.map((account) => accountReport(account, options.subscriptions)))
      : undefined,
  };
}

function accountReport(account: GatewayAccountSnapshot, subscriptions: SubscriptionListing) {
  return {
    name: account.name,
    interest_mode: account.interestMode,
    no_interest_count: omitEmpty(account.noInterestCount),
    interest_only_threshold: omitEmpty(account.interestOnlyThreshold),
    num_subs: omitEmpty(account.subscriptionCount),
    num_queue_subs: omitEmpty(account.queueSubscriptionCount),
    ...subscriptionLists(account.subscriptions, subscriptions, false),
  };
}
