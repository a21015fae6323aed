/** Calls of isOver() between two reads of the clock: this many pieces of work are done however long each takes. */
const CALLS_PER_LOOK = 16;

/** A time limit on work that asks before each piece of it. Steady-clock milliseconds. */
export class TimeLimit {
  readonly #ms: number;
  #endMs = 0;
  #callsToLook = 0;
  #isOver = false;

  constructor(ms: number) {
    this.#ms = ms;
  }

  start(nowMs: number): void {
    this.#endMs = nowMs + this.#ms;
    this.#callsToLook = CALLS_PER_LOOK;
    this.#isOver = false;
  }

  isOver(): boolean {
    if (--this.#callsToLook <= 0) {
      this.#callsToLook = CALLS_PER_LOOK;
      this.look();
    }
    return this.#isOver;
  }

  /** isOver() after a piece of work that may have lasted long by itself: always reads the clock. */
  look(): boolean {
    this.#isOver ||= performance.now() > this.#endMs;
    return this.#isOver;
  }
}
