import { describe, expect, test } from "bun:test";
import {
  CONNECTION_BYTES,
  CONNECTION_LAST_PLAN,
  GROUP_LOCAL_COUNT,
  GROUP_LOCALS,
  GROUP_NODE_COUNT,
  GROUP_NODES,
  GROUP_STRIDE,
  GROUP_WEIGHT,
  PLAN_ALL_NODES,
  PLAN_FLAGS,
  PLAN_GROUP_COUNT,
  PLAN_GROUPS,
  PLAN_PLAIN,
  PLAN_PLAIN_COUNT,
  PLAN_PLAIN_NODES,
  PLAN_QUEUES_ARE_FOR_HOST,
  PLAN_REPLIES_ARE_FOR_HOST,
  TARGET_CONNECTION,
  TARGET_PREFIX,
  TARGET_PREFIX_BYTES_MAX,
  TARGET_PREFIX_LENGTH,
  TARGET_STRIDE,
  TARGET_SUBSCRIPTION,
} from "../../memory/layout.ts";
import { NODE_FAR, NODE_LOGINS, NODE_SHARD_FIRST } from "../../memory/map.ts";
import { byteStringOf, bytesOf } from "../../subject/byte_string.ts";
import { pub, ShardHarness } from "../testing/shard_harness.ts";
import { ClientTargets } from "./client_targets.ts";
import { PlanCache } from "./plan_cache.ts";
import type { Leg } from "./plan_match.ts";
import { NO_ROOM, type TargetRules, type TargetWriter } from "./plan_rules.ts";

const ACCOUNT = 1;
const encoder = new TextEncoder();

/** A shard, and a plan cache for it whose arena holds `arenaBytes`. */
function setUp(arenaBytes: number, linksNode = 0, targets?: TargetRules) {
  const harness = new ShardHarness(1);
  const shard = harness.shards[0]!;
  const { shared, engine, index, table } = shard;
  const { words, bytes, map } = shared;
  const regions = map.area(NODE_SHARD_FIRST);
  const area = () => ({ ...regions, planArenaEnd: regions.planArena + arenaBytes });
  const plans = new PlanCache(
    { ...shared, map: { ...map, area, linksNode } },
    engine,
    index,
    NODE_SHARD_FIRST,
    shard.replies,
    shard.contexts,
    targets ?? new ClientTargets(bytes, index, table),
  );
  const word = (address: number, offset: number) => words[(address + offset) >> 2]!;
  /** Puts a subject where the cache and the engine find it. */
  const place = (subject: string) => {
    bytes.set(encoder.encode(subject), regions.scratch);
    return subject.length;
  };
  const build = (subject: string) => {
    const length = place(subject);
    const hash = engine.hash(regions.scratch, length);
    return plans.build(regions.connections, ACCOUNT, regions.scratch, length, hash);
  };
  const buildMore = (subject: string) => {
    const length = place(subject);
    return plans.buildMore(regions.scratch, length, engine.hash(regions.scratch, length));
  };
  const find = (subject: string) => engine.findPlan(0, ACCOUNT, regions.scratch, place(subject));
  const forgetLast = () => {
    words[(regions.connections + CONNECTION_LAST_PLAN) >> 2] = 0;
  };
  const plainRecords = (plan: number) => {
    const records: number[] = [];
    let target = word(plan, PLAN_PLAIN);
    for (let left = word(plan, PLAN_PLAIN_COUNT); left > 0; left--) {
      records.push(word(target, TARGET_SUBSCRIPTION));
      target += word(target, TARGET_STRIDE);
    }
    return records;
  };
  /** The groups of a plan: members here, then (node, members) pairs. */
  const groupsOf = (plan: number) => {
    const groups: number[][] = [];
    let group = word(plan, PLAN_GROUPS);
    for (let left = word(plan, PLAN_GROUP_COUNT); left > 0; left--) {
      const nodes = word(group, GROUP_NODES);
      const pairs = Array.from({ length: word(group, GROUP_NODE_COUNT) * 2 }, (_, i) => word(nodes, i * 4));
      groups.push([word(group, GROUP_LOCAL_COUNT), ...pairs]);
      expect(word(group, GROUP_WEIGHT)).toBe(
        pairs.reduce((sum, value, i) => sum + (i % 2) * value, word(group, GROUP_LOCAL_COUNT)),
      );
      group += word(group, GROUP_STRIDE);
    }
    return groups;
  };
  /** The prefixes of its plain targets. */
  const prefixesOf = (plan: number) => {
    const prefixes: string[] = [];
    let target = word(plan, PLAN_PLAIN);
    for (let left = word(plan, PLAN_PLAIN_COUNT); left > 0; left--) {
      const start = target + TARGET_PREFIX;
      prefixes.push(byteStringOf(bytes, start, start + word(target, TARGET_PREFIX_LENGTH)));
      target += word(target, TARGET_STRIDE);
    }
    return prefixes;
  };
  return {
    harness,
    index,
    plans,
    build,
    buildMore,
    find,
    forgetLast,
    plainRecords,
    word,
    bytes,
    groupsOf,
    prefixesOf,
  };
}

/** Adds members of a queue group on a node that has no other interest. */
function addMembers(
  index: ReturnType<typeof setUp>["index"],
  node: number,
  pattern: string,
  queue: string,
  members: number,
): void {
  const bytes = encoder.encode(pattern);
  const name = encoder.encode(queue);
  index.addQueue(node, ACCOUNT, bytes, 0, bytes.length, name, 0, name.length, members);
}

/** `count` links in place of clients. Each link is sent every message, under a prefix of its own. */
class TestLinks implements TargetRules {
  readonly members = null;
  readonly #count: number;
  bytes: Uint8Array = new Uint8Array(0);

  constructor(count: number) {
    this.#count = count;
  }

  flagsOf(context: number): number {
    return context === ACCOUNT ? PLAN_REPLIES_ARE_FOR_HOST : 0;
  }

  writePlain(leg: Leg, _context: number, from: number, targets: TargetWriter): boolean {
    const subject = byteStringOf(this.bytes, leg.at, leg.at + leg.length);
    for (let link = from; link < this.#count; link++) {
      const prefix = bytesOf(`RMSG link-${link} ${subject} `);
      const to = targets.add(CONNECTION_BYTES * (link + 1), 0, prefix.length);
      if (to === NO_ROOM) return false;
      this.bytes.set(prefix, to);
    }
    return true;
  }
}

/**
 * Adds another node's filtered subscription to a queue group, or a plain one for "". Returns a function that removes
 * it.
 */
function addFiltered(
  index: ReturnType<typeof setUp>["index"],
  pattern: string,
  queue: string,
  filter: string,
): () => void {
  const bytes = encoder.encode(pattern);
  const name = encoder.encode(queue);
  const entry = index.addFiltered(
    NODE_LOGINS,
    ACCOUNT,
    bytes,
    0,
    bytes.length,
    name,
    0,
    name.length,
    encoder.encode(filter),
  );
  const { lastQueueId, lastFilterId } = index;
  return () => index.removeFiltered(NODE_LOGINS, entry, lastQueueId, lastFilterId);
}

function addInterest(index: ReturnType<typeof setUp>["index"], pattern: string): void {
  const bytes = encoder.encode(pattern);
  index.addPlain(NODE_LOGINS, ACCOUNT, bytes, 0, bytes.length);
}

describe("PlanCache", () => {
  test("names every plain subscriber once, and other nodes and groups in the first part only", () => {
    const { harness, index, plans, build, buildMore, plainRecords, word } = setUp(4096);
    const client = harness.connect();
    for (let sid = 0; sid < 400; sid++) client.send(`SUB ${sid % 2 === 0 ? "a" : "*"} ${sid}\r\n`);
    for (let sid = 1000; sid < 1010; sid++) client.send(`SUB a group ${sid}\r\n`);
    harness.settle();
    addInterest(index, "a");
    let plan = build("a");
    expect(word(plan, PLAN_PLAIN_NODES)).toBe(1 << NODE_LOGINS);
    expect(word(plan, PLAN_GROUP_COUNT)).toBe(1);
    const records = plainRecords(plan);
    let parts = 1;
    for (; plans.hasMore; parts++) {
      plan = buildMore("a");
      expect(word(plan, PLAN_ALL_NODES)).toBe(0);
      expect(word(plan, PLAN_PLAIN_NODES)).toBe(0);
      expect(word(plan, PLAN_GROUP_COUNT)).toBe(0);
      records.push(...plainRecords(plan));
    }
    expect(parts).toBeGreaterThan(2);
    expect(records.length).toBe(400);
    expect(new Set(records).size).toBe(400);
  });

  test("names fewer members of a group that is larger than all the memory", () => {
    const { harness, build, word } = setUp(8192);
    const client = harness.connect();
    for (let sid = 0; sid < 500; sid++) client.send(`SUB a group ${sid}\r\n`);
    harness.settle();
    const plan = build("a");
    const group = word(plan, PLAN_GROUPS);
    expect(word(plan, PLAN_GROUP_COUNT)).toBe(1);
    expect(word(group, GROUP_LOCAL_COUNT)).toBeGreaterThan(10);
    expect(word(word(word(group, GROUP_LOCALS), 0), TARGET_SUBSCRIPTION)).toBeGreaterThan(0);
  });

  test("names no node or member that a filter keeps the subject from", () => {
    const { index, build, find, word } = setUp(1 << 20);
    const removals = [
      addFiltered(index, "a.*", "", "a.b"),
      addFiltered(index, "a.*", "group", "a.b"),
      addFiltered(index, "a.*", "group", "a.c"),
    ];
    const denied = build("a.b");
    expect(word(denied, PLAN_PLAIN_NODES)).toBe(0);
    expect(word(denied, PLAN_ALL_NODES)).toBe(1 << NODE_LOGINS);
    expect(word(denied, PLAN_GROUP_COUNT)).toBe(1);
    expect(word(word(denied, PLAN_GROUPS), GROUP_WEIGHT)).toBe(1);
    const free = build("a.d");
    expect(word(free, PLAN_PLAIN_NODES)).toBe(1 << NODE_LOGINS);
    expect(word(word(free, PLAN_GROUPS), GROUP_WEIGHT)).toBe(2);
    expect(find("a.d")).toBe(free);
    removals[2]!();
    expect(find("a.d")).toBe(0);
    expect(word(build("a.b"), PLAN_ALL_NODES)).toBe(0);
    addInterest(index, "a.b");
    expect(word(build("a.b"), PLAN_ALL_NODES)).toBe(1 << NODE_LOGINS);
  });

  test("has groups far away served by the node with the links, and only where nobody nearer does", () => {
    const { harness, index, build, find, groupsOf, word } = setUp(1 << 20, NODE_LOGINS);
    addMembers(index, NODE_FAR, "a", "only-far", 7);
    addMembers(index, NODE_FAR, "*", "only-far", 2);
    const plan = build("a");
    expect(groupsOf(plan)).toEqual([[0, NODE_LOGINS, 9]]);
    expect(word(plan, PLAN_ALL_NODES)).toBe(1 << NODE_LOGINS);
    expect(word(plan, PLAN_PLAIN_NODES)).toBe(0);
    // A member on another node comes, then one of this shard.
    addMembers(index, 0, "a", "only-far", 1);
    expect(find("a")).toBe(0);
    expect(groupsOf(build("a"))).toEqual([[0, 0, 1]]);
    addMembers(index, NODE_FAR, "b.c", "local", 5);
    const client = harness.connect();
    client.send("SUB b.c local 1\r\n");
    harness.settle();
    // Members far away are not drawn beside it; they are only asked if it cannot take the message.
    expect(groupsOf(build("b.c"))).toEqual([[1, NODE_LOGINS, 0]]);
  });

  test("counts members at the links once: those near as others, those far away never beside them", () => {
    const { index, build, groupsOf } = setUp(1 << 20, NODE_LOGINS);
    addMembers(index, NODE_FAR, "a", "q", 7);
    addMembers(index, NODE_LOGINS, "a", "q", 3);
    expect(groupsOf(build("a"))).toEqual([[0, NODE_LOGINS, 3]]);
  });

  test("knows nobody far away without a node with links", () => {
    const { index, build, groupsOf, word } = setUp(1 << 20);
    addMembers(index, NODE_FAR, "a", "q", 7);
    const bytes = encoder.encode("a");
    index.addPlain(NODE_FAR, ACCOUNT, bytes, 0, bytes.length);
    const plan = build("a");
    expect(groupsOf(plan)).toEqual([]);
    expect(word(plan, PLAN_ALL_NODES)).toBe(0);
  });

  test("keeps a plan from the second time on", () => {
    const { build, find, forgetLast } = setUp(1 << 20);
    const first = build("a");
    expect(find("a")).toBe(first);
    build("b");
    expect(find("a")).toBe(0);
    build("a");
    build("c");
    forgetLast();
    expect(find("a")).toBeGreaterThan(0);
    expect(find("c")).toBe(0);
  });

  test("forgets everything when the memory is full, and goes on", () => {
    const { build, find, forgetLast } = setUp(8192);
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 200; i++) {
        build(`subject.${i}`);
        const plan = build(`subject.${i}`);
        forgetLast();
        expect(find(`subject.${i}`)).toBe(plan);
      }
    }
  });

  test.each(["a", "*"])("a plan for a ends when another node comes to want %s", (pattern) => {
    const { index, build, find } = setUp(1 << 20);
    const plan = build("a");
    expect(find("a")).toBe(plan);
    addInterest(index, pattern);
    expect(find("a")).toBe(0);
  });

  test.each(["a", "*"])("a plan for a ends when one more client of the shard wants %s", (pattern) => {
    const { harness, build, find } = setUp(1 << 20);
    const client = harness.connect();
    client.send(`SUB ${pattern} 1\r\n`);
    harness.settle();
    const plan = build("a");
    expect(find("a")).toBe(plan);
    client.send(`SUB ${pattern} 2\r\n`);
    harness.settle();
    expect(find("a")).toBe(0);
    build("a");
    client.send("UNSUB 1\r\n");
    harness.settle();
    expect(find("a")).toBe(0);
  });
});

describe("PlanCache with links for targets", () => {
  test("writes what the rules say, and leaves queue groups to the host", () => {
    const links = new TestLinks(2);
    const { index, build, groupsOf, prefixesOf, word, bytes } = setUp(1 << 20, NODE_SHARD_FIRST, links);
    links.bytes = bytes;
    const plain = build("a");
    expect(prefixesOf(plain)).toEqual(["RMSG link-0 a ", "RMSG link-1 a "]);
    expect(word(word(plain, PLAN_PLAIN), TARGET_CONNECTION)).toBe(CONNECTION_BYTES);
    expect(word(plain, PLAN_FLAGS)).toBe(PLAN_REPLIES_ARE_FOR_HOST);
    addInterest(index, "b");
    addMembers(index, NODE_FAR, "b", "q", 1);
    addMembers(index, NODE_LOGINS, "b", "r", 1);
    const queued = build("b");
    expect(groupsOf(queued)).toEqual([]);
    expect(word(queued, PLAN_ALL_NODES)).toBe(1 << NODE_LOGINS);
    expect(word(queued, PLAN_FLAGS)).toBe(PLAN_REPLIES_ARE_FOR_HOST | PLAN_QUEUES_ARE_FOR_HOST);
  });

  test("goes on in the next part with the target that had no room", () => {
    const links = new TestLinks(300);
    const { plans, build, buildMore, prefixesOf, bytes } = setUp(4096, NODE_SHARD_FIRST, links);
    links.bytes = bytes;
    const prefixes = prefixesOf(build("a"));
    let parts = 1;
    for (; plans.hasMore; parts++) prefixes.push(...prefixesOf(buildMore("a")));
    expect(parts).toBeGreaterThan(2);
    expect(prefixes).toEqual(Array.from({ length: 300 }, (_, link) => `RMSG link-${link} a `));
  });

  test("refuses a prefix that might not fit an outbox", () => {
    const rules: TargetRules = {
      members: null,
      flagsOf: () => 0,
      writePlain: (_leg, _context, _from, targets) =>
        targets.add(0, 0, TARGET_PREFIX_BYTES_MAX + 1) !== NO_ROOM,
    };
    const { build } = setUp(1 << 20, NODE_SHARD_FIRST, rules);
    expect(() => build("a")).toThrow("fits an outbox");
  });
});

test("a whole shard delivers by parts once to each subscriber", () => {
  const harness = new ShardHarness(1);
  const { shared } = harness.shards[0]!;
  const regions = shared.map.area(NODE_SHARD_FIRST) as { planArena: number; planArenaEnd: number };
  regions.planArenaEnd = regions.planArena + (4 << 20);
  const client = harness.connect();
  const subject = "s".repeat(4000);
  for (let sid = 1; sid <= 1500; sid++) client.send(`SUB ${subject} ${sid}\r\n`);
  harness.settle();
  client.send(pub(subject, "x"), `${pub(subject, "y")}PUB ${subject}  1\r\nz\r\n`);
  harness.settle();
  const received = client.take();
  for (const payload of ["x", "y", "z"]) expect(received.split(`\r\n${payload}\r\n`).length - 1).toBe(1500);
});
