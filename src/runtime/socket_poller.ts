import { createConnection, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { setImmediate } from "node:timers";
import { assert } from "../base/assert.ts";
import { CONNECT_FAILED, type Dialler } from "./dialling.ts";
import type { HandedStream, Poller, StreamSource } from "./poller.ts";
import { READ_FAILED, WOULD_BLOCK, WRITE_FAILED } from "./poller.ts";
import { PortStream } from "./port_stream.ts";
import type { SocketAddress } from "./posix/socket_address.ts";
import { SocketStream } from "./socket_stream.ts";
import { SocketTls } from "./socket_tls.ts";
import {
  type DialledServer,
  HANDSHAKE_FAILED,
  type HandshakeError,
  type TlsContext,
  type TlsLayer,
  type TlsSession,
} from "./tls.ts";
import { wakeSocketPoller } from "./wake_poller.ts";

/** Interval of a timer that only keeps the event loop from ending. */
const FOR_EVER_MS = 2 ** 31 - 1;

export interface SocketPollerOptions {
  /** The shared memory from its first byte. */
  readonly memory: Uint8Array;
  readonly slotsMax: number;
  /** A view of shared memory, and the index of the word in it that belongs to this poller alone. */
  readonly wakeWords: Int32Array;
  readonly wakeIndex: number;
}

/**
 * A `Poller` over the runtime's own sockets (`node:net`), for macOS and for Deno without `--allow-ffi`. It copies what
 * epoll does not copy, and allocates per chunk: it is the fallback, not the fast path.
 */
export class SocketPoller implements Poller, Dialler, TlsLayer {
  readonly kind = "runtime";
  readonly memoryBase = 0;
  readonly wakeHandle: number;

  readonly #memory: Uint8Array;
  readonly #memoryWords: Uint32Array;
  readonly #slotsMax: number;
  readonly #streams = new Map<number, SocketStream>();
  /** Sockets whose bytes go to another thread's poller. */
  readonly #relayed = new Set<Duplex>();
  /** Streams that may have an event; `wait` drops those that have none. */
  readonly #candidates = new Set<number>();
  #eventSlots: number[] = [];
  #eventFlags: number[] = [];
  #lastError = "";
  #dialError = "";
  /** By name. */
  readonly #tls = new Map<string, SocketTls>();
  #handshakeError: HandshakeError = { text: "", isNoise: false };

  readonly #wakeWords: Int32Array;
  #wakesSeen: number;
  #turn: (() => void) | undefined;
  #isTurnDue = false;
  /** The timeout of the last `wait`; −1: only an event ends the sleep. */
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

  /** `source` is a connected `node:net` socket that nobody has read from. To be called in the event that gave it. */
  add(slot: number, source: StreamSource): void {
    assert(typeof source === "object" && !("ssl" in source), "SocketPoller.add: the source is no socket");
    this.#register(slot, "port" in source ? new PortStream(source.port) : source, null);
  }

  /** A socket belongs to its thread, so it stays here, and its bytes go through a port. */
  handOver(slot: number): HandedStream {
    const stream = this.#streamOf(slot);
    this.#forget(slot);
    const { port1, port2 } = new MessageChannel();
    const relay = stream.relay(new PortStream(port1));
    this.#relayed.add(relay);
    relay.once("close", () => this.#relayed.delete(relay));
    return { kind: "runtime", port: port2 };
  }

  connect(slot: number, ip: string, port: number): number {
    const socket = createConnection({ host: ip, port, allowHalfOpen: true });
    this.#register(slot, socket, { ip, port });
    return WOULD_BLOCK;
  }

  finishConnect(slot: number): number {
    const result = this.#streamOf(slot).finishConnect();
    if (result === CONNECT_FAILED) this.#dialError = this.#streamOf(slot).dialError();
    return result;
  }

  dialError(): string {
    return this.#dialError;
  }

  localAddress(slot: number): SocketAddress {
    return this.#streamOf(slot).localAddress();
  }

  fdOf(): number {
    return -1;
  }

  setInterest(slot: number, readable: boolean, writable: boolean): void {
    this.#streamOf(slot).setInterest(readable, writable);
  }

  close(slot: number): void {
    this.#streamOf(slot).close();
    this.#forget(slot);
  }

  #forget(slot: number): void {
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
    return this.readInto(slot, this.#memory, offset, offset + lengthBytes);
  }

  readInto(slot: number, bytes: Uint8Array, start: number, end: number): number {
    const stream = this.#streamOf(slot);
    const result = stream.read(bytes, start, end - start);
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

  useContext(name: string, context: TlsContext | null): void {
    if (context === null) {
      this.#tls.delete(name);
      return;
    }
    assert(context.kind === "runtime", "SocketPoller.useContext: the context is not the runtime's");
    this.#tls.set(name, new SocketTls(context.material));
  }

  hasContext(name: string): boolean {
    return this.#tls.has(name);
  }

  peek(slot: number): number {
    return this.#streamOf(slot).peek();
  }

  startTls(slot: number, name: string, dialled: DialledServer | null): void {
    const tls = this.#tls.get(name);
    assert(tls !== undefined, "SocketPoller.startTls: there is no context of that name");
    this.#streamOf(slot).awaitTls(tls, dialled);
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
    for (const stream of this.#streams.values()) stream.destroy();
    this.#streams.clear();
    this.#candidates.clear();
    for (const relayed of this.#relayed) relayed.destroy();
  }

  #register(slot: number, socket: Socket | PortStream, target: SocketAddress | null): void {
    assert(slot < this.#slotsMax && !this.#streams.has(slot), "SocketPoller: the slot is taken or too large");
    this.#streams.set(slot, new SocketStream(socket, target, () => this.#noteReady(slot)));
    // A stream may come between turns, and bring timers that the last wait did not know of.
    this.#scheduleTurn();
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

  /** Schedules a turn for when the event loop has taken in what else is ready, so that one turn serves a batch. */
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
