import { beforeEach, describe, expect, test } from "bun:test";
import { FakeClock } from "../core/testing/fake_clock.ts";
import { FakeNetwork, type RawPeer } from "../core/testing/fake_network.ts";
import type { RouteSettings } from "./route_settings.ts";
import { Member, routeTo, settingsOf } from "./testing/member.ts";

const PORT = 6222;
const CONNECT = 'CONNECT {"cluster":"C1"}';

let clock: FakeClock;
let network: FakeNetwork;

beforeEach(() => {
  clock = new FakeClock();
  network = new FakeNetwork();
});

function started(name: string, port: number, changes: Partial<RouteSettings> = {}): Member {
  const member = new Member(network, clock, name, port, changes);
  member.mesh.start();
  network.settle();
  return member;
}

function infoOf(name: string, port: number, more = ""): string {
  return `INFO {"server_id":"N${name}","server_name":"${name}","host":"0.0.0.0","port":${port},"proto":3,"nonce":"x","cluster":"C1"${more && `,${more}`}}`;
}

/** A scripted peer whose handshake is done. */
function joined(name: string, port = 7000, more = ""): RawPeer {
  const raw = network.raw(PORT);
  raw.say(CONNECT, infoOf(name, port, more));
  raw.heard();
  return raw;
}

function advance(ms: number): void {
  clock.advance(ms, network.settle);
}

describe("RouteMesh, dialling", () => {
  test("tries a configured route for ever, once a second", () => {
    const n = started("N", PORT, { routes: [routeTo(7000)], connectErrorReports: 3 });
    advance(3000);
    expect(network.dialled).toHaveLength(4);
    const failed = "Error trying to connect to route (attempt";
    const reason = "dial tcp 127.0.0.1:7000: connect: connection refused";
    expect(n.logged(failed)).toEqual([
      `error ${failed} 1): ${reason}`,
      `debug ${failed} 2): ${reason}`,
      `error ${failed} 3): ${reason}`,
      `debug ${failed} 4): ${reason}`,
    ]);
    started("M", 7000);
    advance(1000);
    expect(n.peers).toEqual(["M"]);
  });

  test("waits longer each time where that is configured, up to 30 s", () => {
    started("N", PORT, { routes: [routeTo(7000)], connectBackoff: true });
    advance(31_000);
    expect(network.dialled).toHaveLength(6);
    advance(29_999);
    expect(network.dialled).toHaveLength(6);
    advance(1);
    expect(network.dialled).toHaveLength(7);
    advance(30_000);
    expect(network.dialled).toHaveLength(8);
  });

  test("gives what gossip named as many further attempts as configured", () => {
    for (const connectRetries of [0, 2]) {
      network = new FakeNetwork();
      started("N", PORT, { connectRetries });
      joined("R").say(infoOf("X", 7001, '"ip":"nats-route://127.0.0.1:7001/"'));
      advance(20_000);
      expect(network.dialled.filter((address) => address === "127.0.0.1:7001")).toHaveLength(
        1 + connectRetries,
      );
    }
  });

  test("dials a configured route again a second and a bit after it was lost", () => {
    const peers = network.listenRaw(7000);
    clock.chance = 0.5;
    started("N", PORT, { routes: [routeTo(7000)] });
    peers[0]!.say(infoOf("R", 7000));
    peers[0]!.close();
    advance(1049);
    expect(peers).toHaveLength(1);
    advance(1);
    expect(peers).toHaveLength(2);
  });

  test("dials a route of gossip again at once, but not one that let nobody in", () => {
    const peers = network.listenRaw(7001);
    started("N", PORT);
    const seed = joined("R");
    seed.say(infoOf("X", 7001, '"ip":"nats-route://127.0.0.1:7001/"'));
    peers[0]!.say(infoOf("X", 7001));
    peers[0]!.close();
    advance(100);
    expect(peers).toHaveLength(2);
    peers[1]!.close();
    advance(999);
    expect(peers).toHaveLength(2);
    advance(1);
    expect(peers).toHaveLength(3);
  });

  test("never dials itself again", () => {
    const n = started("N", PORT, { routes: [routeTo(PORT)] });
    advance(10_000);
    expect(network.dialled).toHaveLength(1);
    expect(n.logged("Detected route to self")).toEqual([
      `debug Detected route to self, ignoring "nats-route://127.0.0.1:${PORT}"`,
    ]);
  });

  test("checks certificates of bare addresses by the first host name among its routes", () => {
    network.listenRaw(7000);
    const n = new Member(network, clock, "N", PORT, {
      tlsTimeoutMs: 2000,
      routes: [routeTo(7000), "nats-route://one.example:1", "nats-route://two.example:1"],
    });
    n.mesh.start();
    expect(n.mesh.tlsServerName()).toBe("one.example");
  });

  test("stops dialling and closes what a reload takes away, and dials what it adds", () => {
    const peers = network.listenRaw(7000);
    const n = started("N", PORT, { routes: [routeTo(7000), routeTo(7001)] });
    peers[0]!.say(infoOf("R", 7000));
    n.mesh.reload(settingsOf("N", PORT, { routes: [routeTo(7002)] }));
    network.settle();
    expect(peers[0]!.isClosed).toBe(true);
    expect(n.logged("Removed route")).toEqual(["info Removed route nats-route://127.0.0.1:7000"]);
    expect(n.logged("Router connection closed: Route Removed")).toHaveLength(1);
    network.dialled.splice(0);
    advance(3000);
    expect(new Set(network.dialled)).toEqual(new Set(["127.0.0.1:7002"]));
    expect(n.logged("no longer part of configured routes")).toHaveLength(1);
  });

  test("closes everything when it stops", () => {
    const n = started("N", PORT, { routes: [routeTo(7009)] });
    const raw = joined("R");
    const newcomer = network.raw(PORT);
    n.mesh.stop();
    network.settle();
    expect([raw.isClosed, newcomer.isClosed]).toEqual([true, true]);
    const dialled = network.dialled.length;
    advance(60_000);
    expect(network.dialled).toHaveLength(dialled);
  });
});

describe("RouteMesh, duplicates", () => {
  test("keeps the first connection to a peer", () => {
    const n = started("N", PORT);
    const first = joined("R");
    const second = network.raw(PORT);
    second.say(CONNECT, infoOf("R", 7000));
    expect(second.heard().at(-1)).toBe("(closed)");
    expect(first.isClosed).toBe(false);
    expect(n.logged("Detected duplicate remote route")).toHaveLength(1);
  });

  test("lets the connection that stays inherit how to dial the peer", () => {
    const peers = network.listenRaw(7000);
    const n = started("N", PORT, { routes: [routeTo(7000)] });
    const first = joined("R", 9999);
    expect(n.mesh.reports()[0]).toMatchObject({ isSolicited: false, isConfigured: false });
    peers[0]!.say(infoOf("R", 7000));
    expect(peers[0]!.isClosed).toBe(true);
    expect(n.mesh.reports()[0]).toMatchObject({ isSolicited: true, isConfigured: true });
    advance(5000);
    expect(peers).toHaveLength(1);
    first.close();
    advance(1000);
    expect(peers).toHaveLength(2);
  });

  test("dials again even what it accepted, once a duplicate was dropped", () => {
    const peers = network.listenRaw(7000);
    started("N", PORT);
    const first = network.raw(PORT);
    first.say(CONNECT, infoOf("R", 7000).replace("0.0.0.0", "127.0.0.1"));
    network.raw(PORT).say(CONNECT, infoOf("R", 7000));
    first.close();
    advance(100);
    expect(peers).toHaveLength(1);
  });

  test("settles two servers that dial each other on one route", () => {
    const n = new Member(network, clock, "N", PORT, { routes: [routeTo(7000)] });
    const m = new Member(network, clock, "M", 7000, { routes: [routeTo(PORT)] });
    n.mesh.start();
    m.mesh.start();
    for (let i = 0; i < 200; i++) {
      clock.chance = (i * 0.37) % 1;
      advance(50);
    }
    expect(n.peers).toEqual(["M"]);
    expect(m.peers).toEqual(["N"]);
    n.want("foo");
    network.settle();
    expect(m.interest.at(-1)).toBe("$G foo 1");
  });
});

describe("RouteMesh, gossip", () => {
  test("tells the others of a newcomer, and the newcomer nothing", () => {
    started("N", PORT);
    const first = joined("R", 7000, '"lnoc":true');
    const second = network.raw(PORT);
    second.say(CONNECT, infoOf("S", 7001, '"lnoc":true,"lnocu":true,"compression":"off","gossip_mode":2'));
    expect(second.heard()).toHaveLength(1);
    expect(first.heard()).toEqual([
      'INFO {"server_id":"NS","server_name":"S","version":"","proto":3,"go":"","host":"0.0.0.0","port":7001,"headers":false,"max_payload":0,"ip":"nats-route://127.0.0.1:7001/","cluster":"C1","compression":"off","lnoc":true,"lnocu":true}',
    ]);
  });

  test("keeps an address that the newcomer gave, and quiet about one that asks for it", () => {
    started("N", PORT);
    const first = joined("R");
    joined("S", 6666, '"ip":"nats-route://10.1.2.3:6666/"');
    expect(first.heard()[0]).toContain('"ip":"nats-route://10.1.2.3:6666/"');
    joined("T", 7002, '"gossip_mode":1');
    expect(first.heard()).toEqual([]);
  });

  test("makes a mesh of three, and of four, of one seed", () => {
    const members = ["A", "B", "C", "D"].map((name, i) =>
      started(name, 6001 + i, { routes: i === 0 ? [] : [routeTo(6001)] }),
    );
    advance(3000);
    expect(members.map(({ peers }) => peers.join(""))).toEqual(["BCD", "ACD", "ABD", "ABC"]);
  });

  test("ignores what is connected or configured already", () => {
    const n = started("N", PORT, { routes: ["nats-route://LOCALHOST:7001", routeTo(7002)] });
    const raw = joined("R");
    const dialled = network.dialled.length;
    raw.say(
      infoOf("R2", 7001, '"ip":"nats-route://localhost:7001/"'),
      infoOf("R3", 7002, '"ip":"nats-route://127.0.0.1:7002/"'),
    );
    expect(network.dialled).toHaveLength(dialled);
    raw.say(infoOf("X", 7003, '"ip":"nats-route://?"'));
    expect(n.logged("Error parsing URL from INFO")).toHaveLength(1);
  });

  test("logs in with its own credentials where the other server asks for any", () => {
    const peers = network.listenRaw(7001);
    started("N", PORT, {
      credentials: { user: "u", password: "p", timeoutMs: 2000 },
    });
    const raw = network.raw(PORT);
    raw.say('CONNECT {"cluster":"C1","user":"u","pass":"p"}', infoOf("R", 7000));
    raw.say(infoOf("X", 7001, '"auth_required":true,"ip":"nats-route://127.0.0.1:7001/"'));
    expect(peers[0]!.heard()[0]).toContain('"user":"u","pass":"p"');
  });

  test("hands on what members say of other clusters", () => {
    const n = started("N", PORT);
    const raw = joined("R");
    raw.say('INFO {"server_id":"GWNR","cluster":"C1","gateway":"GX","gateway_cmd":1}');
    expect(n.gateways[0]).toMatchObject({ gateway: "GX", gatewayCommand: 1 });
    raw.say('INFO {"server_id":"GWNR","gateway":"unknown"}');
    expect(n.logged("gateway")).toEqual([
      'error Received information about gateway "unknown" from NR, but gateway is not configured',
    ]);
    expect(raw.isClosed).toBe(false);
  });
});

describe("RouteMesh, logins after a reload", () => {
  test("ends connections of members that may not connect any more, and none that it dialled", () => {
    const credentials = { user: "u", password: "p", timeoutMs: 2000 };
    const dialled = network.listenRaw(7001);
    const routes = [routeTo(7001)];
    const n = started("N", PORT, { credentials, routes });
    const reload = (password: string) =>
      n.mesh.reload(settingsOf("N", PORT, { credentials: { ...credentials, password }, routes }));
    dialled[0]!.say(infoOf("D", 7001));
    const [kept, ended, handshaking, silent] = [1, 2, 3, 4].map(() => network.raw(PORT)) as RawPeer[];
    for (const [raw, pass] of [
      [kept, "q"],
      [ended, "p"],
      [handshaking, "p"],
    ] as const) {
      reload(pass);
      raw!.say(`CONNECT {"cluster":"C1","user":"u","pass":"${pass}"}`);
    }
    kept!.say(infoOf("R1", 7002));
    ended!.say(infoOf("R2", 7003));
    for (const raw of [kept, ended, handshaking, silent, dialled[0]]) raw!.heard();
    reload("q");
    expect(n.peers).toEqual(["D", "R1", "R2"]);
    n.mesh.judgeAgain();
    for (const raw of [ended, handshaking])
      expect(raw!.heard()).toEqual(["-ERR 'Authorization Violation'", "(closed)"]);
    for (const raw of [kept, silent, dialled[0]]) expect(raw!.isClosed).toBe(false);
    expect(n.peers).toEqual(["D", "R1"]);
    expect(n.logged('authentication error - User "u"')).toHaveLength(2);
  });

  test("judges a member anew that was being judged when the rules changed", () => {
    const credentials = { user: "u", password: "p", timeoutMs: 2000 };
    const n = started("N", PORT, { credentials });
    n.holdsVerdicts = true;
    const raw = network.raw(PORT);
    raw.heard();
    raw.say('CONNECT {"cluster":"C1","user":"u","pass":"p"}');
    const [byOldRules] = n.held.splice(0);
    n.mesh.judgeAgain();
    expect(n.held).toEqual([]);
    byOldRules!();
    n.mesh.reload(settingsOf("N", PORT, { credentials: { ...credentials, password: "q" } }));
    for (const give of n.held.splice(0)) give();
    clock.advance(1000, network.settle);
    expect(raw.heard()).toEqual(["-ERR 'Authorization Violation'", "(closed)"]);
  });
});

describe("RouteMesh, cluster names", () => {
  test("takes a configured name, closes routes under the old one, and says so", () => {
    const n = started("N", PORT, { clusterName: "" });
    expect(n.log).toEqual([
      "info Cluster name is GENERATED",
      "warning Cluster name was dynamically generated, consider setting one",
    ]);
    const dynamic = network.raw(PORT);
    dynamic.say(
      'CONNECT {"name":"NR","cluster":"ZZZ","cluster_dynamic":true}',
      'INFO {"server_id":"NR","server_name":"R","cluster":"ZZZ","cluster_dynamic":true}',
    );
    expect(n.renamed).toEqual(["ZZZ"]);
    expect(n.peers).toEqual(["R"]);
    const fixed = network.raw(PORT);
    fixed.say('CONNECT {"name":"NS","cluster":"C1"}', infoOf("S", 7001));
    expect(n.renamed).toEqual(["ZZZ", "C1"]);
    expect(n.logged("Cluster name updated to C1")).toHaveLength(1);
    expect(dynamic.isClosed).toBe(true);
    expect(n.peers).toEqual(["S"]);
    const late = network.raw(PORT);
    expect(late.heard()[0]).toContain('"cluster":"C1","cluster_dynamic":true');
    late.say('CONNECT {"cluster":"C2"}');
    expect(late.heard()).toEqual([
      `-ERR 'Rejecting connection, cluster name "C2" does not match "C1"'`,
      "(closed)",
    ]);
  });

  test("ends two servers without names in one cluster", () => {
    const n = started("N", PORT, { clusterName: "" });
    const m = new Member(network, clock, "M", 7000, { clusterName: "", routes: [routeTo(PORT)] });
    m.mesh.cluster.name = "MUCH GREATER";
    m.mesh.start();
    advance(5000);
    expect(n.mesh.cluster.name).toBe("MUCH GREATER");
    expect([n.peers, m.peers]).toEqual([["M"], ["N"]]);
  });

  test("is renamed by a reload", () => {
    const n = started("N", PORT, { clusterName: "" });
    n.mesh.reload(settingsOf("N", PORT, { clusterName: "C1" }));
    expect(n.renamed).toEqual(["C1"]);
    expect(n.mesh.cluster.isDynamic).toBe(false);
  });
});

describe("RouteMesh, URLs", () => {
  test("counts who announced what, and forgets it with the last", () => {
    const n = started("N", PORT);
    const shared =
      '"connect_urls":["a:1","b:1"],"ws_connect_urls":["w:1"],"gateway_url":"g:1","leafnode_urls":["l:1"]';
    const first = joined("R", 7000, shared);
    const second = joined("S", 7001, `${shared.replace("a:1", "c:1")}`);
    joined("T", 7002, '"leafnode_urls":["x:1","y:1"]');
    expect(n.clientUrls).toEqual(["a:1", "b:1", "c:1"]);
    expect(n.webSocketUrls).toEqual(["w:1"]);
    expect(n.gatewayUrls).toEqual(["g:1"]);
    expect(n.leafNodeUrls).toEqual(["l:1"]);
    first.close();
    expect(n.clientUrls).toEqual(["b:1", "c:1"]);
    expect(n.leafNodeUrls).toEqual(["l:1"]);
    second.close();
    expect([n.clientUrls, n.webSocketUrls, n.gatewayUrls, n.leafNodeUrls]).toEqual([[], [], [], []]);
  });

  test("takes a member's away once, when it is in lame duck mode", () => {
    const n = started("N", PORT);
    const urls = '"connect_urls":["a:1"]';
    const leaving = joined("R", 7000, urls);
    joined("S", 7001, urls);
    leaving.say(infoOf("R", 7000, `${urls},"ldm":true`));
    expect(n.clientUrls).toEqual(["a:1"]);
    leaving.close();
    expect(n.clientUrls).toEqual(["a:1"]);
  });

  test("are neither told nor taken with no_advertise", () => {
    const n = started("N", PORT, { noAdvertise: true });
    const raw = network.raw(PORT);
    expect(raw.heard()[0]).not.toContain("connect_urls");
    raw.say(CONNECT, infoOf("R", 7000, '"connect_urls":["a:1"]'));
    expect(n.clientUrls).toEqual([]);
  });

  test("say where to reach this server, in lame duck mode too", () => {
    const n = started("N", PORT, {
      advertise: { host: "10.1.2.3", port: 6666 },
      gatewayUrl: "g:1",
      leafNodeUrl: "l:1",
    });
    const raw = network.raw(PORT);
    const [info] = raw.heard();
    expect(info).toContain('"host":"10.1.2.3","port":6666');
    expect(info).toContain('"ip":"nats-route://10.1.2.3:6666/"');
    expect(info).toContain('"gateway_url":"g:1","leafnode_urls":["l:1"]');
    raw.say(CONNECT, infoOf("R", 7000));
    n.mesh.enterLameDuck();
    expect(raw.heard()[0]).toContain('"connect_urls":["N:4222"],"ldm":true');
    expect(raw.isClosed).toBe(false);
    const [late] = network.raw(PORT).heard();
    expect(late).not.toContain("ldm");
    expect(late).not.toContain("connect_urls");
  });
});

test("a mesh outlives whatever peers say, in whatever order", () => {
  let state = 7;
  const pick = <T>(list: readonly T[]): T => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return list[Math.floor((state / 2 ** 32) * list.length)]!;
  };
  const ip = '"ip":"nats-route://127.0.0.1:7001/"';
  const lines = [
    CONNECT,
    'CONNECT {"cluster":"C2","cluster_dynamic":true,"name":"NR"}',
    'CONNECT {"lang":"x"}',
    "CONNECT {",
    "INFO {}",
    "INFO []",
    'INFO {"server_id":"NN"}',
    'INFO {"server_id":"NS","cluster":"ZZ","cluster_dynamic":true}',
    'INFO {"gateway":"unknown"}',
    'INFO {"route_account":"A"}',
    'INFO {"route_acc_add_reqid":"A"}',
    ...["R", "S", "T"].flatMap((name) => [
      infoOf(name, 7000, '"lnoc":true'),
      infoOf(name, 7001, ip),
      infoOf(name, 7002, '"ldm":true,"connect_urls":["a:1"]'),
      infoOf(name, 0, '"export":{"deny":["foo"]},"lnoc":true,"lnocu":true'),
    ]),
    ...["PING", "PONG", "+OK", "-ERR 'x'", "SUB a 1", "A+ x", "RS+ $G foo", "RS- $G foo", "RS+ $G foo q 0"],
    ...[
      "LS+ LC $G foo q 3",
      "LS- LC $G foo q",
      "LS- $G foo",
      "RS+ NOPE x",
      "RS+ $G >.x",
      "RMSG $G foo 1\r\nx",
    ],
  ];
  const n = started("N", PORT, { clusterName: "", routes: [routeTo(7001)], connectRetries: 1 });
  network.listenRaw(7001);
  let peers: RawPeer[] = [];
  for (let step = 0; step < 5000; step++) {
    peers = peers.filter(({ isClosed }) => !isClosed);
    if (peers.length < 4) peers.push(network.raw(PORT));
    pick(peers).say(pick(lines));
    if (step % 10 === 0) advance(pick([1, 100, 2000]));
    if (step % 50 === 0) n.want(pick(["foo", "bar"]), pick([0, 1]), "", pick(["", "LC", "_"]));
    if (step % 400 === 0) n.mesh.reload(settingsOf("N", PORT, { routes: pick([[], [routeTo(7001)]]) }));
  }
  const last = network.raw(PORT);
  last.say(`CONNECT {"cluster":${JSON.stringify(n.mesh.cluster.name)}}`, 'INFO {"server_id":"LAST"}', "PING");
  expect(last.heard()).toContain("PONG");
});

test("reports() shows what /routez does", () => {
  const n = started("N", PORT);
  const raw = joined("R", 7000, '"compression":"accept","lnoc":true,"lnocu":true');
  raw.say("RS+ $G foo", "RS+ $G bar q 1");
  clock.advance(1000);
  raw.say("PONG");
  expect(n.mesh.reports()).toMatchObject([
    {
      connection: { id: 2, remoteIp: "127.0.0.1", remotePort: 50_002 },
      remoteId: "NR",
      remoteName: "R",
      isSolicited: false,
      isConfigured: false,
      roundTripNs: 0,
      importPermission: null,
      exportPermission: null,
      subscriptionCount: 2,
      compression: "off",
    },
  ]);
});
