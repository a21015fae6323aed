import { describe, expect, test } from "bun:test";
import { cpuMsOf } from "../../../test/support/cpu_time.ts";
import { createEngine } from "../../engine/engine.ts";
import { NO_HOST } from "../../engine/no_host.ts";
import { MatchResult } from "../../interest/match_result.ts";
import { createInspectedIndex } from "../../interest/testing/inspected_index.ts";
import {
  AREA_CONTROL_LINE_MAX,
  AREA_RESUME,
  CONNECTION_BYTES,
  CONNECTION_CONTEXT,
  CONTEXT_FROM_ROUTE,
} from "../../memory/layout.ts";
import { NODE_FAR, NODE_SHARD_FIRST } from "../../memory/map.ts";
import { createSharedMemory } from "../../memory/shared_memory.ts";
import { LocalGenerations } from "../../shard/plans/local_generations.ts";
import { bytesOf } from "../../subject/byte_string.ts";
import type { Link } from "../core/link.ts";
import { testLink } from "../core/testing/test_link.ts";
import { FILED_AT_ONCE, LinkWishes } from "./wishes.ts";

const ACCOUNT = 7;
const NODE = NODE_SHARD_FIRST;

function setUp() {
  const shared = createSharedMemory(1, new Uint32Array([1, 2, 3, 4]));
  const { map } = shared;
  const index = createInspectedIndex({ buffer: shared.buffer, ...map.index }, { hashSeed: [1, 2, 3, 4] });
  const engine = createEngine(shared.memory, map.area(NODE).area, NO_HOST);
  const wishes = new LinkWishes({ node: NODE, shared, engine, index });
  const result = new MatchResult();
  const match = (subject: string) => {
    const bytes = bytesOf(subject);
    index.match(ACCOUNT, bytes, 0, bytes.length, result);
    const groups = Array.from({ length: result.queueCount }, (_, i) =>
      result.queues.subarray(i * 3 + 1, i * 3 + 3).join(" × "),
    );
    return { isPlain: (result.plainNodes & (1 << NODE)) !== 0, groups, wishes: wishes.of(result) };
  };
  const key = (subject: string, queue = "", origin = "") => ({ account: "A", subject, queue, origin });
  const { connections, receive, area } = map.area(NODE);
  const { words, bytes } = shared;
  words[(connections + CONNECTION_BYTES + CONNECTION_CONTEXT) >> 2] = CONTEXT_FROM_ROUTE | ACCOUNT;
  words[(area + AREA_CONTROL_LINE_MAX) >> 2] = 4096;
  /**
   * Lets the engine write the interest of lines on a connection for one account; the host writes what makes the index
   * grow.
   */
  const file = (link: Link, text: string): string => {
    let rest = text;
    for (;;) {
      bytes.set(bytesOf(rest), receive);
      const count = wishes.file(link, 1, receive, receive + rest.length);
      rest = rest.slice(words[(area + AREA_RESUME) >> 2]! - receive);
      if (count === FILED_AT_ONCE) continue;
      const [, subject] = /^RS\+ (\S+)\r\n/.exec(rest) ?? [];
      if (subject === undefined) return rest;
      wishes.set(link, ACCOUNT, key(subject), 1);
      rest = rest.slice(rest.indexOf("\n") + 1);
    }
  };
  const generations = new LocalGenerations(shared, engine, NODE);
  const generationsOf = (...subjects: string[]) =>
    subjects.map((subject) => {
      bytes.set(bytesOf(subject), receive);
      return words[generations.wordOf(ACCOUNT, bytes, receive, receive + subject.length)]!;
    });
  const route = testLink({ kind: "route", role: "both" });
  const leaf = testLink({ kind: "leaf", role: "spoke" });
  return { index, wishes, match, key, route, leaf, file, generationsOf };
}

describe("LinkWishes", () => {
  test("the index says that this node wants it as long as one link does", () => {
    const { wishes, match, key, route, leaf } = setUp();
    expect(wishes.set(route, ACCOUNT, key("foo"), 1)).toBe(true);
    expect(wishes.set(leaf, ACCOUNT, key("foo"), 1)).toBe(true);
    expect(new Set(match("foo").wishes.map(({ link }) => link))).toEqual(new Set([route, leaf]));
    wishes.set(route, ACCOUNT, key("foo"), 0);
    expect(match("foo").wishes.map(({ link }) => link)).toEqual([leaf]);
    expect(match("foo").isPlain).toBe(true);
    wishes.set(leaf, ACCOUNT, key("foo"), 0);
    expect(match("foo")).toEqual({ isPlain: false, groups: [], wishes: [] });
  });

  test("wishes of one link differ by queue and origin, and are taken back in any order", () => {
    const { wishes, match, key, route } = setUp();
    const keys = [key("foo"), key("foo", "q"), key("foo", "", "L"), key("foo", "q", "L")];
    for (const one of keys) wishes.set(route, ACCOUNT, one, 1);
    expect(wishes.countOf(route)).toBe(4);
    expect(match("foo").wishes.length).toBe(4);
    for (const one of [keys[2]!, keys[0]!, keys[3]!, keys[1]!]) wishes.set(route, ACCOUNT, one, 0);
    expect(wishes.countOf(route)).toBe(0);
    expect(match("foo")).toEqual({ isPlain: false, groups: [], wishes: [] });
  });

  test("members of a route's group are this node's, those of a leaf node are far away", () => {
    const { wishes, match, key, route, leaf } = setUp();
    wishes.set(route, ACCOUNT, key("foo", "q"), 2);
    wishes.set(leaf, ACCOUNT, key("foo", "q"), 1);
    expect(match("foo").groups.sort()).toEqual([`${NODE} × 2`, `${NODE_FAR} × 1`].sort());
    wishes.set(route, ACCOUNT, key("foo", "q"), 5);
    expect(match("foo").groups).toContain(`${NODE} × 5`);
    wishes.set(route, ACCOUNT, key("foo", "q"), 1);
    expect(match("foo").groups).toContain(`${NODE} × 1`);
  });

  test("what was never wanted is not taken back", () => {
    const { wishes, match, key, route, leaf } = setUp();
    wishes.set(route, ACCOUNT, key("foo"), 1);
    wishes.set(leaf, ACCOUNT, key("foo"), 0);
    wishes.set(route, ACCOUNT, key("foo", "q"), 0);
    wishes.set(route, ACCOUNT, key("bar"), 0);
    expect(match("foo").wishes.map(({ link }) => link)).toEqual([route]);
  });

  test("a link has what it wants, by all that the key says", () => {
    const { wishes, key, route, leaf } = setUp();
    const keys = [key("foo"), key("foo", "q"), key("foo", "", "L"), key("bar")];
    const hasOf = (link: Link) => keys.map((one) => wishes.has(link, ACCOUNT, one));
    wishes.set(route, ACCOUNT, key("foo"), 1);
    expect([hasOf(route), hasOf(leaf)]).toEqual([[true, false, false, false], keys.map(() => false)]);
    wishes.set(leaf, ACCOUNT, key("foo", "q"), 3);
    wishes.set(leaf, ACCOUNT, key("foo", "", "L"), 1);
    expect([hasOf(route), hasOf(leaf)]).toEqual([
      [true, false, false, false],
      [false, true, true, false],
    ]);
  });

  test("what the engine files is a wish like any other", () => {
    const { wishes, match, key, route, leaf, file, index } = setUp();
    wishes.set(route, ACCOUNT, key("known"), 1);
    wishes.set(leaf, ACCOUNT, key("a.0"), 1);
    wishes.set(leaf, ACCOUNT, key("a.1", "q"), 1);
    wishes.set(route, ACCOUNT, key("a.2", "", "L"), 1);
    const lines = Array.from({ length: 300 }, (_, number) => `RS+ a.${number}\r\n`);
    expect(file(route, `RS+ known\r\n${lines.join("")}${lines.join("")}`)).toBe("");
    expect(wishes.countOf(route)).toBe(302);
    expect(match("known").wishes.length).toBe(1);
    expect(match("a.0").wishes.map(({ link }) => link)).toEqual([route, leaf]);
    expect(match("a.1").wishes.map(({ queue }) => queue)).toEqual(["", "q"]);
    expect(match("a.2").wishes.map(({ origin }) => origin)).toEqual(["", "L"]);
    expect(match("a.3").wishes).toEqual([{ link: route, queue: "", origin: "", weight: 1 }]);
    const listed = wishes
      .list(route)
      .map(({ account, subject, origin }) => [account, subject, origin].join(" "));
    expect(listed.sort()).toEqual(
      [...lines.map((_, number) => `7 a.${number} `), "7 a.2 L", "7 known "].sort(),
    );
    // A line with a queue group is left to the host.
    expect(file(route, "RS+ b\r\nRS+ c q 1\r\n")).toBe("RS+ c q 1\r\n");
    for (const subject of ["a.0", "a.1", "a.3"]) wishes.set(route, ACCOUNT, key(subject), 0);
    expect(match("a.0").wishes.map(({ link }) => link)).toEqual([leaf]);
    expect(match("a.1").isPlain).toBe(false);
    expect(match("a.3")).toEqual({ isPlain: false, groups: [], wishes: [] });
    wishes.forget(route);
    wishes.forget(leaf);
    expect(index.statistics().entries).toBe(0);
  });

  test("plans of all that a link wants are void when it lets other subjects through", () => {
    const { wishes, key, route, leaf, file, generationsOf } = setUp();
    file(route, "RS+ alone\r\nRS+ shared\r\n");
    for (const wish of [key("shared"), key("of.leaf")]) wishes.set(leaf, ACCOUNT, wish, 1);
    wishes.set(route, ACCOUNT, key("group", "q"), 1);
    const before = generationsOf("alone", "shared", "group", "of.leaf");
    wishes.bumpAll(route);
    const after = generationsOf("alone", "shared", "group", "of.leaf");
    expect(after.map((word, i) => word - before[i]!)).toEqual([1, 1, 1, 0]);
  });

  test("a number that a link leaves stands for the next one", () => {
    const { wishes, match, key, route, leaf } = setUp();
    wishes.set(route, ACCOUNT, key("foo"), 1);
    wishes.forget(route);
    wishes.set(leaf, ACCOUNT, key("bar"), 1);
    wishes.set(route, ACCOUNT, key("bar"), 1);
    expect(match("foo").wishes).toEqual([]);
    expect(match("bar").wishes.map(({ link }) => link)).toEqual([route, leaf]);
  });

  test("the end of a link takes as long as what it wanted, not as all that is in the index", () => {
    const { index, wishes, key } = setUp();
    for (let i = 0; i < 200_000; i++) {
      const subject = bytesOf(`s.${i}`);
      index.addPlain(NODE + 1, ACCOUNT, subject, 0, subject.length);
    }
    const leafs = Array.from({ length: 3000 }, () => testLink({ kind: "leaf", role: "spoke" }));
    for (const [i, leaf] of leafs.entries()) wishes.set(leaf, ACCOUNT, key(`leaf.${i}`), 1);
    const cpuMs = cpuMsOf(() => {
      for (const leaf of leafs) wishes.forget(leaf);
    });
    expect(cpuMs).toBeLessThan(500);
    expect(index.statistics().entries).toBe(200_000);
  });

  test("what a link alone wants is listed, in whichever order it is taken back", () => {
    const { wishes, key, route, leaf, file } = setUp();
    file(route, "RS+ a\r\nRS+ b\r\nRS+ c\r\nRS+ d\r\nRS+ e\r\n");
    const subjects = () =>
      wishes
        .list(route)
        .map(({ subject }) => subject)
        .sort()
        .join("");
    wishes.set(leaf, ACCOUNT, key("c"), 1);
    expect(subjects()).toBe("abcde");
    for (const [subject, left] of [
      ["c", "abde"],
      ["e", "abd"],
      ["a", "bd"],
    ] as const) {
      wishes.set(route, ACCOUNT, key(subject), 0);
      expect(subjects()).toBe(left);
    }
    file(route, "RS+ a\r\n");
    expect(subjects()).toBe("abd");
    for (const subject of ["b", "a", "d"]) wishes.set(route, ACCOUNT, key(subject), 0);
    expect([subjects(), wishes.countOf(route), wishes.countOf(leaf)]).toEqual(["", 0, 1]);
  });

  test("with a link goes everything it wanted, and nothing else", () => {
    const { wishes, match, key, route, leaf } = setUp();
    for (const subject of ["a", "b.*", "c.>"]) {
      wishes.set(route, ACCOUNT, key(subject), 1);
      wishes.set(leaf, ACCOUNT, key(subject), 1);
    }
    wishes.forget(route);
    expect(wishes.countOf(route)).toBe(0);
    for (const subject of ["a", "b.x", "c.x.y"]) {
      expect(match(subject).wishes.map(({ link }) => link)).toEqual([leaf]);
    }
    wishes.forget(leaf);
    for (const subject of ["a", "b.x", "c.x.y"]) expect(match(subject).isPlain).toBe(false);
  });
});
