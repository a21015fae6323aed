/** Returns the time of day in microseconds since 1970, UTC. It is an argument wherever a time is written down. */
export type WallClock = () => number;

/** How far the two clocks may differ before the fine one is set by the coarse one again. */
const DRIFT_MAX_MS = 2;

/**
 * A wall clock with microseconds. `Date.now()` has the right time, but only in whole milliseconds. `performance.now()`
 * has the fraction, but does not follow when the system's clock is set.
 */
export function createWallClock(): WallClock {
  // Every thread starts from this, so that their clocks agree to less than a millisecond.
  let offsetMs: number = performance.timeOrigin;
  return () => {
    const coarseMs = Date.now();
    const fineMs = performance.now();
    if (Math.abs(coarseMs - (fineMs + offsetMs)) > DRIFT_MAX_MS) offsetMs = coarseMs - fineMs;
    return Math.floor((fineMs + offsetMs) * 1000);
  };
}
