import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { setImmediate } from "node:timers";
import type { TLSSocket } from "node:tls";
import { assert } from "../base/assert.ts";
import type { Poller, StreamSource } from "./poller.ts";
import { HANGUP, READ_FAILED, READABLE, WOULD_BLOCK, WRITABLE, WRITE_FAILED } from "./poller.ts";
import { errnoTextOf } from "./posix/errno.ts";
import { NOT_TLS, SocketTls, sessionOf, socketHandshakeError, TLS_HANDSHAKE_BYTE } from "./socket_tls.ts";
import {
  HANDSHAKE_DONE,
  HANDSHAKE_FAILED,
  type HandshakeError,
  type TlsContext,
  type TlsLayer,
  type TlsSession,
} from "./tls.ts";
import { wakeSocketPoller } from "./wake_poller.ts";

/** A stream takes writes while fewer bytes than this wait in its socket. */
const UNSENT_BYTES_MAX = 256 * 1024;
/** A socket whose unread bytes exceed this is paused. */
const UNREAD_BYTES_MAX = 256 * 1024;
/** How long a closed connection may take to send what was written before. */
const LINGER_MS = 2000;
/** A timer that only keeps the event loop from ending. */
const FOR_EVER_MS = 2 ** 31 - 1;

/** What a `SocketPoller` is made from. */
export interface SocketPollerOptions {
  /** The shared memory from its first byte. */
  readonly memory: Uint8Array;
  readonly slotsMax: number;
  /** A view of shared memory, and the index of the word that is this poller's alone. */
  readonly wakeWords: Int32Array;
  readonly wakeIndex: number;
}

/**
 * A `Poller` over the runtime's own sockets (`node:net`), for macOS and for Deno without `--allow-ffi`.
 * It copies what epoll does not and allocates per chunk: the fallback, not the fast path.
 */
export class SocketPoller implements Poller, TlsLayer {
  readonly kind = "runtime";
  readonly memoryBase = 0;
  readonly wakeHandle: number;

  readonly #memory: Uint8Array;
  readonly #memoryWords: Uint32Array;
  readonly #slotsMax: number;
  readonly #streams = new Map<number, SocketStream>();
  /** Streams that may have an event; `wait` drops those that have none. */
  readonly #candidates = new Set<number>();
  #eventSlots: number[] = [];
  #eventFlags: number[] = [];
  #lastError = "";
  /** By listener. */
  readonly #tls: SocketTls[] = [];
  #handshakeError: HandshakeError = { text: "", isNoise: false };

  readonly #wakeWords: Int32Array;
  #wakesSeen: number;
  #turn: (() => void) | undefined;
  #isTurnDue = false;
  /** What the last `wait` asked for; −1: nothing but an event ends the sleep. */
  #timeoutMs = -1;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #finish: (() => void) | undefined;

  constructor(options: SocketPollerOptions) {
    const { memory, slotsMax, wakeWords, wakeIndex } = options;
    assert(memory.byteOffset === 0, "SocketPoller: memory starts past its buffer's first byte");
    this.#memory = memory;
    this.#memoryWords = new Uint32Array(memory.buffer, 0, Math.floor(memory.length / 4));
    this.#slotsMax = slotsMax;
    this.#wakeWords = wakeWords;
    this.wakeHandle = wakeIndex;
    this.#wakesSeen = Atomics.load(wakeWords, wakeIndex);
  }

  /** `source` is a connected `node:net` socket nobody has read from, in the turn of the event that gave it. */
  add(slot: number, source: StreamSource): void {
    assert(typeof source === "object", "SocketPoller.add: the source is no socket");
    assert(
      slot < this.#slotsMax && !this.#streams.has(slot),
      "SocketPoller.add: the slot is taken or too large",
    );
    this.#streams.set(slot, new SocketStream(source, () => this.#noteReady(slot)));
  }

  setInterest(slot: number, readable: boolean, writable: boolean): void {
    this.#streamOf(slot).setInterest(readable, writable);
  }

  close(slot: number): void {
    this.#streamOf(slot).close();
    this.#streams.delete(slot);
    this.#candidates.delete(slot);
    for (const [i, eventSlot] of this.#eventSlots.entries()) {
      if (eventSlot === slot) this.#eventFlags[i] = 0;
    }
  }

  wait(timeoutMs: number): number {
    this.#timeoutMs = timeoutMs;
    this.#wakesSeen = Atomics.load(this.#wakeWords, this.wakeHandle);
    this.#eventSlots = [];
    this.#eventFlags = [];
    for (const slot of this.#candidates) {
      const flags = this.#streamOf(slot).readyFlags();
      if (flags === 0) {
        this.#candidates.delete(slot);
      } else {
        this.#eventSlots.push(slot);
        this.#eventFlags.push(flags);
      }
    }
    return this.#eventSlots.length;
  }

  eventSlot(i: number): number {
    return this.#eventSlots[i]!;
  }

  eventFlags(i: number): number {
    return this.#eventFlags[i]!;
  }

  read(slot: number, offset: number, lengthBytes: number): number {
    const stream = this.#streamOf(slot);
    const result = stream.read(this.#memory, offset, lengthBytes);
    if (result === READ_FAILED) this.#lastError = stream.errorText();
    return result;
  }

  writeGathered(slot: number, iovecOffset: number, count: number): number {
    const stream = this.#streamOf(slot);
    const words = this.#memoryWords;
    const firstWord = iovecOffset >>> 2;
    let offeredBytes = 0;
    for (let i = 0; i < count; i++) offeredBytes += words[firstWord + i * 4 + 2]!;
    const roomBytes = this.#roomFor(stream, offeredBytes);
    if (roomBytes <= 0) return roomBytes;
    const copy = new Uint8Array(roomBytes);
    let filled = 0;
    for (let word = firstWord; filled < roomBytes; word += 4) {
      const start = words[word]!;
      const end = start + Math.min(words[word + 2]!, roomBytes - filled);
      copy.set(this.#memory.subarray(start, end), filled);
      filled += end - start;
    }
    stream.send(copy);
    return roomBytes;
  }

  write(slot: number, bytes: Uint8Array, start: number, end: number): number {
    const stream = this.#streamOf(slot);
    const roomBytes = this.#roomFor(stream, end - start);
    if (roomBytes > 0) stream.send(bytes.slice(start, start + roomBytes));
    return roomBytes;
  }

  lastError(): string {
    return this.#lastError;
  }

  useContext(listener: number, context: TlsContext | null): void {
    if (context === null) {
      delete this.#tls[listener];
      return;
    }
    assert(context.kind === "runtime", "SocketPoller.useContext: the context is not the runtime's");
    this.#tls[listener] = new SocketTls(context.options);
  }

  peek(slot: number): number {
    return this.#streamOf(slot).peek();
  }

  startTls(slot: number, listener: number): void {
    const tls = this.#tls[listener];
    assert(tls !== undefined, "SocketPoller.startTls: the listener has no context");
    this.#streamOf(slot).awaitTls(tls);
  }

  handshake(slot: number): number {
    const stream = this.#streamOf(slot);
    const result = stream.handshake();
    if (result === HANDSHAKE_FAILED) this.#handshakeError = stream.handshakeError();
    return result;
  }

  handshakeError(): HandshakeError {
    return this.#handshakeError;
  }

  session(slot: number): TlsSession {
    return this.#streamOf(slot).session();
  }

  run(turn: () => void): Promise<void> {
    assert(this.#turn === undefined, "SocketPoller.run: it runs already");
    this.#turn = turn;
    const keepAlive = setInterval(() => {}, FOR_EVER_MS);
    this.#scheduleTurn();
    void this.#watchWakeWord();
    return new Promise((resolve) => {
      this.#finish = () => {
        clearInterval(keepAlive);
        clearTimeout(this.#timer);
        resolve();
      };
    });
  }

  stop(): void {
    this.#turn = undefined;
    this.#finish?.();
    this.#finish = undefined;
    // Ends #watchWakeWord.
    wakeSocketPoller(this.#wakeWords, this.wakeHandle);
  }

  dispose(): void {
    if (this.#turn !== undefined) this.stop();
    for (const slot of [...this.#streams.keys()]) this.close(slot);
  }

  #streamOf(slot: number): SocketStream {
    const stream = this.#streams.get(slot);
    assert(stream !== undefined, "SocketPoller: no stream in this slot");
    return stream;
  }

  /** How much of `offeredBytes` the stream takes now (> 0), or WOULD_BLOCK or WRITE_FAILED. */
  #roomFor(stream: SocketStream, offeredBytes: number): number {
    const roomBytes = stream.roomBytes();
    if (roomBytes === WRITE_FAILED) this.#lastError = stream.errorText();
    return Math.min(roomBytes, offeredBytes);
  }

  #noteReady(slot: number): void {
    if (!this.#streams.has(slot)) return;
    this.#candidates.add(slot);
    this.#scheduleTurn();
  }

  /** After the event loop has taken in what else is ready, so that one turn serves a batch. */
  #scheduleTurn(): void {
    if (this.#isTurnDue || this.#turn === undefined) return;
    this.#isTurnDue = true;
    setImmediate(() => this.#takeTurn());
  }

  #takeTurn(): void {
    this.#isTurnDue = false;
    if (this.#turn === undefined) return;
    clearTimeout(this.#timer);
    this.#turn();
    if (this.#turn === undefined) return;
    if (this.#eventSlots.length > 0 || this.#timeoutMs === 0) {
      this.#scheduleTurn();
    } else if (this.#timeoutMs > 0) {
      this.#timer = setTimeout(() => this.#scheduleTurn(), this.#timeoutMs);
    }
  }

  async #watchWakeWord(): Promise<void> {
    while (this.#turn !== undefined) {
      const seen = Atomics.load(this.#wakeWords, this.wakeHandle);
      if (seen !== this.#wakesSeen) this.#scheduleTurn();
      const waiting = Atomics.waitAsync(this.#wakeWords, this.wakeHandle, seen);
      if (waiting.async) await waiting.value;
      this.#scheduleTurn();
    }
  }
}

/** One socket, with the reading and writing sides a `Poller` wants. */
class SocketStream {
  #socket: Socket | TLSSocket;
  readonly #onReady: () => void;
  readonly #incoming: Uint8Array[] = [];
  /** Bytes of `#incoming[0]` already read. */
  #headReadBytes = 0;
  #unreadBytes = 0;
  #unsentBytes = 0;
  #hasEnded = false;
  #error: Error | undefined;
  #isReadWanted = true;
  #isWriteWanted = false;
  /** A handshake to begin with the first byte. */
  #awaitedTls: SocketTls | null = null;
  /** The handshake is over, and nobody has been told. */
  #isHandshakeNews = false;
  #isHandshakeDone = false;

  constructor(socket: Socket, onReady: () => void) {
    this.#socket = socket;
    this.#onReady = onReady;
    socket.setNoDelay(true);
    this.#listen(socket);
  }

  #listen(socket: Socket): void {
    socket.on("data", (chunk: Uint8Array) => {
      this.#incoming.push(chunk);
      this.#unreadBytes += chunk.length;
      if (this.#unreadBytes >= UNREAD_BYTES_MAX) socket.pause();
      this.#onReady();
    });
    socket.on("end", () => {
      this.#hasEnded = true;
      this.#onReady();
    });
    socket.on("error", (error) => {
      this.#error ??= error;
      this.#onReady();
    });
    socket.on("close", () => {
      this.#hasEnded = true;
      this.#onReady();
    });
  }

  /** The first unread byte, WOULD_BLOCK or READ_FAILED. */
  peek(): number {
    if (this.#unreadBytes > 0) return this.#incoming[0]![this.#headReadBytes]!;
    return this.#hasEnded || this.#error !== undefined ? READ_FAILED : WOULD_BLOCK;
  }

  /** A handshake is to come, which begins with the peer's first byte. */
  awaitTls(tls: SocketTls): void {
    this.#awaitedTls = tls;
  }

  /** Puts TLS between the socket and what is read and written; what arrived before goes to it. */
  #startTls(tls: SocketTls): void {
    const plain = this.#socket;
    for (const event of ["data", "end", "error", "close"]) plain.removeAllListeners(event);
    plain.pause();
    const firstBytes = Buffer.concat(this.#incoming.splice(0));
    plain.unshift(firstBytes);
    this.#unreadBytes = 0;
    const socket = tls.secure(plain, firstBytes);
    this.#socket = socket;
    // The handshake tells of these by the socket on top, if at all.
    plain.on("error", () => {});
    plain.on("close", () => {
      this.#hasEnded = true;
      this.#onReady();
    });
    socket.on("secure", () => {
      this.#isHandshakeDone = true;
      this.#isHandshakeNews = true;
      this.#onReady();
    });
    this.#listen(socket);
  }

  handshake(): number {
    this.#isHandshakeNews = false;
    if (this.#awaitedTls !== null) {
      const first = this.peek();
      if (first === WOULD_BLOCK) return WOULD_BLOCK;
      if (first !== TLS_HANDSHAKE_BYTE) return HANDSHAKE_FAILED;
      this.#startTls(this.#awaitedTls);
      this.#awaitedTls = null;
    }
    if (this.#isHandshakeDone) return HANDSHAKE_DONE;
    return this.#error === undefined && !this.#hasEnded ? WOULD_BLOCK : HANDSHAKE_FAILED;
  }

  handshakeError(): HandshakeError {
    // Whoever begins in another way is not answered, as a TLS library might.
    return this.#awaitedTls !== null && this.#unreadBytes > 0
      ? NOT_TLS
      : socketHandshakeError(this.#socket, this.#error);
  }

  session(): TlsSession {
    return sessionOf(this.#socket as TLSSocket);
  }

  setInterest(readable: boolean, writable: boolean): void {
    if (readable !== this.#isReadWanted) {
      this.#isReadWanted = readable;
      if (!readable) this.#socket.pause();
      else if (this.#unreadBytes < UNREAD_BYTES_MAX) this.#socket.resume();
    }
    this.#isWriteWanted = writable;
    this.#onReady();
  }

  readyFlags(): number {
    let flags = 0;
    const hasNews = this.#unreadBytes > 0 || this.#hasEnded || this.#error || this.#isHandshakeNews;
    if (this.#isReadWanted && hasNews) flags |= READABLE;
    if (this.#isWriteWanted && this.#unsentBytes < UNSENT_BYTES_MAX) flags |= WRITABLE;
    if (this.#error !== undefined) flags |= HANGUP;
    return flags;
  }

  read(target: Uint8Array, offset: number, lengthBytes: number): number {
    if (this.#unreadBytes === 0) {
      if (this.#error !== undefined) return READ_FAILED;
      return this.#hasEnded ? 0 : WOULD_BLOCK;
    }
    const result = Math.min(lengthBytes, this.#unreadBytes);
    let readBytes = 0;
    while (readBytes < result) {
      const head = this.#incoming[0]!;
      const pieceBytes = Math.min(head.length - this.#headReadBytes, result - readBytes);
      target.set(head.subarray(this.#headReadBytes, this.#headReadBytes + pieceBytes), offset + readBytes);
      readBytes += pieceBytes;
      this.#headReadBytes += pieceBytes;
      if (this.#headReadBytes === head.length) {
        this.#incoming.shift();
        this.#headReadBytes = 0;
      }
    }
    this.#unreadBytes -= result;
    if (this.#isReadWanted && this.#unreadBytes < UNREAD_BYTES_MAX && this.#socket.isPaused()) {
      this.#socket.resume();
    }
    return result;
  }

  /** Bytes it takes now, WOULD_BLOCK or WRITE_FAILED. */
  roomBytes(): number {
    if (this.#error !== undefined || !this.#socket.writable) return WRITE_FAILED;
    const roomBytes = UNSENT_BYTES_MAX - this.#unsentBytes;
    return roomBytes > 0 ? roomBytes : WOULD_BLOCK;
  }

  /** `bytes` belong to the socket from now on. */
  send(bytes: Uint8Array): void {
    this.#unsentBytes += bytes.length;
    this.#socket.write(bytes, () => {
      this.#unsentBytes -= bytes.length;
      if (this.#isWriteWanted) this.#onReady();
    });
  }

  errorText(): string {
    if (this.#error === undefined) return "use of closed network connection";
    return errnoTextOf(this.#error);
  }

  close(): void {
    if (this.#socket.destroyed) return;
    const timer = setTimeout(() => this.#socket.destroy(), LINGER_MS);
    this.#socket.once("close", () => clearTimeout(timer));
    // What still comes in is dropped, and must not hold up the end.
    this.#isReadWanted = false;
    this.#socket.removeAllListeners("data");
    this.#socket.resume();
    this.#socket.end(() => this.#socket.destroy());
  }
}
