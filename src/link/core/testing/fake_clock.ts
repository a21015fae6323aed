import type { LinkClock } from "../link.ts";

interface Timer {
  readonly dueMs: number;
  readonly order: number;
  readonly callback: () => void;
}

/** Virtual time: nothing happens until `advance()`. */
export class FakeClock implements LinkClock {
  /** The result of `random()`, always the same unless a test changes it. */
  chance: number | (() => number) = 0;
  #nowMs = 1000;
  #timers: Timer[] = [];
  #order = 0;

  nowMs(): number {
    return this.#nowMs;
  }

  random(): number {
    return typeof this.chance === "number" ? this.chance : this.chance();
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { dueMs: this.#nowMs + ms, order: this.#order++, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Lets time pass and timers fire, including those that they set. `settle` runs after each. */
  advance(ms: number, settle: () => void = () => {}): void {
    const untilMs = this.#nowMs + ms;
    settle();
    for (;;) {
      const [next] = this.#timers
        .filter((timer) => timer.dueMs <= untilMs)
        .sort((a, b) => a.dueMs - b.dueMs || a.order - b.order);
      if (next === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.callback();
      settle();
    }
    this.#nowMs = untilMs;
  }
}
