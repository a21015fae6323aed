import { describe, expect, test } from "bun:test";
import { LineLimits, onceASecond } from "./line_limit.ts";

describe("LineLimits", () => {
  test("allows a statement once a second, each by itself", () => {
    let nowMs = 5;
    const limits = new LineLimits(() => nowMs);
    const allows = (statement: string) => limits.allows(onceASecond(statement));
    expect([allows("a"), allows("a"), allows("b")]).toEqual([true, false, true]);
    nowMs = 1004;
    expect([allows("a"), allows("b"), allows("c")]).toEqual([false, false, true]);
    nowMs = 1005;
    expect([allows("a"), allows("a")]).toEqual([true, false]);
  });

  test("keeps to the time that a line asks for", () => {
    let nowMs = 0;
    const limits = new LineLimits(() => nowMs);
    const allows = () => limits.allows({ statement: "a", everyMs: 2000 });
    expect(allows()).toBe(true);
    nowMs = 1999;
    expect(allows()).toBe(false);
    nowMs = 2000;
    expect(allows()).toBe(true);
  });

  test("forgets statements that were made up", () => {
    let nowMs = 0;
    const limits = new LineLimits(() => nowMs);
    for (let i = 0; i < 10_000; i++, nowMs++) limits.allows(onceASecond(`name ${i}`));
    expect(limits.size).toBeLessThan(2100);
  });
});
