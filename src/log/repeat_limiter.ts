/** Distinct messages remembered within one interval; past them new ones are held back too. */
const KEYS_MAX = 10_000;

/**
 * Lets each message through once an interval, for messages that a peer can cause at will
 * (limits, time-outs, stalls). Times are milliseconds of any clock that does not run backwards.
 */
export class RepeatLimiter {
  readonly #intervalMs: number;
  readonly #seen = new Set<string>();
  #intervalStartMs = Number.NEGATIVE_INFINITY;

  constructor(intervalMs = 1000) {
    this.#intervalMs = intervalMs;
  }

  /** Says whether the message called `key` may be logged now. */
  allow(key: string, nowMs: number): boolean {
    if (nowMs - this.#intervalStartMs >= this.#intervalMs) {
      this.#intervalStartMs = nowMs;
      this.#seen.clear();
    }
    if (this.#seen.has(key) || this.#seen.size >= KEYS_MAX) return false;
    this.#seen.add(key);
    return true;
  }
}
