/** Lame duck mode: from the moment a server takes no more clients until none is left. Source: nats-server `lameDuckMode`. */
export interface LameDuckSteps {
  /**
   * How long closing takes from the beginning to the last client; less if there are too few clients to fill it with
   * pauses of a second.
   */
  readonly durationMs: number;
  /** How long clients may go by themselves before the first one is closed. */
  readonly gracePeriodMs: number;
  clientCount(): number;
  /** Tells the clients of it. */
  announce(): void;
  /** The grace period is over. */
  beginClosing(): void;
  close(count: number): void;
}

/** Clients are never closed slower than this, one at a time. */
const PAUSE_MS_MAX = 1000;
/** Shorter pauses close several clients at once instead. */
const PAUSE_MS_MIN = 10;
/** How often it looks whether what it closed is gone. */
const LAST_LOOK_MS = 10;

export class LameDuck {
  readonly #steps: LameDuckSteps;
  readonly #cancelled = Promise.withResolvers<void>();
  #isCancelled = false;

  constructor(steps: LameDuckSteps) {
    this.#steps = steps;
  }

  /** Ends it at once; `run` resolves. */
  cancel(): void {
    this.#isCancelled = true;
    this.#cancelled.resolve();
  }

  /** Resolves when no client is left, or after `cancel`. */
  async run(): Promise<void> {
    const { durationMs, gracePeriodMs, clientCount } = this.#steps;
    if (clientCount() === 0) return;
    const endMs = performance.now() + durationMs;
    this.#steps.announce();
    await this.#pause(gracePeriodMs);
    if (this.#isCancelled) return;
    this.#steps.beginClosing();
    while (!this.#isCancelled) {
      const count = clientCount();
      if (count === 0) return;
      const leftMs = Math.max(endMs - performance.now(), 0);
      const batch = leftMs === 0 ? count : Math.ceil((count * PAUSE_MS_MIN) / leftMs);
      this.#steps.close(batch);
      const pauseMs = Math.min((leftMs * batch) / count, PAUSE_MS_MAX);
      // The last one needs no pause after it, only to be gone.
      await this.#pause(batch >= count ? LAST_LOOK_MS : pauseMs * (0.5 + Math.random() / 2));
    }
  }

  async #pause(ms: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const passed = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms);
    });
    await Promise.race([passed, this.#cancelled.promise]);
    clearTimeout(timer);
  }
}
