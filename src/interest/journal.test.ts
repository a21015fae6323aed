import { describe, expect, test } from "bun:test";
import { NODE_FAR } from "../memory/map.ts";
import { bytesOf } from "../subject/byte_string.ts";
import { EntryView } from "./entry_view.ts";
import { createInterestIndex, MEMBERS_MAX, openInterestIndex } from "./interest_index.ts";
import { journalBytes } from "./journal.ts";
import { MatchResult } from "./match_result.ts";
import { journaledRegion } from "./testing/journaled_region.ts";

const INDEX_BYTES = 4 << 20;
const ACCOUNT = 7;
const LINKS = 4;
const SHARD = 3;

function setUp() {
  const region = journaledRegion(INDEX_BYTES);
  const index = createInterestIndex(region, { hashSeed: [1, 2, 3, 4] });
  const addPlain = (node: number, subject: string) => {
    const bytes = bytesOf(subject);
    return index.addPlain(node, ACCOUNT, bytes, 0, bytes.length);
  };
  const addQueue = (node: number, subject: string, queue: string, members?: number) => {
    const bytes = bytesOf(subject);
    const name = bytesOf(queue);
    return index.addQueue(node, ACCOUNT, bytes, 0, bytes.length, name, 0, name.length, members);
  };
  const addFiltered = (node: number, subject: string, queue: string, filter: string) => {
    const bytes = bytesOf(subject);
    const name = bytesOf(queue);
    return index.addFiltered(node, ACCOUNT, bytes, 0, bytes.length, name, 0, name.length, bytesOf(filter));
  };
  const taken = () => {
    const ids: number[] = [];
    index.journal!.take((id) => ids.push(id));
    return ids;
  };
  return { region, index, journal: index.journal!, addPlain, addQueue, addFiltered, taken };
}

describe("InterestJournal", () => {
  test("notes nothing before it is enabled", () => {
    const { journal, addPlain, taken } = setUp();
    addPlain(SHARD, "before");
    expect(taken()).toEqual([]);
    journal.enable(LINKS);
    const id = addPlain(SHARD, "a");
    expect(taken()).toEqual([id]);
  });

  test("notes an entry once, however often it changes, and again once it was taken", () => {
    const { index, journal, addPlain, addQueue, addFiltered, taken } = setUp();
    journal.enable(LINKS);
    expect(journal.isEmpty).toBe(true);
    const a = addPlain(SHARD, "a");
    const b = addQueue(SHARD, "b.*", "q");
    expect(journal.isEmpty).toBe(false);
    addPlain(0, "a");
    addFiltered(0, "b.*", "", "b.c");
    index.removePlain(0, a);
    expect(taken()).toEqual([a, b]);
    expect(journal.isEmpty).toBe(true);
    index.removePlain(SHARD, a);
    expect(taken()).toEqual([a]);
  });

  test("notes no change that changes nothing", () => {
    const { index, journal, addPlain, addQueue, taken } = setUp();
    journal.enable(LINKS);
    const id = addPlain(SHARD, "a");
    addQueue(LINKS, "a", "q");
    expect(taken()).toEqual([id]);
    addPlain(SHARD, "a");
    index.removePlain(0, id);
    index.removeQueue(SHARD, id, index.lastQueueId);
    expect(taken()).toEqual([]);
  });

  test("is not told of what other servers want", () => {
    const { index, journal, addPlain, addQueue, taken } = setUp();
    journal.enable(LINKS);
    const id = addPlain(LINKS, "a");
    addQueue(NODE_FAR, "a", "q", 3);
    index.removePlain(LINKS, id);
    index.removeNode(NODE_FAR);
    expect(taken()).toEqual([]);
    addQueue(SHARD, "a", "q");
    expect(taken().length).toBe(1);
  });

  test("tells what a dead node held", () => {
    const { index, journal, addPlain, addQueue, taken } = setUp();
    const a = addPlain(SHARD, "a");
    const b = addQueue(SHARD, "b", "q", 9);
    addPlain(0, "c");
    journal.enable(LINKS);
    index.removeNode(SHARD);
    expect(taken().sort()).toEqual([a, b].sort());
    expect(index.read(a, new EntryView())).toBe(false);
  });

  test("notes what comes while it is read for the next time", () => {
    const { journal, addPlain, taken } = setUp();
    journal.enable(LINKS);
    const [a, b] = [addPlain(SHARD, "a"), addPlain(SHARD, "b")];
    const ids: number[] = [];
    const count = journal.take((id) => {
      ids.push(id);
      // It changes the entry that is being visited, and one that is still to be visited.
      addPlain(ids.length + 4, "a");
      addPlain(ids.length + 4, "b");
    });
    expect([count, ids]).toEqual([2, [a, b]]);
    expect(taken()).toEqual([a, b]);
  });

  test("holds every entry that the index has room for, over and over", () => {
    const { index, journal, addPlain, taken } = setUp();
    journal.enable(LINKS);
    for (let round = 0; round < 3; round++) {
      const added: number[] = [];
      for (let id = 0; ; added.push(id)) {
        id = addPlain(SHARD, `${added.length}`);
        if (id < 0) break;
      }
      expect(added.length).toBeGreaterThan(40_000);
      for (const id of added.filter((id) => id % 2 === 0)) index.removePlain(SHARD, id);
      const inOrder = (ids: number[]) => [...ids].sort((a, b) => a - b);
      expect(inOrder(taken())).toEqual(inOrder(added));
      index.removeNode(SHARD);
      expect(inOrder(taken())).toEqual(inOrder(added.filter((id) => id % 2 === 1)));
    }
  });

  test("is the same in every thread's view, and missing where the region has none", () => {
    const { region, journal, addPlain } = setUp();
    journal.enable(LINKS);
    const id = addPlain(SHARD, "a");
    const ids: number[] = [];
    openInterestIndex(region).journal!.take((seen) => ids.push(seen));
    expect(ids).toEqual([id]);
    const { journal: _, ...bare } = region;
    expect(openInterestIndex(bare).journal).toBe(null);
  });

  test("refuses a region that might overflow", () => {
    const { region } = setUp();
    const journal = { byteOffset: INDEX_BYTES, byteLength: journalBytes(INDEX_BYTES) - 4 };
    expect(() => openInterestIndex({ ...region, journal })).toThrow("journal is smaller");
  });
});

describe("read()", () => {
  test("fills a view with what each node holds", () => {
    const { index, addPlain, addQueue, addFiltered } = setUp();
    const id = addPlain(SHARD, "a.\xff");
    addQueue(SHARD, "a.\xff", "q", 5);
    addQueue(NODE_FAR, "a.\xff", "r\xfe");
    addFiltered(0, "a.\xff", "", "b");
    addFiltered(SHARD, "a.\xff", "q", "c");
    const view = new EntryView();
    expect(index.read(id, view)).toBe(true);
    expect([view.accountId, view.subject, view.plainNodes]).toEqual([ACCOUNT, "a.\xff", (1 << SHARD) | 1]);
    const members = Array.from({ length: view.memberCount }, (_, at) =>
      [view.queues[at], view.nodes[at], view.members[at]].join(" "),
    );
    expect(members.sort()).toEqual([`q ${SHARD} 1`, `q ${SHARD} 5`, `r\xfe ${NODE_FAR} 1`]);
    const other = addPlain(2, "b");
    expect(index.read(other, view)).toBe(true);
    expect([view.subject, view.plainNodes, view.memberCount]).toEqual(["b", 4, 0]);
    expect(index.read(99, view)).toBe(false);
  });
});

describe("addQueue()", () => {
  test("counts many members at once, and removeQueue() takes back as many", () => {
    const { index, addQueue } = setUp();
    const result = new MatchResult();
    const membersNow = () => {
      index.match(ACCOUNT, bytesOf("a"), 0, 1, result);
      return result.queueCount === 0 ? 0 : result.queues[2];
    };
    const id = addQueue(SHARD, "a", "q", MEMBERS_MAX);
    const queue = index.lastQueueId;
    addQueue(SHARD, "a", "q", 5);
    expect(membersNow()).toBe(MEMBERS_MAX + 5);
    index.removeQueue(SHARD, id, queue, MEMBERS_MAX);
    expect(membersNow()).toBe(5);
    index.invariants();
    index.removeQueue(SHARD, id, queue, 5);
    expect(membersNow()).toBe(0);
    index.invariants();
    for (const members of [0, -1, MEMBERS_MAX + 1]) {
      expect(() => addQueue(SHARD, "a", "q", members)).toThrow("members are out of bounds");
    }
  });
});
