import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  BLOCK_WORDS,
  FRONTIER_PAGE,
  PAGE_BYTES,
  PAGE_WORDS,
  REGION_PAGES_MIN,
  RUN_PAGE_COUNT,
} from "../memory/interest_layout.ts";
import { Arena } from "./arena.ts";
import { InterestMemory } from "./interest_memory.ts";

function newArena() {
  const byteLength = (REGION_PAGES_MIN + 83) * PAGE_BYTES;
  const buffer = new SharedArrayBuffer(byteLength);
  const memory = new InterestMemory({ buffer, byteOffset: 0, byteLength }, null);
  memory.words[FRONTIER_PAGE] = memory.pageCount;
  return { arena: new Arena(memory), words: memory.words, pageCount: memory.pageCount };
}

test("Arena hands out blocks that never overlap and takes all of them back", () => {
  const step = fc.record({
    wordCount: fc.oneof(fc.integer({ min: 1, max: 70 }), fc.integer({ min: 1, max: 20_000 })),
    shouldFree: fc.boolean(),
    pick: fc.nat(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const { arena, words, pageCount } = newArena();
      const live: { block: number; wordCount: number; mark: number }[] = [];
      const release = (index: number) => {
        const [{ block, wordCount, mark }] = live.splice(index, 1) as [(typeof live)[0]];
        expect(words[block]).toBe(mark);
        expect(words[block + wordCount - 1]).toBe(mark);
        expect(words.subarray(block, block + wordCount).every((word) => word === mark)).toBe(true);
        arena.free(block);
      };
      for (const [mark, { wordCount, shouldFree, pick }] of steps.entries()) {
        if (shouldFree && live.length > 0) {
          release(pick % live.length);
          continue;
        }
        const block = arena.allocate(wordCount);
        if (block === 0) continue;
        words.fill(mark, block, block + wordCount);
        live.push({ block, wordCount, mark });
      }
      arena.invariants(pageCount);
      while (live.length > 0) release(live.length - 1);
      arena.invariants(pageCount);
      expect(words[RUN_PAGE_COUNT]).toBe(0);
      expect(words[BLOCK_WORDS]).toBe(0);
    }),
    { numRuns: 60 },
  );
});

test("Arena joins freed pages again, so that a large run fits where small blocks were", () => {
  const { arena, pageCount } = newArena();
  const largest = 32 * PAGE_WORDS;
  const run = arena.allocate(largest);
  expect(run).toBeGreaterThan(0);
  arena.free(run);
  const blocks: number[] = [];
  for (let block = arena.allocate(9); block !== 0; block = arena.allocate(9)) blocks.push(block);
  expect(arena.allocate(largest)).toBe(0);
  for (const block of blocks) arena.free(block);
  arena.invariants(pageCount);
  expect(arena.allocate(largest)).toBeGreaterThan(0);
});
