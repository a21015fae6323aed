// Hot: the reads and writes run once per batch of messages.
import { assert } from "../../base/assert.ts";
import type { Dialler } from "../dialling.ts";
import type { EpollPoller } from "../epoll_poller.ts";
import type { HandedStream, Poller, StreamSource } from "../poller.ts";
import { HANGUP, READ_FAILED, READABLE, WOULD_BLOCK, WRITABLE, WRITE_FAILED } from "../poller.ts";
import { errnoText } from "../posix/errno.ts";
import { EAGAIN, EINTR, MSG_PEEK } from "../posix/libc.ts";
import type { Posix } from "../posix/posix.ts";
import type { SocketAddress } from "../posix/socket_address.ts";
import {
  type DialledServer,
  HANDSHAKE_DONE,
  HANDSHAKE_FAILED,
  type HandshakeError,
  type TlsContext,
  type TlsLayer,
  type TlsSession,
} from "../tls.ts";
import { handshakeErrorOf } from "./handshake_errors.ts";
import {
  RECORD_BYTES_MAX,
  SSL_ERROR_SYSCALL,
  SSL_ERROR_WANT_READ,
  SSL_ERROR_WANT_WRITE,
  SSL_ERROR_ZERO_RETURN,
} from "./libssl.ts";
import type { OpenSsl } from "./openssl.ts";
import { RecordWriter } from "./record_writer.ts";
import { readSession, refusedCertificates } from "./session.ts";
import { UsableContexts } from "./usable_contexts.ts";

/** The states of a slot, a byte each. */
const PLAIN = 0;
const SHAKING = 1;
const SECURE = 2;
/** OpenSSL has said that the connection is unusable: it may only be freed. */
const BROKEN = 3;
/** Before the handshake, if the client's first message decides about the certificate. */
const UNNAMED = 4;

/**
 * TLS on top of a poller, through OpenSSL on the sockets themselves. A slot is plain until `startTls`. A plain one pays
 * a call and the look at one byte.
 *
 *   PLAIN ─startTls─▶ (UNNAMED ─▶) SHAKING ─handshake─▶ SECURE ─startTls, inside of it─▶ SHAKING …
 *                                     └────────────┬───────┘
 *                                               BROKEN
 *
 * OpenSSL reads ahead, so bytes can wait in it that epoll knows nothing of. `wait` itself reports such slots.
 */
export class TlsPoller implements Poller, Dialler, TlsLayer {
  readonly kind = "epoll";
  readonly memoryBase: number;
  readonly wakeHandle: number;

  readonly #inner: EpollPoller;
  readonly #posix: Posix;
  readonly #openLibrary: () => OpenSsl;
  #openSsl: OpenSsl | null = null;
  readonly #contexts = new UsableContexts();

  readonly #states: Uint8Array;
  // These are about slots that are not plain. They are made with the first context, because most servers have none.
  /** The address of the `SSL` of each slot. */
  #connections = new Float64Array(0);
  /** 1 while the caller wants to be told of bytes to read, and of room to write. */
  #wantsRead = new Uint8Array(0);
  #wantsWrite = new Uint8Array(0);
  /** 1 while OpenSSL must write something before it can read on. */
  #needsWrite = new Uint8Array(0);
  /** 1 if the TLS is inside of other TLS, which may have read ahead, too. */
  #isNested = new Uint8Array(0);
  /** 1 for slots of #buffered. */
  #isBuffered = new Uint8Array(0);
  /** Slots whose bytes may be waiting in OpenSSL. */
  #buffered: number[] = [];
  /** Made with the arrays above. */
  #writer: RecordWriter | null = null;

  /** The name of the context of each slot that is UNNAMED. */
  readonly #contextNames = new Map<number, string>();
  /** The name of the server that we dialled, by the slot of a handshake under way. */
  readonly #serverNames = new Map<number, string>();

  /** One record, filled from many pieces. */
  readonly #record = new Uint8Array(new ArrayBuffer(RECORD_BYTES_MAX));
  readonly #recordAddress: number;
  readonly #memoryWords: Uint32Array;
  /** Address of each buffer given to `write`. */
  readonly #addresses = new WeakMap<Uint8Array, number>();
  /** Slots that the last wait reports after those of the kernel; −1 for one that was closed since. */
  #ownEvents: number[] = [];
  #kernelEventCount = 0;
  #lastError = "";
  #handshakeError: HandshakeError = { text: "", isNoise: false };

  /** `memory` covers the shared memory. `openLibrary` is called for the first context, and may throw. */
  constructor(
    inner: EpollPoller,
    posix: Posix,
    memory: Uint8Array,
    slotsMax: number,
    openLibrary: () => OpenSsl,
  ) {
    this.#inner = inner;
    this.#posix = posix;
    this.#openLibrary = openLibrary;
    this.memoryBase = inner.memoryBase;
    this.wakeHandle = inner.wakeHandle;
    this.#memoryWords = new Uint32Array(memory.buffer, 0, Math.floor(memory.length / 4));
    this.#states = new Uint8Array(slotsMax);
    this.#recordAddress = posix.addressOf(this.#record);
  }

  add(slot: number, source: StreamSource): void {
    if (typeof source === "number" || !("ssl" in source) || source.ssl === 0) {
      this.#inner.add(slot, source);
      return;
    }
    this.#inner.add(slot, source.fd);
    if (this.#openSsl === null) this.#open();
    this.#connections[slot] = source.ssl;
    this.#states[slot] = SECURE;
    this.#begin(slot);
    // The thread that had it before may have read ahead.
    this.#setBuffered(slot, 1);
  }

  /** An `SSL` belongs to no thread, so it goes with its socket. */
  handOver(slot: number): HandedStream {
    const state = this.#states[slot];
    assert(
      state === PLAIN || state === SECURE,
      "TlsPoller.handOver: the stream is in a handshake, or broken",
    );
    const stream = this.#inner.handOver(slot);
    if (stream.kind !== "epoll" || state === PLAIN) return stream;
    assert(!this.#writer!.isOwed(slot), "TlsPoller.handOver: a record is not out");
    const ssl = this.#connections[slot]!;
    this.#forget(slot);
    return { ...stream, ssl };
  }

  connect(slot: number, ip: string, port: number): number {
    return this.#inner.connect(slot, ip, port);
  }

  finishConnect(slot: number): number {
    return this.#inner.finishConnect(slot);
  }

  dialError(): string {
    return this.#inner.dialError();
  }

  localAddress(slot: number): SocketAddress {
    return this.#inner.localAddress(slot);
  }

  fdOf(slot: number): number {
    return this.#inner.fdOf(slot);
  }

  setInterest(slot: number, readable: boolean, writable: boolean): void {
    if (this.#states[slot] === PLAIN) {
      this.#inner.setInterest(slot, readable, writable);
      return;
    }
    this.#wantsRead[slot] = readable ? 1 : 0;
    this.#wantsWrite[slot] = writable ? 1 : 0;
    this.#applyInterest(slot);
  }

  close(slot: number): void {
    const state = this.#states[slot]!;
    if (state !== PLAIN) this.#free(slot, state);
    this.#inner.close(slot);
  }

  wait(timeoutMs: number): number {
    if (this.#buffered.length === 0) {
      if (this.#ownEvents.length > 0) this.#ownEvents = [];
      this.#kernelEventCount = this.#inner.wait(timeoutMs);
      return this.#kernelEventCount;
    }
    this.#ownEvents = this.#buffered.filter((slot) => this.#wantsRead[slot] === 1);
    this.#kernelEventCount = this.#inner.wait(this.#ownEvents.length > 0 ? 0 : timeoutMs);
    return this.#kernelEventCount + this.#ownEvents.length;
  }

  eventSlot(i: number): number {
    if (i < this.#kernelEventCount) return this.#inner.eventSlot(i);
    return Math.max(this.#ownEvents[i - this.#kernelEventCount]!, 0);
  }

  eventFlags(i: number): number {
    if (i >= this.#kernelEventCount) {
      const slot = this.#ownEvents[i - this.#kernelEventCount]!;
      // It may have been served by an event of the kernel's in the meantime, or closed.
      return slot < 0 || this.#isBuffered[slot] === 0 ? 0 : READABLE;
    }
    const flags = this.#inner.eventFlags(i);
    if ((flags & WRITABLE) === 0) return flags;
    const slot = this.#inner.eventSlot(i);
    if (this.#states[slot] === PLAIN) return flags;
    const isForReading = this.#states[slot] === SHAKING || this.#needsWrite[slot] === 1;
    const other = flags & (READABLE | HANGUP);
    return other | (isForReading ? READABLE : 0) | (this.#wantsWrite[slot] === 1 ? WRITABLE : 0);
  }

  read(slot: number, offset: number, lengthBytes: number): number {
    if (this.#states[slot] === PLAIN) return this.#plainly(this.#inner.read(slot, offset, lengthBytes));
    return this.#readSecure(slot, this.memoryBase + offset, lengthBytes);
  }

  readInto(slot: number, bytes: Uint8Array, start: number, end: number): number {
    if (this.#states[slot] === PLAIN) return this.#plainly(this.#inner.readInto(slot, bytes, start, end));
    return this.#readSecure(slot, this.#posix.addressOf(bytes) + start, end - start);
  }

  writeGathered(slot: number, iovecOffset: number, count: number): number {
    if (this.#states[slot] === PLAIN)
      return this.#plainly(this.#inner.writeGathered(slot, iovecOffset, count));
    return count === 1
      ? this.#writer!.writePiece(slot, iovecOffset >>> 2)
      : this.#writer!.writePieces(slot, iovecOffset >>> 2, count);
  }

  write(slot: number, bytes: Uint8Array, start: number, end: number): number {
    if (this.#states[slot] === PLAIN) return this.#plainly(this.#inner.write(slot, bytes, start, end));
    let address = this.#addresses.get(bytes);
    if (address === undefined) {
      address = this.#posix.addressOf(bytes);
      this.#addresses.set(bytes, address);
    }
    return this.#writer!.writeRange(slot, address + start, end - start);
  }

  lastError(): string {
    return this.#lastError === "" ? this.#inner.lastError() : this.#lastError;
  }

  run(turn: () => void): Promise<void> {
    return this.#inner.run(turn);
  }

  stop(): void {
    this.#inner.stop();
  }

  dispose(): void {
    for (let slot = 0; slot < this.#states.length; slot++) {
      if (this.#states[slot] !== PLAIN) this.close(slot);
    }
    this.#inner.dispose();
  }

  useContext(name: string, context: TlsContext | null): void {
    if (context !== null && this.#openSsl === null) this.#open();
    this.#contexts.use(name, context);
  }

  hasContext(name: string): boolean {
    return this.#contexts.has(name);
  }

  peek(slot: number): number {
    const fd = this.#inner.fdOf(slot);
    const count = this.#posix.recv(fd, this.#recordAddress, 1, MSG_PEEK);
    if (count > 0) return this.#record[0]!;
    if (count === 0) return READ_FAILED;
    const errno = this.#posix.errno();
    return errno === EAGAIN || errno === EINTR ? WOULD_BLOCK : READ_FAILED;
  }

  startTls(slot: number, name: string, dialled: DialledServer | null): void {
    const state = this.#states[slot];
    // This is TLS through a proxy, with which TLS is spoken already.
    const isNested = state === SECURE && dialled !== null;
    assert(state === PLAIN || isNested, "TlsPoller.startTls: the stream is encrypted already");
    const stream = isNested ? { ssl: this.#connections[slot]! } : { fd: this.#inner.fdOf(slot) };
    const made = this.#contexts.connectionFor(this.#library(), name, stream, dialled);
    this.#connections[slot] = made.connection;
    this.#isNested[slot] = isNested ? 1 : 0;
    this.#states[slot] = made.needsName ? UNNAMED : SHAKING;
    if (made.needsName) this.#contextNames.set(slot, name);
    if (dialled !== null) this.#serverNames.set(slot, dialled.serverName);
    this.#begin(slot);
  }

  /** Sets the slot to what it is after `add`: READABLE is reported, and nothing was written. */
  #begin(slot: number): void {
    this.#wantsRead[slot] = 1;
    this.#wantsWrite[slot] = 0;
    this.#needsWrite[slot] = 0;
    this.#writer!.begin(slot);
  }

  handshake(slot: number): number {
    const openSsl = this.#library();
    const connection = this.#connections[slot]!;
    if (this.#states[slot] === UNNAMED) this.#chooseContext(slot, connection);
    const result = openSsl.functions.SSL_do_handshake(connection);
    if (result === 1) {
      this.#states[slot] = SECURE;
      this.#serverNames.delete(slot);
      this.#setNeedsWrite(slot, 0);
      return HANDSHAKE_DONE;
    }
    const code = openSsl.getError(connection, result);
    const errno = this.#posix.errno();
    if (code === SSL_ERROR_WANT_READ || code === SSL_ERROR_WANT_WRITE) {
      this.#setNeedsWrite(slot, code === SSL_ERROR_WANT_WRITE ? 1 : 0);
      return WOULD_BLOCK;
    }
    this.#states[slot] = BROKEN;
    const [cause] = openSsl.takeErrors();
    if (cause !== undefined && code !== SSL_ERROR_SYSCALL) {
      const verifyResult = openSsl.functions.SSL_get_verify_result(connection);
      const certificates = verifyResult === 0 ? [] : refusedCertificates(openSsl, connection, verifyResult);
      this.#handshakeError = handshakeErrorOf(
        cause,
        verifyResult,
        certificates,
        this.#serverNames.get(slot),
        (reason) => openSsl.reasonText(reason),
      );
    } else {
      const isEnd = code === SSL_ERROR_ZERO_RETURN || errno === 0 || errno === EAGAIN;
      this.#handshakeError = { text: isEnd ? "EOF" : `read: ${errnoText(errno)}`, isNoise: false };
    }
    return HANDSHAKE_FAILED;
  }

  handshakeError(): HandshakeError {
    return this.#handshakeError;
  }

  session(slot: number): TlsSession {
    return readSession(this.#library(), this.#connections[slot]!);
  }

  #open(): void {
    this.#openSsl = this.#openLibrary();
    const slotsMax = this.#states.length;
    this.#connections = new Float64Array(slotsMax);
    this.#wantsRead = new Uint8Array(slotsMax);
    this.#wantsWrite = new Uint8Array(slotsMax);
    this.#needsWrite = new Uint8Array(slotsMax);
    this.#isNested = new Uint8Array(slotsMax);
    this.#isBuffered = new Uint8Array(slotsMax);
    this.#writer = new RecordWriter(
      this.#posix.memcpy,
      this.#recordAddress,
      this.#memoryWords,
      slotsMax,
      (slot, address, lengthBytes) => this.#sendRecord(slot, address, lengthBytes),
    );
  }

  /** Chooses the certificate that the client's first bytes ask for, or the first one if they ask for none. */
  #chooseContext(slot: number, connection: number): void {
    this.#states[slot] = SHAKING;
    const fd = this.#inner.fdOf(slot);
    const count = this.#posix.recv(fd, this.#recordAddress, this.#record.length, MSG_PEEK);
    const name = this.#contextNames.get(slot)!;
    this.#contextNames.delete(slot);
    this.#contexts.choose(this.#library(), name, connection, this.#record.subarray(0, Math.max(count, 0)));
  }

  /** Returns the result of a plain call. If it failed, the inner poller knows why. */
  #plainly(result: number): number {
    if (result < WOULD_BLOCK) this.#lastError = "";
    return result;
  }

  #library(): OpenSsl {
    const openSsl = this.#openSsl;
    assert(openSsl !== null, "TlsPoller: TLS without a context");
    return openSsl;
  }

  /**
   * Reads records until the buffer is full or nothing is left, so that one call serves as much as one read of a socket.
   */
  #readSecure(slot: number, address: number, lengthBytes: number): number {
    const openSsl = this.#openSsl!;
    const connection = this.#connections[slot]!;
    let filled = 0;
    while (filled < lengthBytes) {
      const count =
        this.#states[slot] === BROKEN ? -1 : openSsl.read(connection, address + filled, lengthBytes - filled);
      if (count <= 0) {
        const outcome = this.#states[slot] === BROKEN ? READ_FAILED : this.#readFailure(slot, count);
        if (filled === 0) {
          this.#setBuffered(slot, 0);
          return outcome;
        }
        // The next read finds again what ended the stream. Epoll might not report it, so the slot counts as buffered.
        this.#setBuffered(slot, outcome === WOULD_BLOCK ? 0 : 1);
        return filled;
      }
      filled += count;
      if (openSsl.hasPending(connection) === 0 && this.#isNested[slot] === 0) {
        this.#setBuffered(slot, 0);
        return filled;
      }
    }
    this.#setBuffered(slot, 1);
    return filled;
  }

  /** 0, WOULD_BLOCK or READ_FAILED, for a read that gave no bytes. To be called directly after it. */
  #readFailure(slot: number, result: number): number {
    const openSsl = this.#openSsl!;
    const code = openSsl.getError(this.#connections[slot]!, result);
    const errno = this.#posix.errno();
    // If there is nothing to read, everything that was read ahead is used up.
    if (code === SSL_ERROR_WANT_READ) {
      if (this.#needsWrite[slot] === 1) this.#setNeedsWrite(slot, 0);
      return WOULD_BLOCK;
    }
    if (code === SSL_ERROR_WANT_WRITE) {
      this.#setNeedsWrite(slot, 1);
      return WOULD_BLOCK;
    }
    if (code === SSL_ERROR_ZERO_RETURN) return 0;
    this.#break(slot, code, errno);
    return READ_FAILED;
  }

  /** Sends a record of at most RECORD_BYTES_MAX. Returns how much of it is out, WOULD_BLOCK or WRITE_FAILED. */
  #sendRecord(slot: number, address: number, lengthBytes: number): number {
    if (this.#states[slot] !== SECURE) return WRITE_FAILED;
    const openSsl = this.#openSsl!;
    const connection = this.#connections[slot]!;
    const written = openSsl.write(connection, address, lengthBytes);
    if (written > 0) return written;
    const code = openSsl.getError(connection, written);
    const errno = this.#posix.errno();
    if (code === SSL_ERROR_WANT_WRITE || code === SSL_ERROR_WANT_READ) return WOULD_BLOCK;
    this.#break(slot, code, errno);
    return WRITE_FAILED;
  }

  /** Marks the connection as unusable, and notes why. */
  #break(slot: number, code: number, errno: number): void {
    this.#states[slot] = BROKEN;
    const openSsl = this.#openSsl!;
    const [cause] = openSsl.takeErrors();
    if (code === SSL_ERROR_SYSCALL || cause === undefined) this.#lastError = errnoText(errno);
    else
      this.#lastError = handshakeErrorOf(cause, 0, [], undefined, (reason) =>
        openSsl.reasonText(reason),
      ).text;
  }

  #setBuffered(slot: number, isBuffered: 0 | 1): void {
    if (this.#isBuffered[slot] === isBuffered) return;
    this.#isBuffered[slot] = isBuffered;
    if (isBuffered === 1) this.#buffered.push(slot);
    else this.#buffered = this.#buffered.filter((other) => other !== slot);
  }

  #setNeedsWrite(slot: number, needsWrite: 0 | 1): void {
    this.#needsWrite[slot] = needsWrite;
    this.#applyInterest(slot);
  }

  #applyInterest(slot: number): void {
    // A slot that must write first is not read meanwhile, because it would be reported again and again.
    const needsWrite = this.#needsWrite[slot] === 1;
    this.#inner.setInterest(
      slot,
      this.#wantsRead[slot] === 1 && !needsWrite,
      this.#wantsWrite[slot] === 1 || needsWrite,
    );
  }

  /** Frees what OpenSSL holds. If the connection is whole, its end is announced, as far as the kernel takes that. */
  #free(slot: number, state: number): void {
    const openSsl = this.#library();
    const connection = this.#connections[slot]!;
    if (state === SECURE) openSsl.functions.SSL_shutdown(connection);
    openSsl.functions.SSL_free(connection);
    openSsl.functions.ERR_clear_error();
    this.#forget(slot);
  }

  /** Makes the slot plain again. */
  #forget(slot: number): void {
    this.#connections[slot] = 0;
    this.#isNested[slot] = 0;
    this.#contextNames.delete(slot);
    this.#serverNames.delete(slot);
    this.#states[slot] = PLAIN;
    this.#setBuffered(slot, 0);
    for (const [i, own] of this.#ownEvents.entries()) {
      if (own === slot) this.#ownEvents[i] = -1;
    }
  }
}
