import { describe, expect, test } from "bun:test";
import { type LinkInterest, LOCAL_ORIGIN, mayCross, pickMember } from "./routing.ts";
import { testLink } from "./testing/test_link.ts";

const route = testLink({ kind: "route", role: "both" });
const otherRoute = testLink({ kind: "route", role: "both" });
const outbound = testLink({ kind: "gateway", role: "outbound", cluster: "east", rttMs: 20 });
const nearOutbound = testLink({ kind: "gateway", role: "outbound", cluster: "west", rttMs: 2 });
const inbound = testLink({ kind: "gateway", role: "inbound", cluster: "east" });
const leaf = testLink({ kind: "leaf", role: "spoke", cluster: "L" });
const sibling = testLink({ kind: "leaf", role: "spoke", cluster: "L" });
const otherLeaf = testLink({ kind: "leaf", role: "spoke", cluster: "M" });
const hub = testLink({ kind: "leaf", role: "hub", cluster: "H" });
const otherHub = testLink({ kind: "leaf", role: "hub", cluster: "I" });

describe("the table of one message", () => {
  const all = { route, otherRoute, outbound, inbound, leaf, sibling, otherLeaf, hub, otherHub };
  const rows: [string, Parameters<typeof mayCross>[0], (keyof typeof all)[]][] = [
    [
      "local",
      LOCAL_ORIGIN,
      ["route", "otherRoute", "outbound", "leaf", "sibling", "otherLeaf", "hub", "otherHub"],
    ],
    ["route", { link: route, cluster: "" }, ["leaf", "sibling", "otherLeaf"]],
    ["route, from a leaf node of L", { link: route, cluster: "L" }, ["otherLeaf"]],
    [
      "gateway",
      { link: inbound, cluster: "" },
      ["route", "otherRoute", "leaf", "sibling", "otherLeaf", "hub", "otherHub"],
    ],
    [
      "leaf node",
      { link: leaf, cluster: "L" },
      ["route", "otherRoute", "outbound", "otherLeaf", "hub", "otherHub"],
    ],
    ["hub", { link: hub, cluster: "H" }, ["outbound", "leaf", "sibling", "otherLeaf", "otherHub"]],
  ];
  for (const [name, origin, expected] of rows) {
    test(name, () => {
      const reached = Object.entries(all).flatMap(([to, link]) =>
        mayCross(origin, link, "foo") ? [to] : [],
      );
      expect(reached).toEqual(expected);
    });
  }

  test("what a hub sent returns by no import to it, nor to one that may be of its cluster", () => {
    const hubOf = (account: string, cluster: string) =>
      testLink({ kind: "leaf", role: "hub", account, cluster });
    const reaches = (from: string, to: string) =>
      mayCross({ link: hubOf("A", from), cluster: from }, hubOf("B", to), "foo");
    expect([reaches("H", "I"), reaches("H", "H"), reaches("H", ""), reaches("", "")]).toEqual([
      true,
      false,
      false,
      false,
    ]);
    // Imports are not involved in going to another hub in the same account.
    expect(mayCross({ link: hubOf("A", ""), cluster: "" }, hubOf("A", ""), "foo")).toBe(true);
  });

  test("answers to services go up to the hub even from a route", () => {
    expect(mayCross({ link: route, cluster: "" }, hub, "_R_.abcdef.ghijkl")).toBe(true);
  });

  test("an answer on its last way goes one hop further, never back", () => {
    const origin = { link: route, cluster: "", isAnswer: true };
    expect(mayCross(origin, otherRoute, "inbox")).toBe(true);
    expect(mayCross(origin, outbound, "inbox")).toBe(true);
    expect(mayCross(origin, outbound, "_R_.abcdef.ghijkl")).toBe(false);
    expect(mayCross(origin, route, "inbox")).toBe(false);
  });
});

describe("who serves a queue group", () => {
  const wish = (link: LinkInterest["link"], weight = 1, origin = ""): LinkInterest => {
    return { link, queue: "q", weight, origin };
  };
  const share = (times: number, pick: (random: () => number) => unknown) => {
    const counts = new Map<unknown, number>();
    for (let i = 0; i < times; i++) {
      const picked = pick(() => (i + 0.5) / times);
      counts.set(picked, (counts.get(picked) ?? 0) + 1);
    }
    return counts;
  };

  test("members of the cluster are drawn by weight", () => {
    const candidates = [wish(route, 3), wish(leaf), wish(nearOutbound)];
    const counts = share(400, (random) =>
      pickMember({ link: leaf, cluster: "L" }, "foo", 1, candidates, random),
    );
    expect(counts.get("here")).toBe(100);
    expect(counts.get(candidates[0])).toBe(300);
  });

  test("leaf nodes serve where the cluster has no member, gateways where nobody else does, the nearest first", () => {
    const throughRoute = wish(otherRoute, 1, "M");
    const leafs = [throughRoute, wish(otherLeaf), wish(outbound), wish(nearOutbound)];
    const counts = share(100, (random) => pickMember(LOCAL_ORIGIN, "foo", 0, leafs, random));
    expect(counts.get(leafs[0])).toBe(50);
    expect(counts.get(leafs[1])).toBe(50);
    const gateways = leafs.slice(2);
    expect(pickMember(LOCAL_ORIGIN, "foo", 0, gateways, () => 0.1)).toBe(gateways[1]!);
  });

  test("a leaf node's message goes to no leaf node of its cluster", () => {
    const origin = { link: leaf, cluster: "L" };
    expect(pickMember(origin, "foo", 0, [wish(sibling), wish(route, 1, "L")], () => 0)).toBe(null);
  });

  test("a group that a route names: here first, then leaf nodes, then one more route, then back", () => {
    const origin = { link: route, cluster: "" };
    const candidates = [wish(route), wish(otherRoute), wish(leaf)];
    expect(pickMember(origin, "foo", 1, candidates, () => 0.99)).toBe("here");
    expect(pickMember(origin, "foo", 0, candidates, () => 0.5)).toBe(candidates[2]!);
    expect(pickMember(origin, "foo", 0, candidates.slice(0, 2), () => 0)).toBe(candidates[1]!);
    expect(pickMember(origin, "foo", 0, candidates.slice(0, 1), () => 0)).toBe(candidates[0]!);
  });

  test("what comes from a hub is not passed on to routes", () => {
    expect(pickMember({ link: hub, cluster: "H" }, "foo", 0, [wish(route)], () => 0)).toBe(null);
  });

  test("goes back to a hub without a cluster if nobody else is left", () => {
    const nameless = testLink({ kind: "leaf", role: "hub", cluster: "" });
    const pick = (link: typeof hub, membersHere: number) =>
      pickMember({ link, cluster: link.cluster }, "foo", membersHere, [wish(link)], () => 0);
    expect(pick(nameless, 0)).toEqual(wish(nameless));
    expect([pick(nameless, 1), pick(hub, 0), pick(leaf, 0)]).toEqual(["here", null, null]);
  });
});

describe("several routes to one server", () => {
  const [first, second] = [0, 1].map(() => testLink({ kind: "route", role: "both", remoteId: "NPEER" }));
  const origin = { link: first!, cluster: "" };

  test("bring nothing back that came over one of them", () => {
    const answer = { ...origin, isAnswer: true };
    expect(mayCross(answer, second!, "a")).toBe(false);
    expect(mayCross(answer, otherRoute, "a")).toBe(true);
  });

  test("take back a message for a group that has gone here only if no other server has it", () => {
    const wish = (link: typeof otherRoute) => ({ link, queue: "q", weight: 1, origin: "" });
    expect(pickMember(origin, "a", 0, [wish(second!)], () => 0)).toEqual(wish(second!));
    expect(pickMember(origin, "a", 0, [wish(second!), wish(otherRoute)], () => 0)).toEqual(wish(otherRoute));
  });
});
