// Hot: `wait`, `read` and the writes run once per batch of messages.
import { assert } from "../base/assert.ts";
import { CONNECT_FAILED, CONNECTED, type Dialler, dialErrorText, isToItself } from "./dialling.ts";
import type { HandedStream, Poller, StreamSource } from "./poller.ts";
import { HANGUP, READ_FAILED, READABLE, WOULD_BLOCK, WRITABLE, WRITE_FAILED } from "./poller.ts";
import { errnoText } from "./posix/errno.ts";
import {
  EAFNOSUPPORT,
  EAGAIN,
  ECONNREFUSED,
  EINTR,
  EMFILE,
  ENFILE,
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  EPOLLERR,
  EPOLLET,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  IPPROTO_TCP,
  MSG_NOSIGNAL,
  SO_ERROR,
  SOL_SOCKET,
  TCP_NODELAY,
} from "./posix/libc.ts";
import type { Posix } from "./posix/posix.ts";
import type { SocketAddress } from "./posix/socket_address.ts";

/** Events taken from the kernel in one wait. What is left comes with the next. */
const EVENTS_PER_WAIT_MAX = 512;
/** `data` of the eventfd that wakes us; no slot is this large. */
const WAKE_DATA = 0xffffffff;
const NO_FD = -1;
/** Errors that only `socket` fails with, the first step of a connection. */
const SOCKET_ERRNOS: ReadonlySet<number> = new Set([EMFILE, ENFILE, EAFNOSUPPORT]);

/** A `Poller` on Linux: epoll, `recv`, `send` and `writev` through FFI. */
export class EpollPoller implements Poller, Dialler {
  readonly kind = "epoll";
  readonly memoryBase: number;
  readonly wakeHandle: number;

  readonly #posix: Posix;
  readonly #epollFd: number;
  /** fd of each slot, or NO_FD. */
  readonly #fds: Int32Array;
  /** EPOLLIN | EPOLLOUT as the kernel knows them, per slot. */
  readonly #interests: Uint8Array;
  /** Filled by the kernel. */
  readonly #kernelEvents: Uint32Array;
  readonly #kernelEventsAddress: number;
  readonly #wordsPerEvent: number;
  readonly #dataWord: number;
  /** The last wait's events in our terms. */
  readonly #eventSlots = new Uint32Array(EVENTS_PER_WAIT_MAX);
  readonly #eventFlags = new Uint8Array(EVENTS_PER_WAIT_MAX);
  #eventCount = 0;
  /** Address of each buffer given to `write`. */
  readonly #addresses = new WeakMap<Uint8Array, number>();
  /** By slot: the targets of connections under way. */
  readonly #connecting = new Map<number, SocketAddress>();
  #lastErrno = 0;
  #dialError = "";
  #isRunning = false;

  /** `memory` covers the shared memory from its first byte. Throws if the kernel refuses an epoll or an eventfd. */
  constructor(posix: Posix, memory: Uint8Array, slotsMax: number) {
    assert(memory.byteOffset === 0, "EpollPoller: memory starts past its buffer's first byte");
    this.#posix = posix;
    this.memoryBase = posix.addressOf(memory);
    this.#fds = new Int32Array(slotsMax).fill(NO_FD);
    this.#interests = new Uint8Array(slotsMax);
    this.#wordsPerEvent = posix.epollEvent.bytes >> 2;
    this.#dataWord = posix.epollEvent.dataOffset >> 2;
    this.#kernelEvents = new Uint32Array(new ArrayBuffer(EVENTS_PER_WAIT_MAX * posix.epollEvent.bytes));
    this.#kernelEventsAddress = posix.addressOf(this.#kernelEvents);
    this.#epollFd = posix.epollCreate();
    if (this.#epollFd < 0) throw new Error(`cannot make an epoll: ${errnoText(-this.#epollFd)}`);
    this.wakeHandle = posix.eventfd();
    if (this.wakeHandle < 0) {
      posix.close(this.#epollFd);
      throw new Error(`cannot make an eventfd: ${errnoText(-this.wakeHandle)}`);
    }
    const result = posix.epollControl(
      this.#epollFd,
      EPOLL_CTL_ADD,
      this.wakeHandle,
      EPOLLIN | EPOLLET,
      WAKE_DATA,
    );
    assert(result === 0, "EpollPoller: epoll refused the eventfd");
  }

  /**
   * `source` is a connected fd with O_NONBLOCK and TCP_NODELAY, as `accept` makes it. From now on it belongs to the
   * poller.
   */
  add(slot: number, source: StreamSource): void {
    const fd = typeof source === "object" && "ssl" in source && source.ssl === 0 ? source.fd : source;
    assert(typeof fd === "number" && fd >= 0, "EpollPoller.add: the source is no fd");
    assert(this.#fds[slot] === NO_FD, "EpollPoller.add: the slot is taken or beyond slotsMax");
    this.#register(slot, fd, EPOLLIN);
  }

  connect(slot: number, ip: string, port: number): number {
    assert(this.#fds[slot] === NO_FD, "EpollPoller.connect: the slot is taken or beyond slotsMax");
    const fd = this.#posix.connectSocket(ip, port);
    if (fd < 0) {
      const step = SOCKET_ERRNOS.has(-fd) ? "socket" : "connect";
      this.#dialError = dialErrorText(ip, port, `${step}: ${errnoText(-fd)}`);
      return CONNECT_FAILED;
    }
    this.#register(slot, fd, EPOLLOUT);
    this.#connecting.set(slot, { ip, port });
    return WOULD_BLOCK;
  }

  finishConnect(slot: number): number {
    const target = this.#connecting.get(slot);
    assert(target !== undefined, "EpollPoller.finishConnect: the slot is not connecting");
    const { ip, port } = target;
    const fd = this.#fds[slot]!;
    let errno = Math.abs(this.#posix.socketOption(fd, SOL_SOCKET, SO_ERROR));
    if (errno === 0 && typeof this.#posix.peerAddress(fd) === "number") return WOULD_BLOCK;
    if (errno === 0 && isToItself(this.localAddress(slot), ip, port)) errno = ECONNREFUSED;
    if (errno !== 0) {
      this.#dialError = dialErrorText(ip, port, `connect: ${errnoText(errno)}`);
      return CONNECT_FAILED;
    }
    this.#connecting.delete(slot);
    this.#posix.setSocketOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    this.setInterest(slot, true, false);
    return CONNECTED;
  }

  dialError(): string {
    return this.#dialError;
  }

  localAddress(slot: number): SocketAddress {
    const address = this.#posix.localAddress(this.#fds[slot]!);
    return typeof address === "number" ? { ip: "", port: 0 } : address;
  }

  setInterest(slot: number, readable: boolean, writable: boolean): void {
    const interest = (readable ? EPOLLIN : 0) | (writable ? EPOLLOUT : 0);
    if (this.#interests[slot] === interest) return;
    const fd = this.#fds[slot]!;
    assert(fd !== NO_FD, "EpollPoller.setInterest: no stream in this slot");
    const result = this.#posix.epollControl(this.#epollFd, EPOLL_CTL_MOD, fd, interest, slot);
    assert(result === 0, "EpollPoller.setInterest: epoll does not know the fd");
    this.#interests[slot] = interest;
  }

  close(slot: number): void {
    // Closing the only descriptor of a socket takes it out of the epoll.
    this.#posix.close(this.#forget(slot));
  }

  handOver(slot: number): HandedStream {
    const fd = this.#forget(slot);
    const result = this.#posix.epollControl(this.#epollFd, EPOLL_CTL_DEL, fd, 0, slot);
    assert(result === 0, "EpollPoller.handOver: epoll does not know the fd");
    return { kind: "epoll", fd, ssl: 0 };
  }

  wait(timeoutMs: number): number {
    const found = this.#posix.epollWait(
      this.#epollFd,
      this.#kernelEventsAddress,
      EVENTS_PER_WAIT_MAX,
      timeoutMs,
    );
    let count = 0;
    if (found > 0) {
      for (let i = 0, word = 0; i < found; i++, word += this.#wordsPerEvent) {
        const slot = this.#kernelEvents[word + this.#dataWord]!;
        // The eventfd has done its work. Its count is never looked at.
        if (slot === WAKE_DATA) continue;
        this.#eventSlots[count] = slot;
        this.#eventFlags[count] = flagsOf(this.#kernelEvents[word]!);
        count++;
      }
    } else if (found < 0) {
      assert(this.#posix.errno() === EINTR, "EpollPoller.wait: epoll_wait failed");
    }
    this.#eventCount = count;
    return count;
  }

  eventSlot(i: number): number {
    return this.#eventSlots[i]!;
  }

  eventFlags(i: number): number {
    return this.#eventFlags[i]!;
  }

  read(slot: number, offset: number, lengthBytes: number): number {
    const result = this.#posix.recv(this.#fds[slot]!, this.memoryBase + offset, lengthBytes, 0);
    return result >= 0 ? result : this.#failure(READ_FAILED);
  }

  readInto(slot: number, bytes: Uint8Array, start: number, end: number): number {
    const address = this.#posix.addressOf(bytes) + start;
    const result = this.#posix.recv(this.#fds[slot]!, address, end - start, 0);
    return result >= 0 ? result : this.#failure(READ_FAILED);
  }

  writeGathered(slot: number, iovecOffset: number, count: number): number {
    const result = this.#posix.writev(this.#fds[slot]!, this.memoryBase + iovecOffset, count);
    return result >= 0 ? result : this.#failure(WRITE_FAILED);
  }

  write(slot: number, bytes: Uint8Array, start: number, end: number): number {
    let address = this.#addresses.get(bytes);
    if (address === undefined) {
      address = this.#posix.addressOf(bytes);
      this.#addresses.set(bytes, address);
    }
    const result = this.#posix.send(this.#fds[slot]!, address + start, end - start, MSG_NOSIGNAL);
    return result >= 0 ? result : this.#failure(WRITE_FAILED);
  }

  lastError(): string {
    return errnoText(this.#lastErrno);
  }

  async run(turn: () => void): Promise<void> {
    this.#isRunning = true;
    while (this.#isRunning) turn();
  }

  stop(): void {
    this.#isRunning = false;
  }

  dispose(): void {
    // Not by entries(), because 65,536 small arrays would delay the end of a server.
    for (let slot = 0; slot < this.#fds.length; slot++) {
      if (this.#fds[slot] !== NO_FD) this.close(slot);
    }
    this.#posix.close(this.wakeHandle);
    this.#posix.close(this.#epollFd);
  }

  /** Also for TLS, which reads and writes the socket itself. */
  fdOf(slot: number): number {
    return this.#fds[slot]!;
  }

  /** Frees a slot and drops its events of this turn. Returns its fd. */
  #forget(slot: number): number {
    const fd = this.#fds[slot]!;
    assert(fd !== NO_FD, "EpollPoller: no stream in this slot");
    this.#fds[slot] = NO_FD;
    this.#interests[slot] = 0;
    this.#connecting.delete(slot);
    for (let i = 0; i < this.#eventCount; i++) {
      if (this.#eventSlots[i] === slot) this.#eventFlags[i] = 0;
    }
    return fd;
  }

  #register(slot: number, fd: number, interest: number): void {
    const result = this.#posix.epollControl(this.#epollFd, EPOLL_CTL_ADD, fd, interest, slot);
    assert(result === 0, "EpollPoller: epoll refused the fd");
    this.#fds[slot] = fd;
    this.#interests[slot] = interest;
  }

  /** Returns WOULD_BLOCK, or `code` after noting why. To be called directly after the failed call. */
  #failure(code: number): number {
    const errno = this.#posix.errno();
    if (errno === EAGAIN || errno === EINTR) return WOULD_BLOCK;
    this.#lastErrno = errno;
    return code;
  }
}

function flagsOf(epollEvents: number): number {
  let flags = 0;
  if (epollEvents & EPOLLIN) flags |= READABLE;
  if (epollEvents & EPOLLOUT) flags |= WRITABLE;
  if (epollEvents & (EPOLLERR | EPOLLHUP)) flags |= HANGUP;
  return flags;
}
