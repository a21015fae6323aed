import { expect, test } from "bun:test";
import type { GatewayLinkStatus } from "../link/gateway/gateway_status.ts";
import { gatewayz } from "../monitor/gatewayz.ts";
import type { ConnectionSnapshot, MonitorSource } from "../monitor/snapshot.ts";
import { gatewaysSnapshot } from "./gateway_snapshots.ts";

const ACCOUNT = {
  name: "AC",
  interestMode: "Interest-Only",
  noInterestCount: 0,
  subscriptionCount: 2,
  queueSubscriptionCount: 1,
  subscriptions: [
    { subject: "a", queue: "" },
    { subject: "b", queue: "q" },
  ],
} as const;

function link(name: string, id: number): GatewayLinkStatus {
  return {
    name,
    isConfigured: true,
    id,
    remoteId: `N${name}`,
    ip: "127.0.0.1",
    port: 1,
    ageMs: 0,
    roundTripNs: 1_500_000,
    subscriptionCount: 2,
    accounts: [ACCOUNT, { ...ACCOUNT, name: "P" }],
  };
}

function connection(id: number): ConnectionSnapshot {
  return {
    id,
    kind: "Client",
    type: "nats",
    ip: "127.0.0.1",
    port: 1,
    startMs: 0,
    lastActivityMs: 0,
    stop: null,
    roundTripNs: 0,
    pendingBytes: 0,
    inMessages: 3,
    outMessages: 4,
    inBytes: 5,
    outBytes: 6,
    stalls: 0,
    subscriptionCount: 0,
    name: "",
    language: "",
    version: "",
    tls: null,
    user: "",
    account: "$G",
    accountNameTag: "",
    userNameTag: "",
    jwt: "",
    issuerKey: "",
    tags: [],
    mqttClient: "",
    proxyKey: "",
    subscriptions: [],
  };
}

const STATUS = {
  name: "GA",
  host: "127.0.0.1",
  port: 7222,
  outbound: [link("GB", 1), link("GC", 2), link("closed", 9)],
  inbound: [link("GB", 3)],
};
const CONNECTIONS = [1, 2, 3, 4].map(connection);
const QUERY = { gateway: "", listsAccounts: true, account: "", listsSubscriptions: true };

test("gatewaysSnapshot() puts what protocol and shard know together", () => {
  const { outbound, inbound, ...own } = gatewaysSnapshot(STATUS, CONNECTIONS, QUERY);
  expect(own).toEqual({ name: "GA", host: "127.0.0.1", port: 7222 });
  expect(outbound.map(({ name }) => name)).toEqual(["GB", "GC"]);
  expect(inbound.map(({ connection }) => connection.id)).toEqual([3]);
  const { kind, type, name, roundTripNs, subscriptionCount, inMessages } = outbound[0]!.connection;
  expect([kind, type, name, roundTripNs, subscriptionCount, inMessages]).toEqual([
    "Gateway",
    "",
    "NGB",
    1_500_000,
    2,
    3,
  ]);
});

test("gatewaysSnapshot() keeps to what is asked for", () => {
  const { outbound, inbound } = gatewaysSnapshot(STATUS, CONNECTIONS, {
    ...QUERY,
    gateway: "GC",
    account: "P",
  });
  expect(outbound.map(({ name, accounts }) => [name, accounts.map((account) => account.name)])).toEqual([
    ["GC", ["P"]],
  ]);
  expect(inbound).toEqual([]);
});

test("gatewaysSnapshot() makes the accounts of /gatewayz", async () => {
  const source = {
    server: async () => ({ identity: { id: "NA" }, nowMs: 0 }),
    gateways: async () => gatewaysSnapshot(STATUS, CONNECTIONS, QUERY),
  } as unknown as MonitorSource;
  const report = await gatewayz(source, { listsAccounts: true, subscriptions: "subjects" });
  const { GB } = report.outbound_gateways as Record<string, { readonly accounts: readonly unknown[] }>;
  expect(GB!.accounts[0]).toEqual({
    name: "AC",
    interest_mode: "Interest-Only",
    no_interest_count: undefined,
    interest_only_threshold: 1000,
    num_subs: 2,
    num_queue_subs: 1,
    subscriptions_list: ["a", "b"],
    subscriptions_list_detail: undefined,
  });
});
