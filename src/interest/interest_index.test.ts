import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { LOCK, PAGE_BYTES, PAGE_WORDS, REGION_PAGES_MIN, VERSION } from "../memory/interest_layout.ts";
import { Arena } from "./arena.ts";
import { INDEX_FULL, type InterestIndex, openInterestIndex } from "./interest_index.ts";
import { InterestMemory } from "./interest_memory.ts";
import { MatchResult } from "./match_result.ts";
import { createInspectedIndex, type InspectedIndex } from "./testing/inspected_index.ts";
import { NaiveInterest, outcomeOf } from "./testing/naive_interest.ts";

const MEBIBYTE = 1024 * 1024;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

function newRegion(byteLength = 4 * MEBIBYTE, byteOffset = 0) {
  return { buffer: new SharedArrayBuffer(byteOffset + byteLength), byteOffset, byteLength };
}

function newIndex(byteLength?: number): InspectedIndex {
  return createInspectedIndex(newRegion(byteLength), { hashSeed: [1, -2, 3, 0x7fffffff] });
}

function addPlain(index: InterestIndex, node: number, accountId: number, subject: string): number {
  const bytes = encoder.encode(subject);
  return index.addPlain(node, accountId, bytes, 0, bytes.length);
}

function addQueue(
  index: InterestIndex,
  node: number,
  accountId: number,
  subject: string,
  queue: string,
): number {
  const bytes = encoder.encode(`${subject} ${queue}`);
  return index.addQueue(node, accountId, bytes, 0, subject.length, bytes, subject.length + 1, bytes.length);
}

/** A member of a queue, or with "" a plain subscription, that is not to be sent what a pattern of `filter` matches. */
function addFiltered(
  index: InterestIndex,
  node: number,
  accountId: number,
  subject: string,
  queue: string,
  filter: string,
): number {
  const bytes = encoder.encode(`${subject} ${queue}`);
  const from = subject.length;
  return index.addFiltered(
    node,
    accountId,
    bytes,
    0,
    from,
    bytes,
    from + 1,
    bytes.length,
    encoder.encode(filter),
  );
}

function find(index: InterestIndex, accountId: number, subject: string): number {
  const bytes = encoder.encode(subject);
  return index.find(accountId, bytes, 0, bytes.length);
}

function match(index: InterestIndex, accountId: number, subject: string, result = new MatchResult()) {
  // Somewhere inside a larger buffer, at an odd offset, as in a receive buffer.
  const bytes = encoder.encode(`PUB ${subject} 5`);
  index.match(accountId, bytes, 4, bytes.length - 2, result);
  return result;
}

function outcome(index: InterestIndex, accountId: number, subject: string, result?: MatchResult) {
  return outcomeOf(match(index, accountId, subject, result), (queueId) =>
    decoder.decode(index.queueNameOf(queueId)),
  );
}

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
    // What is left are the tables: of entries, edges, texts and pairs.
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

describe("model", () => {
  const token = fc.constantFrom("a", "b", "*", "*", "a-rather-long-token", "c");
  const subject = fc
    .tuple(fc.array(token, { minLength: 1, maxLength: 4 }), fc.boolean())
    .map(([tokens, isOpen]) => (isOpen ? [...tokens.slice(1), ">"] : tokens).join("."));
  const operation = fc.record({
    kind: fc.constantFrom("plain", "plain", "queue", "filtered", "remove", "remove", "removeNode"),
    node: fc.constantFrom(0, 1, 31),
    accountId: fc.constantFrom(1, 2),
    subject,
    queue: fc.constantFrom("q", "workers", "a.b.*"),
    isPlain: fc.boolean(),
    filter: fc.constantFrom("a", "a.b *.c", "*.*", "b.> a.>"),
    pick: fc.nat(),
  });

  test("any order of adds and removals matches as the naive model does", () => {
    fc.assert(
      fc.property(
        fc.array(operation, { maxLength: 80 }),
        fc.array(subject, { maxLength: 12 }),
        (operations, published) => {
          const index = newIndex(2 * MEBIBYTE);
          const model = new NaiveInterest();
          const result = new MatchResult();
          for (const { kind, node, accountId, subject, queue, isPlain, filter, pick } of operations) {
            if (kind === "plain") {
              model.addPlain(node, accountId, subject, addPlain(index, node, accountId, subject));
            } else if (kind === "queue") {
              const entryId = addQueue(index, node, accountId, subject, queue);
              model.addMember({ node, accountId, subject, entryId, queue, filter: "" });
            } else if (kind === "filtered") {
              const name = isPlain ? "" : queue;
              const entryId = addFiltered(index, node, accountId, subject, name, filter);
              model.addMember({ node, accountId, subject, entryId, queue: name, filter });
            } else if (kind === "removeNode" && pick % 4 === 0) {
              model.removeNode(node);
              index.removeNode(node);
            } else if (kind === "remove" && model.entries.size > 0) {
              removeSome(index, model, pick);
            }
            expect(outcome(index, accountId, subject, result)).toEqual(model.match(accountId, subject));
          }
          index.invariants();
          expect(index.statistics().entries).toBe(model.entries.size);
          for (const name of published) {
            for (const accountId of [1, 2]) {
              expect(outcome(index, accountId, name, result)).toEqual(model.match(accountId, name));
            }
          }
          for (const entry of model.entries.values()) {
            expect(find(index, entry.accountId, entry.subject)).toBe(entry.entryId);
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  /** Removes one plain interest or member that the model says is there. */
  function removeSome(index: InspectedIndex, model: NaiveInterest, pick: number): void {
    const entries = [...model.entries.values()];
    const entry = entries[pick % entries.length]!;
    const [node] = entry.nodes;
    if (node !== undefined) {
      index.removePlain(node, entry.entryId);
      model.removePlain(node, entry.accountId, entry.subject);
      return;
    }
    const members = model.membersOf(entry);
    const member = members[pick % members.length]!;
    const { queueId, filterId } = index
      .describe(entry.entryId)!
      .members.find(
        (found) =>
          found.node === member.node &&
          decoder.decode(found.queue) === member.queue &&
          decoder.decode(found.filter) === member.filter,
      )!;
    if (member.filter === "") index.removeQueue(member.node, entry.entryId, queueId);
    else index.removeFiltered(member.node, entry.entryId, queueId, filterId);
    model.removeMember(member);
  }
});

describe("memory", () => {
  test("a full index says INDEX_FULL, changes nothing, and serves again after removals", () => {
    const index = newIndex(REGION_PAGES_MIN * 4096 + 16 * 4096);
    const ids: number[] = [];
    let adds = 0;
    for (let id = 0; id !== INDEX_FULL && adds < 100_000; adds++) {
      const kind = adds % 4;
      if (kind === 0) id = addPlain(index, 0, 1, `literal.subject.${adds}`);
      if (kind === 1) id = addPlain(index, 0, 1, `wildcard.*.${adds}.some.more.tokens`);
      if (kind === 2) id = addQueue(index, 0, 1, `queue.subject.${adds}`, `queue-name-${adds}`);
      if (kind === 3) id = addFiltered(index, 0, 1, `filter.*.${adds}`, "", `filter.${adds}.>`);
      if (id !== INDEX_FULL) ids.push(id);
    }
    expect(adds).toBeLessThan(100_000);
    index.invariants();
    // Every kind of addition now fails sooner or later, each time leaving the index whole.
    for (let more = 0; more < 2000; more++) {
      addPlain(index, 0, 1, `p${more}.x${"x".repeat(more % 700)}`);
      addPlain(index, 0, 1, `w${more}.*.${"y.".repeat(more % 20)}z`);
      addQueue(index, 0, 1, `q${more}`, "n".repeat(1 + (more % 900)));
      addFiltered(index, 0, 1, `f${more}`, more % 2 === 0 ? "" : `q${more}`, "f".repeat(1 + (more % 800)));
    }
    index.invariants();
    expect(addPlain(index, 0, 1, `too.long.${"x".repeat(100_000)}`)).toBe(INDEX_FULL);
    expect(addPlain(index, 0, 1, `too.many.*.${"x.".repeat(50_000)}x`)).toBe(INDEX_FULL);
    expect(addQueue(index, 0, 1, "long.queue", "x".repeat(100_000))).toBe(INDEX_FULL);
    expect(addFiltered(index, 0, 1, "long.filter", "q", "x".repeat(100_000))).toBe(INDEX_FULL);
    expect(find(index, 1, "long.queue")).toBe(-1);
    expect(outcome(index, 1, "literal.subject.0").entryIds).toEqual([ids[0]!]);
    index.removeNode(0);
    index.invariants();
    expect(index.statistics().entries).toBe(0);
    expect(addPlain(index, 0, 1, "room.again")).toBeGreaterThan(-1);
  });

  test("an addition that runs out of memory at any step leaves nothing behind", () => {
    const region = newRegion(REGION_PAGES_MIN * PAGE_BYTES);
    const index = createInspectedIndex(region, { hashSeed: [1, 2, 3, 4] });
    addFiltered(index, 1, 1, "kept.*.pattern", "kept", "kept.filter");
    const arena = new Arena(new InterestMemory(region, null));
    const hogged: number[] = [];
    let [full, added, seed] = [0, 0, 1];
    for (let round = 0; round < 1500; round++) {
      // Everything is taken; then a few blocks of the sizes that an addition asks for come free.
      for (let isFull = false; !isFull; ) {
        isFull = true;
        for (const words of [4, 5, 6, 7, 8, 9, 10, 11, 12]) {
          const block = arena.allocate(words);
          if (block !== 0) hogged.push(block);
          if (block !== 0) isFull = false;
        }
      }
      for (let count = round % 40; count > 0; count--) {
        seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
        arena.free(hogged.splice((seed >>> 4) % hogged.length, 1)[0]!);
      }
      const { bytesLive } = index.statistics();
      const subject = ["kept.*.a.longer-token.b", "other.a-longer-token.>", "*.*.x", "a.literal"][round % 4]!;
      const queue = round % 2 === 0 ? `name${round % 7}` : "";
      const id = [
        () => addPlain(index, 0, 1, subject),
        () => addQueue(index, 0, 1, subject, `name${round % 7}`),
        () => addFiltered(index, 0, 1, subject, queue, `filter${round % 5}.* some.more`),
      ][round % 3]!();
      index.invariants();
      if (id === INDEX_FULL) {
        full++;
      } else {
        added++;
        index.removeNode(0);
      }
      expect(index.statistics().entries).toBe(1);
      expect(index.statistics().bytesLive).toBe(bytesLive);
    }
    expect(full).toBeGreaterThan(100);
    expect(added).toBeGreaterThan(100);
  });

  test("a million changes of literals, patterns and queues leave the memory used where it was", () => {
    const index = newIndex(64 * MEBIBYTE);
    const rings: number[][] = [[], [], []];
    const text = new Uint8Array(256);
    let used = 0;
    for (let round = 0; round < 500_000; round++) {
      const name = 100_000 + (round % 100_000);
      const kind = round % 3;
      const ring = rings[kind]!;
      const filler = "x".repeat((round * 7919) % 60);
      const length =
        kind === 1
          ? encoder.encodeInto(`pattern.${filler}r${name}.*`, text).written
          : encoder.encodeInto(`literal.${filler}r${name}`, text).written;
      const id =
        kind === 2
          ? index.addQueue(3, 1, text, 0, length, text, 8, length)
          : index.addPlain(3, 1, text, 0, length);
      ring.push(id, index.lastQueueId);
      if (ring.length > 2 * 1000) {
        const [oldId, oldQueueId] = ring.splice(0, 2) as [number, number];
        if (kind === 2) index.removeQueue(3, oldId, oldQueueId);
        else index.removePlain(3, oldId);
      }
      if (round === 100_000) used = index.statistics().bytesReached;
    }
    expect(index.statistics().bytesReached).toBe(used);
    index.invariants();
    const { bytesLive } = index.statistics();
    index.removeNode(3);
    index.invariants();
    expect(index.statistics().bytesLive).toBeLessThan(bytesLive / 4); // the tables stay
  }, 60_000);

  test("a million inbox subscriptions take 90 bytes each at most", () => {
    const region = newRegion(256 * MEBIBYTE);
    const index = createInspectedIndex(region, { hashSeed: [1, 2, 3, 4] });
    const text = new Uint8Array(64);
    const before = index.statistics().bytesUsed;
    for (let n = 0; n < 1_000_000; n++) {
      const { written } = encoder.encodeInto(`_INBOX.Q0Xb7mZpR4sT8uVwYz12Aa.${n}`, text);
      index.addPlain(0, 1, text, 0, written);
    }
    const statistics = index.statistics();
    expect(statistics.literals).toBe(1_000_000);
    expect((statistics.bytesUsed - before) / 1_000_000).toBeLessThan(83);
    // What the operating system gave: every page that is not all zero, tables outgrown included.
    expect(touchedBytes(region.buffer) / 1_000_000).toBeLessThan(90);
    expect(outcome(index, 1, "_INBOX.Q0Xb7mZpR4sT8uVwYz12Aa.777777").plainNodes).toBe(1);
  }, 60_000);
});

function touchedBytes(buffer: SharedArrayBuffer): number {
  const words = new Int32Array(buffer);
  let touched = 0;
  for (let page = 0; page < words.length; page += PAGE_WORDS) {
    let word = page;
    while (word < page + PAGE_WORDS && words[word] === 0) word++;
    if (word < page + PAGE_WORDS) touched += PAGE_BYTES;
  }
  return touched;
}

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
