/**
 * Limits log lines that any client can cause as often as it likes: of lines with the same statement only one is written
 * in an interval.
 * Source: nats-server log.go, RateLimitErrorf; accounts.go, shouldLogMaxSubErr.
 */

/** How often a line may be written. */
export interface LineLimit {
  /** What the line says, without the client that it is about. */
  readonly statement: string;
  readonly everyMs: number;
}

const SECOND_MS = 1000;

/** How nats-server limits most of the lines that it limits. */
export function onceASecond(statement: string): LineLimit {
  return { statement, everyMs: SECOND_MS };
}

/** Remembers what was written lately. */
export class LineLimits {
  readonly #nowMs: () => number;
  /** Until when a statement is not written again. */
  readonly #silentUntilMs = new Map<string, number>();
  #nextSweepMs = 0;

  /** `nowMs` is a steady clock, in milliseconds. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Whether a line may be written now; it counts as written then. */
  allows({ statement, everyMs }: LineLimit): boolean {
    const nowMs = this.#nowMs();
    if (nowMs >= this.#nextSweepMs) this.#sweep(nowMs);
    const untilMs = this.#silentUntilMs.get(statement);
    if (untilMs !== undefined && nowMs < untilMs) return false;
    this.#silentUntilMs.set(statement, nowMs + everyMs);
    return true;
  }

  /** How many statements are remembered. */
  get size(): number {
    return this.#silentUntilMs.size;
  }

  /**
   * Forgets statements whose interval is over. Clients choose parts of statements, such as names, so the map must not
   * grow.
   */
  #sweep(nowMs: number): void {
    for (const [statement, untilMs] of this.#silentUntilMs)
      if (untilMs <= nowMs) this.#silentUntilMs.delete(statement);
    this.#nextSweepMs = nowMs + SECOND_MS;
  }
}
