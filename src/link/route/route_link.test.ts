import { beforeEach, describe, expect, test } from "bun:test";
import { FakeClock } from "../core/testing/fake_clock.ts";
import { FakeNetwork, type RawPeer } from "../core/testing/fake_network.ts";
import type { RouteSettings } from "./route_settings.ts";
import { Member, routeTo, settingsOf } from "./testing/member.ts";

const PORT = 6222;
const OWN_INFO =
  'INFO {"server_id":"NN","server_name":"N","version":"2.15.2","proto":3,"go":"test","host":"127.0.0.1","port":6222,' +
  '"headers":true,"max_payload":1024,"cluster":"C1","connect_urls":["N:4222"],"compression":"off","lnoc":true,"lnocu":true,"ln":true} ';
const CONNECT = 'CONNECT {"name":"NR","cluster":"C1"}';
const ABILITIES = '"headers":true,"lnoc":true,"lnocu":true,"ln":true,"proto":3';

let clock: FakeClock;
let network: FakeNetwork;

beforeEach(() => {
  clock = new FakeClock();
  network = new FakeNetwork();
});

function member(changes: Partial<RouteSettings> = {}): Member {
  return new Member(network, clock, "N", PORT, changes);
}

function infoOf(name: string, more = ABILITIES): string {
  return `INFO {"server_id":"N${name}","server_name":"${name}","host":"127.0.0.1","port":7000,"cluster":"C1"${more && `,${more}`}}`;
}

/** A scripted peer whose handshake is done. */
function joined(name = "R", more = ABILITIES): RawPeer {
  const raw = network.raw(PORT);
  raw.say(CONNECT, infoOf(name, more));
  raw.heard();
  return raw;
}

describe("RouteLink, accepted", () => {
  test("says INFO at once and registers by the peer's INFO", () => {
    const n = member();
    n.want("early");
    const raw = network.raw(PORT);
    expect(raw.heard()).toEqual([OWN_INFO]);
    raw.say(CONNECT);
    expect(raw.heard()).toEqual([]);
    expect(n.peers).toEqual([]);
    raw.say(infoOf("R"));
    expect(raw.heard()).toEqual(["RS+ $G early"]);
    expect(n.peers).toEqual(["R"]);
    expect(n.log).toEqual([
      "info 127.0.0.1:50002 - rid:2 - Route connection created",
      'debug 127.0.0.1:50002 - rid:2 - Registering remote route "NR"',
    ]);
    raw.close();
    expect(n.log.at(-1)).toBe(
      "info 127.0.0.1:50002 - rid:2 - Router connection closed: Client Closed - Remote: R",
    );
    expect(n.peers).toEqual([]);
  });

  test("registers on the least a peer may say", () => {
    const n = member();
    const raw = network.raw(PORT);
    raw.say('CONNECT {"cluster":"C1"}', "INFO {}");
    expect(raw.isClosed).toBe(false);
    expect(n.peers).toEqual([""]);
  });

  test.each([
    ["PING", "-ERR 'Authorization Violation'"],
    ["INFO {}", "-ERR 'Authorization Violation'"],
    ['CONNECT {"cluster":1}', null],
    ['CONNECT {"lang":"go","cluster":"C1"}', "-ERR 'attempted to connect to route port'"],
    [
      'CONNECT {"gateway":"GX","cluster":"C1"}',
      `-ERR 'Rejecting connection from gateway "GX" on the Route port'`,
    ],
    ['CONNECT {"cluster":"_"}', `-ERR 'Rejecting connection, cluster name "_" is reserved'`],
    ['CONNECT {"cluster":"Cä"}', `-ERR 'Rejecting connection, cluster name "C\xc3\xa4" does not match "C1"'`],
    ["CONNECT {}", `-ERR 'Rejecting connection, cluster name "" does not match "C1"'`],
  ])("refuses %s", (line, answer) => {
    const n = member();
    const raw = network.raw(PORT);
    raw.heard();
    raw.say(line === 'CONNECT {"cluster":"Cä"}' ? 'CONNECT {"cluster":"C\xc3\xa4"}' : line);
    expect(raw.heard()).toEqual(answer === null ? ["(closed)"] : [answer, "(closed)"]);
    expect(n.peers).toEqual([]);
  });

  test.each([
    ['INFO {"server_id":"NN"}', "Duplicate Route"],
    ['INFO {"server_id":"NR","cluster":"C2"}', "Cluster Name Conflict"],
    ['INFO {"server_id":"NR","cluster":"_"}', "Cluster Name Conflict"],
    ['INFO {"server_id":"NR","server_name":"N"}', "Duplicate Server Name"],
    ['INFO {"server_id":"NR","port":"x"}', "Protocol Violation"],
  ])("closes silently on %s", (line, reason) => {
    const n = member();
    const raw = network.raw(PORT);
    raw.say(CONNECT);
    raw.heard();
    raw.say(line);
    clock.advance(1000, network.settle);
    expect(raw.heard()).toEqual(["(closed)"]);
    expect(n.log.at(-1)).toContain(`Router connection closed: ${reason}`);
  });

  test("says that another server has its name", () => {
    const n = member();
    const raw = network.raw(PORT);
    raw.say(CONNECT, 'INFO {"server_id":"NR","server_name":"N"}');
    clock.advance(1000, network.settle);
    expect(n.logged("duplicate name")).toEqual([
      'error 127.0.0.1:50002 - rid:2 - Remote server has a duplicate name: "N"',
    ]);
  });

  test("has no connections for single accounts, before the main one or after it", () => {
    const n = member();
    const answer = `-ERR 'Not possible to have a dedicated route for account "$SYS" between those servers'`;
    for (const isFirst of [true, false]) {
      if (!isFirst) joined();
      const raw = network.raw(PORT);
      raw.say(CONNECT, infoOf("R", '"route_account":"$SYS","route_pool_size":3'));
      expect(raw.heard()).toEqual([OWN_INFO, answer, "(closed)"]);
      expect(n.peers).toEqual(isFirst ? [] : ["R"]);
    }
    const silent = network.raw(PORT);
    silent.say(
      CONNECT,
      "-ERR 'Not possible to have a dedicated route for account \"$SYS\" between those servers'",
    );
    expect(silent.isClosed).toBe(true);
    expect(n.logged("Route Error")[0]).toStartWith("debug ");
  });

  test("asks for the cluster's user", () => {
    const n = member({ credentials: { user: "u", password: "p", timeoutMs: 1000 } });
    const good = network.raw(PORT);
    expect(good.heard()[0]).toContain('"auth_required":true');
    good.say('CONNECT {"cluster":"C1","user":"u","pass":"p"}', infoOf("R"));
    expect(n.peers).toEqual(["R"]);

    const bad = network.raw(PORT);
    bad.heard();
    bad.say('CONNECT {"cluster":"C1","user":"u","pass":"q"}', infoOf("B"), "PING");
    // The refusal does not come at once, because nats-server would try again as fast as it is refused.
    clock.advance(999, network.settle);
    expect(bad.heard()).toEqual([]);
    clock.advance(1, network.settle);
    expect(bad.heard()).toEqual(["-ERR 'Authorization Violation'", "(closed)"]);
    expect(n.logged("authentication error")).toEqual([
      'error 127.0.0.1:50004 - rid:4 - authentication error - User "u"',
    ]);

    const silent = network.raw(PORT);
    silent.heard();
    clock.advance(999, network.settle);
    expect(silent.isClosed).toBe(false);
    clock.advance(1, network.settle);
    expect(silent.heard()).toEqual(["-ERR 'Authentication Timeout'", "(closed)"]);
    clock.advance(5000, network.settle);
    expect(good.isClosed).toBe(false);
  });

  test("goes on with CONNECT once it is judged, in the order of checks", () => {
    const n = member({ credentials: { user: "u", password: "p", timeoutMs: 1000 } });
    n.holdsVerdicts = true;
    const [good, bad, gone] = [network.raw(PORT), network.raw(PORT), network.raw(PORT)];
    for (const raw of [good, bad, gone]) raw.heard();
    good.say('CONNECT {"cluster":"C1","user":"u","pass":"p"}');
    bad.say('CONNECT {"cluster":"C2","user":"u","pass":"p"}');
    gone.say('CONNECT {"cluster":"C1","user":"u","pass":"q"}');
    gone.close();
    // A peer that has sent CONNECT is in time.
    clock.advance(10_000, network.settle);
    expect([good.heard(), bad.heard()]).toEqual([[], []]);
    for (const give of n.held.splice(0)) give();
    good.say(infoOf("R"));
    expect(n.peers).toEqual(["R"]);
    const text = 'Rejecting connection, cluster name "C2" does not match "C1"';
    expect(bad.heard()).toEqual([`-ERR '${text}'`, "(closed)"]);
    expect(n.logged("authentication error")).toEqual([]);
  });

  test("lets the certificate decide where that is configured, whatever the credentials", () => {
    const n = member({ credentials: { user: "u", password: "p", timeoutMs: 1000 } });
    n.certificateVerdict = { isAuthorized: true, log: { level: "debug", text: "Using SAN" } };
    network.raw(PORT).say('CONNECT {"cluster":"C1"}', infoOf("R"));
    expect(n.peers).toEqual(["R"]);
    n.certificateVerdict = { isAuthorized: false, log: { level: "debug", text: "not found" } };
    const raw = network.raw(PORT);
    raw.say('CONNECT {"cluster":"C1","user":"u","pass":"p"}');
    clock.advance(1000, network.settle);
    expect(raw.heard().slice(1)).toEqual(["-ERR 'Authorization Violation'", "(closed)"]);
    expect(n.logged("not found")).toEqual(["debug 127.0.0.1:50004 - rid:4 - not found"]);
  });

  test("handshakes before the first byte where TLS is configured", () => {
    member({ tlsTimeoutMs: 2000 });
    const raw = network.raw(PORT);
    expect(raw.heard()).toEqual([]);
    raw.startTls();
    const [info] = raw.heard();
    expect(info).toContain('"tls_required":true,"tls_verify":true');
  });
});

describe("RouteLink, dialled", () => {
  test("says CONNECT and INFO at once", () => {
    const peers = network.listenRaw(7000);
    const n = member({ routes: ["nats-route://u:p@127.0.0.1:7000"] });
    n.mesh.start();
    network.settle();
    expect(peers[0]!.heard()).toEqual([
      'CONNECT {"echo":true,"verbose":false,"pedantic":false,"user":"u","pass":"p","tls_required":false,"headers":true,"name":"NN","cluster":"C1","lnoc":true,"ln":true}',
      OWN_INFO,
    ]);
    expect(n.peers).toEqual([]);
    peers[0]!.say(infoOf("R"));
    expect(n.peers).toEqual(["R"]);
    expect(n.log).toEqual([
      "info Cluster name is C1",
      "debug Trying to connect to route on 127.0.0.1:7000 (127.0.0.1:7000)",
      "info 127.0.0.1:7000 - rid:1 - Route connection created",
      'debug 127.0.0.1:7000 - rid:1 - Registering remote route "NR"',
    ]);
  });

  test("does not mind a peer with its own name, which the other side refuses", () => {
    const peers = network.listenRaw(7000);
    const n = member({ routes: [routeTo(7000)] });
    n.mesh.start();
    network.settle();
    peers[0]!.say(infoOf("N").replace("NN", "NR"));
    expect(n.peers).toEqual(["N"]);
  });
});

describe("RouteLink, registered", () => {
  test("tells interest as it changes, in the peer's words", () => {
    const n = member();
    const newest = joined("R");
    const oldest = joined("O", "");
    newest.heard();
    n.want("foo");
    n.want("foo", 2, "q");
    n.want("lf", 1, "", "LC");
    n.want("foo", 0);
    n.want("lf", 0, "", "LC");
    expect(newest.heard()).toEqual([
      "RS+ $G foo",
      "RS+ $G foo q 2",
      "LS+ LC $G lf",
      "RS- $G foo",
      "LS- LC $G lf",
    ]);
    expect(oldest.heard()).toEqual(["RS+ $G foo", "RS+ $G foo q 2", "RS+ $G lf", "RS- $G foo", "RS- $G lf"]);
  });

  test("takes interest, in accounts that it does not know as well, which it says", () => {
    const n = member();
    const raw = joined();
    raw.say("RS+ $G foo", "LS+ LC $G lf q 2", "LS- LC $G lf q", "RS+ NOPE foo", "RS- $G foo");
    expect(n.interest).toEqual(["$G foo 1", "$G lf q @LC 2", "$G lf q @LC 0", "NOPE foo 1", "$G foo 0"]);
    expect(n.logged("Unknown account")).toEqual([
      'error 127.0.0.1:50002 - rid:2 - Unknown account "NOPE" for remote subject "foo"',
    ]);
  });

  test("refuses a subject that is none, and goes on", () => {
    const n = member();
    const raw = joined();
    raw.say("RS+ $G foo..bar", "RS+ $G foo.>.bar", "RS+ $G ok");
    expect(raw.heard()).toEqual(["-ERR 'Invalid Subscription'", "-ERR 'Invalid Subscription'"]);
    expect(n.interest).toEqual(["$G ok 1"]);
    expect(n.logged("Could not insert subscription: invalid subject")).toHaveLength(2);
  });

  test("reads LS- of a peer without `lnocu` as account and subject", () => {
    const n = member();
    joined("R", '"lnoc":true').say("LS+ LC $G lf", "LS-  $G lf");
    expect(n.interest).toEqual(["$G lf @LC 1", "$G lf @LC 0"]);
  });

  test("takes messages in every form", () => {
    const n = member();
    joined().say(
      "RMSG $G a 1\r\n1",
      "RMSG $G b re 1\r\n2",
      "HMSG $G c + re q1 q2 12 13\r\nNATS/1.0\r\n\r\n3",
      "LMSG LC $G d | q1 0 1\r\n4",
    );
    const seen = n.messages.map(({ message, queues }) => ({ ...message, content: undefined, queues }));
    const common = { account: "$G", origin: "", reply: "", content: undefined, queues: [] };
    expect(seen).toEqual([
      { ...common, subject: "a" },
      { ...common, subject: "b", reply: "re" },
      { ...common, subject: "c", reply: "re", queues: ["q1", "q2"] },
      { ...common, subject: "d", origin: "LC", queues: ["q1"] },
    ]);
    expect(n.messages[2]!.message.content.headerBytes).toBe(12);
  });

  test("sends messages with headers and origins where the peer takes them", () => {
    const n = member();
    const newest = joined("R");
    const oldest = joined("O", "");
    newest.heard();
    const header = { bytes: new TextEncoder().encode("NATS/1.0\r\n\r\nx"), headerBytes: 12 };
    n.send("foo", "x", { reply: "re" }, ["q"]);
    n.send("foo", "", { content: header });
    n.send("foo", "x", { origin: "LC" });
    expect(newest.heard()).toEqual([
      "RMSG $G foo + re q 1",
      "x",
      "HMSG $G foo 12 13",
      "NATS/1.0",
      "x",
      "LMSG LC $G foo 0 1",
      "x",
    ]);
    expect(oldest.heard()).toEqual(["RMSG $G foo + re q 1", "x", "RMSG $G foo 1", "x", "RMSG $G foo 1", "x"]);
  });

  test("does nothing with interest and messages before it is registered", () => {
    const n = member();
    const raw = network.raw(PORT);
    raw.say(CONNECT, "RS+ $G foo", "RMSG $G foo 1\r\nx");
    expect(n.interest).toEqual([]);
    expect(n.messages).toEqual([]);
    expect(raw.isClosed).toBe(false);
  });

  test("answers pings in every state and closes when nobody answers its own", () => {
    member({ heartbeat: { intervalMs: 120_000, pingsOutMax: 2 } });
    const raw = network.raw(PORT);
    raw.say(CONNECT, "PING");
    expect(raw.heard()).toEqual([OWN_INFO, "PONG"]);
    raw.say(infoOf("R"));
    clock.advance(60_999, network.settle);
    expect(raw.heard()).toEqual([]);
    clock.advance(1, network.settle);
    expect(raw.heard()).toEqual(["-ERR 'Stale Connection'", "(closed)"]);
  });

  test.each([
    ["FOO bar", ["-ERR 'Unknown Protocol Operation'", "(closed)"], "parser ERROR: proto="],
    ["-ERR 'bye'", ["(closed)"], "Route Error 'bye'"],
    ["RMSG $G", ["(closed)"], "processRoutedMsgArgs Parse Error: '[$G]'"],
    ["RS+ $G foo q", ["(closed)"], "processRemoteSub Parse Error: 'R $G foo q'"],
    ['INFO {"server_id":"NN"}', ["(closed)"], "Duplicate Route"],
    ['INFO {"server_id":"NX","cluster":"C9"}', ["(closed)"], "Cluster Name Conflict"],
  ])("ends on %s", (line, answer, logged) => {
    const n = member();
    const raw = joined();
    raw.say(line);
    expect(raw.heard()).toEqual(answer);
    expect(n.logged(logged)).toHaveLength(1);
  });

  test("lets interest through as its permissions say, and messages always", () => {
    const permissions = {
      import: { allow: ["imp.>"], deny: undefined },
      export: { allow: ["exp.>"], deny: undefined },
    };
    const n = member({ permissions });
    n.want("imp.a");
    n.want("other");
    const raw = network.raw(PORT);
    raw.say(CONNECT, infoOf("R"));
    expect(raw.heard()[0]).toContain('"import":{"allow":["imp.\\u003e"]},"export":{"allow":["exp.\\u003e"]}');
    n.want("imp.b");
    n.want("other.b");
    expect(raw.heard()).toEqual(["RS+ $G imp.b"]);
    raw.say("RS+ $G exp.*", "RS+ $G other", "RMSG $G other 1\r\nx");
    expect(n.interest).toEqual(["$G exp.* 1"]);
    expect(n.received()).toEqual(["$G other x"]);
    expect(n.logged("Can not export")).toEqual([
      'debug 127.0.0.1:50002 - rid:2 - Can not export "other", ignoring remote subscription request',
    ]);
  });

  test("says many subjects in one piece, as far as permissions let them through", () => {
    for (const [allow, heard] of [
      [["a"], ["RS+ $G a"]],
      [undefined, ["RS+ $G a", "RS+ $G b"]],
    ] as const) {
      network = new FakeNetwork();
      const n = member({ permissions: { import: { allow, deny: undefined }, export: undefined } });
      const raw = joined();
      n.mesh.connections[0]!.announcePlain("$G", ["a", "b"]);
      expect(raw.heard()).toEqual([...heard]);
    }
  });

  test("says and takes what changed permissions let through now", () => {
    const n = member({ permissions: { import: { allow: ["a"], deny: undefined }, export: undefined } });
    n.want("a");
    n.want("b", 2, "q");
    const raw = joined();
    const v29 = joined("O", '"lnoc":true,"proto":1');
    const ancient = joined("P", "");
    raw.say("RS+ $G a", "RS+ $G b");
    raw.heard();
    v29.heard();
    const permissions = {
      import: { allow: ["b"], deny: undefined },
      export: { allow: ["b"], deny: undefined },
    };
    n.mesh.reload(settingsOf("N", PORT, { permissions }));
    const [info, ...lines] = raw.heard();
    expect(info).toContain('"import":{"allow":["b"]}');
    expect(lines).toEqual(["RS- $G a", "RS+ $G b q 2"]);
    expect(v29.heard().slice(1)).toEqual(["RS- $G a", "RS+ $G b q 2"]);
    expect(ancient.isClosed).toBe(true);
    expect(n.interest).toEqual(["$G a 1", "$G b 1", "$G a 0"]);
  });

  test("repeats what a peer takes since it changed its permissions", () => {
    const n = member();
    n.want("a");
    n.want("b");
    const raw = joined("R", `${ABILITIES},"export":{"allow":["a"]}`);
    raw.say(infoOf("R", `${ABILITIES},"export":{"allow":["b"]},"import":{"deny":["c"]}`));
    expect(raw.heard()).toEqual(["RS+ $G b"]);
    expect(n.mesh.reports()[0]).toMatchObject({
      exportPermission: { allow: ["b"], deny: [] },
      importPermission: { allow: [], deny: ["c"] },
    });
  });
});

describe("RouteLink, compressed", () => {
  const compression = { mode: "s2_fast", rttThresholdsMs: [10, 50, 100] } as const;
  const modeOf = (line: string | undefined) =>
    (JSON.parse(line!.slice("INFO ".length)) as { compression: string }).compression;
  const accept = '"compression":"accept"';

  test("accepted: INFO comes anew, compressed, and the peer's second one registers", () => {
    const n = member({ compression });
    const raw = network.raw(PORT);
    expect(modeOf(raw.heard()[0])).toBe("s2_fast");
    raw.say(CONNECT, infoOf("R", accept));
    const said = raw.heard();
    expect(said.length).toBe(1);
    expect(modeOf(said[0])).toBe("s2_fast");
    expect(n.peers).toEqual([]);
    raw.compress();
    raw.say(infoOf("R", accept));
    expect(n.peers).toEqual(["R"]);
    expect(n.mesh.reports()).toMatchObject([{ compression: "s2_fast" }]);
  });

  test("dialled: INFO goes in clear, and again once the peer's has come compressed", () => {
    const peers = network.listenRaw(7000);
    const n = member({ compression, routes: [routeTo(7000)] });
    n.mesh.start();
    network.settle();
    const [raw] = peers;
    expect(raw!.heard().map((line) => line.split(" ")[0])).toEqual(["CONNECT"]);
    raw!.say(infoOf("R", accept));
    expect(raw!.heard().map(modeOf)).toEqual(["s2_fast"]);
    expect(n.peers).toEqual([]);
    raw!.compress();
    raw!.say(infoOf("R", accept));
    expect(raw!.heard().map(modeOf)).toEqual(["s2_fast"]);
    expect(n.peers).toEqual(["R"]);
  });

  test("who does not want to is told INFO once, late by who dials", () => {
    for (const [more, mode] of [
      ["", "not supported"],
      ['"compression":"off"', "off"],
      ['"compression":"not supported"', "not supported"],
    ] as const) {
      const peers = network.listenRaw(7000);
      const n = member({ compression, routes: [routeTo(7000)] });
      n.mesh.start();
      network.settle();
      expect(peers[0]!.heard().length).toBe(1);
      peers[0]!.say(infoOf("R", more));
      expect(peers[0]!.heard().map(modeOf)).toEqual([mode]);
      expect(n.mesh.reports()).toMatchObject([{ compression: mode }]);
      network = new FakeNetwork();
    }
  });

  test("unknown modes are refused, by who compresses", () => {
    member({ compression });
    const raw = network.raw(PORT);
    raw.heard();
    raw.say(CONNECT, infoOf("R", '"compression":"lz4"'));
    expect(raw.heard()).toEqual([`-ERR 'unsupported route compression mode "lz4"'`, "(closed)"]);
    network = new FakeNetwork();
    member();
    const other = network.raw(PORT);
    other.say(CONNECT, infoOf("R", '"compression":"lz4"'));
    expect(other.isClosed).toBe(false);
  });

  test("nobody is pinged before it is agreed on, and who never says INFO is stale", () => {
    member({ compression, heartbeat: { intervalMs: 10_000, pingsOutMax: 2 } });
    const raw = network.raw(PORT);
    raw.say(CONNECT);
    clock.advance(29_999, network.settle);
    expect([raw.received.includes("PING"), raw.isClosed]).toEqual([false, false]);
    clock.advance(1, network.settle);
    expect(raw.isClosed).toBe(true);
  });

  test("a reload of round trips that nothing is chosen by changes nothing", () => {
    const own = { ...compression, mode: "accept" } as const;
    const n = member({ compression: own });
    const raw = network.raw(PORT);
    raw.say(CONNECT, infoOf("R", '"compression":"s2_better"'));
    raw.compress();
    raw.say(infoOf("R", '"compression":"s2_better"'));
    n.mesh.reload(settingsOf("N", PORT, { compression: { ...own, rttThresholdsMs: [1] } }));
    network.settle();
    expect(n.mesh.reports()).toMatchObject([{ compression: "s2_better" }]);
  });

  test("a reload changes how hard, or closes who has to agree anew", () => {
    const n = member({ compression });
    const raw = network.raw(PORT);
    raw.say(CONNECT, infoOf("R", accept));
    raw.compress();
    raw.say(infoOf("R", accept));
    n.mesh.reload(settingsOf("N", PORT, { compression: { ...compression, mode: "s2_best" } }));
    expect(n.mesh.reports()).toMatchObject([{ compression: "s2_best" }]);
    n.mesh.reload(settingsOf("N", PORT, { compression: { ...compression, mode: "accept" } }));
    network.settle();
    expect(raw.isClosed).toBe(true);
  });
});
