/**
 * Decides when a thread should collect its garbage. JavaScriptCore counts the 4 GiB of the shared memory as the
 * thread's own, so it waits for gigabytes of garbage. In a thread that never returns to its event loop, nothing else
 * collects.
 *
 * It watches the resident memory of the process. Every thread that finds it grown collects its own garbage.
 */
const CHECK_EVERY_MS = 100;
const GROWTH_BYTES = 64 * 1024 * 1024;

export class GrowthWatch {
  readonly #residentBytes: () => number;
  readonly #collect: () => void;
  #base = 0;
  #nextCheckMs = 0;

  /** `residentBytes` is the memory of the process, 0 if unknown. `collect` frees the thread's garbage at once. */
  constructor(residentBytes: () => number, collect: () => void) {
    this.#residentBytes = residentBytes;
    this.#collect = collect;
  }

  /** Collects if the process has grown by 64 MiB since the last collection. Looks at most ten times a second. */
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
