import { formatTime } from "./go_json.ts";
import type { AccountSnapshot, AccountTraffic } from "./snapshots/accounts.ts";
import type { ServerSnapshot } from "./snapshots/server.ts";
import type { MessageCount } from "./snapshots/traffic.ts";
import type { MonitorSource } from "./source.ts";

export interface AccstatzOptions {
  /** Also accounts without a local client or leafnode. */
  readonly includesUnused: boolean;
  /** Only these, in this order, each as often as it is named; empty: all. Has no form in a URL. */
  readonly accounts: readonly string[];
}

const ACCSTATZ_DEFAULTS: AccstatzOptions = { includesUnused: false, accounts: [] };

export type Accstatz = ReturnType<typeof accstatzReport>;

/** Traffic per account. Source: nats-server `AccountStatz`. */
export async function accstatz(
  source: MonitorSource,
  options: Partial<AccstatzOptions> = {},
): Promise<Accstatz> {
  return accstatzReport(await source.server(), await source.accounts(), options);
}

export function accstatzReport(
  server: ServerSnapshot,
  accounts: readonly AccountSnapshot[],
  options: Partial<AccstatzOptions> = {},
) {
  const all = { ...ACCSTATZ_DEFAULTS, ...options };
  const byName = new Map(accounts.map((account) => [account.name, account]));
  const asked = all.accounts.length === 0 ? accounts : all.accounts.flatMap((name) => byName.get(name) ?? []);
  const shown = asked.filter(({ clients, leafnodes }) => all.includesUnused || clients + leafnodes > 0);
  return {
    server_id: server.identity.id,
    now: formatTime(server.nowMs),
    account_statz: shown.map(accountStatistics),
  };
}

/** One account, also the body of the account connection events. Source: nats-server `AccountStat`. */
export function accountStatistics(account: AccountSnapshot) {
  return {
    acc: account.name,
    name: account.nameTag,
    conns: account.clients,
    leafnodes: account.leafnodes,
    total_conns: account.clients + account.leafnodes,
    num_subscriptions: account.subscriptions,
    sent: trafficReport(account.sent),
    received: trafficReport(account.received),
    slow_consumers: account.slowConsumers,
  };
}

function trafficReport(traffic: AccountTraffic) {
  return {
    ...messageCount(traffic),
    gateways: messageCount(traffic.gateways),
    routes: messageCount(traffic.routes),
    leafs: messageCount(traffic.leafnodes),
  };
}

function messageCount({ messages, bytes }: MessageCount) {
  return { msgs: messages, bytes };
}
