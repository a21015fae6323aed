/** When a shard that failed is started again: at once at first, later and later if it keeps failing, and then no more. */

/** Failures further back than this are forgiven. */
const WINDOW_MS = 60_000;
/** Pause before the next start, by the failures of the window. One more failure is one too many. */
const PAUSES_MS = [0, 100, 1000, 5000];

export class RestartPolicy {
  #failuresMs: number[] = [];

  /** Notes a failure; returns the milliseconds to wait before a new start, or null when there is to be none. */
  onFailure(nowMs: number): number | null {
    this.#failuresMs = [...this.#failuresMs.filter((timeMs) => nowMs - timeMs < WINDOW_MS), nowMs];
    return PAUSES_MS[this.#failuresMs.length - 1] ?? null;
  }

  /** Failures within the window, the last one included. */
  get failureCount(): number {
    return this.#failuresMs.length;
  }
}
