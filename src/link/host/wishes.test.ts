import { describe, expect, test } from "bun:test";
import { createEngine } from "../../engine/engine.ts";
import { NO_HOST } from "../../engine/no_host.ts";
import { createInterestIndex } from "../../interest/interest_index.ts";
import { MatchResult } from "../../interest/match_result.ts";
import { NODE_FAR, NODE_SHARD_FIRST } from "../../memory/map.ts";
import { createSharedMemory } from "../../memory/shared_memory.ts";
import { bytesOf } from "../../subject/byte_string.ts";
import { testLink } from "../core/testing/test_link.ts";
import { LinkWishes } from "./wishes.ts";

const ACCOUNT = 7;
const NODE = NODE_SHARD_FIRST;

function setUp() {
  const shared = createSharedMemory(1, new Uint32Array([1, 2, 3, 4]));
  const { map } = shared;
  const index = createInterestIndex({ buffer: shared.buffer, ...map.index }, { hashSeed: [1, 2, 3, 4] });
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
  const route = testLink({ kind: "route", role: "both" });
  const leaf = testLink({ kind: "leaf", role: "spoke" });
  return { index, wishes, match, key, route, leaf };
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
