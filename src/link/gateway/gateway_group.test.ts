import { describe, expect, test } from "bun:test";
import { CloseReason } from "../../protocol/close_reason.ts";
import { decodeLinkInfo } from "../core/link_info.ts";
import type { GatewayGroup } from "./gateway_group.ts";
import { nameHash } from "./name_hash.ts";
import { feed, GatewayWorld, infoText, LoneGateways } from "./testing/gateway_world.ts";

const EVERYTHING = { listsAccounts: true, listsSubscriptions: true };

function remote(name: string, port: number) {
  return { name, urls: [`nats://127.0.0.1:${port}`], tls: null };
}

function outboundNames({ group }: { readonly group: GatewayGroup }): string[] {
  return group
    .outbounds()
    .map(({ cluster }) => cluster)
    .sort();
}

function inboundNames({ group }: { readonly group: GatewayGroup }): string[] {
  return group
    .status(EVERYTHING)
    .inbound.map(({ name }) => name)
    .sort();
}

function gossip(gateway: string, ...urls: string[]) {
  const read = decodeLinkInfo(JSON.stringify({ gateway, gateway_urls: urls, gateway_cmd: 1 }));
  if (!read.ok) throw new Error(read.problem);
  return read.values;
}

describe("GatewayGroup", () => {
  test("says who it is at the start", () => {
    const server = new LoneGateways();
    server.group.start();
    expect(server.log).toEqual([
      "info Gateway name is GA",
      'info Address for gateway "GA" is 127.0.0.1:1001',
    ]);
    const advertised = new LoneGateways({ isAdvertised: true, host: "::1" });
    advertised.group.start();
    expect(advertised.log.at(-1)).toBe('info Advertise address for gateway "GA" is set to [::1]:1001');
  });

  test("dials back whoever connects: one side's configuration is enough", () => {
    const world = new GatewayWorld();
    const a = world.add({ name: "GA", port: 1001, remotes: [remote("GB", 1002)] });
    const b = world.add({ name: "GB", port: 1002 });
    for (const { group } of [a, b]) group.start();
    world.advance(1500);
    for (const server of [a, b]) expect(outboundNames(server)).toEqual(inboundNames(server));
    expect([outboundNames(a), outboundNames(b)]).toEqual([["GB"], ["GA"]]);
    expect(a.group.status(EVERYTHING).outbound[0]!.isConfigured).toBe(true);
    expect(b.group.status(EVERYTHING).outbound[0]!.isConfigured).toBe(false);
  });

  test("gathers all clusters by what they tell each other", () => {
    const world = new GatewayWorld();
    const names = ["GA", "GB", "GC", "GD"];
    // Each cluster knows its neighbour.
    const servers = names.map((name, i) => {
      const remotes = i === 0 ? [] : [remote(names[i - 1]!, 1000 + i)];
      return world.add({ name, port: 1001 + i, remotes });
    });
    for (const { group } of servers) group.start();
    world.advance(3000);
    for (const [i, server] of servers.entries()) {
      const others = names.filter((_, j) => j !== i);
      expect(outboundNames(server)).toEqual(others);
      expect(inboundNames(server)).toEqual(others);
    }
  });

  test("comes together again after connections are lost and a server was away", () => {
    const world = new GatewayWorld();
    const a = world.add({ name: "GA", port: 1001, remotes: [remote("GB", 1002)] });
    const b = world.add({ name: "GB", port: 1002 });
    for (const { group } of [a, b]) group.start();
    world.advance(1500);
    world.down.add(1002);
    world.break(1001, 1002);
    world.advance(5000);
    expect([outboundNames(a), inboundNames(b), outboundNames(b)]).toEqual([[], [], ["GA"]]);
    world.down.delete(1002);
    world.advance(1000);
    expect([outboundNames(a), inboundNames(b)]).toEqual([["GB"], ["GA"]]);
  });

  test("tells whoever connects of the other clusters it knows", () => {
    const server = new LoneGateways({ remotes: [remote("GB", 1002), remote("GA", 9), remote("GX", 1003)] });
    const { connection, peer } = server.accept();
    connection.take();
    feed(peer, `CONNECT {"gateway":"GX"}\r\n${infoText({ gateway: "GX" })}`);
    expect(connection.take()).toBe(
      'INFO {"server_id":"NA","server_name":"","version":"","proto":0,"go":"","host":"","port":0,"headers":false,"max_payload":0,"gateway":"GB","gateway_urls":["127.0.0.1:1002"],"gateway_cmd":1}\r\n',
    );
  });

  test("does not dial clusters that a gateway tells of with reject_unknown, but those that a member does", () => {
    const server = new LoneGateways({ rejectsUnknown: true, remotes: [remote("GB", 1002)] });
    server.group.start();
    server.clock.advance(1000);
    const { peer } = server.open();
    feed(peer, infoText({ gateway: "GB", server_name: "B" }));
    feed(peer, infoText({ gateway: "GC", gateway_urls: ["127.0.0.1:1003"], gateway_cmd: 1 }));
    expect(server.dialled).toEqual([]);
    server.group.takeRouteInfo(gossip("GC", "127.0.0.1:1003"), "NR");
    expect(server.dialled).toHaveLength(1);
  });

  test("ignores its own name and clusters without a place", () => {
    const server = new LoneGateways();
    server.group.takeRouteInfo(gossip("GA", "127.0.0.1:1"), "NR");
    server.group.takeRouteInfo(gossip("GB"), "NR");
    expect(server.dialled).toEqual([]);
    expect(server.group.remotes()).toEqual([]);
    server.group.takeRouteInfo({ ...gossip("GB"), gatewayCommand: 2 }, "NR");
    expect(server.log.at(-1)).toBe("error Unknown command 2 from server NR");
  });

  test("tells members of each cluster it is connected to: at first, on news, and to new routes", () => {
    const server = new LoneGateways({ remotes: [remote("GB", 1002)] });
    server.group.start();
    server.clock.advance(1000);
    const { peer } = server.open();
    expect(server.group.infoForRoute()).toBe("");
    feed(peer, infoText({ gateway: "GB", server_name: "B", gateway_urls: ["10.0.0.1:1"] }));
    feed(peer, infoText({ gateway: "GB", server_name: "B", gateway_urls: ["10.0.0.2:1"] }));
    const line = (name: string, urls: string) =>
      `INFO {"server_id":"GWNA","server_name":"${name}","version":"","proto":0,"go":"","host":"","port":0,"headers":false,"max_payload":0,"gateway":"GB","gateway_urls":[${urls}],"gateway_cmd":1}\r\n`;
    expect(server.toldRoutes).toEqual([line("A", '"10.0.0.1:1"'), line("A", '"10.0.0.2:1"')]);
    expect(server.group.infoForRoute()).toBe(line("", '"127.0.0.1:1002","10.0.0.2:1"'));
    peer.ended(CloseReason.ClientClosed);
    expect(server.group.infoForRoute()).toBe("");
  });

  test("tells inbound gateways where its cluster's gateways are, whenever that changes", () => {
    const server = new LoneGateways();
    const { connection, peer } = server.accept();
    const unregistered = server.accept();
    feed(peer, `CONNECT {"gateway":"GX"}\r\n${infoText({ gateway: "GX" })}`);
    connection.take();
    unregistered.connection.take();
    server.group.memberUrlsChanged(["10.0.0.2:1"]);
    expect(connection.take()).toContain('"gateway_urls":["127.0.0.1:1001","10.0.0.2:1"]');
    server.group.memberUrlsChanged(["10.0.0.2:1", "127.0.0.1:1001"]);
    expect(connection.take()).toBe("");
    server.group.memberUrlsChanged([]);
    expect(connection.take()).toContain('"gateway_urls":["127.0.0.1:1001"]');
    expect(unregistered.connection.take()).toBe("");
  });

  test("offers messages to the nearest first, and finds a cluster by its hash", () => {
    const server = new LoneGateways({ remotes: [remote("GB", 1002), remote("GC", 1003)] });
    server.group.start();
    server.clock.advance(1000);
    const peers = ["GB", "GC"].map((gateway) => {
      const { peer } = server.open();
      feed(peer, infoText({ gateway, server_name: gateway }));
      return peer;
    });
    const order = () => server.group.outbounds().map(({ cluster }) => cluster);
    expect(order()).toEqual(["GB", "GC"]);
    server.clock.advance(1000);
    server.clock.advance(5);
    feed(peers[1]!, "PONG\r\n");
    expect(order()).toEqual(["GB", "GC"]);
    server.clock.advance(5);
    feed(peers[0]!, "PONG\r\n");
    expect(order()).toEqual(["GC", "GB"]);
    expect(server.group.outboundTo(nameHash("GC"))?.cluster).toBe("GC");
    expect(server.group.outboundTo(nameHash("GD"))).toBe(undefined);
    peers[0]!.ended(CloseReason.ReadError);
    expect(server.toldClusters).toEqual(["GB", "GB GC", "GC GB", "GC"]);
  });

  test("dials by TLS as it was reloaded", () => {
    const server = new LoneGateways({ remotes: [remote("GB", 1002)] });
    server.group.start();
    server.clock.advance(1000);
    const { connection, peer } = server.open();
    expect(connection.tls).toBe(null);
    const tls = { context: "gateway", timeoutMs: 3000 };
    server.group.reload({ ...server.group.settings, tls, remotes: [{ ...remote("GB", 1002), tls }] });
    peer.ended(CloseReason.ReadError);
    server.clock.advance(1100);
    expect(server.open().connection.tls).toEqual({ ...tls, serverName: "127.0.0.1" });
    expect(server.accept().connection.tls).toEqual(tls);
  });

  test("dials nobody any more once it is stopped", () => {
    const server = new LoneGateways({ remotes: [remote("GB", 1002)] });
    server.group.start();
    server.clock.advance(1000);
    const [dial] = server.dialled.splice(0);
    server.group.stop();
    const late = server.connection();
    dial!.opened(late).begin();
    expect(late.closed).toBe("Server Shutdown");
    server.group.gossiped("GC", ["127.0.0.1:1"]);
    server.clock.advance(10_000);
    expect(server.dialled).toEqual([]);
  });

  test("shows its links", () => {
    const world = new GatewayWorld();
    const a = world.add({ name: "GA", port: 1001, remotes: [remote("GB", 1002)] });
    const b = world.add({ name: "GB", port: 1002 });
    for (const { group } of [a, b]) {
      group.accountKnown("$G");
      group.start();
    }
    world.advance(1500);
    const { name, host, port, inbound, outbound } = a.group.status(EVERYTHING);
    expect({ name, host, port }).toEqual({ name: "GA", host: "127.0.0.1", port: 1001 });
    const [first] = outbound;
    expect({ ...first, ageMs: 0, accounts: [] }).toEqual({
      name: "GB",
      isConfigured: true,
      id: 1,
      remoteId: "NGB1002",
      ip: "127.0.0.1",
      port: 40_001,
      ageMs: 0,
      roundTripNs: 0,
      subscriptionCount: 0,
      accounts: [],
    });
    const modes = [...outbound, ...inbound].map(({ accounts }) =>
      accounts.map(({ interestMode }) => interestMode),
    );
    expect(modes).toEqual([["Interest-Only"], ["Interest-Only"]]);
    expect(first!.ageMs).toBe(500);
    const brief = a.group.status({ listsAccounts: false, listsSubscriptions: false });
    expect(brief.outbound[0]!.accounts).toEqual([]);
  });
});
