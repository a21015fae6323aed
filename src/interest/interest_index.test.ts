import { describe, expect, test } from "bun:test";
import { LOCK, VERSION } from "../memory/interest_layout.ts";
import { openInterestIndex } from "./interest_index.ts";
import { createInspectedIndex } from "./testing/inspected_index.ts";
import {
  addFiltered,
  addPlain,
  addQueue,
  find,
  MEBIBYTE,
  match,
  newIndex,
  newRegion,
  outcome,
} from "./testing/text_calls.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

describe("match()", () => {
  test("finds the literal entry of that account alone", () => {
    const index = newIndex();
    const id = addPlain(index, 3, 7, "foo.bar");
    addPlain(index, 4, 8, "foo.bar");
    expect(outcome(index, 7, "foo.bar")).toEqual({ plainNodes: 1 << 3, queues: [], entryIds: [id] });
    expect(outcome(index, 7, "foo.baz").entryIds).toEqual([]);
    expect(outcome(index, 9, "foo.bar").entryIds).toEqual([]);
  });

  test("takes wildcard tokens of a published subject literally", () => {
    const index = newIndex();
    const ids = ["foo.*", "foo.>", "*.*", ">"].map((subject) => addPlain(index, 0, 1, subject));
    addPlain(index, 1, 1, "foo.bar");
    const sorted = ids.sort((a, b) => a - b);
    expect(outcome(index, 1, "foo.*")).toEqual({ plainNodes: 1, queues: [], entryIds: sorted });
    expect(outcome(index, 1, "foo.>")).toEqual({ plainNodes: 1, queues: [], entryIds: sorted });
  });

  test("matches nothing when a token is empty", () => {
    const index = newIndex();
    for (const subject of [">", "foo.>", "*.*", "foo.*.bar", "*"]) addPlain(index, 0, 1, subject);
    for (const subject of ["foo..bar", ".foo", "foo.", ".", ""]) {
      expect(outcome(index, 1, subject).entryIds).toEqual([]);
    }
  });

  test("needs at least one token for `>` and takes `*` inside a longer token literally", () => {
    const index = newIndex();
    addPlain(index, 0, 1, "foo.>");
    addPlain(index, 1, 1, "foo*");
    addPlain(index, 2, 1, "f>o.*");
    expect(outcome(index, 1, "foo").plainNodes).toBe(0);
    expect(outcome(index, 1, "foo*").plainNodes).toBe(1 << 1);
    expect(outcome(index, 1, "foox").plainNodes).toBe(0);
    expect(outcome(index, 1, "f>o.a").plainNodes).toBe(1 << 2);
  });

  test("hashes a token that follows tokens matched only by `*`", () => {
    const index = newIndex();
    addPlain(index, 0, 1, "*.*.c");
    expect(outcome(index, 1, "x.x.x").plainNodes).toBe(0);
    expect(outcome(index, 1, "a.b.c").plainNodes).toBe(1);
    expect(outcome(index, 1, "d.e.f").plainNodes).toBe(0);
  });

  test("adds up queue members over entries by queue name and node", () => {
    const index = newIndex();
    addQueue(index, 0, 1, "a.b", "q");
    addQueue(index, 0, 1, "a.b", "q");
    addQueue(index, 0, 1, "a.*", "q");
    addQueue(index, 2, 1, ">", "q");
    addQueue(index, 2, 1, ">", "other");
    expect(outcome(index, 1, "a.b").queues).toEqual(["other/2=1", "q/0=3", "q/2=1"]);
    expect(outcome(index, 1, "a.c").queues).toEqual(["other/2=1", "q/0=1", "q/2=1"]);
  });

  test("leaves out whom a filter keeps the subject from, and counts the rest together", () => {
    const index = newIndex();
    const id = addFiltered(index, 3, 1, "a.>", "", "a.secret a.*.secret");
    addFiltered(index, 4, 1, "a.>", "", "a.b");
    addFiltered(index, 3, 1, "a.>", "q", "a.secret a.*.secret");
    addFiltered(index, 3, 1, "a.>", "q", "a.b");
    addQueue(index, 3, 1, "a.>", "q");
    addQueue(index, 4, 1, "a.secret", "q");
    const all = [1 << 3, 1 << 4];
    expect(outcome(index, 1, "a.c")).toEqual({
      plainNodes: all[0]! | all[1]!,
      queues: ["q/3=3"],
      entryIds: [id],
    });
    expect(outcome(index, 1, "a.b")).toEqual({ plainNodes: all[0]!, queues: ["q/3=2"], entryIds: [id] });
    expect(outcome(index, 1, "a.x.secret").plainNodes).toBe(all[1]!);
    expect(outcome(index, 1, "a.secret").plainNodes).toBe(all[1]!);
    expect(outcome(index, 1, "a.secret").queues).toEqual(["q/3=2", "q/4=1"]);
    index.invariants();
  });

  test("has no cap: ten thousand patterns and ten thousand queues all match", () => {
    const index = newIndex(16 * MEBIBYTE);
    const tokens = Array.from({ length: 13 }, (_, bit) => `t${bit}`);
    for (let choice = 0; choice < 8192; choice++) {
      addPlain(index, 5, 1, tokens.map((token, bit) => ((choice >> bit) & 1 ? "*" : token)).join("."));
    }
    for (let queue = 0; queue < 10_000; queue++) addQueue(index, queue % 32, 1, "t0.>", `queue${queue}`);
    const result = match(index, 1, tokens.join("."));
    expect(result.entryCount).toBe(8193);
    expect(result.queueCount).toBe(10_000);
    index.invariants();
  });

  test("takes subjects of thousands of tokens", () => {
    const index = newIndex();
    const long = Array.from({ length: 3000 }, () => "x").join(".");
    addPlain(index, 0, 1, `${long.slice(0, -1)}*`);
    addPlain(index, 1, 1, long);
    addPlain(index, 2, 1, `${long}.>`);
    expect(outcome(index, 1, long).plainNodes).toBe(3);
    expect(outcome(index, 1, `${long}.x`).plainNodes).toBe(4);
    index.invariants();
  });
});

describe("entries", () => {
  test("addPlain() is idempotent and removePlain() of the last node frees the id for reuse", () => {
    const index = newIndex();
    const id = addPlain(index, 0, 1, "a");
    expect(addPlain(index, 0, 1, "a")).toBe(id);
    expect(addPlain(index, 1, 1, "a")).toBe(id);
    index.removePlain(0, id);
    expect(find(index, 1, "a")).toBe(id);
    index.removePlain(1, id);
    expect(find(index, 1, "a")).toBe(-1);
    expect(addPlain(index, 0, 2, "b.*")).toBe(id);
  });

  test("an entry lives while any queue count is set", () => {
    const index = newIndex();
    const id = addPlain(index, 0, 1, "a.*");
    addQueue(index, 0, 1, "a.*", "q");
    const { lastQueueId } = index;
    index.removePlain(0, id);
    expect(find(index, 1, "a.*")).toBe(id);
    index.removeQueue(1, id, lastQueueId); // node 1 has no member: nothing happens
    expect(find(index, 1, "a.*")).toBe(id);
    index.removeQueue(0, id, lastQueueId);
    expect(find(index, 1, "a.*")).toBe(-1);
  });

  test("a queue name has one id in the whole process, whatever the account", () => {
    const index = newIndex();
    addQueue(index, 0, 1, "a", "workers");
    const first = index.lastQueueId;
    addQueue(index, 5, 2, "b.>", "workers");
    expect(index.lastQueueId).toBe(first);
    addQueue(index, 5, 2, "b.>", "workers2");
    expect(index.lastQueueId === first).toBe(false);
    expect(decoder.decode(index.queueNameOf(first))).toBe("workers");
  });

  test("addFiltered() counts by queue and filter, and keeps a filter for as long as somebody is under it", () => {
    const index = newIndex();
    const { bytesLive } = index.statistics();
    const id = addFiltered(index, 0, 1, "a.*", "", "a.b a.c");
    const { lastFilterId } = index;
    expect(index.lastQueueId).toBe(0);
    addFiltered(index, 0, 1, "a.*", "", "a.b a.c");
    addFiltered(index, 1, 2, ">", "q", "a.b a.c");
    expect(index.lastFilterId).toBe(lastFilterId);
    expect(decoder.decode(index.filterOf(lastFilterId))).toBe("a.b a.c");
    expect(index.isHeldBack(lastFilterId, encoder.encode("a.c"), 0, 3)).toBe(true);
    expect(index.isHeldBack(lastFilterId, encoder.encode("a.d"), 0, 3)).toBe(false);
    index.removeFiltered(0, id, 0, lastFilterId);
    expect(outcome(index, 1, "a.d").plainNodes).toBe(1);
    index.removeFiltered(1, id, 0, lastFilterId); // node 1 has none there: nothing happens
    index.removeFiltered(0, id, 0, lastFilterId);
    expect(find(index, 1, "a.*")).toBe(-1);
    index.invariants();
    index.removeNode(1);
    index.invariants();
    // Only the tables are left: of entries, edges, texts and pairs.
    const tables = index.statistics().bytesLive;
    addFiltered(index, 0, 1, "a.*", "", "a.b a.c");
    index.removeNode(0);
    expect(index.statistics().bytesLive).toBe(tables);
    expect(tables).toBeGreaterThan(bytesLive);
  });

  test("find() takes wildcard patterns as keys, describe() and subjectOf() tell what they are", () => {
    const index = newIndex();
    const id = addPlain(index, 31, 65535, "a.*.>");
    addFiltered(index, 2, 65535, "a.*.>", "q", "a.b");
    expect(find(index, 65535, "a.*.>")).toBe(id);
    expect(find(index, 65535, "a.b.c")).toBe(-1);
    expect(decoder.decode(index.subjectOf(id))).toBe("a.*.>");
    expect(index.describe(id)).toEqual({
      entryId: id,
      accountId: 65535,
      subject: encoder.encode("a.*.>"),
      isWildcard: true,
      plainNodes: 1 << 31,
      members: [
        {
          queueId: index.lastQueueId,
          filterId: index.lastFilterId,
          node: 2,
          members: 1,
          queue: encoder.encode("q"),
          filter: encoder.encode("a.b"),
        },
      ],
    });
    expect(index.describe(id + 1)).toBe(undefined);
  });

  test("removeNode() drops everything of that node and nothing else", () => {
    const index = newIndex();
    for (let n = 0; n < 3000; n++) addPlain(index, n % 2, 1, `s.${n}`);
    addPlain(index, 0, 1, "s.1");
    addQueue(index, 0, 1, "s.*", "q");
    addQueue(index, 0, 1, "s.*", "q");
    addQueue(index, 1, 1, "s.*", "q");
    addFiltered(index, 0, 1, "s.*", "", "s.1");
    addFiltered(index, 0, 1, "s.*", "q", "s.1");
    index.removeNode(0);
    index.invariants();
    expect(index.statistics().entries).toBe(1501);
    expect(outcome(index, 1, "s.1").queues).toEqual(["q/1=1"]);
    expect(outcome(index, 1, "s.1").plainNodes).toBe(2);
    let visited = 0;
    index.forEachEntry(() => visited++);
    expect(visited).toBe(1501);
  });

  test("misuse is an assertion", () => {
    const index = newIndex();
    expect(() => addPlain(index, 32, 1, "a")).toThrow("node id");
    expect(() => addPlain(index, 0, 65536, "a")).toThrow("account id");
    expect(() => addPlain(index, 0, 1, "a..b")).toThrow("empty token");
    expect(() => addPlain(index, 0, 1, "a.>.b")).toThrow("before its end");
    expect(() => index.removePlain(0, 5)).toThrow("does not exist");
    expect(() => openInterestIndex(newRegion())).toThrow("no index");
  });

  test("openInterestIndex() sees what another view wrote, at any page of the buffer", () => {
    const region = newRegion(4 * MEBIBYTE, 8192);
    const writer = createInspectedIndex(region, { hashSeed: [9, 9, 9, 9] });
    const reader = openInterestIndex(region);
    addPlain(writer, 1, 1, "a.b");
    expect(outcome(reader, 1, "a.b").plainNodes).toBe(2);
  });
});

describe("lock", () => {
  test("lockOwner() names who holds it, and removeNode() of such a node is an assertion", () => {
    const region = newRegion();
    const index = createInspectedIndex(region, { hashSeed: [1, 2, 3, 4] });
    const words = new Int32Array(region.buffer);
    expect(index.lockOwner()).toBe(-1);
    Atomics.store(words, LOCK, 7 + 1);
    expect(index.lockOwner()).toBe(7);
    expect(() => index.removeNode(7)).toThrow("held the write lock");
    Atomics.store(words, LOCK, 0);
    index.removeNode(7);
  });

  test("a reader that finds no quiet moment reads under the lock and lets go of it", () => {
    const region = newRegion();
    const index = createInspectedIndex(region, { hashSeed: [1, 2, 3, 4] });
    const id = addPlain(index, 0, 1, "a.*");
    Atomics.add(new Int32Array(region.buffer), VERSION, 1); // odd for good
    expect(outcome(index, 1, "a.b").entryIds).toEqual([id]);
    expect(find(index, 1, "a.*")).toBe(id);
    expect(index.lockOwner()).toBe(-1);
  });
});

describe("generations", () => {
  const region = newRegion();
  const index = createInspectedIndex(region, { hashSeed: [5, 6, 7, 8] });
  const shared = new Int32Array(region.buffer);

  function generations(accountId: number, subject: string): [number, number] {
    const result = match(index, accountId, subject);
    const bucket = shared[result.bucketGenerationAddress / 4]!;
    const wildcard = shared[result.wildcardGenerationAddress / 4]!;
    expect([result.bucketGeneration, result.wildcardGeneration]).toEqual([bucket, wildcard]);
    return [bucket, wildcard];
  }

  test("a literal change that changes a match bumps its bucket, and no wildcard word", () => {
    const [bucket, wildcard] = generations(1, "x.y");
    const id = addPlain(index, 0, 1, "x.y");
    expect(generations(1, "x.y")).toEqual([bucket + 1, wildcard]);
    addPlain(index, 0, 1, "x.y");
    expect(generations(1, "x.y")).toEqual([bucket + 1, wildcard]);
    addQueue(index, 0, 1, "x.y", "q");
    addQueue(index, 0, 1, "x.y", "q");
    expect(generations(1, "x.y")).toEqual([bucket + 3, wildcard]);
    index.removeQueue(0, id, index.lastQueueId);
    index.removePlain(0, id);
    index.removePlain(0, id);
    expect(generations(1, "x.y")).toEqual([bucket + 5, wildcard]);
    const filtered = addFiltered(index, 0, 1, "x.y", "", "x.*");
    expect(generations(1, "x.y")).toEqual([bucket + 6, wildcard]);
    index.removeFiltered(0, filtered, 0, index.lastFilterId);
    expect(generations(1, "x.y")).toEqual([bucket + 7, wildcard]);
  });

  test("a wildcard change bumps its account's word alone", () => {
    const before = generations(2, "k.l");
    const other = generations(3, "k.l");
    const id = addPlain(index, 0, 2, "k.*");
    expect(generations(2, "k.l")).toEqual([before[0], before[1] + 1]);
    index.removePlain(0, id);
    expect(generations(2, "k.l")).toEqual([before[0], before[1] + 2]);
    expect(generations(3, "k.l")).toEqual(other);
  });

  test("one inbox leaves almost every other bucket alone", () => {
    const subjects = Array.from({ length: 1000 }, (_, n) => `_INBOX.abcdefghijklmnopqrstuv.${n}`);
    const before = subjects.map((subject) => generations(1, subject)[0]);
    addPlain(index, 0, 1, "_INBOX.abcdefghijklmnopqrstuv.1000");
    const changed = subjects.filter((subject, n) => generations(1, subject)[0] !== before[n]);
    expect(changed.length).toBeLessThan(3);
  });
});

test("hasPatternsBelow() says whether a pattern may match more tokens behind these", () => {
  const below = (pattern: string, prefix = "a.b.") => {
    const index = newIndex();
    if (pattern !== "") addPlain(index, 3, 5, pattern);
    const bytes = encoder.encode(prefix);
    return index.hasPatternsBelow(5, bytes, 0, bytes.length);
  };
  for (const pattern of [
    ">",
    "a.>",
    "*.>",
    "a.b.>",
    "a.b.*",
    "a.*.*",
    "*.*.*",
    "*.*.c",
    "a.b.*.d",
    "*.b.c.*",
  ])
    expect([pattern, below(pattern)]).toEqual([pattern, true]);
  for (const pattern of ["", "a.b.c", "a.*", "*.*", "b.>", "a.c.*", "*.c.>", "*", "a.bb.>"])
    expect([pattern, below(pattern)]).toEqual([pattern, false]);
});
