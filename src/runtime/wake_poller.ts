/** How any thread wakes the poller of another. This is apart from the pollers, because waking one needs none. */
import type { Posix } from "./posix/posix.ts";

/** Adds 1 to the poller's eventfd, from any thread. It takes about 1 µs, so call it only if the other side sleeps. */
export function wakeEpollPoller(posix: Posix, wakeHandle: number): void {
  posix.signalEventfd(wakeHandle);
}

/**
 * Wakes the poller whose wake word is `words[wakeHandle]`, from any thread. `words` is the array that the poller was
 * given, or another view of the same memory.
 */
export function wakeSocketPoller(words: Int32Array, wakeHandle: number): void {
  Atomics.add(words, wakeHandle, 1);
  Atomics.notify(words, wakeHandle);
}
