/** Calls of isOver() between two looks at the clock: so many pieces of work there are however long each takes. */
const CALLS_PER_LOOK = 16;

/** How long something may go on, asked before each piece of it. Steady-clock milliseconds. */
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

  /** The same, of what may have lasted long by itself. */
  look(): boolean {
    this.#isOver ||= performance.now() > this.#endMs;
    return this.#isOver;
  }
}
