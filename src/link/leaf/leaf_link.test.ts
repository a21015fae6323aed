import { describe, expect, test } from "bun:test";
import type { LinkMessage } from "../core/link.ts";
import { FakeClock } from "../core/testing/fake_clock.ts";
import type { LeafOptions } from "./leaf_context.ts";
import { type FakeEnd, FakeServer, LEAF_ACCOUNT } from "./testing/fake_server.ts";

const USER = {
  publish: { allow: ["pp.>"], deny: undefined },
  subscribe: { allow: ["ss.>"], deny: undefined },
  responses: { maxMessages: 1, ttlMs: 1000 },
};

interface Up {
  readonly server: FakeServer;
  readonly clock: FakeClock;
  readonly end: FakeEnd;
}

/** A connected leaf node of ours, whose handshake has been read. */
function up(options: Partial<LeafOptions> = {}, fields: object = {}): Up {
  const clock = new FakeClock();
  const server = new FakeServer(clock, options);
  server.users.set("u", { account: "A", permissions: USER });
  server.users.set("plain", { account: "A", permissions: null, hasDefaultPermissions: true });
  server.users.set("keyed", { account: "A", permissions: null, publicKey: "UKEY", issuedAtS: 7 });
  const end = server.accept();
  const connect = { version: "2.15.2", name: "L", cluster: "LC", headers: true, ...fields };
  end.feed(`CONNECT ${JSON.stringify(connect)}\r\n`);
  end.lines();
  server.told.length = 0;
  return { server, clock, end };
}

const AS_USER = { user: "u", pass: "u" };

function message(
  subject: string,
  parts: { reply?: string; text?: string; headerBytes?: number } = {},
): LinkMessage {
  const { reply = "", text = "hi", headerBytes = 0 } = parts;
  const content = { bytes: Uint8Array.from(new TextEncoder().encode(text)), headerBytes };
  return { account: "A", origin: "", subject, reply, content };
}

describe("interest of the peer", () => {
  test("is told with its cluster, and again when it goes", () => {
    const { server, end } = up();
    end.feed("LS+ foo\r\nLS- foo\r\nRS+ bar\r\n");
    expect(server.told).toEqual(["interest A foo  LC 1", "interest A foo  LC 0", "interest A bar  LC 1"]);
  });

  test("has weights in queue groups, of which none is less than one member", () => {
    const { server, end } = up();
    end.feed("LS+ foo q 3\r\nLS+ foo q 1\r\nLS+ bar q 0\r\nLS- foo q\r\n");
    expect(server.told).toEqual([
      "interest A foo q LC 3",
      "interest A foo q LC 1",
      "interest A bar q LC 1",
      "interest A foo q LC 0",
    ]);
  });

  test("of a leaf node without a cluster is of no cluster", () => {
    const { server, end } = up({}, { cluster: "" });
    end.feed("LS+ foo\r\n");
    expect(server.told).toEqual(["interest A foo  _ 1"]);
  });

  test("is limited, and must be a subject", () => {
    const { server, end } = up({ subscriptionsMax: 2 });
    end.feed("LS+ a..b\r\nLS+ a\r\nLS+ b\r\nLS+ c\r\nLS+ a\r\n");
    expect(end.lines()).toEqual(["-ERR 'Invalid Subscription'", "-ERR 'maximum subscriptions exceeded'"]);
    expect(server.told).toEqual(["interest A a  LC 1", "interest A b  LC 1", "interest A a  LC 1"]);
    expect(end.connection.closed).toBe("");
  });

  test("in what the leaf may not have ends the connection, unless it is a pattern", () => {
    const { server, end } = up({}, AS_USER);
    end.feed("LS+ ss.1\r\nLS+ zz.>\r\nLS+ $LDS.foreign\r\nLS+ zz\r\nLS+ ss.2\r\n");
    expect(end.lines()).toEqual([`-ERR 'Permissions Violation for Subscription to "zz"'`]);
    expect(end.connection.closed).toBe("Protocol Violation");
    expect(server.told.slice(0, 3)).toEqual([
      "interest A ss.1  LC 1",
      "interest A zz.>  LC 1",
      "interest A $LDS.foreign  LC 1",
    ]);
    expect(server.logs).toContain('error Subscription Violation on "zz" - Check other side configuration');
  });

  test("in what JetStream keeps to itself ends the connection too", () => {
    const { end } = up();
    end.feed("LS+ $KV.>\r\nLS+ $KV.a\r\n");
    expect(end.lines()).toEqual([`-ERR 'Permissions Violation for Subscription to "$KV.a"'`]);
  });

  test("in the subject of our own is a loop", () => {
    const { end, server } = up();
    end.feed("LS+ $LDS.0000000000000000000000\r\n");
    const text = 'Loop detected for leafnode account="A". Delaying attempt to reconnect for 30s';
    expect(end.lines()).toEqual([`-ERR '${text}'`]);
    expect(end.connection.closed).toBe("Protocol Violation");
    expect(server.logs).toContain(`error ${text}`);
    expect(server.told).toEqual(["closed L Protocol Violation", "left A"]);
  });
});

describe("announce()", () => {
  test("writes a line when the sum over clusters changes", () => {
    const { server, end } = up();
    const [link] = server.links;
    const announce = (queue: string, origin: string, weight: number) =>
      link!.announce({ account: "A", subject: "foo", queue, origin }, weight);
    announce("", "", 1);
    announce("", "X", 1);
    announce("", "", 0);
    announce("", "X", 0);
    announce("q", "", 2);
    announce("q", "X", 3);
    announce("q", "X", 3);
    announce("q", "", 0);
    announce("q", "X", 0);
    expect(end.lines()).toEqual([
      "LS+ foo",
      "LS- foo",
      "LS+ foo q 2",
      "LS+ foo q 5",
      "LS+ foo q 3",
      "LS- foo q",
    ]);
  });

  test("does not take back what the account wants all the same", () => {
    const { server, end } = up();
    server.accounts.set("A", { ...LEAF_ACCOUNT, alwaysWanted: ["svc", "map.*"] });
    server.nodes.refreshAccount("A");
    expect(end.lines()).toEqual(["LS+ svc", "LS+ map.*"]);
    const [link] = server.links;
    const key = { account: "A", subject: "svc", queue: "", origin: "" };
    link!.announce(key, 1);
    link!.announce(key, 0);
    server.accounts.set("A", { ...LEAF_ACCOUNT, alwaysWanted: ["svc"] });
    server.nodes.refreshAccount("A");
    expect(end.lines()).toEqual(["LS- map.*"]);
  });

  test("tells a leaf of services it may not use: it will not be let", () => {
    const { server, end } = up({}, AS_USER);
    server.accounts.set("A", { ...LEAF_ACCOUNT, alwaysWanted: ["zz"] });
    server.nodes.refreshAccount("A");
    expect(end.lines()).toEqual(["LS+ zz"]);
    server.links[0]!.announce({ account: "A", subject: "yy", queue: "", origin: "" }, 1);
    expect(end.lines()).toEqual([]);
    expect(server.logs).toContain('debug Not permitted to subscribe to "yy" on behalf of A');
  });
});

describe("messages from the peer", () => {
  test("are told with groups, reply and origin", () => {
    const { server, end } = up();
    end.feed("LMSG a | q1 q2 2\r\nhi\r\nHMSG b + rp q1 12 14\r\nNATS/1.0\r\n\r\nho\r\nLMSG c rp 0\r\n\r\n");
    const told = server.messages.map(({ message: { subject, reply, origin, account, content }, queues }) => [
      account,
      origin,
      subject,
      reply,
      content.headerBytes,
      content.bytes.length,
      queues,
    ]);
    expect(told).toEqual([
      ["A", "LC", "a", "", 0, 2, ["q1", "q2"]],
      ["A", "LC", "b", "rp", 12, 14, ["q1"]],
      ["A", "LC", "c", "rp", 0, 0, []],
    ]);
  });

  test("that the leaf may not send end the connection", () => {
    const { server, end } = up({}, AS_USER);
    end.feed("LMSG pp.1 2\r\nhi\r\nLMSG _R_.x 2\r\nhi\r\nLMSG zz 2\r\nhi\r\nLMSG pp.2 2\r\nhi\r\n");
    expect(end.lines()).toEqual([`-ERR 'Permissions Violation for Publish to "zz"'`]);
    expect(end.connection.closed).toBe("Protocol Violation");
    expect(server.messages.map((each) => each.message.subject)).toEqual(["pp.1", "_R_.x"]);
    expect(server.logs).toContain('error Publish Violation on "zz" - Check other side configuration');
  });

  test("may answer what the leaf was asked, as often as its user may", () => {
    const { server, end, clock } = up({}, AS_USER);
    server.links[0]!.sendMessage(message("ss.1", { reply: "inbox.1" }), []);
    end.feed("LMSG inbox.1 2\r\nhi\r\n");
    expect(server.messages.map((each) => each.message.subject)).toEqual(["inbox.1"]);
    server.links[0]!.sendMessage(message("ss.1", { reply: "inbox.2" }), []);
    clock.advance(1001);
    end.feed("LMSG inbox.2 2\r\nhi\r\n");
    expect(end.connection.closed).toBe("Protocol Violation");
  });

  test("are no longer than payloads may be, by server, account and user", () => {
    const { end } = up();
    end.feed("LMSG a 1025\r\n");
    expect(end.lines()).toEqual(["-ERR 'Maximum Payload Violation'"]);
    expect(end.connection.closed).toBe("Maximum Message Payload Exceeded");
  });
});

describe("sendMessage()", () => {
  test("frames with groups, reply and headers", () => {
    const { server, end } = up();
    const [link] = server.links;
    expect(link!.messagePrefix("A", "foo", "X")).toBe("LMSG foo ");
    link!.sendMessage(message("foo"), []);
    link!.sendMessage(message("foo", { reply: "rp" }), ["q1", "q2"]);
    link!.sendMessage(message("foo", { text: "NATS/1.0\r\n\r\nhi", headerBytes: 12 }), ["q1"]);
    expect(end.connection.take()).toBe(
      "LMSG foo 2\r\nhi\r\nLMSG foo + rp q1 q2 2\r\nhi\r\nHMSG foo | q1 12 14\r\nNATS/1.0\r\n\r\nhi\r\n",
    );
  });

  test("leaves headers out for a peer that has none", () => {
    const { server, end } = up({}, { headers: false });
    server.links[0]!.sendMessage(message("foo", { text: "NATS/1.0\r\n\r\nhi", headerBytes: 12 }), []);
    expect(end.connection.take()).toBe("LMSG foo 2\r\nhi\r\n");
  });

  test("keeps what the leaf may not be sent", () => {
    const { server, end } = up({}, { ...AS_USER, deny_pub: ["ss.di"] });
    const [link] = server.links;
    expect(["ss.1", "ss.di", "zz", "$JS.API.INFO"].map((subject) => link!.maySend("A", subject))).toEqual([
      true,
      false,
      false,
      false,
    ]);
    link!.sendMessage(message("ss.di"), []);
    expect(end.lines()).toEqual([]);
    expect(server.logs).toContain('debug Not permitted to deliver to "ss.di"');
  });
});

describe("a login", () => {
  test("that ends takes the connection with it, by the wall clock", () => {
    const clock = new FakeClock();
    const server = new FakeServer(clock);
    server.anonymous = { account: "A", permissions: null, expiresAtMs: clock.nowMs() + 90_000 };
    const end = server.accept();
    end.feed(`CONNECT {"name":"L"}\r\n`);
    clock.advance(59_000);
    server.wallOffsetMs = 30_000;
    clock.advance(999);
    expect(end.connection.closed).toBe("");
    clock.advance(1);
    expect(end.connection.closed).toBe("Authentication Expired");
    expect(end.lines().at(-1)).toBe("-ERR 'User Authentication Expired'");
  });

  const TERMS = {
    account: "A",
    isExpired: false,
    disallowsBearer: false,
    revocations: {},
    endedIssuers: [],
    defaultPermissions: null,
  };

  test("is under the limits of its account as they are then", () => {
    const { server, clock, end } = up();
    const limit = (limits: object) => {
      server.accounts.set("A", { ...LEAF_ACCOUNT, ...limits });
      server.nodes.applyTerms([TERMS]);
    };
    end.feed("LS+ a\r\nLS+ b\r\n");
    limit({ payloadBytesMax: 2, subscriptionsMax: 3 });
    end.feed("LS+ c\r\nLS+ d\r\n");
    expect(end.lines()).toEqual(["-ERR 'maximum subscriptions exceeded'"]);
    limit({ payloadBytesMax: 2, subscriptionsMax: 2 });
    clock.advance(20);
    expect(end.lines()).toEqual(["-ERR 'maximum subscriptions exceeded'"]);
    expect(end.connection.closed).toBe("Maximum Subscriptions Exceeded");

    const other = up();
    other.server.accounts.set("A", { ...LEAF_ACCOUNT, payloadBytesMax: 2 });
    other.server.nodes.applyTerms([TERMS]);
    other.end.feed("LMSG a 3\r\nabc\r\n");
    expect(other.end.connection.closed).toBe("Maximum Message Payload Exceeded");
  });

  test("goes by other default permissions of its account, if it brought none of its own", () => {
    const { server, end } = up({}, { user: "plain", pass: "plain" });
    server.told.length = 0;
    end.feed("LS+ s\r\nLS+ s q 1\r\nLS+ t\r\n");
    const deny = (subject: string) => ({ allow: undefined, deny: [subject] });
    const defaultPermissions = { publish: deny("x"), subscribe: deny("s"), responses: undefined };
    server.told.length = 0;
    server.nodes.applyTerms([{ ...TERMS, defaultPermissions }]);
    server.nodes.applyTerms([{ ...TERMS, defaultPermissions }]);
    expect(end.lines()).toEqual([
      `-ERR 'Permissions Violation for Subscription to "s" (sid "s")'`,
      `-ERR 'Permissions Violation for Subscription to "s" using queue "q" (sid "s q")'`,
    ]);
    expect(server.told).toEqual(["changed", "interest A s  LC 0", "interest A s q LC 0"]);
    end.feed("LMSG x 1\r\nx\r\n");
    expect(end.lines()).toEqual([`-ERR 'Permissions Violation for Publish to "x"'`]);

    const own = up({}, AS_USER);
    own.server.nodes.applyTerms([{ ...TERMS, defaultPermissions }]);
    own.end.feed("LS+ ss.1\r\n");
    expect(own.end.lines()).toEqual([]);
  });

  test("that the account no longer has is told why", () => {
    const expired = up();
    expired.server.nodes.applyTerms([{ ...TERMS, account: "B", isExpired: true }]);
    expect(expired.end.connection.closed).toBe("");
    expired.server.nodes.applyTerms([{ ...TERMS, isExpired: true }]);
    expect(expired.end.lines()).toEqual(["-ERR 'Account Authentication Expired'"]);
    const { server, end } = up({}, { user: "keyed", pass: "keyed" });
    server.nodes.applyTerms([{ ...TERMS, revocations: { UOTHER: 9 } }]);
    expect(end.connection.closed).toBe("");
    server.nodes.applyTerms([{ ...TERMS, revocations: { UKEY: 7 } }]);
    expect(end.lines()).toEqual(["-ERR 'User Authentication Revoked'"]);
    expect(end.connection.closed).toBe("Credentials Revoked");
  });
});

describe("the connection", () => {
  test("answers pings, is pinged, and is given up after two without an answer", () => {
    const { end, clock, server } = up({ pingIntervalMs: 500 });
    end.feed("PING\r\n");
    expect(end.lines()).toEqual(["PONG"]);
    clock.advance(500);
    expect(end.lines()).toEqual(["PING"]);
    clock.advance(40);
    end.feed("PONG\r\n");
    expect(server.links[0]!.rttMs).toBe(40);
    clock.advance(2000);
    expect(end.lines()).toEqual(["PING", "PING", "-ERR 'Stale Connection'"]);
    expect(end.connection.closed).toBe("Stale Connection");
  });

  test("stays after an -ERR, but for a loop", () => {
    const { end, server } = up();
    end.feed("-ERR 'hello'\r\n");
    expect(end.connection.closed).toBe("");
    expect(server.logs).toContain("error Leafnode Error 'hello'");
    end.feed("-ERR 'Loop detected for x'\r\n");
    expect(end.lines()).toEqual([]);
    expect(end.connection.closed).toBe("Protocol Violation");
  });

  test("is told of once when it ends", () => {
    const { end, server } = up();
    end.lose();
    expect(server.told).toEqual(["closed L Client Closed", "left A"]);
    expect(server.logs.at(-1)).toBe("info Leafnode connection closed: Client Closed - Remote: L");
    expect(server.nodes.count).toBe(0);
  });

  test("hears of other leaf listeners, and ignores INFO of a leaf", () => {
    const { end, server } = up();
    server.leafUrls = ["127.0.0.1:7422", "127.0.0.1:7522"];
    server.nodes.tellUrls();
    const [line] = end.lines();
    expect(JSON.parse(line!.slice(5))).toMatchObject({ leafnode_urls: ["127.0.0.1:7422", "127.0.0.1:7522"] });
    expect(line).not.toContain("connect_info");
    end.feed('INFO {"connect_info":true,"remote_account":"X","import":{"allow":["a"]}}\r\n');
    expect(server.told).toEqual([]);
    expect(end.connection.closed).toBe("");
  });

  test("is ended by kick, by the end of its account, and at shutdown", () => {
    const kicked = up();
    expect(kicked.server.nodes.kick(kicked.end.connection.id)).toBe(true);
    expect(kicked.server.nodes.kick(4711)).toBe(false);
    expect(kicked.end.connection.closed).toBe("Kicked");
    const expelled = up();
    expelled.server.nodes.expel("B");
    expect(expelled.end.connection.closed).toBe("");
    expelled.server.nodes.expel("A");
    expect(expelled.end.connection.closed).not.toBe("");
    const { end, server } = up();
    server.nodes.closeAll();
    expect(end.connection.closed).toBe("Server Shutdown");
  });
});
