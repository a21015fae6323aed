import { expect, test } from "bun:test";
import { gatewayz } from "../../monitor/gatewayz.ts";
import { leafzReport } from "../../monitor/leafz.ts";
import { routezReport } from "../../monitor/routez.ts";
import type { ServerSnapshot } from "../../monitor/snapshots/server.ts";
import type { MonitorSource } from "../../monitor/source.ts";
import type { GatewayRecord, LeafRecord, LinkRecord, RouteRecord } from "../../shard/links/link_records.ts";
import {
  gatewaysSnapshot,
  leafConnectionSnapshot,
  leafnodeSnapshot,
  routeSnapshot,
} from "./link_snapshots.ts";

const LINK: LinkRecord = {
  id: 7,
  ip: "127.0.0.1",
  port: 1,
  startMs: 1000,
  lastActivityMs: 3000,
  roundTripNs: 1_500_000,
  pendingBytes: 9,
  inMessages: 3,
  outMessages: 4,
  inBytes: 5,
  outBytes: 6,
  subscriptionCount: 1,
  subscriptions: [{ account: "A", subject: "foo", queue: "q", sid: "R A foo q" }],
  tls: null,
};
const SERVER = { identity: { id: "NA", name: "a" }, nowMs: 5000 } as unknown as ServerSnapshot;

test("routeSnapshot() makes the entries of /routez", () => {
  const record: RouteRecord = {
    ...LINK,
    remoteId: "NB",
    remoteName: "b",
    isSolicited: true,
    isConfigured: false,
    importPermission: { allow: ["x"], deny: [] },
    exportPermission: null,
    compression: "off",
    account: "$SYS",
  };
  const routes = { importPermission: null, exportPermission: null, routes: [routeSnapshot(record)] };
  expect(JSON.parse(JSON.stringify(routezReport(SERVER, routes, "detail"))).routes).toEqual([
    {
      rid: 7,
      remote_id: "NB",
      remote_name: "b",
      did_solicit: true,
      is_configured: false,
      ip: "127.0.0.1",
      port: 1,
      start: "1970-01-01T00:00:01Z",
      last_activity: "1970-01-01T00:00:03Z",
      rtt: "1.5ms",
      uptime: "4s",
      idle: "2s",
      import: { allow: ["x"] },
      pending_size: 9,
      in_msgs: 3,
      out_msgs: 4,
      in_bytes: 5,
      out_bytes: 6,
      subscriptions: 1,
      subscriptions_list_detail: [{ subject: "foo", qgroup: "q", sid: "R A foo q", msgs: 0, cid: 7 }],
      account: "$SYS",
      compression: "off",
    },
  ]);
});

test("gatewaysSnapshot() makes connections and accounts of /gatewayz", async () => {
  const gateway = (name: string, id: number): GatewayRecord => ({
    ...LINK,
    id,
    name,
    isConfigured: true,
    remoteId: `N${name}`,
    accounts: ["AC", "P"].map((account) => ({
      name: account,
      interestMode: "Interest-Only",
      noInterestCount: 0,
      subscriptionCount: 2,
      queueSubscriptionCount: 1,
      subscriptions: [
        { subject: "a", queue: "" },
        { subject: "b", queue: "q" },
      ],
    })),
  });
  const snapshot = gatewaysSnapshot({
    name: "GA",
    host: "127.0.0.1",
    port: 7222,
    outbound: [gateway("GB", 1), gateway("GC", 2)],
    inbound: [gateway("GB", 3)],
  });
  const source = {
    server: async () => SERVER,
    gateways: async () => snapshot,
  } as unknown as MonitorSource;
  const report = await gatewayz(source, { gateway: "GB", account: "AC", subscriptions: "subjects" });
  expect(JSON.parse(JSON.stringify(report))).toMatchObject({ name: "GA", host: "127.0.0.1", port: 7222 });
  const { GB, ...others } = JSON.parse(JSON.stringify(report.outbound_gateways));
  expect(others).toEqual({});
  expect(GB.connection).toMatchObject({ cid: 1, kind: "Gateway", name: "NGB", rtt: "1.5ms", in_msgs: 3 });
  expect(GB.connection.type).toBe(undefined);
  expect(GB.accounts).toEqual([
    {
      name: "AC",
      interest_mode: "Interest-Only",
      interest_only_threshold: 1000,
      num_subs: 2,
      num_queue_subs: 1,
      subscriptions_list: ["a", "b"],
    },
  ]);
  const inbound = JSON.parse(JSON.stringify(report.inbound_gateways));
  expect(inbound.GB.map((each: { connection: { cid: number } }) => each.connection.cid)).toEqual([3]);
});

test("leaf links are in /leafz, and among the connections", () => {
  const leaf: LeafRecord = {
    ...LINK,
    name: "leaf1",
    version: "2.15.2",
    isSpoke: false,
    isSolicited: false,
    isIsolated: false,
    account: "A",
    user: "u",
    compression: "not supported",
    isWebSocket: false,
    proxyKey: "",
  };
  const report = JSON.parse(JSON.stringify(leafzReport(SERVER, [leafnodeSnapshot(leaf)], true)));
  expect(report.leafs).toEqual([
    {
      id: 7,
      name: "leaf1",
      is_spoke: false,
      account: "A",
      ip: "127.0.0.1",
      port: 1,
      rtt: "1.5ms",
      in_msgs: 3,
      out_msgs: 4,
      in_bytes: 5,
      out_bytes: 6,
      subscriptions: 1,
      subscriptions_list: ["foo"],
      compression: "not supported",
    },
  ]);
  expect(leafConnectionSnapshot(leaf)).toMatchObject({
    kind: "Leafnode",
    type: "",
    name: "leaf1",
    user: "u",
  });
  expect(leafConnectionSnapshot({ ...leaf, isSolicited: true }).name).toBe("");
});
