import { expect, test } from "bun:test";
import { RepeatLimiter } from "./repeat_limiter.ts";

test("RepeatLimiter lets each message through once an interval", () => {
  const limiter = new RepeatLimiter(1000);
  expect(limiter.allow("a", 0)).toBe(true);
  expect(limiter.allow("a", 999)).toBe(false);
  expect(limiter.allow("b", 999)).toBe(true);
  expect(limiter.allow("a", 1000)).toBe(true);
});

test("RepeatLimiter remembers a bounded number of messages", () => {
  const limiter = new RepeatLimiter(1000);
  let allowedCount = 0;
  for (let index = 0; index < 20_000; index++) if (limiter.allow(String(index), 0)) allowedCount++;
  expect(allowedCount).toBe(10_000);
});
