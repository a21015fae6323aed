import { describe, expect, test } from "bun:test";
import { FakeClock } from "../core/testing/fake_clock.ts";
import type { LeafOptions } from "./leaf_context.ts";
import { FakeServer, remotesOf } from "./testing/fake_server.ts";

function start(
  remotes: string,
  options: Partial<LeafOptions> = {},
): { readonly server: FakeServer; readonly clock: FakeClock } {
  const clock = new FakeClock();
  const server = new FakeServer(clock, options);
  server.nodes.setRemotes(remotesOf(remotes));
  return { server, clock };
}

function targets({ dialled }: FakeServer): string[] {
  return dialled.map(({ target: { host, port } }) => `${host}:${port}`);
}

const TWO = `{ urls: ["nats-leaf://a:1", "nats-leaf://b:2"], account: A, no_randomize: true }`;

const HUB_INFO = `INFO {"client_id":1,"server_name":"H","leafnode_urls":["c:3"],"info_on_connect":true} \r\nINFO {"connect_info":true,"leafnode_urls":["c:3"]} \r\n`;

describe("LeafRemote", () => {
  test("dials the next URL after each failure, which the first time is an error", () => {
    const { server, clock } = start(TWO);
    clock.chance = 0.5;
    server.dialled[0]!.fail("dial tcp 127.0.0.1:1: connect: connection refused");
    clock.advance(1499);
    expect(targets(server)).toEqual(["a:1"]);
    clock.advance(1);
    expect(targets(server)).toEqual(["a:1", "b:2"]);
    server.dialled[1]!.fail("no");
    expect(server.logs.filter((line) => line.includes("Error trying"))).toEqual([
      'error Error trying to connect as leafnode to remote server "a:1" (attempt 1): dial tcp 127.0.0.1:1: connect: connection refused',
      'debug Error trying to connect as leafnode to remote server "b:2" (attempt 2): no',
    ]);
  });

  test("dials again a while after a connection is lost, what the hub told first", () => {
    const { server, clock } = start(TWO);
    const end = server.open();
    end.feed(HUB_INFO);
    end.lose();
    clock.advance(999);
    expect(server.dialled.length).toBe(1);
    clock.advance(1);
    expect(targets(server)).toEqual(["a:1", "c:3"]);
  });

  test("keeps to the file where hubs are not believed", () => {
    const { server, clock } = start(
      `{ urls: ["nats-leaf://a:1", "nats-leaf://b:2"], account: A, no_randomize: true, ignore_discovered_servers: true }`,
    );
    const end = server.open();
    end.feed(HUB_INFO);
    end.lose();
    clock.advance(1000);
    expect(targets(server)).toEqual(["a:1", "b:2"]);
  });

  test("stays away longer after errors that say so", () => {
    const waits = (text: string, ms: number) => {
      const { server, clock } = start(TWO);
      const end = server.open();
      end.feed(`${HUB_INFO}-ERR '${text}'\r\n`);
      end.lose();
      clock.advance(ms + 999);
      expect(server.dialled.length).toBe(1);
      clock.advance(1);
      expect(server.dialled.length).toBe(2);
      const next = server.open();
      next.lose();
      clock.advance(1000);
      expect(server.dialled.length).toBe(3);
    };
    waits("remote leafnode has same cluster name", 30_000);
    waits('connection rejected since minimum version required is "2.99.0"', 5000);
    waits("Loop detected for leafnode account", 30_000);
    waits("Authorization Violation", 0);
  });

  test("asks for WebSocket as the remote is written, under TLS where its URL says so", () => {
    const { server } = start(
      `{ url: "wss://h:443/some", account: A, ws_compression: true, ws_no_masking: true, dial_timeout: 3s }`,
    );
    expect(server.dialled[0]!.target).toEqual({
      kind: "leaf",
      host: "h",
      port: 443,
      timeoutMs: 3000,
      isWebSocket: true,
    });
    const { connection } = server.open();
    expect(connection.tls).toMatchObject({ serverName: "h" });
    expect(connection.webSocket).toBe(null);
    connection.finishTls();
    expect(connection.webSocket).toEqual({
      host: "h:443",
      path: "/some",
      wantsCompression: true,
      wantsNoMasking: true,
      timeoutMs: 1000,
    });
    const plain = start(`{ url: "ws://h:80", account: A }`).server.open().connection;
    expect(plain.tls).toBe(null);
    expect(plain.webSocket).toMatchObject({ path: "", wantsCompression: false, wantsNoMasking: false });
  });

  test("over WebSocket sends CONNECT without the TLS of another listener, now and at the next try", () => {
    const { server, clock } = start(`{ url: "ws://h:80", account: A }`);
    const end = server.open();
    end.connection.finishWebSocket({ ok: true, isMasked: true, isCompressed: false });
    end.feed(`INFO {"client_id":1,"tls_required":true,"info_on_connect":true} \r\n`);
    expect(end.connection.tls).toBe(null);
    expect(end.lines()[0]).toContain("CONNECT");
    end.lose();
    clock.advance(1000);
    expect(server.open().connection.tls).toBe(null);
  });

  test("gives up a connection that does not become a WebSocket, and tries again", () => {
    const { server, clock } = start(`{ url: "ws://h:80", account: A }`);
    const end = server.open();
    end.connection.finishWebSocket({ ok: false, problem: "invalid websocket connection" });
    expect(end.lines()).toEqual([]);
    expect(end.connection.closed).toBe("Read Error");
    expect(server.logs.join("\n")).toContain(
      "Error soliciting websocket connection: invalid websocket connection",
    );
    clock.advance(1000);
    expect(server.dialled.length).toBe(2);
  });

  test("shares the system account of a cluster only after a moment", () => {
    const clock = new FakeClock();
    const server = new FakeServer(clock);
    server.accounts.set("A", { ...server.accounts.get("A")!, isSystem: true });
    server.nodes.setRemotes(remotesOf(TWO));
    expect(server.dialled.length).toBe(0);
    clock.advance(250);
    expect(server.dialled.length).toBe(1);
  });
});

describe("setRemotes()", () => {
  const a = `{ url: "nats-leaf://a:1", account: A }`;
  const b = `{ url: "nats-leaf://b:2", account: A }`;

  test("dials what is new, and closes what is gone for good", () => {
    const { server, clock } = start(a);
    const end = server.open();
    server.nodes.setRemotes(remotesOf(`${a}, ${b}`));
    expect(targets(server)).toEqual(["a:1", "b:2"]);
    server.nodes.setRemotes(remotesOf(b));
    end.feed("");
    expect(end.connection.closed).toBe("Client Closed");
    clock.advance(60_000);
    expect(targets(server)).toEqual(["a:1", "b:2"]);
  });

  test("closes what is disabled, and dials it when it no longer is", () => {
    const { server } = start(a);
    const end = server.open();
    const disabled = `{ url: "nats-leaf://a:1", account: A, disabled: true }`;
    server.nodes.setRemotes(remotesOf(disabled));
    end.feed("");
    expect(end.connection.closed).toBe("Client Closed");
    server.nodes.setRemotes(remotesOf(a));
    expect(server.dialled.length).toBe(2);
    expect(start(disabled).server.dialled.length).toBe(0);
  });

  test("closes a connection that comes when it is wanted no more", () => {
    const { server, clock } = start(a);
    server.nodes.setRemotes([]);
    const end = server.open();
    end.feed("");
    expect(end.connection.closed).toBe("Client Closed");
    server.dialled.length = 0;
    clock.advance(60_000);
    expect(server.dialled.length).toBe(0);
  });

  test("stops waiting for a remote that is gone", () => {
    const { server, clock } = start(a);
    server.dialled[0]!.fail("no");
    server.nodes.setRemotes([]);
    clock.advance(60_000);
    expect(server.dialled.length).toBe(1);
  });

  test("handshakes from then on by the certificates of the new place in the file", () => {
    const { server, clock } = start(`${a}, ${b}`);
    server.nodes.setRemotes(remotesOf(b));
    server.dialled[1]!.fail("no");
    clock.advance(2000);
    const end = server.open();
    end.feed(`INFO {"client_id":1,"tls_required":true,"info_on_connect":true} \r\n`);
    expect(end.connection.tls?.context).toBe("leaf:0");
  });

  test("handshakes where a reload has brought certificates", () => {
    const { server, clock } = start(a);
    server.nodes.setRemotes(
      remotesOf(`{ url: "nats-leaf://a:1", account: A, tls { handshake_first: true } }`),
    );
    server.dialled[0]!.fail("no");
    clock.advance(2000);
    expect(server.open().connection.tls?.context).toBe("leaf:0");
  });

  test("does nothing in a server that is going away", () => {
    const { server, clock } = start(a);
    const end = server.open();
    end.feed(HUB_INFO);
    server.nodes.enterLameDuck();
    expect(end.connection.closed).toBe("");
    server.nodes.setRemotes(remotesOf(`${a}, ${b}`));
    server.nodes.closeAll();
    end.feed("");
    expect(end.connection.closed).toBe("Server Shutdown");
    clock.advance(60_000);
    expect(targets(server)).toEqual(["a:1"]);
  });
});
