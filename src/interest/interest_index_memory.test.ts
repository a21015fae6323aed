import { describe, expect, test } from "bun:test";
import { PAGE_BYTES, PAGE_WORDS, REGION_PAGES_MIN } from "../memory/interest_layout.ts";
import { Arena } from "./arena.ts";
import { INDEX_FULL } from "./interest_index.ts";
import { InterestMemory } from "./interest_memory.ts";
import { createInspectedIndex } from "./testing/inspected_index.ts";
import {
  addFiltered,
  addPlain,
  addQueue,
  find,
  MEBIBYTE,
  newIndex,
  newRegion,
  outcome,
} from "./testing/text_calls.ts";

const encoder = new TextEncoder();

describe("memory of an interest index", () => {
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
    // Every kind of addition fails sooner or later, and each time the index stays whole.
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
      // All memory is taken. Then a few blocks of the sizes that an addition asks for are freed.
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
    // What the operating system gave: every page that is not all zero, including tables that were outgrown.
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
