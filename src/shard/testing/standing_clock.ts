import { afterEach, beforeEach } from "bun:test";

/** The steady clock of the tests around it, which stands still but for what they add to it. */
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
