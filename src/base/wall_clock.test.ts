import { expect, test } from "bun:test";
import { createWallClock } from "./wall_clock.ts";

test("createWallClock() returns whole microseconds near the time of day", () => {
  const clock = createWallClock();
  const before = Date.now();
  const micros = clock();
  const after = Date.now();
  expect(Number.isInteger(micros)).toBe(true);
  expect(micros / 1000).toBeGreaterThan(before - 3);
  expect(micros / 1000).toBeLessThan(after + 3);
});

test("createWallClock() does not run backwards between neighbouring calls", () => {
  const clock = createWallClock();
  const first = clock();
  expect(clock()).toBeGreaterThanOrEqual(first);
});
