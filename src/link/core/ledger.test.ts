import { describe, expect, test } from "bun:test";
import { cpuMsOf } from "../../../test/support/cpu_time.ts";
import { InterestLedger } from "./ledger.ts";
import type { InterestKey } from "./link.ts";
import { type TestLink, testLink } from "./testing/test_link.ts";

function key(subject: string, queue = "", origin = ""): InterestKey {
  return { account: "$G", subject, queue, origin };
}

/** What a link was told since the last call. */
function news(link: TestLink): string[] {
  return link.announced.splice(0).sort();
}

function world() {
  const ledger = new InterestLedger();
  const links = {
    route: testLink({ kind: "route", role: "both" }),
    inbound: testLink({ kind: "gateway", role: "inbound" }),
    outbound: testLink({ kind: "gateway", role: "outbound" }),
    leaf: testLink({ kind: "leaf", role: "spoke", cluster: "L" }),
    sibling: testLink({ kind: "leaf", role: "spoke", cluster: "L" }),
    other: testLink({ kind: "leaf", role: "spoke", cluster: "M" }),
    hub: testLink({ kind: "leaf", role: "hub", cluster: "H" }),
  };
  for (const link of Object.values(links)) ledger.attach(link);
  const told = () => {
    return Object.fromEntries(
      Object.entries(links).flatMap(([name, link]) => {
        const lines = news(link);
        return lines.length === 0 ? [] : [[name, lines]];
      }),
    );
  };
  return { ledger, links, told };
}

describe("the interest ledger", () => {
  test("what this server wants, everybody is told who sends messages here", () => {
    const { ledger, told } = world();
    ledger.setLocal("own", key("foo"), 1);
    const lines = ["$G foo 1"];
    expect(told()).toEqual({
      route: lines,
      inbound: lines,
      leaf: lines,
      sibling: lines,
      other: lines,
      hub: lines,
    });
  });

  test("a plain wish is said once, whoever shares it, and taken back with the last", () => {
    const { ledger, links, told } = world();
    ledger.setLocal("own", key("foo"), 1);
    told();
    ledger.setLocal("imports", key("foo"), 1);
    ledger.setRemote(links.other, key("foo"), 1);
    expect(told()).toEqual({ route: ["$G foo @M 1"] });
    ledger.setLocal("own", key("foo"), 0);
    ledger.setLocal("imports", key("foo"), 0);
    expect(told()).toEqual({ route: ["$G foo 0"], other: ["$G foo 0"] });
    ledger.setRemote(links.other, key("foo"), 0);
    const gone = ["$G foo 0"];
    expect(told()).toEqual({ route: ["$G foo @M 0"], inbound: gone, leaf: gone, sibling: gone, hub: gone });
  });

  test("members of a group are told as they change, to gateways as one", () => {
    const { ledger, links, told } = world();
    ledger.setLocal("own", key("foo", "q"), 1);
    ledger.setLocal("own", key("foo", "q"), 3);
    expect(news(links.route)).toEqual(["$G foo q 1", "$G foo q 3"]);
    expect(news(links.inbound)).toEqual(["$G foo q 1"]);
    told();
    ledger.setRemote(links.outbound, key("foo", "q"), 5);
    expect(told()).toEqual({ leaf: ["$G foo q 4"], sibling: ["$G foo q 4"], other: ["$G foo q 4"] });
  });

  test("what a route wants crosses no other route, and goes to leaf nodes and gateways alone", () => {
    const { ledger, links, told } = world();
    const second = testLink({ kind: "route", role: "both" });
    ledger.attach(second);
    ledger.setRemote(links.route, key("foo"), 1);
    const lines = ["$G foo 1"];
    expect(told()).toEqual({ inbound: lines, leaf: lines, sibling: lines, other: lines });
    expect(news(second)).toEqual([]);
  });

  test("leaf nodes of one cluster do not hear of each other, directly or through a route", () => {
    const { ledger, links, told } = world();
    ledger.setRemote(links.leaf, key("foo"), 1);
    expect(told()).toEqual({
      route: ["$G foo @L 1"],
      inbound: ["$G foo 1"],
      other: ["$G foo 1"],
      hub: ["$G foo 1"],
    });
    ledger.setRemote(links.route, key("bar", "", "L"), 1);
    expect(told()).toEqual({ inbound: ["$G bar 1"], other: ["$G bar 1"] });
  });

  test("what a hub wants is for leaf nodes of this server", () => {
    const { ledger, links, told } = world();
    ledger.setRemote(links.hub, key("foo"), 1);
    expect(told()).toEqual({ leaf: ["$G foo 1"], sibling: ["$G foo 1"], other: ["$G foo 1"] });
  });

  test("an isolated link hears of no leaf node", () => {
    const { ledger, links, told } = world();
    const isolated = testLink({ kind: "leaf", role: "spoke", cluster: "N", isIsolated: true });
    ledger.attach(isolated);
    ledger.setRemote(links.leaf, key("foo"), 1);
    ledger.setRemote(links.route, key("bar", "", "M"), 1);
    expect(news(isolated)).toEqual([]);
    ledger.setRemote(links.route, key("bar"), 1);
    expect(news(isolated)).toEqual(["$G bar 1"]);
    told();
  });

  test("a new link is told everything; one that goes takes its wishes along", () => {
    const { ledger, links, told } = world();
    ledger.setLocal("own", key("foo", "q"), 2);
    ledger.setRemote(links.route, key("foo", "q"), 3);
    told();
    const late = testLink({ kind: "leaf", role: "spoke", cluster: "X" });
    ledger.attach(late);
    expect(news(late)).toEqual(["$G foo q 5"]);
    ledger.detach(links.route);
    expect(news(late)).toEqual(["$G foo q 2"]);
    expect(ledger.toldOf(late, "$G")).toEqual([{ key: key("foo", "q"), weight: 2 }]);
  });

  test("the end of a link takes as long as what its peer wanted, not as all that others want", () => {
    const ledger = new InterestLedger();
    for (let i = 0; i < 200_000; i++) ledger.setLocal("own", key(`s.${i}`), 1);
    const route = testLink({ kind: "route", role: "both" });
    const leafs = Array.from({ length: 300 }, (_, i) =>
      testLink({ kind: "leaf", role: "hub", cluster: `L${i}` }),
    );
    for (const [i, leaf] of leafs.entries()) ledger.setRemote(leaf, key(`leaf.${i}`), 1);
    const cpuMs = cpuMsOf(() => {
      for (const leaf of leafs) ledger.detach(leaf);
    });
    expect(cpuMs).toBeLessThan(500);
    ledger.attach(route);
    expect(route.announced.length).toBe(200_000);
  });

  test("forgets of a link what it wanted and took back and wanted again, once", () => {
    const ledger = new InterestLedger();
    const [route, gateway] = [
      testLink({ kind: "route", role: "both" }),
      testLink({ kind: "gateway", role: "inbound" }),
    ];
    ledger.attach(gateway);
    const keys = Array.from({ length: 5000 }, (_, i) => key(`s.${i}`));
    const set = (some: readonly InterestKey[], weight: number) => {
      for (const each of some) ledger.setRemote(route, each, weight);
    };
    set([...keys, key("both"), key("both", "", "L"), key("q", "q")], 1);
    set(keys.slice(0, 4000), 0);
    set(keys.slice(0, 100), 1);
    ledger.setRemote(route, key("q", "q"), 3);
    news(gateway);
    ledger.detach(route);
    const left = [...keys.slice(0, 100), ...keys.slice(4000)].map(({ subject }) => `$G ${subject} 0`);
    expect(news(gateway)).toEqual([...left, "$G both 0", "$G q q 0"].sort());
    expect(ledger.toldOf(gateway, "$G")).toEqual([]);
    set(keys.slice(0, 2), 1);
    set(keys.slice(0, 2), 0);
    expect(news(gateway).length).toBe(4);
  });

  test("a leaf link hears of its account alone", () => {
    const { ledger, links } = world();
    ledger.setLocal("own", { account: "OTHER", subject: "foo", queue: "", origin: "" }, 1);
    expect(news(links.leaf)).toEqual([]);
    expect(news(links.route)).toEqual(["OTHER foo 1"]);
  });

  test("a new link is told plain subjects as lists, and all else one by one", () => {
    const { ledger, links } = world();
    const lists: string[][] = [];
    const announcePlain = (account: string, subjects: readonly string[]) => {
      lists.push([account, ...subjects]);
    };
    const subjects = Array.from({ length: 5000 }, (_, index) => `s.${index}`);
    for (const subject of subjects) ledger.setLocal("own", key(subject), 1);
    ledger.setLocal("imports", key("s.7"), 1);
    ledger.setLocal("own", key("s.8", "q"), 1);
    ledger.setRemote(links.leaf, key("s.9"), 1);
    ledger.setRemote(links.leaf, key("of.leaf"), 1);
    const late = testLink({ kind: "route", role: "both", announcePlain });
    ledger.attach(late);
    expect(lists.map((list) => list.length)).toEqual([4097, 903]);
    const others = ["$G of.leaf @L 1", "$G s.7 1", "$G s.8 q 1", "$G s.9 1", "$G s.9 @L 1"];
    expect(news(late)).toEqual(others);
    const listed = lists.flatMap(([account, ...names]) => names.map((name) => `${account} ${name} 1`));
    const one = testLink({ kind: "route", role: "both" });
    ledger.attach(one);
    expect(news(one)).toEqual([...others, ...listed].sort());
    for (const subject of subjects) ledger.setLocal("own", key(subject), 0);
    expect(news(late)).toEqual(news(one));
  });

  test("tells each account over the link that carries it, and again over the one that takes it over", () => {
    const ledger = new InterestLedger();
    let moved = false;
    const inPool = testLink({
      kind: "route",
      role: "both",
      carries: (account) => account !== "OTHER" && !(moved && account === "$G"),
    });
    const own = testLink({ kind: "route", role: "both", carries: (account) => moved && account === "$G" });
    const ofOther = testLink({ kind: "route", role: "both", carries: (account) => account === "OTHER" });
    const links = [inPool, own, ofOther];
    ledger.setLocal("own", key("early"), 1);
    for (const link of links) ledger.attach(link);
    ledger.setLocal("own", key("foo"), 1);
    ledger.setLocal("own", { ...key("foo"), account: "OTHER" }, 1);
    expect(links.map(news)).toEqual([["$G early 1", "$G foo 1"], [], ["OTHER foo 1"]]);
    moved = true;
    for (const link of [inPool, own]) ledger.reassign(link, "$G");
    // The peer forgets by itself what it no longer needs to know.
    expect(links.map(news)).toEqual([[], ["$G early 1", "$G foo 1"], []]);
    expect(ledger.toldOf(inPool, "$G")).toEqual([]);
    ledger.setLocal("own", key("foo"), 0);
    expect(links.map(news)).toEqual([[], ["$G foo 0"], []]);
    ledger.detach(own);
    ledger.setLocal("own", key("late"), 1);
    expect(links.map(news)).toEqual([[], [], []]);
  });
});
