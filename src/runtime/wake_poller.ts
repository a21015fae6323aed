/** How any thread wakes the poller of another. Apart from the pollers: who wakes one needs none. */
import type { Posix } from "./posix/posix.ts";

/** Adds 1 to the poller's eventfd. From any thread; about a microsecond, so only when the other side sleeps. */
export function wakeEpollPoller(posix: Posix, wakeHandle: number): void {
  posix.signalEventfd(wakeHandle);
}

/**
 * Wakes the poller whose wake word is `words[wakeHandle]`, from any thread. `words` is the array given to
 * that poller or another view of the same memory.
 */
export function wakeSocketPoller(words: Int32Array, wakeHandle: number): void {
  Atomics.add(words, wakeHandle, 1);
  Atomics.notify(words, wakeHandle);
}
