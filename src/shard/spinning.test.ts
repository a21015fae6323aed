import { expect, test } from "bun:test";
import { Spinning } from "./spinning.ts";

const SPIN_MS = 10;

/** Whether a shard looks for work right after the last of turns that began at these times. */
function looksAfter(...startedMs: number[]): boolean {
  const spinning = new Spinning(SPIN_MS);
  for (const ms of startedMs) spinning.worked(ms, 100);
  return spinning.isDue(startedMs.at(-1)!);
}

/** `count` times, each `stepMs` after the one before. */
function every(stepMs: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => i * stepMs);
}

test("a shard looks for work from the beginning of a turn that had some", () => {
  const spinning = new Spinning(SPIN_MS);
  expect(spinning.isDue(0)).toBe(false);
  spinning.worked(100, 0);
  expect([100, 109, 110].map((ms) => spinning.isDue(ms))).toEqual([true, true, false]);
});

test("not after 16 KiB in one turn, until the next with less", () => {
  const spinning = new Spinning(SPIN_MS);
  spinning.worked(0, 16 * 1024);
  expect(spinning.isDue(0)).toBe(false);
  spinning.worked(5, 16 * 1024 - 1);
  expect(spinning.isDue(5)).toBe(true);
});

test("no more once it has looked in vain a dozen times", () => {
  expect(looksAfter(...every(SPIN_MS + 1, 11))).toBe(true);
  expect(looksAfter(...every(SPIN_MS + 1, 12))).toBe(false);
  expect(looksAfter(...every(SPIN_MS, 1000))).toBe(true);
});

test("again once something has come so soon that looking would have found it", () => {
  const sparse = every(1000, 100);
  const last = sparse.at(-1)!;
  expect(looksAfter(...sparse)).toBe(false);
  expect(looksAfter(...sparse, last + SPIN_MS + 1)).toBe(false);
  expect(looksAfter(...sparse, last + SPIN_MS)).toBe(true);
});

test("as long as it finds something at least once in four times", () => {
  const oneOf = (count: number) =>
    Array.from({ length: 100 }, (_, i) => [
      i * 1000,
      ...every(100, count - 1).map((ms) => i * 1000 + 5 + ms),
    ]).flat();
  expect(looksAfter(...oneOf(4))).toBe(true);
  expect(looksAfter(...oneOf(6))).toBe(false);
});
