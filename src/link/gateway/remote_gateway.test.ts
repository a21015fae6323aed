import { describe, expect, test } from "bun:test";
import { CloseReason } from "../../protocol/close_reason.ts";
import type { GatewaySettings } from "./gateway_settings.ts";
import { feed, infoText, LoneGateways } from "./testing/gateway_world.ts";

const INFO = infoText({ gateway: "GB", server_id: "NB", server_name: "B", gateway_iom: true });

function explicit(urls: readonly string[], settings: Partial<GatewaySettings> = {}) {
  const server = new LoneGateways({ remotes: [{ name: "GB", urls, tls: null }], ...settings });
  server.group.start();
  server.clock.advance(1000);
  return server;
}

function implicit(urls: readonly string[], settings: Partial<GatewaySettings> = {}) {
  const server = new LoneGateways(settings);
  server.group.start();
  server.group.gossiped("GB", urls);
  return server;
}

function refuseAll(server: LoneGateways): number {
  const dials = server.dialled.splice(0);
  for (const { failed } of dials) failed("refused");
  return dials.length;
}

describe("RemoteGateway, explicit", () => {
  test("is dialled a second after the start", () => {
    const server = new LoneGateways({ remotes: [{ name: "GB", urls: ["nats://b:1"], tls: null }] });
    server.group.start();
    server.clock.advance(999);
    expect(server.dialled).toEqual([]);
    server.clock.advance(1);
    expect(server.dialled[0]!.target).toEqual({ kind: "gateway", host: "b", port: 1, timeoutMs: 1000 });
  });

  test("tries each URL in turn, then rests a second, for ever", () => {
    const server = explicit(["nats://b1:1", "nats://b2:1"]);
    for (let round = 0; round < 3; round++) {
      const hosts: string[] = [];
      while (server.dialled[0] !== undefined) {
        hosts.push(server.dialled[0].target.host);
        refuseAll(server);
      }
      expect(hosts.toSorted()).toEqual(["b1", "b2"]);
      server.clock.advance(999);
      expect(server.dialled).toEqual([]);
      server.clock.advance(1);
    }
  });

  test("rests twice as long each time with connect_backoff, thirty seconds at most", () => {
    const server = explicit(["nats://b:1"], { connectBackoff: true });
    for (const restMs of [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]) {
      expect(refuseAll(server)).toBe(1);
      server.clock.advance(restMs - 1);
      expect(server.dialled).toEqual([]);
      server.clock.advance(1);
    }
  });

  test("says so at the first attempt, and every so many", () => {
    const server = explicit(["nats://b:1"], { connectErrorReports: 3 });
    server.log.length = 0;
    for (let round = 0; round < 3; round++) {
      refuseAll(server);
      server.clock.advance(1000);
    }
    expect(server.log.filter((line) => !line.startsWith("debug"))).toEqual([
      'error Error connecting to explicit gateway "GB" (b:1) at b:1 (attempt 1): refused',
      'info Connecting to explicit gateway "GB" (b:1) at b:1 (attempt 3)',
      'error Error connecting to explicit gateway "GB" (b:1) at b:1 (attempt 3): refused',
    ]);
  });

  test("is dialled again a second and up to a tenth after it is lost", () => {
    const server = explicit(["nats://b:1"]);
    const { peer } = server.open();
    feed(peer, INFO);
    server.clock.chance = 0.5;
    peer.ended(CloseReason.ReadError);
    server.clock.advance(1049);
    expect(server.dialled).toEqual([]);
    server.clock.advance(1);
    expect(server.dialled).toHaveLength(1);
  });

  test("is dialled again likewise when the handshake failed", () => {
    const server = explicit(["nats://b:1"]);
    const { connection, peer } = server.open();
    feed(peer, infoText({ gateway: "WRONG" }));
    expect(connection.closed).toBe("Wrong Gateway");
    peer.ended(CloseReason.WrongGateway);
    server.clock.advance(1000);
    expect(server.dialled).toHaveLength(1);
  });
});

describe("RemoteGateway, implicit", () => {
  test("is dialled at once, and forgotten after the first round that fails", () => {
    const server = implicit(["127.0.0.1:1"]);
    expect(refuseAll(server)).toBe(1);
    server.clock.advance(60_000);
    expect(server.dialled).toEqual([]);
    expect(server.group.remotes()).toEqual([]);
    server.group.gossiped("GB", ["127.0.0.1:1"]);
    expect(server.dialled).toHaveLength(1);
  });

  test("gets connect_retries rounds more", () => {
    const server = implicit(["127.0.0.1:1"], { connectRetries: 2 });
    for (let round = 0; round < 3; round++) {
      expect(refuseAll(server)).toBe(1);
      server.clock.advance(1000);
    }
    expect(server.dialled).toEqual([]);
    expect(server.group.remotes()).toEqual([]);
  });

  test("is kept as long as its cluster has a connection to us, and not dialled without rest", () => {
    const server = new LoneGateways();
    const { peer } = server.accept();
    feed(peer, 'CONNECT {"gateway":"GB"}\r\n');
    feed(peer, infoText({ gateway: "GB", gateway_urls: ["127.0.0.1:1"] }));
    for (let round = 0; round < 5; round++) {
      expect(refuseAll(server)).toBe(1);
      expect(server.dialled).toEqual([]);
      server.clock.advance(1000);
    }
    peer.ended(CloseReason.ClientClosed);
    refuseAll(server);
    expect(server.group.remotes()).toEqual([]);
  });

  test("is dialled again within a tenth of a second after it is lost", () => {
    const server = implicit(["127.0.0.1:1"]);
    const { peer } = server.open();
    feed(peer, INFO);
    server.clock.advance(1000);
    server.clock.chance = 0.99;
    peer.ended(CloseReason.ReadError);
    server.clock.advance(98);
    expect(server.dialled).toEqual([]);
    server.clock.advance(1);
    expect(server.dialled).toHaveLength(1);
  });

  test("is left alone for a second where a connection does not last", () => {
    const server = implicit(["127.0.0.1:1"]);
    const { peer } = server.open();
    feed(peer, INFO);
    feed(peer, "-ERR 'Authorization Violation'\r\n");
    peer.ended(CloseReason.ParseError);
    server.clock.advance(999);
    expect(server.dialled).toEqual([]);
    server.clock.advance(1);
    expect(server.dialled).toHaveLength(1);
  });
});

describe("RemoteGateway URLs", () => {
  test("of an INFO replace those learned before; configured ones stay", () => {
    const server = explicit(["nats://b:1"]);
    const { peer } = server.open();
    const say = (urls: string[]) =>
      feed(peer, infoText({ gateway: "GB", server_name: "B", gateway_urls: urls }));
    say(["10.0.0.1:1", "10.0.0.2:1"]);
    say(["10.0.0.3:1"]);
    expect(server.group.remotes()).toEqual([{ name: "GB", addresses: ["b:1", "10.0.0.3:1"] }]);
  });

  test("of gossip are added", () => {
    const server = explicit(["nats://b:1"]);
    server.group.gossiped("GB", ["10.0.0.1:1", "b:1", "no url"]);
    expect(server.group.remotes()).toEqual([{ name: "GB", addresses: ["b:1", "10.0.0.1:1"] }]);
  });
});
