/**
 * Says when a thread should collect its garbage. JavaScriptCore counts the 4 GiB of the shared memory as the thread's own
 * and so waits for gigabytes of garbage; a thread that never returns to its event loop is not tidied otherwise.
 *
 * It watches the resident memory of the process: any thread that finds it grown collects what is its own.
 */
const CHECK_EVERY_MS = 100;
const GROWTH_BYTES = 64 * 1024 * 1024;

export class GrowthWatch {
  readonly #residentBytes: () => number;
  readonly #collect: () => void;
  #base = 0;
  #nextCheckMs = 0;

  /** `residentBytes` tells the memory of the process, 0 where it cannot; `collect` frees the thread's garbage at once. */
  constructor(residentBytes: () => number, collect: () => void) {
    this.#residentBytes = residentBytes;
    this.#collect = collect;
  }

  /** Collects if the process has grown by 64 MiB since that was last done; looks ten times a second at most. */
  check(nowMs: number): void {
    if (nowMs < this.#nextCheckMs) return;
    this.#nextCheckMs = nowMs + CHECK_EVERY_MS;
    const resident = this.#residentBytes();
    if (resident === 0) return;
    if (this.#base === 0 || resident < this.#base) this.#base = resident;
    if (resident - this.#base < GROWTH_BYTES) return;
    this.#collect();
    this.#base = this.#residentBytes();
  }
}
