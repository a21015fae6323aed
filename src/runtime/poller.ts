import type { Socket } from "node:net";

/** The socket has bytes, or the end of the stream, or an error to read. */
export const READABLE = 1;
/** The socket takes bytes again. */
export const WRITABLE = 2;
/**
 * Both directions are gone. It is reported whatever the interest is, and again at each wait, until the slot is closed.
 * What is left may be read before.
 */
export const HANGUP = 4;

/** Nothing to read, or no room to write: wait for READABLE or WRITABLE. */
export const WOULD_BLOCK = -1;
/** The connection is lost; `lastError()` says how. */
export const READ_FAILED = -2;
/** The connection is lost; `lastError()` says how. */
export const WRITE_FAILED = -2;
/** The stream reads to the shared memory only. */
export const NOT_INTO = -3;

/**
 * What a stream is made of: a connected non-blocking fd for the epoll poller, a `node:net` socket for the runtime
 * poller, or what another thread's poller has handed over.
 */
export type StreamSource = number | Socket | HandedStream;

/** A stream on its way from one thread to another. */
export type HandedStream =
  /** The socket itself, with the address of its `SSL`, 0 without TLS. Plain data. */
  | { readonly kind: "epoll"; readonly fd: number; readonly ssl: number }
  /** A port for the bytes in and out of a socket, which stays where it is. The port is to be transferred. */
  | { readonly kind: "runtime"; readonly port: MessagePort };

/**
 * Bytes in and out of connections, each named by its slot. The poller offers this over plain TCP. TLS, S2 and WebSocket
 * are further `Streams` on top of one. Hot: with epoll, nothing here allocates.
 */
export interface Streams {
  /**
   * Reads up to `lengthBytes` (> 0) to byte `offset` of the shared memory. Returns the bytes read, 0 at the end of
   * the stream, WOULD_BLOCK or READ_FAILED.
   */
  read(slot: number, offset: number, lengthBytes: number): number;
  /**
   * Writes the pieces of an iovec array that lies at byte `iovecOffset` (8-aligned) of the shared memory. An entry is a
   * u64 address, which is `memoryBase` + offset, and a u64 length. There are at most IOV_MAX of them. Returns the bytes
   * taken (maybe fewer than offered), WOULD_BLOCK or WRITE_FAILED. The next write must offer what was not taken again.
   * The poller may write to the 16 bytes before the first piece, which lie in the same page as that piece.
   */
  writeGathered(slot: number, iovecOffset: number, count: number): number;
  /**
   * The same for `bytes[start, end)` of a view that is used over and over, because its address is looked up once. The
   * view is of the whole shared memory, or lies over an `ArrayBuffer` of its own. Not for a view that is made per call.
   */
  write(slot: number, bytes: Uint8Array, start: number, end: number): number;
  /** Why the last call returned READ_FAILED or WRITE_FAILED, in Go's words ("connection reset by peer"). Cold. */
  lastError(): string;
}

/**
 * Writes a few bytes that the caller does not keep, as handshakes do. False if the stream does not take all of them.
 */
export function writeOnce(streams: Streams, slot: number, bytes: Uint8Array): boolean {
  const copy = new Uint8Array(new ArrayBuffer(bytes.length));
  copy.set(bytes);
  return streams.write(slot, copy, 0, copy.length) === copy.length;
}

/**
 * One thread's sockets and its sleep. Slots are small integers below the `slotsMax` given at construction. The caller
 * chooses one when it adds a stream. Everything is level-triggered: what is still true is reported again.
 *
 * The thread's life is `poller.run(turn)`, where `turn` is one pass of a loop:
 *
 *     const events = poller.wait(timeoutMs);
 *     for (let i = 0; i < events; i++) serve(poller.eventSlot(i), poller.eventFlags(i));
 *     …
 *
 * With epoll, `run` is a plain loop and `wait` blocks. With the runtime's sockets, `wait` only takes what is ready and
 * notes the timeout, and the event loop calls `turn` again when there is more: at once after a wait that returned
 * events or asked for 0 ms, otherwise when a socket is ready, someone wakes the poller or the timeout has passed. A
 * turn must work with no events at all.
 */
export interface Poller extends Streams {
  readonly kind: "epoll" | "runtime";
  /** The address to add to an offset of the shared memory in an iovec entry; 0 with the runtime's sockets. */
  readonly memoryBase: number;
  /** With this, any thread may wake this poller by `wakeEpollPoller` or `wakeSocketPoller`. */
  readonly wakeHandle: number;

  /** Takes over a connected socket, on which Nagle's algorithm is off. Reports READABLE from now on. */
  add(slot: number, source: StreamSource): void;
  /**
   * Gives a stream away, so that another thread can add it to its own poller. Its slot is free then. The caller has
   * taken in everything that was read, and everything written is out.
   */
  handOver(slot: number): HandedStream;
  /**
   * Like `read`, to `bytes[start, end)` of a view that lies over an `ArrayBuffer` of its own. Returns NOT_INTO where a
   * layer needs the shared memory for what it reads. For long reads: the address is looked up each time.
   */
  readInto(slot: number, bytes: Uint8Array, start: number, end: number): number;
  /** Says which of READABLE and WRITABLE to report. Cheap if nothing changes. */
  setInterest(slot: number, readable: boolean, writable: boolean): void;
  /** Closes the connection once written bytes are out, and drops its events of this turn. */
  close(slot: number): void;

  /**
   * Waits up to `timeoutMs` (0: only looks, −1: for ever) and returns the number of events, which may be 0 after a
   * wake. A wake while nobody waits makes the next wait return at once.
   */
  wait(timeoutMs: number): number;
  /** The slot of event `i` of the last wait. */
  eventSlot(i: number): number;
  /** READABLE | WRITABLE | HANGUP of event `i` of the last wait; 0 if its slot was closed since. */
  eventFlags(i: number): number;

  /**
   * Calls `turn` until `stop`. With epoll it returns only then, and meanwhile no promise settles and no timer fires.
   */
  run(turn: () => void): Promise<void>;
  /** Ends `run` after the current turn. Called from a turn. */
  stop(): void;
  /** Closes every stream and the poller itself. */
  dispose(): void;
}
