import { describe, expect, test } from "bun:test";
import { CloseReason } from "../../protocol/close_reason.ts";
import type { JudgeServer } from "../core/server_login.ts";
import { feed, infoText, LoneGateways } from "./testing/gateway_world.ts";

const CONNECT = 'CONNECT {"gateway":"GX"}\r\n';
const INFO = infoText({ gateway: "GX", server_id: "NX", server_name: "X" });
const OWN_INFO =
  'INFO {"server_id":"NA","server_name":"A","version":"2.15.2","proto":3,"go":"","host":"127.0.0.1","port":1001,"headers":true,"max_payload":1048576,"gateway":"GA","gateway_urls":["127.0.0.1:1001"],"gateway_url":"127.0.0.1:1001","gateway_nrp":true,"gateway_iom":true}\r\n';

function command(number: number, payload: string): string {
  return `INFO {"server_id":"","server_name":"","version":"","proto":0,"go":"","host":"","port":0,"headers":false,"max_payload":0,"gateway":"GA","gateway_cmd":${number},"gateway_cmd_payload":"${payload}"}\r\n`;
}

function key(account: string, subject: string, queue = "") {
  return { account, subject, queue, origin: "" };
}

/** A registered peer; what it was sent so far has been read. */
function registered(server = new LoneGateways()) {
  const { connection, peer } = server.accept();
  feed(peer, CONNECT + INFO);
  return { server, connection, peer, sent: connection.take() };
}

describe("InboundGateway handshake", () => {
  test("sends INFO at once, and registers the peer after CONNECT and INFO", () => {
    const server = new LoneGateways();
    const { connection, peer } = server.accept();
    expect(connection.take()).toBe(OWN_INFO);
    feed(peer, CONNECT);
    expect(server.events).toEqual([]);
    feed(peer, INFO);
    expect(server.events).toEqual(["inbound joined GX"]);
    expect(server.log).toContain(
      'info 127.0.0.1:40001 - gid:1 - Inbound gateway connection from "GX" (NX) registered',
    );
    peer.ended(CloseReason.ClientClosed);
    expect(server.events).toEqual(["inbound joined GX", "inbound left GX"]);
    expect(server.log.at(-1)).toBe(
      "info 127.0.0.1:40001 - gid:1 - Gateway connection closed: Client Closed - Remote: X",
    );
  });

  test("registers by an INFO that says nothing but the gateway", () => {
    const server = new LoneGateways();
    const { peer } = server.accept();
    feed(peer, `${CONNECT}INFO {"gateway":"GX"}\r\n`);
    expect(server.events).toEqual(["inbound joined GX"]);
  });

  test("handshakes before the first byte where there is TLS", () => {
    const tls = { context: "gateway", timeoutMs: 2000 };
    const server = new LoneGateways({ tls });
    const { connection } = server.accept();
    expect(connection.take()).toBe("");
    expect(connection.tls).toEqual(tls);
    connection.finishTls();
    expect(connection.take()).toContain('"tls_required":true,"tls_verify":true');
  });

  test.each(["PING\r\n", INFO, "RS+ $G a\r\n"])("wants CONNECT first, not %p", (first) => {
    const server = new LoneGateways();
    const { connection, peer } = server.accept();
    connection.take();
    feed(peer, first);
    expect(server.log.at(-1)).toBe("error 127.0.0.1:40001 - gid:1 - authentication error");
    expect(connection.take()).toBe("-ERR 'Authorization Violation'\r\n");
    expect(connection.closed).toBe("Authentication Failure");
  });

  test("wants it in time", () => {
    const server = new LoneGateways({ authTimeoutMs: 1000 });
    const { connection } = server.accept();
    connection.take();
    server.clock.advance(999);
    expect(connection.closed).toBe("");
    server.clock.advance(1);
    expect(connection.take()).toBe("-ERR 'Authentication Timeout'\r\n");
    expect(connection.closed).toBe("Authentication Timeout");
  });

  test("asks who may connect", () => {
    const seen: string[] = [];
    const judge: JudgeServer = (_connection, { user, password }, _isAgain, answer) => {
      seen.push(`${user}/${password}`);
      answer({ isAuthorized: false, log: { level: "debug", text: "Using SAN" } });
    };
    const server = new LoneGateways({ credentials: { user: "u", password: "p" } }, { judge });
    const { connection, peer } = server.accept();
    expect(connection.take()).toContain('"auth_required":true');
    feed(peer, 'CONNECT {"gateway":"GX","user":"u","pass":"bad"}\r\n');
    expect(seen).toEqual(["u/bad"]);
    expect(server.log.at(-2)).toContain("debug 127.0.0.1:40001 - gid:1 - Using SAN");
    expect(server.log.at(-1)).toContain('gid:1 - authentication error - User "u"');
    expect(connection.take()).toBe("-ERR 'Authorization Violation'\r\n");
    expect(connection.closed).toBe("Authentication Failure");
  });

  test("goes on with CONNECT once it is judged", () => {
    const held: (() => void)[] = [];
    const judge: JudgeServer = (_connection, { user }, _isAgain, answer) => {
      held.push(() => answer({ isAuthorized: user === "u", log: null }));
    };
    const server = new LoneGateways({ credentials: { user: "u", password: "p" } }, { judge });
    const [good, wrong, gone] = [server.accept(), server.accept(), server.accept()];
    for (const { connection } of [good, wrong, gone]) connection.take();
    feed(good.peer, 'CONNECT {"gateway":"GX","user":"u","pass":"p"}\r\n');
    feed(wrong.peer, 'CONNECT {"user":"u","pass":"p"}\r\n');
    feed(gone.peer, 'CONNECT {"gateway":"GX","user":"v"}\r\n');
    gone.peer.ended(CloseReason.ClientClosed);
    // A peer that has sent CONNECT is in time.
    server.clock.advance(10_000);
    for (const { connection } of [good, wrong, gone]) expect(connection.take()).toBe("");
    for (const give of held) give();
    expect(wrong.connection.take()).toBe("-ERR 'attempted to connect to gateway port'\r\n");
    feed(good.peer, infoText({ server_id: "NX", gateway: "GX" }));
    expect(server.events).toEqual(["inbound joined GX"]);
    expect(server.log.filter((line) => line.includes("authentication error"))).toEqual([]);
  });

  test("refuses clients and routes", () => {
    const { connection, peer } = new LoneGateways().accept();
    connection.take();
    feed(peer, 'CONNECT {"lang":"go"}\r\n');
    expect(connection.take()).toBe("-ERR 'attempted to connect to gateway port'\r\n");
    expect(connection.closed).toBe("Incorrect Port");
  });

  test("refuses clusters that are not configured, if so configured", () => {
    const remotes = [{ name: "GB", urls: ["nats://127.0.0.1:1"], tls: null }];
    const server = new LoneGateways({ rejectsUnknown: true, remotes });
    const { connection, peer } = server.accept();
    connection.take();
    feed(peer, CONNECT);
    expect(connection.take()).toBe(`-ERR 'Connection to gateway "GA" rejected'\r\n`);
    expect(connection.closed).toBe("Wrong Gateway");

    const other = server.accept();
    feed(other.peer, `CONNECT {"gateway":"GB"}\r\n${infoText({ gateway: "GB", server_name: "B" })}`);
    expect(other.connection.closed).toBe("");
    expect(server.events).toEqual(["inbound joined GB"]);
  });

  test.each(["A", "member"])("closes silently on the duplicate server name %p", (name) => {
    const server = new LoneGateways();
    server.memberNames.add("member");
    const { connection, peer } = server.accept();
    connection.take();
    feed(peer, CONNECT + infoText({ gateway: "GX", server_name: name }));
    expect(connection.take()).toBe("");
    expect(connection.closed).toBe("Duplicate Server Name");
    expect(server.log.at(-1)).toContain(`Remote server has a duplicate name: "${name}"`);
  });

  test.each([
    ["CONNECT {\r\n", "Protocol Violation"],
    ['CONNECT {"gateway":1}\r\n', "Protocol Violation"],
    [`${CONNECT}INFO {"gateway_cmd":256}\r\n`, "Protocol Violation"],
    [`${CONNECT}-ERR 'bye'\r\n`, "Parse Error"],
  ])("closes silently on %p", (bytes, reason) => {
    const { connection, peer } = new LoneGateways().accept();
    connection.take();
    feed(peer, bytes);
    expect(connection.take()).toBe("");
    expect(connection.closed).toBe(reason);
  });

  test("answers PING before and after INFO, and pings once CONNECT has come", () => {
    const server = new LoneGateways();
    const { connection, peer } = server.accept();
    connection.take();
    server.clock.advance(1500);
    expect(connection.take()).toBe("");
    feed(peer, `${CONNECT}PING\r\n`);
    expect(connection.take()).toBe("PONG\r\n");
    server.clock.advance(1000);
    expect(connection.take()).toBe("PING\r\n");
  });
});

describe("InboundGateway interest", () => {
  test("tells groups first, then plain interest of every account in its bracket", () => {
    const server = new LoneGateways();
    for (const account of ["$G", "AC"]) server.group.accountKnown(account);
    server.interest = [
      { key: key("$G", "foo"), weight: 1 },
      { key: key("AC", "work", "q"), weight: 3 },
      { key: key("$G", "bar.>"), weight: 1 },
    ];
    const { sent } = registered(server);
    expect(sent).toBe(
      OWN_INFO +
        "RS+ AC work q 1\r\n" +
        command(2, "JEc=") +
        "RS+ $G foo\r\nRS+ $G bar.>\r\n" +
        command(3, "JEc=") +
        command(2, "QUM=") +
        command(3, "QUM="),
    );
  });

  test("tells changes as they come", () => {
    const server = new LoneGateways();
    server.group.accountKnown("$G");
    const { connection } = registered(server);
    const [link] = server.links;
    link!.announce(key("$G", "foo"), 1);
    link!.announce(key("$G", "foo", "q"), 2);
    link!.announce(key("$G", "foo"), 0);
    link!.announce(key("$G", "foo", "q"), 0);
    expect(connection.take()).toBe("RS+ $G foo\r\nRS+ $G foo q 1\r\nRS- $G foo\r\nRS- $G foo q\r\n");
  });

  test("brackets an account that becomes known later, by itself or by its interest", () => {
    const { server, connection } = registered();
    server.group.accountKnown("$G");
    server.group.accountKnown("$G");
    expect(connection.take()).toBe(command(2, "JEc=") + command(3, "JEc="));
    const [link] = server.links;
    link!.announce(key("AC", "foo"), 1);
    expect(connection.take()).toBe(`${command(2, "QUM=")}RS+ AC foo\r\n${command(3, "QUM=")}`);
    server.group.accountKnown("AC");
    expect(connection.take()).toBe("");
  });

  test("closes silently when the peer tells interest of its own", () => {
    for (const line of ["RS+ $G a\r\n", "RS- $G a\r\n", "A+ $G\r\n"]) {
      const { server, connection, peer } = registered();
      feed(peer, line);
      expect(connection.take()).toBe("");
      expect(connection.closed).toBe("Protocol Violation");
      const verb = line.split(" ")[0];
      expect(server.log.at(-1)).toContain(`Received ${verb} from gateway on inbound connection`);
    }
  });
});

describe("InboundGateway messages", () => {
  test("go to the core, groups and all", () => {
    const server = new LoneGateways();
    server.group.accountKnown("$G");
    const { connection, peer } = registered(server);
    feed(peer, "RMSG $G foo + inbox.1 q1 q2 2\r\nhi\r\n");
    expect(server.messages).toHaveLength(1);
    const [{ message, queues }] = server.messages as [(typeof server.messages)[0]];
    expect([message.account, message.subject, message.reply, queues]).toEqual([
      "$G",
      "foo",
      "inbox.1",
      ["q1", "q2"],
    ]);
    expect(connection.take()).toBe("");
  });

  test("of accounts that are not here are refused once, until there is one", () => {
    const { server, connection, peer } = registered();
    feed(peer, "RMSG NO a 2\r\nhi\r\nRMSG NO b 2\r\nhi\r\n");
    expect(connection.take()).toBe("A- NO\r\n");
    server.group.accountKnown("NO");
    expect(connection.take()).toBe(command(2, "Tk8=") + command(3, "Tk8="));
    feed(peer, "RMSG NO a 2\r\nhi\r\n");
    expect(connection.take()).toBe("");
  });

  test("never leave by it", () => {
    const { server } = registered();
    const [link] = server.links;
    expect(link!.maySend("$G", "a")).toBe(false);
  });
});
