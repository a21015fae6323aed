import { describe, expect, test } from "bun:test";
import { cpuMsOf } from "../../../test/support/cpu_time.ts";
import type { Link, LinkMessage } from "./link.ts";
import { LinkCore, type LinkFabric, type Matches, type ReplyRouting } from "./link_core.ts";
import { RECENT_MS } from "./recent_interest.ts";
import { FakeClock } from "./testing/fake_clock.ts";
import { type TestLink, testLink } from "./testing/test_link.ts";

const MESSAGE: LinkMessage = {
  account: "$G",
  origin: "",
  subject: "a",
  reply: "",
  content: { bytes: new Uint8Array(2), headerBytes: 0 },
};

/** A server with these subscribers only, which notes what is delivered here. */
function coreWith(matches: Partial<Matches>, leafs = true, mapsRecent = false) {
  const delivered: { isPlain: boolean; queues: readonly string[] }[] = [];
  const fabric: LinkFabric = {
    want() {},
    forget() {},
    match: () => ({
      isPlainHere: false,
      membersHere: new Map(),
      links: [],
      imports: [],
      deliver: (_message, isPlain, queues) => void delivered.push({ isPlain, queues }),
      ...matches,
    }),
    enter: (_link, message) => message,
    recentLiterals: { note() {}, has: () => false },
    plansChanged() {},
    linkChanged() {},
  };
  const replies: ReplyRouting = {
    mapsRecent,
    outgoingReply: (_account, reply) => reply,
    incomingReply: (_account, reply) => reply,
    mappedSubject: () => undefined,
    gatewayOf: () => undefined,
    wayOf: () => ({ kind: "ordinary" }),
  };
  const clock = new FakeClock();
  return { core: new LinkCore(fabric, clock, replies, { gateways: true, leafs }), clock, delivered };
}

describe("LinkCore.message()", () => {
  const route = testLink({ kind: "route", role: "both" });

  test("serves a group once that its line names twice", () => {
    const { core, delivered } = coreWith({ membersHere: new Map([["q", 1]]) });
    core.message(route, MESSAGE, ["q", "other", "q", "q"]);
    expect(delivered).toEqual([{ isPlain: false, queues: ["q"] }]);
  });

  test("names a group once to the link that serves it", () => {
    const leaf = testLink({ kind: "leaf", role: "spoke", cluster: "LC" });
    const { core } = coreWith({ links: [{ link: leaf, queue: "q", weight: 1, origin: "LC" }] });
    core.message(route, MESSAGE, ["q", "q"]);
    expect(leaf.sent.map(({ queues }) => queues)).toEqual([["q"]]);
  });

  test("takes as long as groups and wishes are many, not their product", () => {
    for (const kind of ["leaf", "route"] as const) {
      let asked = 0;
      const role = kind === "leaf" ? "spoke" : "both";
      const link: Link = testLink({ kind, role, maySend: () => ++asked > 0 });
      const names = Array.from({ length: 20_000 }, (_, i) => `q${i}`);
      const { core } = coreWith({ links: names.map((queue) => ({ link, queue, weight: 1, origin: "" })) });
      const cpuMs = cpuMsOf(() => core.message(route, MESSAGE, names));
      expect(asked).toBe(names.length);
      expect(cpuMs).toBeLessThan(1000);
    }
  });

  test("serves groups of leaf nodes by way of their accounts' imports, where nobody here does", () => {
    const leaf = testLink({ kind: "leaf", role: "spoke", account: "IM", cluster: "LC" });
    const links = [{ link: leaf, queue: "q", weight: 1, origin: "LC" }];
    const imports = [{ account: "IM", subject: "in.a", links }];
    const { core, delivered } = coreWith({ imports });
    core.fromHere(MESSAGE, false, ["q"]);
    core.message(route, MESSAGE, ["q"]);
    expect(leaf.sent.map(({ message, queues }) => [message.account, message.subject, queues.join()])).toEqual(
      [
        ["IM", "in.a", "q"],
        ["IM", "in.a", "q"],
      ],
    );
    const crowded = coreWith({ imports, membersHere: new Map([["q", 1]]) });
    crowded.core.message(route, MESSAGE, ["q"]);
    expect([delivered, crowded.delivered, leaf.sent.length]).toEqual([
      [],
      [{ isPlain: false, queues: ["q"] }],
      2,
    ]);
  });

  test("keeps a leaf node's message from its own cluster, unless another account imports it", () => {
    const [from, same, other] = ["$G", "$G", "IM"].map((account) =>
      testLink({ kind: "leaf", role: "spoke", account, cluster: "LC" }),
    ) as [TestLink, TestLink, TestLink];
    const wish = (link: Link) => ({ link, queue: "", weight: 1, origin: "LC" });
    const { core } = coreWith({
      links: [wish(same)],
      imports: [{ account: "IM", subject: "in.a", links: [wish(other)] }],
    });
    const route = testLink({ kind: "route", role: "both" });
    for (const link of [from, route]) core.message(link, { ...MESSAGE, origin: "LC" }, []);
    expect([same.sent.length, other.sent.map(({ message }) => message.subject)]).toEqual([
      0,
      ["in.a", "in.a"],
    ]);
  });
});

describe("LinkCore.publish()", () => {
  test("passes on what an import made of a hub's message to no hub of its cluster, and to no route", () => {
    const hubOf = (account: string, cluster: string) =>
      testLink({ kind: "leaf", role: "hub", account, cluster });
    const [cause, same, other] = [hubOf("IM", "H"), hubOf("$G", "H"), hubOf("$G", "I")];
    const leaf = testLink({ kind: "leaf", role: "spoke", cluster: "H" });
    const route = testLink({ kind: "route", role: "both" });
    const all = [same, other, leaf, route];
    const links = all.map((link) => ({ link, queue: "", weight: 1, origin: "" }));
    const counts = () => all.map(({ sent }) => sent.splice(0).length);
    const { core } = coreWith({ links });
    core.publish(MESSAGE, cause);
    expect(counts()).toEqual([0, 1, 1, 0]);
    core.publish(MESSAGE);
    expect(counts()).toEqual([1, 1, 1, 1]);
  });
});

describe("LinkCore.answer()", () => {
  test("goes to everybody, here and beyond, where the mapping it was to go back by is over", () => {
    const route = testLink({ kind: "route", role: "both" });
    const { core, delivered } = coreWith({
      isPlainHere: true,
      links: [{ link: route, queue: "", weight: 1, origin: "" }],
    });
    core.answer(MESSAGE);
    core.fromHere(MESSAGE, true, []);
    expect(delivered).toEqual([{ isPlain: true, queues: [] }]);
    expect(route.sent).toHaveLength(2);
  });
});

describe("LinkCore.interest()", () => {
  const key = (subject: string) => ({ account: "$G", subject, queue: "", origin: "" });

  test("tells leaf nodes that may come by a reload what links wanted before", () => {
    const { core } = coreWith({}, false);
    const [route, outbound, inbound, leaf] = [
      testLink({ kind: "route", role: "both" }),
      testLink({ kind: "gateway", role: "outbound" }),
      testLink({ kind: "gateway", role: "inbound" }),
      testLink({ kind: "leaf", role: "spoke" }),
    ] as const;
    for (const link of [route, outbound, inbound]) core.joined(link);
    core.interest(route, key("of.route"), 1);
    core.interest(outbound, key("of.gateway"), 1);
    expect(inbound.announced).toEqual(["$G of.route 1"]);

    core.leafsMayCome((link) => (link === outbound ? [[key("of.gateway"), 1]] : []));
    core.joined(leaf);
    expect(leaf.announced.sort()).toEqual(["$G of.gateway 1", "$G of.route 1"]);
    core.interest(outbound, key("of.gateway"), 0);
    expect(leaf.announced.slice(2)).toEqual(["$G of.gateway 0"]);
    expect(inbound.announced).toEqual(["$G of.route 1"]);
  });

  test("of a leaf node is young when it is new, not when it is repeated", () => {
    const { core, clock } = coreWith({}, true, true);
    const leaf = testLink({ kind: "leaf", role: "spoke" });
    core.joined(leaf);
    core.interest(leaf, key("inbox.*"), 1);
    expect(core.recent.covers("$G", "inbox.1")).toBe(true);
    clock.advance(RECENT_MS);
    core.interest(leaf, key("inbox.*"), 1);
    expect(core.recent.covers("$G", "inbox.1")).toBe(false);
    core.interest(leaf, key("inbox.*"), 0);
    core.interest(leaf, key("inbox.*"), 1);
    expect(core.recent.covers("$G", "inbox.1")).toBe(true);
  });
});

describe("LinkCore.wantedAlready()", () => {
  test("tells links, and maps no replies for what was there before them", () => {
    const { core } = coreWith({}, true, true);
    const inbound = testLink({ kind: "gateway", role: "inbound" });
    core.joined(inbound);
    const want = (subject: string) =>
      core.wantsHere("own", { account: "$G", subject, queue: "", origin: "" }, 1);
    core.wantedAlready(() => want("_INBOX.a.*"));
    expect([core.recent.covers("$G", "_INBOX.a.1"), core.recent.hasPatterns]).toEqual([false, false]);
    want("_INBOX.b.*");
    expect(core.recent.covers("$G", "_INBOX.b.1")).toBe(true);
    expect(inbound.announced).toEqual(["$G _INBOX.a.* 1", "$G _INBOX.b.* 1"]);
  });
});
