import { assert } from "../base/assert.ts";
import { errnoText } from "./posix/errno.ts";
import { EAGAIN, ECONNABORTED, EINTR, POLLFD_BYTES, POLLIN } from "./posix/libc.ts";
import type { Posix } from "./posix/posix.ts";

/** Connections taken from one listener before the others have their turn. */
const ACCEPTS_PER_TURN_MAX = 64;
const LISTENERS_MAX = 64;
/** How long nothing is accepted after a failure; doubled while the failure lasts. The same as in nats-server. */
const PAUSE_MS_MIN = 10;
const PAUSE_MS_MAX = 1000;

/** What an acceptor needs of libc. */
export type AcceptorPosix = Pick<
  Posix,
  "accept" | "addressOf" | "close" | "drainEventfd" | "eventfd" | "poll" | "signalEventfd"
>;

/**
 * What an acceptor tells its thread. The caller chooses the ids of listeners. Only `onWake` may change the listeners.
 */
export interface AcceptorHandlers {
  /** `fd` is connected, non-blocking and close-on-exec. It belongs to the callee. */
  onConnection(listenerId: number, fd: number, ip: string, port: number): void;
  /** Nothing is accepted for `pauseMs`, most likely because no file descriptors are left. */
  onPause(listenerId: number, error: string, pauseMs: number): void;
  /** Someone signalled `wakeHandle`: time to `addListener`, `removeListener` or `stop`. */
  onWake(): void;
}

/**
 * The body of the acceptor's thread: `poll` over the listening sockets and an eventfd, then `accept4` in batches. It
 * knows no shards. A thread inside `run` has no event loop, so it hears of commands only by `onWake`. What it posts by
 * `postMessage` arrives promptly on both runtimes.
 */
export class Acceptor {
  readonly wakeHandle: number;

  readonly #posix: AcceptorPosix;
  readonly #handlers: AcceptorHandlers;
  /** Entry 0 of the pollfds is the eventfd, entry i + 1 is listener i. */
  readonly #listeners: { readonly id: number; readonly fd: number }[] = [];
  readonly #pollfds = new DataView(new ArrayBuffer((LISTENERS_MAX + 1) * POLLFD_BYTES));
  readonly #pollfdsAddress: number;
  #isPaused = false;
  /** Length of the current pause, or, while accepting, of the last pause if nothing was accepted since; else 0. */
  #pauseMs = 0;
  #isRunning = false;

  /** Throws if the kernel refuses an eventfd. */
  constructor(posix: AcceptorPosix, handlers: AcceptorHandlers) {
    this.#posix = posix;
    this.#handlers = handlers;
    this.#pollfdsAddress = posix.addressOf(this.#pollfds);
    this.wakeHandle = posix.eventfd();
    if (this.wakeHandle < 0) throw new Error(`cannot make an eventfd: ${errnoText(-this.wakeHandle)}`);
    this.#setPollfd(0, this.wakeHandle);
  }

  /** `fd` is a listening, non-blocking socket. From now on it belongs to the acceptor. */
  addListener(id: number, fd: number): void {
    assert(this.#listeners.length < LISTENERS_MAX, "Acceptor.addListener: more than 64 listeners");
    this.#listeners.push({ id, fd });
    this.#setPollfd(this.#listeners.length, fd);
  }

  /** Stops listening. Connections not yet accepted are reset by the kernel. */
  removeListener(id: number): void {
    const index = this.#listeners.findIndex((listener) => listener.id === id);
    if (index < 0) return;
    this.#posix.close(this.#listeners[index]!.fd);
    this.#listeners.splice(index, 1);
    for (const [i, listener] of this.#listeners.entries()) this.#setPollfd(i + 1, listener.fd);
  }

  /** Accepts until `stop`, which `onWake` may call. */
  run(): void {
    this.#isRunning = true;
    while (this.#isRunning) this.turn(-1);
  }

  /** Closes every listener and ends `run`. */
  stop(): void {
    this.#isRunning = false;
    for (const { id } of [...this.#listeners]) this.removeListener(id);
  }

  /** Frees the eventfd, after `run` has returned. */
  dispose(): void {
    this.stop();
    this.#posix.close(this.wakeHandle);
  }

  /** Does one pass of `run`: waits up to `timeoutMs` (−1: for ever) for a connection or a wake. */
  turn(timeoutMs: number): void {
    // In a pause only the eventfd is polled, so that a waiting connection cannot make us spin.
    const entryCount = this.#isPaused ? 1 : this.#listeners.length + 1;
    const waitMs = this.#isPaused ? this.#pauseMs : timeoutMs;
    const ready = this.#posix.poll(this.#pollfdsAddress, entryCount, waitMs);
    assert(ready >= 0 || ready === -EINTR, "Acceptor: poll failed");
    const isWoken = ready > 0 && this.#isReady(0);
    if (this.#isPaused) {
      // A wake that interrupts a pause starts it again: the next poll waits for all of it.
      if (ready === 0) this.#isPaused = false;
    } else if (ready > 0) {
      const readyListeners = this.#listeners.filter((_, i) => this.#isReady(i + 1));
      for (const listener of readyListeners) {
        if (!this.#isPaused) this.#acceptBatch(listener);
      }
    }
    if (isWoken) {
      this.#posix.drainEventfd(this.wakeHandle);
      this.#handlers.onWake();
    }
  }

  #acceptBatch({ id, fd }: { readonly id: number; readonly fd: number }): void {
    for (let i = 0; i < ACCEPTS_PER_TURN_MAX; i++) {
      const accepted = this.#posix.accept(fd);
      if (typeof accepted !== "number") {
        this.#pauseMs = 0;
        this.#handlers.onConnection(id, accepted.fd, accepted.ip, accepted.port);
      } else if (accepted === -EAGAIN) {
        return;
      } else if (accepted !== -ECONNABORTED && accepted !== -EINTR) {
        this.#pauseMs = Math.min(Math.max(2 * this.#pauseMs, PAUSE_MS_MIN), PAUSE_MS_MAX);
        this.#isPaused = true;
        this.#handlers.onPause(id, errnoText(-accepted), this.#pauseMs);
        return;
      }
    }
  }

  #setPollfd(index: number, fd: number): void {
    this.#pollfds.setInt32(index * POLLFD_BYTES, fd, true);
    this.#pollfds.setInt16(index * POLLFD_BYTES + 4, POLLIN, true);
  }

  #isReady(index: number): boolean {
    return this.#pollfds.getInt16(index * POLLFD_BYTES + 6, true) !== 0;
  }
}
