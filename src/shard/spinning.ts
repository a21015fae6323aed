/**
 * Decides whether a shard looks for more work before it sleeps. Being woken takes longer than most requests; but whoever
 * sends something each millisecond makes a shard that always looks pay for that, and gains nothing.
 */

/**
 * A shard that received and framed this much in a turn sleeps at once. Nobody waits for a single answer in that much,
 * and looking for the rest of it costs more than being woken.
 */
const BULK_BYTES = 16 * 1024;
/**
 * Looking must find something once in four times. Each time that it did, or would have, earns that many times that it
 * does not. Requests alternate: the answer comes soon, and the next request may not.
 */
const EARNED = 3;
/** The most that is earned: so often a shard looks in vain after it has been busy. */
const EARNED_MAX = 12;

export class Spinning {
  readonly #spinMs: number;
  #lastMs = Number.NEGATIVE_INFINITY;
  #untilMs = 0;
  #earned = EARNED_MAX;

  /** `spinMs` is how long it looks at most, from the beginning of a turn with work. */
  constructor(spinMs: number) {
    this.#spinMs = spinMs;
  }

  /** A turn that began at `startedMs`, steady clock, had work: it received and framed `bytes`. */
  worked(startedMs: number, bytes: number): void {
    const wasSoon = startedMs - this.#lastMs <= this.#spinMs;
    this.#earned = wasSoon ? Math.min(this.#earned + EARNED, EARNED_MAX) : Math.max(this.#earned - 1, 0);
    this.#lastMs = startedMs;
    this.#untilMs = bytes >= BULK_BYTES || this.#earned === 0 ? 0 : startedMs + this.#spinMs;
  }

  /** Whether to look for work now, instead of sleeping. */
  isDue(nowMs: number): boolean {
    return nowMs < this.#untilMs;
  }
}
