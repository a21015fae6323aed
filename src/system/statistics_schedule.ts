/**
 * When a server sends its summary: soon after the start, then less and less often; and at most once a second, however
 * often it is asked. Times are steady-clock milliseconds. Source: nats-server startStatszTimer, heartbeatStatsz,
 * limitStatsz.
 */
const FIRST_MS = 250;
const INTERVAL_MS_MAX = 10_000;
const PAUSE_MS_MIN = 1000;

export class StatisticsSchedule {
  #intervalMs = FIRST_MS;
  #lastMs = Number.NEGATIVE_INFINITY;
  /** When the timer is to go off. */
  dueMs: number;

  constructor(nowMs: number) {
    this.dueMs = nowMs + FIRST_MS;
  }

  /** The timer has gone off: sets when it does next. `maySend` says whether anything is sent now. */
  advance(nowMs: number): void {
    this.#intervalMs = Math.min(this.#intervalMs * 2, INTERVAL_MS_MAX);
    this.dueMs = nowMs + this.#intervalMs;
  }

  /** Whether the summary may be sent now, which counts as sending it; if it is too soon, the timer is set for it. */
  maySend(nowMs: number): boolean {
    const pauseMs = Math.min(PAUSE_MS_MIN, this.#intervalMs);
    if (nowMs - this.#lastMs < pauseMs) {
      this.dueMs = this.#lastMs + pauseMs;
      return false;
    }
    this.#lastMs = nowMs;
    return true;
  }

  /** Somebody asked for it: the next one is never too soon. */
  forgetLast(): void {
    this.#lastMs = Number.NEGATIVE_INFINITY;
  }
}
