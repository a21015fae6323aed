import { afterEach, beforeEach } from "bun:test";

/** A steady clock for the surrounding tests, which advances only by what they add to it. */
export function standingClock(): { nowMs: number } {
  const clock = { nowMs: 0 };
  const realNow = performance.now;
  beforeEach(() => {
    clock.nowMs = realNow.call(performance);
    performance.now = () => clock.nowMs;
  });
  afterEach(() => {
    performance.now = realNow;
  });
  return clock;
}
