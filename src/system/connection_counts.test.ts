import { describe, expect, test } from "bun:test";
import { COUNT_INTERVAL_MS, ConnectionCounts } from "./connection_counts.ts";

describe("ConnectionCounts", () => {
  test("an account is due when it was never told, and 30 seconds after it was", () => {
    const counts = new ConnectionCounts();
    expect(counts.isDue("A", 0)).toBe(true);
    counts.note("A", 2, 1000);
    expect(counts.isDue("A", 30_999)).toBe(false);
    expect(counts.isDue("A", 31_000)).toBe(true);
  });

  test("waits for the first account, at most one interval", () => {
    const counts = new ConnectionCounts();
    expect(counts.waitMs(5)).toBe(COUNT_INTERVAL_MS);
    counts.note("A", 1, 1000);
    counts.note("B", 1, 9000);
    expect(counts.waitMs(10_000)).toBe(21_000);
    counts.note("A", 1, 10_000);
    expect(counts.waitMs(10_000)).toBe(29_000);
    expect(counts.waitMs(99_000)).toBe(0);
  });

  test("forgets accounts without connections, and those that are gone", () => {
    const counts = new ConnectionCounts();
    counts.note("A", 1, 0);
    counts.note("B", 1, 0);
    counts.note("A", 0, 10);
    expect(counts.waitMs(100)).toBe(29_900);
    counts.keepOnly(new Set(["A"]));
    expect(counts.waitMs(100)).toBe(COUNT_INTERVAL_MS);
  });
});
