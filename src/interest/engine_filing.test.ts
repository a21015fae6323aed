import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createEngine } from "../engine/engine.ts";
import { NO_HOST } from "../engine/no_host.ts";
import { PAGE_BYTES, REGION_PAGES_MIN } from "../memory/interest_layout.ts";
import {
  AREA_CONTROL_LINE_MAX,
  AREA_LOCAL_BUCKET_COUNT,
  AREA_LOCAL_BUCKETS,
  AREA_RESUME,
  CONNECTION_BYTES,
  CONNECTION_CONTEXT,
  CONTEXT_FROM_ROUTE,
  INTEREST_OF_UNKNOWN_ACCOUNT,
} from "../memory/layout.ts";
import { NODE_SHARD_FIRST } from "../memory/map.ts";
import { createSharedMemory } from "../memory/shared_memory.ts";
import { byteStringOf, bytesOf } from "../subject/byte_string.ts";
import { MatchResult } from "./match_result.ts";
import { createInspectedIndex } from "./testing/inspected_index.ts";

const NODE = NODE_SHARD_FIRST;
const OTHER_NODE = 1;
const SLOT = 1;
const SEED = { hashSeed: [1, 2, 3, 4] };

const shared = createSharedMemory(1, new Uint32Array([5, 6, 7, 8]));
const { bytes, words, map } = shared;
const { area, connections, receive, scratch } = map.area(NODE);
const engine = createEngine(shared.memory, area, NO_HOST);
words[(area + AREA_CONTROL_LINE_MAX) >> 2] = 4096;

/** An index of so many pages in the shared memory, into which the engine files. */
function setUp(pages = map.index.byteLength / PAGE_BYTES) {
  const { byteOffset, byteLength } = map.index;
  words.fill(0, byteOffset >> 2, (byteOffset + Math.min(byteLength, 16 << 20)) >> 2);
  bytes.fill(0, byteOffset + pages * PAGE_BYTES - (8 << 20), byteOffset + pages * PAGE_BYTES);
  const { journal } = map.index;
  words.fill(0, journal.byteOffset >> 2, (journal.byteOffset + (16 << 20)) >> 2);
  const region = { buffer: shared.buffer, byteOffset, byteLength: pages * PAGE_BYTES, journal };
  const index = createInspectedIndex(region, SEED, engine);
  /** Adds plain interest as the host does, one call for each subject. */
  const add = (node: number, account: number, subject: string) => {
    bytes.set(bytesOf(subject), receive);
    return index.addPlain(node, account, bytes, receive, receive + subject.length);
  };
  const fileText = (text: string, account: number, countMax = 128) => {
    words[(connections + SLOT * CONNECTION_BYTES + CONNECTION_CONTEXT) >> 2] = CONTEXT_FROM_ROUTE | account;
    bytes.set(bytesOf(text), receive);
    const count = index.fileMany(NODE, countMax, (region) =>
      engine.fileInterest(region, NODE, SLOT, receive, receive + text.length, scratch, countMax),
    );
    const rest = text.slice(words[(area + AREA_RESUME) >> 2]! - receive);
    return { count, rest, ids: [...words.subarray(scratch >> 2, (scratch >> 2) + Math.max(count, 0))] };
  };
  /** Lets the engine file what it takes, and the host the rest. */
  const file = (subjects: readonly string[], account: number) => {
    let left = subjects.length;
    while (left > 0) {
      const lines = subjects.slice(-left).map((subject) => `RS+ ${subject}\r\n`);
      const { count } = fileText(lines.join(""), account);
      left -= Math.max(count, 0);
      if (left === 0) break;
      if (add(NODE, account, subjects.at(-left)!) < 0) return false;
      left--;
    }
    return true;
  };
  return { index, add, fileText, file };
}

function smallIndex() {
  const byteLength = (REGION_PAGES_MIN + 400) * PAGE_BYTES;
  return createInspectedIndex({ buffer: new SharedArrayBuffer(byteLength), byteOffset: 0, byteLength }, SEED);
}

type Index = ReturnType<typeof smallIndex>;

function contents(index: Index): string[] {
  const found: string[] = [];
  index.forEachEntry(({ accountId, subject, plainNodes }) => {
    found.push(`${accountId} ${byteStringOf(subject)} ${plainNodes}`);
  });
  return found.sort();
}

describe("what the engine files", () => {
  test("is what the index would, whatever came and went before", () => {
    const token = fc.stringMatching(/^[a-c*>]{1,3}$/);
    const short = fc.array(token, { minLength: 1, maxLength: 4 }).map((tokens) => tokens.join("."));
    const long = fc
      .tuple(short, fc.integer({ min: 1, max: 300 }))
      .map(([start, count]) => start + "x".repeat(count));
    const step = fc.record({
      account: fc.integer({ min: 1, max: 2 }),
      subjects: fc.array(fc.oneof(short, long), { minLength: 1, maxLength: 40 }),
      isByOther: fc.boolean(),
      removed: fc.array(fc.nat(), { maxLength: 20 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 8 }), (steps) => {
        const { index, add, file } = setUp();
        const model = smallIndex();
        for (const { account, subjects, isByOther, removed } of steps) {
          const valid = subjects.filter((subject) => !/(^|\.)>\./.test(subject));
          if (!isByOther) expect(file(valid, account)).toBe(true);
          for (const text of valid) {
            const subject = bytesOf(text);
            model.addPlain(isByOther ? OTHER_NODE : NODE, account, subject, 0, subject.length);
            if (isByOther) expect(add(OTHER_NODE, account, text)).toBeGreaterThanOrEqual(0);
          }
          for (const number of removed) {
            const description = index.describe(number % Math.max(1, index.entryIdEnd));
            if (description === undefined) continue;
            const { accountId, subject, entryId } = description;
            for (const node of [NODE, OTHER_NODE]) {
              if ((description.plainNodes & (1 << node)) === 0) continue;
              index.removePlain(node, entryId);
              model.removePlain(node, model.find(accountId, subject, 0, subject.length));
            }
          }
          index.invariants();
          expect(contents(index)).toEqual(contents(model));
          const { inserts, removes, literals } = index.statistics();
          const expected = model.statistics();
          expect([inserts, removes, literals]).toEqual([
            expected.inserts,
            expected.removes,
            expected.literals,
          ]);
        }
      }),
      { numRuns: 150 },
    );
  });

  test("is found by its subject, makes plans stale, and is told by its id", () => {
    const { index, fileText } = setUp();
    const result = new MatchResult();
    const local = () =>
      words.slice(
        (area + AREA_LOCAL_BUCKETS) >> 2,
        ((area + AREA_LOCAL_BUCKETS) >> 2) + AREA_LOCAL_BUCKET_COUNT,
      );
    const subject = bytesOf("a.b");
    // The table is made by the first entry of all.
    index.addPlain(OTHER_NODE, 1, subject, 0, subject.length);
    index.match(7, subject, 0, subject.length, result);
    const generation = result.bucketGeneration;
    const before = local();
    const { count, ids, rest } = fileText("RS+ a.b\r\nRS+ a.b\r\n", 7);
    expect([count, rest]).toEqual([2, ""]);
    index.match(7, subject, 0, subject.length, result);
    expect(result.plainNodes).toBe(1 << NODE);
    expect(result.entryIds[0]).toBe(ids[0]!);
    expect(ids[1]).toBe(ids[0]!);
    expect(result.bucketGeneration).toBe(generation + 1);
    expect(local().filter((word, bucket) => word !== before[bucket]).length).toBe(1);
    index.invariants();
  });

  test("is plain lines, whole and literal, of the length that lines may have; the rest stays", () => {
    const { index, fileText } = setUp();
    const warm = bytesOf("warm");
    index.addPlain(NODE, 1, warm, 0, warm.length);
    for (const other of [
      "RS+ a q 1\r\n",
      "RS+ a \r\n",
      "RS+  a\r\n",
      "RS+ a\n",
      "RS+ a\r \n",
      "RS+ a.*\r\n",
      "RS+ >\r\n",
      "RS+ a..b\r\n",
      "RS+ .a\r\n",
      "RS+ a.\r\n",
      "RS+ \r\n",
      "RS+\ta\r\n",
      "rs+ a\r\n",
      "RS- a\r\n",
      "LS+ LC a\r\n",
      "PING\r\n",
      `RS+ ${"x".repeat(4096)}\r\n`,
    ]) {
      const rest = `${other}RS+ not.yet\r\n`;
      expect(fileText(`RS+ b\r\nRS+ c.d\r\n${rest}`, 1)).toMatchObject({ count: 2, rest });
    }
    const line = "RS+ some.subject\r\n";
    for (let cut = 0; cut < line.length; cut++) {
      expect(fileText(`RS+ b\r\n${line.slice(0, cut)}`, 1)).toMatchObject({
        count: 1,
        rest: line.slice(0, cut),
      });
    }
    expect(fileText("RS+ b\r\nRS+ c\r\nRS+ d\r\n", 1, 2)).toMatchObject({ count: 2, rest: "RS+ d\r\n" });
    expect(fileText("RS+ b\r\nRS+ $G c\r\n", 1).count).toBe(1);
    expect(fileText("RS+ NOBODY b\r\n", 0)).toMatchObject({ count: INTEREST_OF_UNKNOWN_ACCOUNT });
    expect(contents(index).map((entry) => entry.split(" ")[1])).toEqual(["b", "c", "c.d", "warm"]);
    index.invariants();
  });

  test("is told by the journal when it is a client's, once for what is new", () => {
    const { index, add, fileText } = setUp();
    const LINKS_NODE = NODE;
    const journal = index.journal!;
    journal.enable(LINKS_NODE);
    const entries = ["a", "b", "a", "c.*"].map((subject) => add(OTHER_NODE, 1, subject));
    const told: number[] = [];
    const read = () => {
      journal.take((id) => told.push(id));
      return told.splice(0);
    };
    expect(read()).toEqual([entries[0]!, entries[1]!, entries[3]!]);
    add(OTHER_NODE, 1, "b");
    expect(fileText("RS+ a\r\nRS+ d\r\n", 1).count).toBe(2);
    expect(read()).toEqual([]);
    journal.enable(OTHER_NODE);
    expect(() => fileText("RS+ e\r\n", 1)).toThrow("followed by nobody");
  });

  test("stays where it is found when the table grows", () => {
    const { index, add } = setUp();
    const subjectOf = (number: number) => `some.subject.${number}`;
    for (let number = 0; number < 5000; number++) add(NODE, 1, subjectOf(number));
    for (let number = 0; number < 5000; number++) {
      const subject = bytesOf(subjectOf(number));
      expect(index.find(1, subject, 0, subject.length)).toBe(number);
    }
    index.invariants();
  });

  test("is nothing more once the index is full", () => {
    const { index, file } = setUp(REGION_PAGES_MIN + 40);
    let count = 0;
    while (file([`some.subject.${count}`], 1)) count++;
    expect(count).toBeGreaterThan(500);
    expect(index.statistics().literals).toBe(count);
    index.invariants();
    const first = bytesOf("some.subject.0");
    index.removePlain(NODE, index.find(1, first, 0, first.length));
    expect(file(["some.subject.0"], 1)).toBe(true);
    index.invariants();
  });
});
