import { describe, expect, test } from "bun:test";
import { type GatewayzOptions, gatewayz } from "./gatewayz.ts";
import { encodeGoJson } from "./go_json.ts";
import { leafzReport } from "./leafz.ts";
import { routezReport } from "./routez.ts";
import type { GatewaySnapshot, LeafnodeSnapshot, RouteSnapshot } from "./snapshots/links.ts";
import {
  connectionSnapshot,
  FakeSource,
  START_MS,
  serverSnapshot,
  subscriptionSnapshot,
} from "./testing/fake_source.ts";

const TRAFFIC = { inMessages: 1, outMessages: 2, inBytes: 3, outBytes: 4 };

describe("routez()", () => {
  const ROUTE: RouteSnapshot = {
    ...TRAFFIC,
    id: 7,
    remoteId: "NB",
    remoteName: "b",
    isSolicited: true,
    isConfigured: false,
    ip: "127.0.0.1",
    port: 6222,
    startMs: START_MS,
    lastActivityMs: START_MS + 1_000,
    roundTripNs: 1_234_567,
    importPermission: null,
    exportPermission: null,
    pendingBytes: 0,
    subscriptionCount: 1,
    subscriptions: [subscriptionSnapshot("foo", { sid: "R foo" })],
    account: "",
    compression: "off",
  };

  test("shows a server without routes", () => {
    const none = { importPermission: null, exportPermission: null, routes: [] };
    expect(encodeGoJson(routezReport(serverSnapshot(), none, "none"), 0)).toBe(
      '{"server_id":"NSERVER","server_name":"midge","now":"2026-03-02T09:19:26.49Z","num_routes":0,"routes":[]}',
    );
  });

  test("shows permissions, pooled and dedicated connections", () => {
    const importPermission = { allow: ["a"], deny: [] };
    const exportPermission = { allow: [], deny: ["b", "c"] };
    const routes = [
      { ...ROUTE, importPermission },
      { ...ROUTE, id: 8, account: "A", compression: "s2_fast" },
    ];
    const text = encodeGoJson(
      routezReport(serverSnapshot(), { importPermission, exportPermission, routes }, "subjects"),
      0,
    );
    expect(text).toContain('"import":{"allow":["a"]},"export":{"deny":["b","c"]},"num_routes":2,"routes":[');
    expect(text).toContain(
      '{"rid":7,"remote_id":"NB","remote_name":"b","did_solicit":true,"is_configured":false,"ip":"127.0.0.1","port":6222,"start":"2026-03-02T09:15:04Z","last_activity":"2026-03-02T09:15:05Z","rtt":"1.234567ms","uptime":"4m22s","idle":"4m21s","import":{"allow":["a"]},"pending_size":0,"in_msgs":1,"out_msgs":2,"in_bytes":3,"out_bytes":4,"subscriptions":1,"subscriptions_list":["foo"],"compression":"off"}',
    );
    expect(text).toContain('"subscriptions_list":["foo"],"account":"A","compression":"s2_fast"}');
  });
});

describe("gatewayz()", () => {
  const gateway = (name: string, isConfigured: boolean): GatewaySnapshot => ({
    name,
    isConfigured,
    connection: connectionSnapshot(9, { kind: "Gateway", type: "", name: "NB" }),
    accounts: ["A", "B"].map((account) => ({
      name: account,
      interestMode: "Interest-Only",
      noInterestCount: 0,
      interestOnlyThreshold: 1000,
      subscriptionCount: 1,
      queueSubscriptionCount: 0,
      subscriptions: [subscriptionSnapshot("foo", { sid: "" })],
    })),
  });

  async function report(options: Partial<GatewayzOptions>, isOn = true): Promise<string> {
    const source = new FakeSource();
    if (isOn) {
      const outbound = [gateway("z", true), gateway("b", false)];
      source.gatewaysSnapshot = {
        name: "a",
        host: "h",
        port: 7222,
        outbound,
        inbound: [gateway("b", false), gateway("b", false)],
      };
    }
    return encodeGoJson(await gatewayz(source, options), 0);
  }

  test("shows a server without gateways", async () => {
    expect(await report({ gateway: "x" }, false)).toBe(
      '{"server_id":"NSERVER","now":"2026-03-02T09:19:26.49Z","outbound_gateways":{},"inbound_gateways":{}}',
    );
  });

  test("maps outbound names to one connection and inbound names to a list", async () => {
    const shown = JSON.parse(await report({}));
    expect([shown.name, shown.host, shown.port]).toEqual(["a", "h", 7222]);
    expect(Object.keys(shown.outbound_gateways)).toEqual(["b", "z"]);
    expect(shown.outbound_gateways.z.configured).toBe(true);
    expect(shown.outbound_gateways.z.connection.kind).toBe("Gateway");
    expect(shown.outbound_gateways.z.accounts).toBe(undefined);
    expect(shown.inbound_gateways.b.length).toBe(2);
  });

  test("is null for a remote nobody knows", async () => {
    expect(await report({ gateway: "nosuch" })).toContain('"outbound_gateways":null,"inbound_gateways":{}');
    expect(Object.keys(JSON.parse(await report({ gateway: "z" })).outbound_gateways)).toEqual(["z"]);
  });

  test("lists accounts, which one account's name implies", async () => {
    const text = await report({ account: "A", subscriptions: "detail", gateway: "z" });
    expect(text).toContain(
      '"accounts":[{"name":"A","interest_mode":"Interest-Only","interest_only_threshold":1000,"num_subs":1,"subscriptions_list_detail":[{"subject":"foo","sid":"","msgs":0,"cid":5}]}]',
    );
    expect(await report({ account: "nobody" })).not.toContain("accounts");
    expect(JSON.parse(await report({ listsAccounts: true })).outbound_gateways.z.accounts.length).toBe(2);
  });
});

describe("leafz()", () => {
  const LEAFNODE: LeafnodeSnapshot = {
    ...TRAFFIC,
    id: 6,
    name: "hub",
    isSpoke: true,
    isIsolated: false,
    account: "$G",
    ip: "127.0.0.1",
    port: 7422,
    roundTripNs: 482_913,
    subscriptionCount: 1,
    subscriptions: [subscriptionSnapshot("$LDS.x")],
    compression: "",
    isWebSocket: false,
    proxyKey: "",
  };

  test("shows a server without leafnodes", () => {
    expect(encodeGoJson(leafzReport(serverSnapshot(), [], false), 0)).toBe(
      '{"server_id":"NSERVER","now":"2026-03-02T09:19:26.49Z","leafnodes":0,"leafs":[]}',
    );
  });

  test("shows a leafnode, its subscriptions when asked", () => {
    expect(encodeGoJson(leafzReport(serverSnapshot(), [LEAFNODE], false).leafs, 0)).toBe(
      '[{"id":6,"name":"hub","is_spoke":true,"account":"$G","ip":"127.0.0.1","port":7422,"rtt":"482µs","in_msgs":1,"out_msgs":2,"in_bytes":3,"out_bytes":4,"subscriptions":1}]',
    );
    const full = { ...LEAFNODE, isIsolated: true, compression: "s2_fast", isWebSocket: true, proxyKey: "U1" };
    const text = encodeGoJson(leafzReport(serverSnapshot(), [full], true).leafs, 0);
    expect(text).toContain('"is_spoke":true,"is_isolated":true,"account"');
    expect(text).toContain(
      '"subscriptions":1,"subscriptions_list":["$LDS.x"],"compression":"s2_fast","websocket":true,"proxy":{"key":"U1"}}',
    );
  });
});
