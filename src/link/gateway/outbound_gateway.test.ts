import { describe, expect, test } from "bun:test";
import { CloseReason } from "../../protocol/close_reason.ts";
import { bytesOf } from "../../subject/byte_string.ts";
import type { LinkMessage } from "../core/link.ts";
import type { GatewaySettings } from "./gateway_settings.ts";
import { feed, infoText, LoneGateways } from "./testing/gateway_world.ts";

const REMOTES = [{ name: "GB", urls: ["nats://127.0.0.1:1002"], tls: null }];
const INFO = { gateway: "GB", server_id: "NB", server_name: "B", headers: true, gateway_iom: true };

function dialled(settings: Partial<GatewaySettings> = {}) {
  const server = new LoneGateways({ remotes: REMOTES, ...settings });
  for (const account of ["$G", "AC"]) server.group.accountKnown(account);
  server.group.start();
  server.clock.advance(1000);
  return { server, ...server.open() };
}

function registered(info: Record<string, unknown> = {}) {
  const opened = dialled();
  feed(opened.peer, infoText({ ...INFO, ...info }));
  opened.connection.take();
  opened.server.events.length = 0;
  opened.server.toldRoutes.length = 0;
  const [link] = opened.server.links;
  return { ...opened, link: link! };
}

function message(subject: string, reply = "", content = "hi", headerBytes = 0): LinkMessage {
  const bytes = Uint8Array.from(bytesOf(content));
  return { account: "AC", origin: "", subject, reply, content: { bytes, headerBytes } };
}

describe("OutboundGateway handshake", () => {
  test("says nothing before the peer's INFO, then CONNECT, INFO and a PING to measure by", () => {
    const { server, connection, peer } = dialled();
    expect(connection.take()).toBe("");
    feed(peer, infoText(INFO));
    expect(connection.take()).toBe(
      'CONNECT {"echo":false,"verbose":false,"pedantic":false,"tls_required":false,"headers":false,"name":"NA","cluster":"","gateway":"GA"}\r\n' +
        'INFO {"server_id":"NA","server_name":"A","version":"2.15.2","proto":3,"go":"","host":"127.0.0.1","port":1001,"headers":true,"max_payload":1048576,"gateway":"GA","gateway_urls":["127.0.0.1:1001"],"gateway_url":"127.0.0.1:1001","gateway_nrp":true,"gateway_iom":true}\r\n' +
        "PING\r\n",
    );
    expect(server.events).toEqual(["outbound joined GB"]);
    expect(server.log).toContain(
      'info 127.0.0.1:40001 - gid:1 - Outbound gateway connection to "GB" (NB) registered',
    );
    expect(server.toldRoutes).toEqual([
      'INFO {"server_id":"GWNA","server_name":"A","version":"","proto":0,"go":"","host":"","port":0,"headers":false,"max_payload":0,"gateway":"GB","gateway_cmd":1}\r\n',
    ]);
  });

  test("logs in as the URL says, else as this gateway does", () => {
    const credentials = { user: "own", password: "pw" };
    const own = dialled({ credentials });
    feed(own.peer, infoText(INFO));
    expect(own.connection.take()).toContain('"user":"own","pass":"pw","tls_required"');
    const remotes = [{ name: "GB", urls: ["nats://url:secret@127.0.0.1:1002"], tls: null }];
    const other = dialled({ credentials, remotes });
    feed(other.peer, infoText(INFO));
    expect(other.connection.take()).toContain('"user":"url","pass":"secret","tls_required"');
  });

  test("handshakes with TLS first; the certificate is to name a host where one is known", () => {
    const tls = { context: "gateway:GB", timeoutMs: 2000 };
    const urls = ["nats://gw.example.com:1002", "nats://127.0.0.1:1002"];
    const { connection, target } = dialled({ remotes: [{ name: "GB", urls, tls }] });
    expect(["gw.example.com", "127.0.0.1"]).toContain(target.host);
    expect(connection.tls).toEqual({ ...tls, serverName: "gw.example.com" });
  });

  test.each([
    [{}, `Attempt to connect to gateway "GB" using wrong port`, "Incorrect Port"],
    [
      { gateway: "WRONG" },
      `Connection from "GA" rejected, wanted to connect to "GB", this is "WRONG"`,
      "Wrong Gateway",
    ],
  ])("refuses a peer whose INFO is %p", (info, text, reason) => {
    const { connection, peer } = dialled();
    feed(peer, infoText(info));
    expect(connection.take()).toBe(`-ERR '${text}'\r\n`);
    expect(connection.closed).toBe(reason);
  });

  test("closes silently on a duplicate server name", () => {
    const { connection, peer } = dialled();
    feed(peer, infoText({ ...INFO, server_name: "A" }));
    expect(connection.take()).toBe("");
    expect(connection.closed).toBe("Duplicate Server Name");
  });

  test("takes a peer for stale that says nothing, after as long as all pings take", () => {
    const { server, connection } = dialled();
    server.clock.advance(44_999);
    expect(connection.closed).toBe("");
    server.clock.advance(1);
    expect(connection.take()).toBe("-ERR 'Stale Connection'\r\n");
    expect(connection.closed).toBe("Stale Connection");
  });

  test("measures the round trip of its pings", () => {
    const { server, connection, peer, link } = registered();
    server.clock.advance(1000);
    expect(connection.take()).toBe("PING\r\n");
    server.clock.advance(7);
    feed(peer, "PONG\r\n");
    expect(link.rttMs).toBe(7);
  });

  test("tells the core when it is gone", () => {
    const { server, peer } = registered();
    peer.ended(CloseReason.ReadError);
    expect(server.events).toEqual(["outbound left GB"]);
    expect(server.log.slice(-2)).toEqual([
      "info 127.0.0.1:40001 - gid:1 - Gateway connection closed: Read Error - Remote: B",
      'debug Attempting reconnect for gateway "GB"',
    ]);
  });
});

describe("OutboundGateway interest", () => {
  test("is what the peer tells, by command and line", () => {
    const { server, peer } = registered();
    const command = (number: number) =>
      infoText({ gateway: "GB", gateway_cmd: number, gateway_cmd_payload: "QUM=" });
    feed(peer, `RS+ AC work q 1\r\n${command(2)}RS+ AC foo\r\n${command(3)}RS+ AC bar\r\nRS- AC foo\r\n`);
    expect(server.events).toEqual([
      "outbound AC work q 1",
      "outbound AC foo 1",
      "outbound AC bar 1",
      "outbound AC foo 0",
    ]);
  });

  test("is not in what is no subject", () => {
    const { server, peer } = registered();
    const all = infoText({ gateway: "GB", gateway_cmd: 2, gateway_cmd_payload: "QUM=" });
    feed(peer, `${all}RS+ AC a..b\r\nRS+ AC a.>.b\r\nRS+ AC .a q 1\r\nRS- AC a..b\r\n`);
    expect(server.events).toEqual([]);
    expect(server.log.filter((line) => line.includes("Could not insert subscription")).length).toBe(3);
  });

  test("is everything of every account where the peer does not tell it", () => {
    const { server, connection, peer, link } = registeredWithoutIom();
    expect(server.events).toEqual(["outbound joined GB", "outbound $G > 1", "outbound AC > 1"]);
    feed(peer, "RS- AC no\r\n");
    expect(server.events.at(-1)).toBe("outbound changed");
    expect([link.maySend("AC", "no"), link.maySend("AC", "yes"), link.maySend("$G", "no")]).toEqual([
      false,
      true,
      true,
    ]);
    link.sendMessage(message("no"), []);
    expect(connection.take()).toBe("");
  });

  test("of a group lets a refused subject through for the group alone", () => {
    const { connection, peer, link } = registeredWithoutIom();
    feed(peer, "RS+ AC no q 1\r\nRS- AC no\r\n");
    expect(link.maySend("AC", "no")).toBe(true);
    link.sendMessage(message("no"), []);
    expect(connection.take()).toBe("");
    link.sendMessage(message("no"), ["q"]);
    expect(connection.take()).toBe("RMSG AC no | q 2\r\nhi\r\n");
  });

  test.each([
    [2, "start"],
    [3, "complete"],
  ])("command %p needs an account", (number, word) => {
    const { connection, peer } = registered();
    feed(peer, infoText({ gateway: "GB", gateway_cmd: number }));
    expect(connection.take()).toBe(
      `-ERR 'Account absent from receive-all-subscriptions-${word} command'\r\n`,
    );
    expect(connection.closed).toBe("Protocol Violation");
  });

  test("unknown commands are for the log alone", () => {
    const { server, connection, peer } = registered();
    feed(peer, infoText({ gateway: "GB", gateway_cmd: 9 }));
    expect(connection.closed).toBe("");
    expect(server.log.at(-1)).toBe('warning Received unknown command 9 from gateway "GB"');
  });
});

describe("OutboundGateway messages", () => {
  test("take the forms of routes", () => {
    const { connection, link } = registered();
    link.sendMessage(message("foo"), []);
    link.sendMessage(message("foo", "inbox.1"), ["q1", "q2"]);
    const header = "NATS/1.0\r\nA: b\r\n\r\n";
    link.sendMessage(message("foo", "inbox.1", `${header}hi`, header.length), []);
    expect(connection.take()).toBe(
      "RMSG AC foo 2\r\nhi\r\n" +
        "RMSG AC foo + inbox.1 q1 q2 2\r\nhi\r\n" +
        `HMSG AC foo inbox.1 18 20\r\n${header}hi\r\n`,
    );
    expect(link.messagePrefix("AC", "foo", "")).toBe("RMSG AC foo ");
  });

  test("lose their headers on the way to a peer without them", () => {
    const { connection, link } = registered({ headers: false });
    const header = "NATS/1.0\r\n\r\n";
    link.sendMessage(message("foo", "", `${header}hi`, header.length), []);
    expect(connection.take()).toBe("RMSG AC foo 2\r\nhi\r\n");
  });

  test("are not sent once the connection is closing", () => {
    const { connection, peer, link } = registered();
    feed(peer, "-ERR 'bye'\r\n");
    link.sendMessage(message("foo"), []);
    expect(connection.take()).toBe("");
    expect(connection.closed).toBe("Parse Error");
  });
});

function registeredWithoutIom() {
  const opened = dialled();
  feed(opened.peer, infoText({ ...INFO, gateway_iom: false }));
  opened.connection.take();
  const [link] = opened.server.links;
  return { ...opened, link: link! };
}
