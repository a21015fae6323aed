import { describe, expect, test } from "bun:test";
import { InterestLedger } from "../core/ledger.ts";
import { FakeClock } from "../core/testing/fake_clock.ts";
import type { LeafOptions } from "./leaf_context.ts";
import { type FakeEnd, FakeServer, LEAF_ACCOUNT, LEAF_OPTIONS } from "./testing/fake_server.ts";

const USER = {
  publish: { allow: ["pp.>"], deny: undefined },
  subscribe: { allow: ["ss.>"], deny: undefined },
  responses: undefined,
};

function serve(options: Partial<LeafOptions> = {}): { server: FakeServer; clock: FakeClock } {
  const clock = new FakeClock();
  const server = new FakeServer(clock, options);
  server.users.set("u", { account: "A", permissions: USER });
  return { server, clock };
}

function connect(fields: object = {}): string {
  return `CONNECT ${JSON.stringify({ version: "2.15.2", name: "L", cluster: "LC", headers: true, ...fields })}\r\n`;
}

function login(server: FakeServer, fields: object = {}): FakeEnd {
  const end = server.accept();
  end.feed(connect(fields));
  return end;
}

/** The members of an INFO line. */
function infoOf(line: string | undefined): Record<string, unknown> {
  expect(line?.startsWith("INFO {")).toBe(true);
  return JSON.parse(line!.slice("INFO ".length)) as Record<string, unknown>;
}

describe("AcceptedLeaf", () => {
  test("begins with INFO, and answers CONNECT with INFO and what it wants", () => {
    const { server } = serve();
    server.cluster = "HC";
    server.onJoined = (link) => link.announce({ account: "A", subject: "foo", queue: "", origin: "" }, 1);
    const end = server.accept();
    const [first] = end.lines();
    expect(infoOf(first)).toMatchObject({
      server_id: "NSERVER",
      auth_required: true,
      nonce: "aN5b3xZ9QwErTyU",
      cluster: "HC",
      info_on_connect: true,
      leafnode_urls: ["127.0.0.1:7422"],
    });
    expect(first?.endsWith("} ")).toBe(true);
    expect(infoOf(first).compression).toBe("s2_auto");

    end.feed(connect({ remote_account: "R" }));
    const [second, ...interest] = end.lines();
    expect(infoOf(second)).toMatchObject({ connect_info: true, remote_account: "A" });
    expect(infoOf(second).nonce).toBeUndefined();
    expect(interest).toEqual(["LS+ $LDS.0000000000000000000000", "LS+ foo"]);
    expect(server.told).toEqual(["joined A spoke LC", "opened L true"]);
    expect(server.nodes.reports()).toMatchObject([
      { serverName: "L", isSpoke: false, account: "A", remoteAccount: "R", compression: "not supported" },
    ]);
  });

  test("judges by what CONNECT says", () => {
    const { server } = serve();
    login(server, { user: "u", pass: "u", jwt: "j", sig: "s", nkey: "U", auth_token: "t" });
    expect(server.requests).toMatchObject([
      {
        connectionType: "LEAFNODE",
        nonce: "aN5b3xZ9QwErTyU",
        connect: { user: "u", password: "u", jwt: "j", signature: "s", nkey: "U", authToken: "t" },
      },
    ]);
  });

  test("tells the permissions of the user, and announces by them", () => {
    const { server } = serve();
    server.onJoined = (link) => {
      for (const subject of ["pp.1", "zz", ">"]) {
        link.announce({ account: "A", subject, queue: "", origin: "" }, 1);
      }
    };
    const [, second, ...interest] = login(server, { user: "u", pass: "u" }).lines();
    expect(infoOf(second)).toMatchObject({ import: { allow: ["ss.>"] }, export: { allow: ["pp.>"] } });
    expect(interest.slice(1)).toEqual(["LS+ pp.1", "LS+ >"]);
  });

  const refused = (fields: object, line: string, reason: string, options: Partial<LeafOptions> = {}) => {
    const { server } = serve(options);
    server.cluster = "HC";
    const end = login(server, fields);
    expect(end.lines().slice(1)).toEqual([`-ERR '${line}'`]);
    expect(end.connection.closed).toBe(reason);
    return server;
  };

  test("refuses a wrong password, and says so in the log and to whoever counts", () => {
    const server = refused({ user: "u", pass: "x" }, "Authorization Violation", "Authentication Failure");
    expect(server.told).toEqual(["refused authorization violation"]);
    expect(server.logs).toContain('error authentication error - User "u"');
  });

  test("refuses clients, gateways, its own cluster, and names no cluster can have", () => {
    refused({ lang: "go" }, "attempted to connect to leaf node port", "Incorrect Port");
    refused({ gateway: "G" }, 'Rejecting connection from gateway "G" on the leafnode port', "Wrong Gateway");
    refused({ cluster: "HC" }, "remote leafnode has same cluster name", "Cluster Names Identical");
    refused({ cluster: "a b" }, "cluster name cannot contain spaces", "Protocol Violation");
    refused({ cluster: "_" }, "cluster name is reserved", "Protocol Violation");
  });

  test("refuses old versions behind the INFO that tells the dialler it is no failure", () => {
    const { server } = serve({ versionMin: "2.9.0" });
    const end = login(server, { version: "2.8.9" });
    const [, second, error] = end.lines();
    expect(infoOf(second)).toMatchObject({ connect_info: true, remote_account: "A" });
    expect(error).toBe(`-ERR 'connection rejected since minimum version required is "2.9.0"'`);
    expect(end.connection.closed).toBe("Minimum Version Required");
  });

  test("counts the leafs of an account, on other servers too", () => {
    const { server } = serve();
    server.accounts.set("A", { ...LEAF_ACCOUNT, leafsMax: 2, leafsElsewhere: 1 });
    login(server, { name: "L1" });
    const end = login(server, { name: "L2" });
    expect(end.lines().at(-1)).toBe("-ERR 'maximum account active connections exceeded'");
    expect(end.connection.closed).toBe("Maximum Account Connections Exceeded");
  });

  test("closes the newest once other servers have more", () => {
    const { server } = serve();
    server.accounts.set("A", { ...LEAF_ACCOUNT, leafsMax: 2, leafsElsewhere: 0 });
    const first = login(server, { name: "L1" });
    const second = login(server, { name: "L2" });
    server.nodes.limit("A");
    expect(second.connection.closed).toBe("");
    server.accounts.set("A", { ...LEAF_ACCOUNT, leafsMax: 2, leafsElsewhere: 1 });
    server.nodes.limit("A");
    expect(second.lines().at(-1)).toBe("-ERR 'maximum account active connections exceeded'");
    expect(second.connection.closed).toBe("Maximum Account Connections Exceeded");
    expect(first.connection.closed).toBe("");
  });

  test("does not tell a full account from a wrong password where leafs have credentials of their own", () => {
    const { server } = serve({ hasOwnCredentials: true });
    server.accounts.set("A", { ...LEAF_ACCOUNT, leafsMax: 0 });
    expect(login(server).lines().at(-1)).toBe("-ERR 'Authorization Violation'");
  });

  test("refuses whoever is bound to an account that is not there", () => {
    const { server } = serve();
    server.accounts.delete("A");
    expect(login(server).lines().at(-1)).toBe("-ERR 'Authorization Violation'");
    expect(server.logs.join("\n")).toContain('unable to lookup account "A"');
  });

  test("wants CONNECT first, or the INFO of a server that could compress", () => {
    const { server } = serve();
    const early = server.accept();
    early.feed("LS+ foo\r\n");
    expect(early.lines().slice(1)).toEqual(["-ERR 'Authorization Violation'"]);
    const polite = server.accept();
    polite.feed(`INFO {}\r\n${connect()}`);
    expect(polite.connection.closed).toBe("");
    const strict = serve({ compression: { mode: "off", rttThresholdsMs: [] } }).server.accept();
    expect(infoOf(strict.lines()[0]).compression).toBe("off");
    strict.feed("INFO {}\r\n");
    expect(strict.connection.closed).toBe("Authentication Failure");
  });

  test("tells how it ended where there was no link, as far as it has said who it is", () => {
    const { server } = serve();
    const silent = server.accept();
    silent.lose();
    const refused = server.accept();
    refused.feed(connect({ name: "L", user: "x", pass: "y" }));
    refused.lines();
    const up = server.accept();
    up.feed(connect({ name: "L" }));
    up.lose();
    expect(server.failed).toEqual(["   Client Closed", "L  x Authentication Failure"]);
  });

  test("does not listen for ever to who says INFO, and nothing else", () => {
    const { server } = serve({ compression: { mode: "s2_auto", rttThresholdsMs: [] } });
    const end = server.accept();
    end.feed("INFO {}\r\n".repeat(8));
    expect(end.connection.closed).toBe("");
    end.feed("INFO {}\r\n");
    expect(end.connection.closed).toBe("Protocol Violation");
    expect(server.logs).toContain("error Too much was sent before CONNECT");
  });

  test("compresses with who says INFO first, from its INFO on, which it says anew", () => {
    const { server } = serve({ compression: { mode: "s2_fast", rttThresholdsMs: [] } });
    const end = server.accept();
    expect(infoOf(end.lines()[0]).compression).toBe("s2_fast");
    end.feed(`INFO {"compression":"s2_auto","client_id":1}\r\n`);
    const [turn, anew, ...more] = end.lines();
    expect([turn, more]).toEqual(["<s2_fast>", []]);
    expect(infoOf(anew)).toMatchObject({ compression: "s2_fast", nonce: "aN5b3xZ9QwErTyU" });
    // Another INFO changes nothing.
    end.feed(`INFO {"compression":"s2_best"}\r\n`);
    end.feed(connect({ compress_mode: "s2_best" }));
    expect(infoOf(end.lines()[0])).toMatchObject({ connect_info: true });
    expect(server.nodes.reports()).toMatchObject([{ compression: "s2_fast" }]);
  });

  test("goes on where a reload changes round trips that nothing is chosen by", () => {
    const compression = { mode: "accept", rttThresholdsMs: [10] } as const;
    const { server } = serve({ compression });
    const end = server.accept();
    end.feed(`INFO {"compression":"s2_fast"}\r\n`);
    end.feed(connect({ compress_mode: "s2_fast" }));
    server.nodes.setOptions({ ...LEAF_OPTIONS, compression: { ...compression, rttThresholdsMs: [20] } });
    expect(end.connection.closed).toBe("");
    server.nodes.setOptions({ ...LEAF_OPTIONS, compression: { ...compression, mode: "off" } });
    expect(end.connection.closed).toBe("Client Closed");
  });

  test("takes the word of who says CONNECT at once for why there is none", () => {
    for (const [fields, mode] of [
      [{}, "not supported"],
      [{ compress_mode: "off" }, "off"],
    ] as const) {
      const { server } = serve();
      server.accept().feed(connect(fields));
      expect(server.nodes.reports()).toMatchObject([{ compression: mode }]);
    }
  });

  test("refuses who wants what nobody knows", () => {
    const end = serve().server.accept();
    end.lines();
    end.feed(`INFO {"compression":"x"}\r\n`);
    expect(end.lines()).toEqual([`-ERR 'unsupported route compression mode "x"'`]);
    expect(end.connection.closed).toBe("Protocol Violation");
  });

  test("refuses a CONNECT of wrong types without a word", () => {
    const { server } = serve();
    const end = login(server, { deny_pub: "x" });
    expect(end.lines().length).toBe(1);
    expect(end.connection.closed).toBe("Protocol Violation");
  });

  test("does not wait for CONNECT for ever", () => {
    const { server, clock } = serve();
    const end = server.accept();
    clock.advance(1999);
    expect(end.connection.closed).toBe("");
    clock.advance(2);
    expect(end.lines().at(-1)).toBe("-ERR 'Authentication Timeout'");
    expect(end.connection.closed).toBe("Authentication Timeout");
  });

  test("keeps what is sent while the login is judged, in order, pings too", () => {
    const { server } = serve();
    server.holdsVerdicts = true;
    const end = login(server);
    end.feed("LS+ foo\r\nLMSG bar 2\r\nhi\r\nPING\r\n");
    expect(end.lines().slice(1)).toEqual([]);
    expect(server.told).toEqual([]);
    server.held.pop()?.();
    expect(server.told).toEqual(["joined A spoke LC", "opened L true", "interest A foo  LC 1"]);
    expect(server.messages.map(({ message }) => message.subject)).toEqual(["bar"]);
    expect(end.lines().at(-1)).toBe("PONG");
  });

  test("takes no more than so much before the login is judged", () => {
    const { server } = serve();
    server.holdsVerdicts = true;
    const end = login(server);
    end.feed("LS+ foo\r\n".repeat(10_001));
    expect(end.connection.closed).toBe("Protocol Violation");
    server.held.pop()?.();
    expect(server.told).toEqual([]);
  });

  test("is replaced by a newer connection of the same server, account and remote account", () => {
    const { server } = serve();
    const fields = { remote_account: "R" };
    const [older, other] = [login(server, fields), login(server, { remote_account: "Q" })];
    const newer = login(server, fields);
    expect(older.lines().at(-1)).toBe("-ERR 'Duplicate Remote LeafNode Connection'");
    expect(older.connection.closed).toBe("Duplicate Remote LeafNode Connection");
    expect([other.connection.closed, newer.connection.closed]).toEqual(["", ""]);
    expect(server.logs).toContain("warning Replacing connection from same server");
    const [first, second] = [login(server, { name: "M" }), login(server, { name: "M" })];
    expect([first.connection.closed, second.connection.closed]).toEqual(["", ""]);
  });

  test("is no link any more when the connection that replaces it is told what is wanted", () => {
    const { server } = serve();
    const ledger = new InterestLedger();
    server.onJoined = (link) => ledger.attach(link);
    server.onLeft = (link) => ledger.detach(link);
    server.onInterest = (link, key, weight) => ledger.setRemote(link, key, weight);
    // Without a cluster, the ledger cannot see that the two links belong together.
    const fields = { cluster: "", remote_account: "R" };
    const older = login(server, fields);
    older.feed("LS+ $LDS.of.the.leaf\r\n");
    const newer = login(server, fields);
    expect(newer.lines().filter((line) => line.includes("$LDS.of.the.leaf"))).toEqual([]);
    expect(older.connection.closed).toBe("Duplicate Remote LeafNode Connection");
    expect(older.lines().at(-1)).toBe("-ERR 'Duplicate Remote LeafNode Connection'");
    const closed = "closed L Duplicate Remote LeafNode Connection";
    expect(server.told.slice(3)).toEqual([closed, "left A", "joined A spoke ", "opened L true"]);
  });

  test("hands over to a dialler that calls itself the hub", () => {
    const { server } = serve();
    login(server, { is_hub: true });
    expect(server.told[0]).toBe("joined A hub LC");
    expect(server.nodes.reports()[0]?.isSpoke).toBe(true);
  });

  test("isolates whoever asks for it", () => {
    const { server } = serve();
    login(server, { isolate: true });
    login(server, { name: "M" });
    expect(server.links.map(({ isIsolated }) => isIsolated)).toEqual([true, false]);
  });

  test("with TLS sends INFO in clear, and handshakes", () => {
    const { server, clock } = serve({
      tls: { verifies: true, timeoutMs: 500, isFirst: false, fallbackMs: 0 },
    });
    const end = server.accept();
    expect(infoOf(end.lines()[0])).toMatchObject({ tls_required: true, tls_verify: true });
    expect(end.connection.tls).toEqual({ context: "leafnodes", timeoutMs: 500 });
    clock.advance(10_000);
    expect(end.connection.closed).toBe(""); // the host times handshakes
    end.connection.finishTls();
    end.feed(connect());
    expect(server.told[0]).toBe("joined A spoke LC");
  });

  test("with TLS first sends INFO behind the handshake, or before it to whoever waits", () => {
    const tls = { verifies: false, timeoutMs: 500, isFirst: true, fallbackMs: 50 };
    const end = serve({ tls }).server.accept();
    expect(end.lines()).toEqual([]);
    end.connection.finishTls();
    expect(end.lines().length).toBe(1);

    const waiting = serve({ tls }).server.accept();
    expect(waiting.connection.tls?.fallback?.afterMs).toBe(50);
    waiting.connection.tls?.fallback?.send();
    expect(waiting.lines().length).toBe(1);
    waiting.connection.finishTls();
    expect(waiting.lines()).toEqual([]);
  });

  test("over WebSocket leaves TLS to the listener", () => {
    const { server } = serve({ tls: { verifies: true, timeoutMs: 500, isFirst: true, fallbackMs: 0 } });
    const end = server.accept({ isCompressed: true, forwardedFor: "" });
    end.feed(connect());
    expect(end.connection.tls).toBe(null);
    expect(server.requests[0]?.connectionType).toBe("LEAFNODE_WS");
    expect(server.nodes.reports()[0]?.isWebSocket).toBe(true);
  });

  test("tells other clusters that the account has leafs, where there are gateways", () => {
    const { server } = serve({ hasGateways: true });
    const lines = login(server).lines();
    expect(lines).toContain("LS+ _GR_.>");
    expect(server.told).toContain("account A");
  });

  test("says nothing to the account of leafs with credentials of their own", () => {
    const { server } = serve({ hasOwnCredentials: true });
    login(server);
    expect(server.told).toContain("opened L false");
  });
});
