import type { Socket } from "node:net";

/** The socket has bytes, or the end of the stream, or an error to read. */
export const READABLE = 1;
/** The socket takes bytes again. */
export const WRITABLE = 2;
/**
 * Both directions are gone. Reported whatever the interest is and again at each wait: close the slot, after
 * reading what is left if that matters.
 */
export const HANGUP = 4;

/** Nothing to read, or no room to write: wait for READABLE or WRITABLE. */
export const WOULD_BLOCK = -1;
/** The connection is lost; `lastError()` says how. */
export const READ_FAILED = -2;
/** The connection is lost; `lastError()` says how. */
export const WRITE_FAILED = -2;

/**
 * A connected non-blocking fd under the epoll poller, a `node:net` socket under the runtime poller, or what another thread's
 * poller has given away.
 */
export type StreamSource = number | Socket | HandedStream;

/** A stream on its way from one thread to another. */
export type HandedStream =
  /** The socket itself, with its `SSL` (an address, 0 without TLS): plain data. */
  | { readonly kind: "epoll"; readonly fd: number; readonly ssl: number }
  /** The bytes in and out of a socket that stays where it is; the port is to be transferred. */
  | { readonly kind: "runtime"; readonly port: MessagePort };

/**
 * Bytes in and out of connections, each named by its slot. The poller offers this over plain TCP; TLS and
 * WebSocket are further `Streams` that stand on one. Hot: nothing here allocates (epoll).
 */
export interface Streams {
  /**
   * Reads up to `lengthBytes` (> 0) to byte `offset` of the shared memory. Returns the bytes read, 0 at the end of
   * the stream, WOULD_BLOCK or READ_FAILED.
   */
  read(slot: number, offset: number, lengthBytes: number): number;
  /**
   * Writes the pieces of an iovec array that lies at byte `iovecOffset` (8-aligned) of the shared memory.
   * Entries are u64 address and u64 length, addresses as `memoryBase` + offset, at most IOV_MAX of them.
   * Returns the bytes taken (maybe fewer than offered), WOULD_BLOCK or WRITE_FAILED. What is not taken is offered again,
   * by the next write; the 16 bytes before the first piece are the poller's to write to, in the page of that piece.
   */
  writeGathered(slot: number, iovecOffset: number, count: number): number;
  /**
   * The same for `bytes[start, end)` of a view that is used over and over, of the whole shared memory or over an `ArrayBuffer`
   * of its own: its address is looked up once. Not for a view made per call.
   */
  write(slot: number, bytes: Uint8Array, start: number, end: number): number;
  /** Why the last call returned READ_FAILED or WRITE_FAILED, in Go's words ("connection reset by peer"). Cold. */
  lastError(): string;
}

/** Writes a few bytes that nobody keeps, as handshakes do; false where the stream does not take all of them. */
export function writeOnce(streams: Streams, slot: number, bytes: Uint8Array): boolean {
  const copy = new Uint8Array(new ArrayBuffer(bytes.length));
  copy.set(bytes);
  return streams.write(slot, copy, 0, copy.length) === copy.length;
}

/**
 * One thread's sockets and its sleep. Slots are small integers below the `slotsMax` given at construction,
 * chosen by the caller when it adds a stream. Everything is level-triggered: what is still true is reported
 * again.
 *
 * The thread's life is `poller.run(turn)`, where `turn` is one pass of a loop:
 *
 *     const events = poller.wait(timeoutMs);
 *     for (let i = 0; i < events; i++) serve(poller.eventSlot(i), poller.eventFlags(i));
 *     …
 *
 * With epoll `run` is a plain loop and `wait` blocks. With the runtime's sockets `wait` only takes what is
 * ready and notes the timeout; `turn` runs again from the event loop when there is more: at once after a
 * wait that returned events or asked for 0 ms, otherwise when a socket is ready, someone wakes the poller
 * or the timeout has passed. A turn must be right with no events at all.
 */
export interface Poller extends Streams {
  readonly kind: "epoll" | "runtime";
  /** The address to add to an offset of the shared memory in an iovec entry; 0 with the runtime's sockets. */
  readonly memoryBase: number;
  /** Any thread may wake this poller: `wakeEpollPoller` or `wakeSocketPoller` with this. */
  readonly wakeHandle: number;

  /** Takes over a connected socket, without Nagle's algorithm, and reports READABLE from now on. */
  add(slot: number, source: StreamSource): void;
  /**
   * Gives a stream away, whose slot is free then: another thread adds it to its own poller. Nothing has been read of it that
   * was not taken, and everything written is out.
   */
  handOver(slot: number): HandedStream;
  /** Which of READABLE and WRITABLE to report. Cheap where nothing changes. */
  setInterest(slot: number, readable: boolean, writable: boolean): void;
  /** Closes the connection once written bytes are out, and drops its events of this turn. */
  close(slot: number): void;

  /**
   * Waits up to `timeoutMs` (0: only looks, −1: for ever) and returns the number of events, 0 also after a wake.
   * A wake while nobody waits makes the next wait return at once.
   */
  wait(timeoutMs: number): number;
  /** The slot of event `i` of the last wait. */
  eventSlot(i: number): number;
  /** READABLE | WRITABLE | HANGUP of event `i` of the last wait; 0 where its slot was closed since. */
  eventFlags(i: number): number;

  /** Calls `turn` until `stop`. With epoll it returns only then: meanwhile no promise settles, no timer fires. */
  run(turn: () => void): Promise<void>;
  /** Ends `run` after the current turn. Called from a turn. */
  stop(): void;
  /** Closes every stream and the poller itself. */
  dispose(): void;
}
