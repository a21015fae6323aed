/**
 * Connections without sockets: what a client "sends" and "reads" are arrays, and a test says how much room there is.
 */
import {
  HANGUP,
  type HandedStream,
  type Poller,
  READ_FAILED,
  READABLE,
  type StreamSource,
  WOULD_BLOCK,
  WRITABLE,
  WRITE_FAILED,
} from "../../runtime/poller.ts";
import { byteStringOf } from "../../subject/byte_string.ts";

const encoder = new TextEncoder();

/** The client's side of a connection. */
export class FakeSocket {
  /** Bytes that the server has yet to read. One read takes at most one piece. */
  readonly toServer: Uint8Array[] = [];
  readonly #received: Uint8Array[] = [];
  /** Bytes that the "kernel" still takes from the server. */
  roomBytes = Number.POSITIVE_INFINITY;
  /** The client has closed its side. */
  isEnded = false;
  /** Both directions are gone: writes fail, and reads do once everything was read. */
  isReset = false;
  /** The server has closed the socket. */
  isClosed = false;
  wantsRead = true;
  wantsWrite = false;
  /** Calls of write() and writeGathered(). */
  writes = 0;

  send(...pieces: (string | Uint8Array)[]): void {
    for (const piece of pieces) {
      const bytes = typeof piece === "string" ? encoder.encode(piece) : piece;
      if (bytes.length > 0) this.toServer.push(bytes);
    }
  }

  /** Everything that the server wrote since the last call, as text with one character per byte. */
  take(): string {
    const text = this.#received.map((piece) => byteStringOf(piece)).join("");
    this.#received.length = 0;
    return text;
  }

  /** Takes those bytes of the server that have room, as the kernel does. */
  accept(bytes: Uint8Array): number {
    const count = Math.min(bytes.length, this.roomBytes);
    this.roomBytes -= count;
    if (count > 0) this.#received.push(bytes.slice(0, count));
    return count;
  }
}

/**
 * A poller over `FakeSocket`s. Its `kind` is that of the runtime's sockets, whose thread counts as asleep between
 * turns.
 */
export class FakePoller implements Poller {
  readonly kind = "runtime";
  readonly memoryBase = 0;
  readonly wakeHandle: number;
  readonly sockets = new Map<number, FakeSocket>();
  isStopped = false;
  /** The most pieces that one call of writeGathered() had. */
  piecesMax = 0;
  bytesReadInto = 0;
  /** How long the last wait() could have lasted; 0 is only a look. */
  lastTimeoutMs = 0;
  readonly #bytes: Uint8Array;
  readonly #words: Int32Array;
  readonly #offered = new Map<number, FakeSocket>();
  #lastOffer = 0;
  #events: { slot: number; flags: number }[] = [];
  #turn: () => void = () => {};

  constructor(bytes: Uint8Array, wakeHandle: number) {
    this.#bytes = bytes;
    this.#words = new Int32Array(bytes.buffer);
    this.wakeHandle = wakeHandle;
  }

  /** A number that add() takes for `socket`. */
  offer(socket: FakeSocket): number {
    this.#offered.set(++this.#lastOffer, socket);
    return this.#lastOffer;
  }

  /** One turn of the shard. */
  turn(): void {
    if (this.isStopped) throw new Error("the shard has stopped: see what run() rejected with");
    this.#turn();
  }

  run(turn: () => void): Promise<void> {
    this.#turn = turn;
    return new Promise((resolve) => {
      this.stop = () => {
        this.isStopped = true;
        resolve();
      };
    });
  }

  stop(): void {
    this.isStopped = true;
  }

  dispose(): void {}

  add(slot: number, source: StreamSource): void {
    const number = typeof source === "object" && "ssl" in source ? source.fd : (source as number);
    const socket = this.#offered.get(number);
    if (socket === undefined || this.sockets.has(slot)) throw new Error(`slot ${slot} cannot be added`);
    this.sockets.set(slot, socket);
  }

  /** Gives up a socket. A number that another poller of the test takes for it stands for its descriptor. */
  handOver(slot: number): HandedStream {
    const socket = this.#socket(slot);
    this.sockets.delete(slot);
    return { kind: "epoll", fd: this.offer(socket), ssl: 0 };
  }

  setInterest(slot: number, readable: boolean, writable: boolean): void {
    const socket = this.#socket(slot);
    socket.wantsRead = readable;
    socket.wantsWrite = writable;
  }

  close(slot: number): void {
    this.#socket(slot).isClosed = true;
    this.sockets.delete(slot);
    for (const event of this.#events) if (event.slot === slot) event.flags = 0;
  }

  wait(timeoutMs: number): number {
    this.lastTimeoutMs = timeoutMs;
    this.#events = [];
    for (const [slot, socket] of this.sockets) {
      let flags = socket.isReset ? HANGUP : 0;
      if (socket.wantsRead && (socket.toServer.length > 0 || socket.isEnded)) flags |= READABLE;
      if (socket.wantsWrite && socket.roomBytes > 0) flags |= WRITABLE;
      if (flags !== 0) this.#events.push({ slot, flags });
    }
    return this.#events.length;
  }

  eventSlot(i: number): number {
    return this.#events[i]!.slot;
  }

  eventFlags(i: number): number {
    return this.#events[i]!.flags;
  }

  read(slot: number, offset: number, lengthBytes: number): number {
    return this.#read(slot, this.#bytes, offset, offset + lengthBytes);
  }

  readInto(slot: number, bytes: Uint8Array, start: number, end: number): number {
    const count = this.#read(slot, bytes, start, end);
    this.bytesReadInto += Math.max(count, 0);
    return count;
  }

  #read(slot: number, bytes: Uint8Array, start: number, end: number): number {
    const socket = this.#socket(slot);
    const piece = socket.toServer.shift();
    if (piece === undefined) {
      if (socket.isReset) return READ_FAILED;
      return socket.isEnded ? 0 : WOULD_BLOCK;
    }
    const count = Math.min(piece.length, end - start);
    bytes.set(piece.subarray(0, count), start);
    if (count < piece.length) socket.toServer.unshift(piece.subarray(count));
    return count;
  }

  write(slot: number, bytes: Uint8Array, start: number, end: number): number {
    const socket = this.#socket(slot);
    socket.writes++;
    if (socket.isReset) return WRITE_FAILED;
    const taken = socket.accept(bytes.subarray(start, end));
    return taken === 0 ? WOULD_BLOCK : taken;
  }

  writeGathered(slot: number, iovecOffset: number, count: number): number {
    const socket = this.#socket(slot);
    socket.writes++;
    this.piecesMax = Math.max(this.piecesMax, count);
    if (socket.isReset) return WRITE_FAILED;
    let total = 0;
    for (let i = 0; i < count; i++) {
      const iovec = (iovecOffset >> 2) + i * 4;
      const start = this.#words[iovec]!;
      const length = this.#words[iovec + 2]!;
      const taken = socket.accept(this.#bytes.subarray(start, start + length));
      total += taken;
      if (taken < length) break;
    }
    return total === 0 ? WOULD_BLOCK : total;
  }

  lastError(): string {
    return "the fake socket was reset";
  }

  #socket(slot: number): FakeSocket {
    const socket = this.sockets.get(slot);
    if (socket === undefined) throw new Error(`slot ${slot} has no stream`);
    return socket;
  }
}
