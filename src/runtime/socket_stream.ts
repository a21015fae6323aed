/** A socket of the runtime as a poller serves it: still connecting, plain, or with TLS on top. */
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { assert } from "../base/assert.ts";
import { CONNECT_FAILED, CONNECTED, dialErrorText, isToItself } from "./dialling.ts";
import { HANGUP, READ_FAILED, READABLE, WOULD_BLOCK, WRITABLE, WRITE_FAILED } from "./poller.ts";
import { LINGER_MS, PortStream } from "./port_stream.ts";
import { errnoText, errnoTextOf } from "./posix/errno.ts";
import { ECONNREFUSED } from "./posix/libc.ts";
import { type SocketAddress, withoutMapping } from "./posix/socket_address.ts";
import {
  NOT_TLS,
  type SocketTls,
  sessionOf,
  socketHandshakeError,
  TLS_HANDSHAKE_BYTE,
} from "./socket_tls.ts";
import {
  type DialledServer,
  HANDSHAKE_DONE,
  HANDSHAKE_FAILED,
  type HandshakeError,
  type TlsSession,
} from "./tls.ts";

/** A stream takes writes while fewer bytes than this wait in its socket. */
const UNSENT_BYTES_MAX = 256 * 1024;
/** A socket whose unread bytes exceed this is paused. */
const UNREAD_BYTES_MAX = 256 * 1024;

type StreamSocket = Socket | TLSSocket | PortStream;

/** One socket, with what a `Poller` needs for reading and writing. */
export class SocketStream {
  #socket: StreamSocket;
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
  /** The TLS of a handshake that begins with the peer's first byte, or, as the client, with the next call. */
  #awaitedTls: SocketTls | null = null;
  #dialled: DialledServer | null = null;
  /** The handshake is over, and the caller has not been told. */
  #isHandshakeNews = false;
  #isHandshakeDone = false;
  /** The target of a connection under way; null once it is connected. */
  #target: SocketAddress | null;

  constructor(socket: Socket | PortStream, target: SocketAddress | null, onReady: () => void) {
    this.#socket = socket;
    this.#target = target;
    this.#onReady = onReady;
    if (target === null) socket.setNoDelay(true);
    else socket.once("connect", onReady);
    this.#listen(socket);
  }

  finishConnect(): number {
    const target = this.#target;
    assert(target !== null, "SocketPoller.finishConnect: the slot is not connecting");
    if (this.#error !== undefined || this.#hasEnded) return CONNECT_FAILED;
    if (this.#socket.connecting) return WOULD_BLOCK;
    if (isToItself(this.localAddress(), target.ip, target.port)) return CONNECT_FAILED;
    this.#target = null;
    this.#socket.setNoDelay(true);
    this.#onReady();
    return CONNECTED;
  }

  dialError(): string {
    const { ip, port } = this.#target!;
    const what = this.#error === undefined ? errnoText(ECONNREFUSED) : errnoTextOf(this.#error);
    return dialErrorText(ip, port, `connect: ${what}`);
  }

  localAddress(): SocketAddress {
    const { localAddress = "", localPort = 0 } = this.#socket;
    return { ip: withoutMapping(localAddress), port: localPort };
  }

  #listen(socket: StreamSocket): void {
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

  /** Notes that a handshake is to come. */
  awaitTls(tls: SocketTls, dialled: DialledServer | null): void {
    // This TLS may be inside of other TLS, whose handshake is done.
    this.#isHandshakeDone = false;
    this.#awaitedTls = tls;
    this.#dialled = dialled;
  }

  /** Puts TLS between the socket and what is read and written. What has arrived already goes to it. */
  #startTls(tls: SocketTls): void {
    const plain = this.#socket;
    assert(!(plain instanceof PortStream), "SocketPoller: TLS begins where the socket is");
    for (const event of ["data", "end", "error", "close"]) plain.removeAllListeners(event);
    plain.pause();
    // Part of the first chunk may have been read, such as the header of a proxy.
    const firstBytes = Buffer.concat(this.#incoming.splice(0)).subarray(this.#headReadBytes);
    if (firstBytes.length > 0) plain.unshift(firstBytes);
    this.#headReadBytes = 0;
    this.#unreadBytes = 0;
    const dialled = this.#dialled;
    const socket =
      dialled === null ? tls.secure(plain, firstBytes) : tls.secureAsClient(plain, dialled.serverName);
    this.#socket = socket;
    // The socket on top reports what matters of these.
    plain.on("error", () => {});
    plain.on("close", () => {
      this.#hasEnded = true;
      this.#onReady();
    });
    // As a client, `secure` would come before the server's certificate was checked.
    socket.on(dialled === null ? "secure" : "secureConnect", () => {
      this.#isHandshakeDone = true;
      this.#isHandshakeNews = true;
      this.#onReady();
    });
    this.#listen(socket);
  }

  handshake(): number {
    this.#isHandshakeNews = false;
    if (this.#awaitedTls !== null) {
      const first = this.#dialled === null ? this.peek() : TLS_HANDSHAKE_BYTE;
      if (first === WOULD_BLOCK) return WOULD_BLOCK;
      if (first !== TLS_HANDSHAKE_BYTE) return HANDSHAKE_FAILED;
      this.#startTls(this.#awaitedTls);
      this.#awaitedTls = null;
    }
    if (this.#isHandshakeDone) return HANDSHAKE_DONE;
    return this.#error === undefined && !this.#hasEnded ? WOULD_BLOCK : HANDSHAKE_FAILED;
  }

  handshakeError(): HandshakeError {
    // The peer has begun with something else than TLS, and no TLS library has seen it.
    return this.#awaitedTls !== null && this.#unreadBytes > 0
      ? NOT_TLS
      : socketHandshakeError(this.#socket, this.#error);
  }

  session(): TlsSession {
    return sessionOf(this.#socket as TLSSocket);
  }

  /**
   * Gives the socket's bytes, unread ones included, to the other end of `port`. Returns the socket; it closes with the
   * port.
   */
  relay(port: PortStream): Duplex {
    const socket = this.#socket;
    for (const event of ["data", "end", "error", "close"]) socket.removeAllListeners(event);
    socket.pause();
    for (const chunk of this.#unread()) port.write(chunk);
    socket.pipe(port);
    port.pipe(socket);
    socket.on("error", () => {});
    socket.once("close", () => port.destroy());
    port.once("close", () => {
      if (port.readableEnded) linger(socket);
      else socket.destroy();
    });
    return socket;
  }

  /** Takes what has arrived and is not read yet. */
  #unread(): Uint8Array[] {
    const [head, ...rest] = this.#incoming.splice(0);
    return head === undefined ? [] : [head.subarray(this.#headReadBytes), ...rest];
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
    if (this.#target !== null) {
      if (this.#error !== undefined || this.#hasEnded) return HANGUP;
      return this.#socket.connecting ? 0 : WRITABLE;
    }
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

  /** How many bytes it takes now, or WOULD_BLOCK or WRITE_FAILED. */
  roomBytes(): number {
    if (this.#error !== undefined || !this.#socket.writable) return WRITE_FAILED;
    const roomBytes = UNSENT_BYTES_MAX - this.#unsentBytes;
    return roomBytes > 0 ? roomBytes : WOULD_BLOCK;
  }

  /** Sends `bytes`, which belong to the socket from now on. */
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
    if (this.#target !== null) {
      this.#socket.destroy();
      return;
    }
    this.#isReadWanted = false;
    this.#socket.removeAllListeners("data");
    linger(this.#socket);
    this.#socket.end(() => this.#socket.destroy());
  }

  /** Closes it without delay: what was written may be lost. */
  destroy(): void {
    this.#socket.destroy();
  }
}

/** Gives what was written a moment to leave. What still comes in is dropped, so that it does not delay the end. */
function linger(socket: Duplex): void {
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once("close", () => clearTimeout(timer));
  socket.resume();
}
