import { expect, test } from "bun:test";
import { RestartPolicy } from "./restart_policy.ts";

test("RestartPolicy starts again at once, then later and later, then gives up", () => {
  const policy = new RestartPolicy();
  expect([0, 10, 500, 3000, 9000].map((nowMs) => policy.onFailure(nowMs))).toEqual([
    0,
    100,
    1000,
    5000,
    null,
  ]);
  expect(policy.failureCount).toBe(5);
});

test("RestartPolicy forgives what is more than a minute old", () => {
  const policy = new RestartPolicy();
  expect([0, 60_000, 120_000, 180_000, 240_000, 300_000].map((nowMs) => policy.onFailure(nowMs))).toEqual([
    0, 0, 0, 0, 0, 0,
  ]);
  expect(policy.onFailure(300_001)).toBe(100);
});
