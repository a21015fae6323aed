import { expect, test } from "bun:test";
import { LinkTimers } from "./timers.ts";

test("callbacks come in the order they are due, none early, none that was called off", () => {
  let nowMs = 0;
  let watchedMs = Number.POSITIVE_INFINITY;
  const timers = new LinkTimers(
    () => nowMs,
    (dueMs) => {
      watchedMs = dueMs;
    },
  );
  const fired: number[] = [];
  const delays = [50, 10, 90, 30, 70, 20, 80, 40, 60];
  const cancels = new Map(delays.map((ms) => [ms, timers.after(ms, () => fired.push(ms))]));
  expect(watchedMs).toBe(10);
  cancels.get(40)!();
  timers.after(15, () => timers.after(10, () => fired.push(25)));
  while (nowMs < 100) {
    nowMs = watchedMs;
    const before = fired.length;
    timers.fire();
    for (const ms of fired.slice(before)) expect(ms).toBeLessThanOrEqual(nowMs);
    if (fired.length === 9) break;
  }
  expect(fired).toEqual([10, 20, 25, 30, 50, 60, 70, 80, 90]);
});
