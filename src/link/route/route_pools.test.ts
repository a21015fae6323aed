import { beforeEach, describe, expect, test } from "bun:test";
import { FakeClock } from "../core/testing/fake_clock.ts";
import { FakeNetwork, type RawPeer } from "../core/testing/fake_network.ts";
import type { RouteSettings } from "./route_settings.ts";
import { Member, routeTo, settingsOf } from "./testing/member.ts";

// In a pool of three, `$G` goes by index 2, `P` by 1 and `A` by 0; `PIN` has connections of its own.

const PORT = 6222;
const CONNECT = 'CONNECT {"name":"NR","cluster":"C1"}';
const POOLED: Partial<RouteSettings> = { poolSize: 3, pinnedAccounts: ["PIN"] };

let clock: FakeClock;
let network: FakeNetwork;

beforeEach(() => {
  clock = new FakeClock();
  network = new FakeNetwork();
});

function started(changes: Partial<RouteSettings> = {}, name = "N", port = PORT): Member {
  const member = new Member(network, clock, name, port, { ...POOLED, ...changes });
  member.mesh.start();
  network.settle();
  return member;
}

/** The INFO of a peer with a pool of three. */
function infoOf(name: string, place = "", size = 3): string {
  const fields = `"server_id":"N${name}","server_name":"${name}","host":"127.0.0.1","port":7000,"cluster":"C1"`;
  return `INFO {${fields},"headers":true,"lnoc":true,"lnocu":true,"ln":true,"proto":3,"route_pool_size":${size}${place && `,${place}`}}`;
}

/** A scripted peer that dials: a connection at an index, or for an account. */
function joined(place: number | string, name = "R", size = 3): RawPeer {
  const raw = network.raw(PORT);
  raw.heard();
  const said = typeof place === "number" ? `"route_pool_idx":${place}` : `"route_account":"${place}"`;
  raw.say(CONNECT, infoOf(name, said, size));
  return raw;
}

/** What the INFO among the lines says about pools. */
function placeSaid(lines: readonly string[]): Record<string, unknown> {
  const line = lines.find((each) => each.startsWith("INFO "))!;
  const { route_pool_size: size, route_pool_idx: index, route_account: account } = JSON.parse(line.slice(5));
  return { size, index, account };
}

/** For each connection that was dialled: what followed its CONNECT. */
function advance(ms: number): void {
  clock.advance(ms, network.settle);
}

function places({ mesh }: Member): string[] {
  return mesh.connections.map(({ account, poolIndex }) => account ?? `${poolIndex}`).sort();
}

describe("a pool that is dialled", () => {
  test("opens one connection after the other, each when the one before has answered a ping", () => {
    const peers = network.listenRaw(7000);
    const n = started({ routes: [routeTo(7000)] });
    expect(peers).toHaveLength(1);
    const first = peers[0]!;
    expect(first.heard().map((line) => line.split(" ")[0])).toEqual(["CONNECT"]);
    first.say(infoOf("R"));
    // Its index is 0, which INFO leaves out.
    expect(placeSaid(first.heard())).toEqual({ size: 3, index: undefined, account: undefined });
    expect(peers).toHaveLength(1);
    first.say("PONG");
    expect(peers).toHaveLength(3);
    const [, second, pinned] = peers as [RawPeer, RawPeer, RawPeer];
    second.say(infoOf("R"));
    pinned.say(infoOf("R"));
    expect(placeSaid(second.heard())).toEqual({ size: 3, index: 1, account: undefined });
    expect(placeSaid(pinned.heard())).toEqual({ size: 3, index: undefined, account: "PIN" });
    second.say("PONG");
    expect(peers).toHaveLength(4);
    peers[3]!.say(infoOf("R"));
    expect(placeSaid(peers[3]!.heard())).toEqual({ size: 3, index: 2, account: undefined });
    peers[3]!.say("PONG");
    expect(peers).toHaveLength(4);
    expect(places(n)).toEqual(["0", "1", "2", "PIN"]);
    expect(n.peers).toEqual(["R"]);
    expect(n.logged("Registering")[1]).toEndWith('Registering remote route "NR"');
    expect(n.logged("Registering")[2]).toEndWith('Registering remote route "NR" for account "PIN"');
  });

  test("is filled again where one is lost", () => {
    const peers = network.listenRaw(7000);
    const n = started({ routes: [routeTo(7000)] });
    for (let at = 0; at < 4; at++) peers[at]!.say(infoOf("R"), "PONG");
    expect(places(n)).toEqual(["0", "1", "2", "PIN"]);
    const [lostInPool, lostPinned] = [peers[1]!, peers[2]!];
    lostInPool.close();
    lostPinned.close();
    expect(places(n)).toEqual(["0", "2"]);
    expect(n.peers).toEqual(["R"]);
    expect(n.clientUrls).toEqual([]);
    advance(1100);
    expect(peers).toHaveLength(6);
    for (const peer of peers.slice(4)) peer.say(infoOf("R"));
    expect(places(n)).toEqual(["0", "1", "2", "PIN"]);
    expect(peers.slice(4).map((peer) => placeSaid(peer.heard()))).toEqual([
      { size: 3, index: 1, account: undefined },
      { size: 3, index: undefined, account: "PIN" },
    ]);
  });

  test("is filled again at once where both ends dropped what the other one kept", () => {
    const peers = network.listenRaw(7000);
    const n = started({ routes: [routeTo(7000)] });
    for (let at = 0; at < 4; at++) peers[at]!.say(infoOf("R"), "PONG");
    const theirs = joined(1);
    expect(theirs.isClosed).toBe(true);
    peers[1]!.close();
    expect(places(n)).toEqual(["0", "2", "PIN"]);
    advance(100);
    expect(peers).toHaveLength(5);
    peers[4]!.say(infoOf("R"));
    expect(places(n)).toEqual(["0", "1", "2", "PIN"]);
  });

  test("is as large as the larger of two, of which each tells its own by its own size", () => {
    const peers = network.listenRaw(7000);
    const n = started({ routes: [routeTo(7000)], pinnedAccounts: [] });
    for (let at = 0; at < 5; at++) peers[at]!.say(infoOf("R", "", 5), "PONG");
    expect(places(n)).toEqual(["0", "1", "2", "3", "4"]);
    n.want("foo");
    expect(peers.map((peer) => peer.heard().includes("RS+ $G foo"))).toEqual([
      false,
      false,
      true,
      false,
      false,
    ]);
    // The peer's `$G` is at 3, but messages to it follow what it was told.
    peers[3]!.say("RS+ $G bar");
    expect(n.wanted()).toEqual(["R: $G bar 1"]);
    const [arrival] = n.mesh.connections.filter(({ poolIndex }) => poolIndex === 3);
    expect(arrival!.carrierOf("$G").connection).toBe(n.mesh.connections[2]!.connection);
  });

  test("is one connection to a member without pools, which then tells everything", () => {
    const peers = network.listenRaw(7000);
    const n = started({ routes: [routeTo(7000)] });
    n.want("foo");
    n.want("own", 1, "", "", "PIN");
    peers[0]!.say(infoOf("R", "", 0), "PONG");
    const heard = peers[0]!.heard();
    expect(heard.slice(2)).toEqual(["RS+ $G foo", "RS+ PIN own"]);
    expect(peers).toHaveLength(1);
    expect(places(n)).toEqual(["0"]);
  });

  test("does not let the other side say an index", () => {
    const peers = network.listenRaw(7000);
    const n = started({ routes: [routeTo(7000)] });
    peers[0]!.say(infoOf("R", '"route_pool_idx":1'));
    expect(peers[0]!.heard().slice(1)).toEqual([
      "-ERR 'Route pool index should not be set but is set to 1'",
      "(closed)",
    ]);
    expect(n.peers).toEqual([]);
  });

  test("closes what has no place any more, and does not dial it again", () => {
    const n = started();
    const peers = network.listenRaw(7000);
    for (const index of [0, 1, 2]) joined(index);
    n.mesh.reload(settingsOf("N", PORT, { ...POOLED, routes: [routeTo(7000)] }));
    network.settle();
    peers[0]!.say(infoOf("R"));
    expect(peers[0]!.isClosed).toBe(true);
    expect(n.logged('Route pool size reached, closing extra connection to "NR"')).toHaveLength(1);
    advance(5000);
    expect(peers).toHaveLength(1);
    // From now on the others count as dialled.
    expect(n.mesh.reports().map((report) => [report.isSolicited, report.isConfigured])).toEqual(
      Array(3).fill([true, true]),
    );
  });
});

describe("a pool that is accepted", () => {
  test("says its size and no place, and takes the places that the other side says", () => {
    const n = started();
    const raw = network.raw(PORT);
    expect(placeSaid(raw.heard())).toEqual({ size: 3, index: undefined, account: undefined });
    for (const place of [2, 0, "PIN", 1]) joined(place);
    expect(places(n)).toEqual(["0", "1", "2", "PIN"]);
    expect(n.mesh.reports().map(({ account }) => account)).toEqual(["", "", "", "PIN"]);
  });

  test("tells each account by its connection, and that of one account without its name", () => {
    const n = started();
    for (const account of ["$G", "P", "A", "PIN"]) {
      n.want(`of.${account}`, 1, "", "", account);
      n.want("group", 2, "q", "", account);
      n.want("leaf", 1, "", "LC", account);
    }
    const heard = [0, 1, 2, "PIN"].map((place) => joined(place).heard());
    const said = (account: string, name: string) => [
      `RS+ ${name}of.${account}`,
      `RS+ ${name}group q 2`,
      `LS+ LC ${name}leaf`,
    ];
    expect(heard).toEqual([said("A", "A "), said("P", "P "), said("$G", "$G "), said("PIN", "")]);
  });

  test("sends and takes messages of one account without its name", () => {
    const n = started();
    const raw = joined("PIN");
    n.send("foo", "hi", { account: "PIN", reply: "r" });
    n.send("foo", "hi", { account: "PIN", origin: "LC" });
    expect(raw.heard()).toEqual(["RMSG foo r 2", "hi", "LMSG LC foo 0 2", "hi"]);
    raw.say("RMSG bar 2", "yo", "HMSG bar r 2 4", "hhyo", "LMSG LC bar 0 2", "yo", "RMSG bar | q 1", "x");
    expect(n.messages.map(({ message, queues }) => [message.account, message.origin, queues])).toEqual([
      ["PIN", "", []],
      ["PIN", "", []],
      ["PIN", "LC", []],
      ["PIN", "", ["q"]],
    ]);
    raw.say("RS+ want", "RS+ want q 2", "LS+ LC want");
    expect(n.wanted()).toEqual(["R: PIN want 1", "R: PIN want @LC 1", "R: PIN want q 2"]);
    raw.say("RS- want", "RS- want q", "LS- LC want");
    expect(n.wanted()).toEqual([]);
  });

  test("keeps the first at a place; the second one's side dials again", () => {
    const n = started();
    const [first, again] = [joined(1), joined(1)];
    expect([first.isClosed, again.isClosed]).toEqual([false, true]);
    const [own, ownAgain] = [joined("PIN"), joined("PIN")];
    expect([own.isClosed, ownAgain.isClosed]).toEqual([false, true]);
    expect(places(n)).toEqual(["1", "PIN"]);
    expect(n.logged('Detected duplicate remote route "NR"')).toHaveLength(2);
  });

  test("refuses places that there are not", () => {
    const n = started();
    const refusals: [place: number | string, text: string][] = [
      [3, "Invalid route pool index: 3 - pool size is 3"],
      [-1, "Invalid route pool index: -1 - pool size is 3"],
      ["$G", 'No route for account "$G"'],
      ["NOPE", 'Unable to lookup account "NOPE": account missing'],
    ];
    for (const [place, text] of refusals) {
      expect(joined(place).heard()).toEqual([`-ERR '${text}'`, "(closed)"]);
      expect(n.logged(text)).toHaveLength(1);
    }
    expect(joined(4, "BIG", 5).isClosed).toBe(false);
    expect(n.peers).toEqual(["BIG"]);
    expect(joined(255, "HUGE", 2_000_000_000).isClosed).toBe(false);
    expect(joined(1_999_999_999, "HUGE", 2_000_000_000).isClosed).toBe(true);
    expect(n.peers).toEqual(["BIG", "HUGE"]);
  });

  test("makes the member known once, and forgets it with the last connection", () => {
    const n = started();
    const others = [0, 1, 2, "PIN"].map((place) => joined(place, "S"));
    for (const other of others) other.heard();
    const urls = '"connect_urls":["r:1"],"gateway_url":"r:2"';
    const raws = [0, 1, 2].map((index) => {
      const raw = network.raw(PORT);
      raw.say(CONNECT, infoOf("R", `"route_pool_idx":${index},${urls}`));
      return raw;
    });
    expect(n.clientUrls).toEqual(["r:1"]);
    const gossip = () => others.map((other) => other.heard().filter((line) => line.includes('"NR"')).length);
    expect(gossip()).toEqual([1, 0, 0, 0]);
    // The connection for an account is gossiped over the connections for the same account.
    const own = joined("PIN");
    expect(gossip()).toEqual([0, 0, 0, 1]);
    own.heard();
    for (const raw of [raws[0]!, raws[1]!]) raw.close();
    expect([n.clientUrls, n.gatewayUrls]).toEqual([["r:1"], ["r:2"]]);
    raws[2]!.close();
    expect([n.clientUrls, n.gatewayUrls]).toEqual([[], []]);
    expect(n.peers).toEqual(["S"]);
  });

  test("is told of lame duck mode once, and believes it on any connection", () => {
    const n = started();
    const raws = [0, 1, 2, "PIN"].map((place) => joined(place));
    for (const raw of raws) raw.heard();
    n.mesh.enterLameDuck();
    const told = () => raws.map((raw) => raw.heard().filter((line) => line.includes('"ldm":true')).length);
    expect(told()).toEqual([1, 0, 0, 0]);
    const urls = '"connect_urls":["s:1"]';
    const [first, second] = [0, 1].map((index) => {
      const raw = network.raw(PORT);
      raw.say(CONNECT, infoOf("S", `"route_pool_idx":${index},${urls}`));
      return raw;
    });
    expect(n.clientUrls).toEqual(["s:1"]);
    second!.say(infoOf("S", `${urls},"ldm":true`));
    expect(n.clientUrls).toEqual([]);
    first!.close();
  });

  test("follows gossip of an account to a member that is known, once, and only for pinned ones", () => {
    const peers = network.listenRaw(7000);
    started();
    const raw = joined(0);
    raw.say(infoOf("T", '"ip":"nats-route://127.0.0.1:7000/","route_account":"OTHER"'));
    expect(peers).toHaveLength(0);
    for (let times = 0; times < 2; times++) {
      raw.say(infoOf("T", '"ip":"nats-route://127.0.0.1:7000/","route_account":"PIN"'));
    }
    expect(peers).toHaveLength(1);
    peers[0]!.say(infoOf("T"));
    expect(placeSaid(peers[0]!.heard())).toMatchObject({ account: "PIN" });
    raw.say(infoOf("T", '"ip":"nats-route://127.0.0.1:7000/","route_account":"PIN"'));
    expect(peers).toHaveLength(1);
  });
});

describe("a reload", () => {
  const request = (account: string, id = "ID") =>
    `INFO {"server_id":"","route_pool_size":3,"route_account":"${account}","route_acc_add_reqid":"${id}"}`;

  test("moves an account to a connection of its own once members have answered", () => {
    const peers = network.listenRaw(7000);
    const n = started({ routes: [routeTo(7000)], pinnedAccounts: [] });
    n.want("foo");
    for (let at = 0; at < 3; at++) peers[at]!.say(infoOf("R"), "PONG");
    peers[2]!.say("RS+ $G theirs");
    for (const peer of peers) peer.heard();
    n.mesh.reload({ ...n.mesh.settings, pinnedAccounts: ["$G"] });
    expect(n.wanted()).toEqual([]);
    const [asked] = peers[2]!.heard();
    expect(asked).toContain('"route_pool_size":3,"route_account":"$G","route_acc_add_reqid":"');
    expect(peers).toHaveLength(3);
    peers[2]!.say(asked!.replace('"route_account":"$G",', ""));
    expect(peers).toHaveLength(4);
    peers[3]!.say(infoOf("R"));
    expect(peers[3]!.heard().slice(2)).toEqual(["RS+ foo"]);
  });

  test("does not wait for ever", () => {
    const peers = network.listenRaw(7000);
    const n = started({ routes: [routeTo(7000)], pinnedAccounts: [] });
    for (let at = 0; at < 3; at++) peers[at]!.say(infoOf("R"), "PONG");
    n.mesh.reload({ ...n.mesh.settings, pinnedAccounts: ["$G"] });
    advance(1999);
    expect(peers).toHaveLength(3);
    advance(1);
    expect(n.logged("Timed out waiting for confirmation from all routes")).toHaveLength(1);
    expect(peers).toHaveLength(4);
  });

  test("of another member is answered, and its account pinned here, too", () => {
    const n = started();
    n.want("foo");
    const raws = [0, 1, 2].map((index) => joined(index));
    raws[2]!.say("RS+ $G theirs");
    for (const raw of raws) raw.heard();
    raws[2]!.say(request("$G"));
    const [answer] = raws[2]!.heard();
    expect(answer).toContain('"route_pool_size":3,"route_acc_add_reqid":"ID"}');
    expect(n.wanted()).toEqual([]);
    n.want("bar");
    expect(raws[2]!.heard()).toEqual([]);
    expect(joined("$G").heard()).toEqual(["RS+ foo", "RS+ bar"]);
    raws[2]!.say(request("NOPE"));
    expect(n.logged('Error looking up account "NOPE": account missing')).toHaveLength(1);
  });

  test("takes an account back into the pool", () => {
    const n = started({ pinnedAccounts: ["$G"] });
    n.want("foo");
    const [pooled, own] = [joined(2), joined("$G")];
    expect([pooled.heard(), own.heard()]).toEqual([[], ["RS+ foo"]]);
    n.mesh.reload({ ...n.mesh.settings, pinnedAccounts: [] });
    network.settle();
    expect(own.isClosed).toBe(true);
    expect(pooled.heard()).toEqual(["RS+ $G foo"]);
  });

  test("to another size makes pools anew", () => {
    const peers = network.listenRaw(7000);
    const n = started({ routes: [routeTo(7000)], pinnedAccounts: [] });
    for (let at = 0; at < 3; at++) peers[at]!.say(infoOf("R"), "PONG");
    n.mesh.reload({ ...n.mesh.settings, poolSize: 1 });
    network.settle();
    expect(peers.slice(0, 3).map(({ isClosed }) => isClosed)).toEqual([true, true, true]);
    expect(n.logged("Router connection closed: Route Removed")).toHaveLength(3);
    peers[3]!.say(infoOf("R", "", 1), "PONG");
    advance(5000);
    expect(places(n)).toEqual(["0"]);
    expect(peers).toHaveLength(4);
  });
});

describe("two members that dial each other", () => {
  test("end with one pool", () => {
    // Both draw a delay at the same time, and one of them is smaller.
    let draw = 0;
    Object.defineProperty(clock, "chance", { get: () => (++draw * 0.37) % 1 });
    const a = started({ routes: [routeTo(7000)] });
    const b = started({ routes: [routeTo(PORT)] }, "B", 7000);
    advance(20_000);
    for (const member of [a, b]) {
      expect(places(member)).toEqual(["0", "1", "2", "PIN"]);
      expect(member.carriersOf(["$G", "P", "A", "PIN"])).toEqual([1, 1, 1, 1]);
    }
    const dialled = network.dialled.length;
    advance(60_000);
    expect(network.dialled.length).toBe(dialled);
  });
});
