import { assert } from "../base/assert.ts";
import { LOCK, VERSION } from "../memory/interest_layout.ts";
import type { InterestMemory } from "./interest_memory.ts";

const LOCK_HAS_WAITERS = 0x100;
const SPIN_COUNT_MAX = 200;
const WAIT_MS = 1;
const WAIT_TIMEOUT_COUNT_MAX = 10_000;

/**
 * The index's one write lock, and the version that its readers check.
 *
 * A writer: `acquire`, work that readers cannot see, `beginChange`, stores, `endChange`, `release`.
 * A reader: `version = stableVersion()`, loads, `isUnchanged(version)`. If that is false, all it has read is void.
 *
 * If an owner does not release the lock for ten seconds, it has died, and what it was changing cannot be trusted any
 * more. The next writer's assertion says so.
 */
export class WriteLock {
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #fence = new Int32Array(new SharedArrayBuffer(4));

  constructor(memory: InterestMemory) {
    this.#words = memory.words;
  }

  /** Blocks until this thread holds the lock under the number `owner`, 0 to 254. Not reentrant. */
  acquire(owner: number): void {
    const words = this.#words;
    const held = owner + 1;
    for (let spin = 0; spin < SPIN_COUNT_MAX; spin++) {
      if (Atomics.load(words, LOCK) === 0 && Atomics.compareExchange(words, LOCK, 0, held) === 0) return;
    }
    let timeoutCount = 0;
    for (;;) {
      const seen = Atomics.load(words, LOCK);
      if (seen === 0) {
        // Others may still sleep, so the mark stays, and this owner's release wakes one of them.
        if (Atomics.compareExchange(words, LOCK, 0, held | LOCK_HAS_WAITERS) === 0) return;
        continue;
      }
      const marked = seen | LOCK_HAS_WAITERS;
      if (seen !== marked && Atomics.compareExchange(words, LOCK, seen, marked) !== seen) continue;
      if (Atomics.wait(words, LOCK, marked, WAIT_MS) === "timed-out") timeoutCount++;
      assert(timeoutCount < WAIT_TIMEOUT_COUNT_MAX, "interest: the write lock was not released in 10 s");
    }
  }

  release(): void {
    if (Atomics.exchange(this.#words, LOCK, 0) & LOCK_HAS_WAITERS) Atomics.notify(this.#words, LOCK, 1);
  }

  /** The number under which the lock is held now, −1 while nobody holds it. */
  owner(): number {
    return (Atomics.load(this.#words, LOCK) & (LOCK_HAS_WAITERS - 1)) - 1;
  }

  /** From here to `endChange`, readers wait or retry. The load keeps arm64 from moving later stores up. */
  beginChange(): void {
    Atomics.store(this.#words, VERSION, (this.#words[VERSION]! + 1) | 0);
    Atomics.load(this.#words, VERSION);
  }

  endChange(): void {
    Atomics.store(this.#words, VERSION, (this.#words[VERSION]! + 1) | 0);
  }

  /** The version to read under. It is odd if a writer did not finish within a few microseconds. */
  stableVersion(): number {
    let version = Atomics.load(this.#words, VERSION);
    for (let spin = 0; spin < SPIN_COUNT_MAX && (version & 1) !== 0; spin++) {
      version = Atomics.load(this.#words, VERSION);
    }
    return version;
  }

  /**
   * Whether everything loaded since `stableVersion` returned `version` belongs together. The store to a
   * private word keeps arm64 from moving those loads below the check (release before acquire).
   */
  isUnchanged(version: number): boolean {
    Atomics.store(this.#fence, 0, 0);
    return Atomics.load(this.#words, VERSION) === version;
  }
}
