/** How long a test waits for something that must happen, unless it says otherwise. Only failures wait that long. */
export const DEADLINE_MS = 5_000;

/** How often a condition that nothing announces is looked at. */
const POLL_MS = 3;

/**
 * At most this much of the time between two looks counts: for the rest a busy machine or a synchronous call kept us
 * from looking.
 */
const LOOK_MS_MAX = 200;

/** A deadline that counts only the time in which somebody could look. */
export class Deadline {
  #leftMs: number;
  #lookedMs = performance.now();

  constructor(ms: number) {
    this.#leftMs = ms;
  }

  /** Whether it is over, asked at each look. */
  isOver(): boolean {
    const nowMs = performance.now();
    this.#leftMs -= Math.min(nowMs - this.#lookedMs, LOOK_MS_MAX);
    this.#lookedMs = nowMs;
    return this.#leftMs <= 0;
  }

  /** How long to sleep before the next look. */
  get sleepMs(): number {
    return Math.min(this.#leftMs, LOOK_MS_MAX / 2);
  }
}

/** Waits until `condition` holds; past the deadline throws what `describe` says. Conditions may be asynchronous. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  describe: () => string,
  deadlineMs = DEADLINE_MS,
): Promise<void> {
  const deadline = new Deadline(deadlineMs);
  while (!(await condition())) {
    if (deadline.isOver()) throw new Error(`after ${deadlineMs} ms ${describe()}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
