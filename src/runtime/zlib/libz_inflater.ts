// Hot: runs once for each compressed message that comes in by WebSocket.
import {
  FINAL_BLOCK,
  type InflatedMessage,
  type Inflater,
  SYNC_FLUSH_TAIL,
} from "../../protocol/websocket/compression.ts";
import type { Callable, Posix } from "../posix/posix.ts";
import {
  AVAIL_IN_WORD,
  AVAIL_OUT_WORD,
  type LIBZ_FUNCTIONS,
  NEXT_IN_WORD,
  NEXT_OUT_WORD,
  RAW_WINDOW_BITS,
  Z_BUF_ERROR,
  Z_FINISH,
  Z_OK,
  Z_STREAM_BYTES,
  Z_STREAM_END,
} from "./libz.ts";

export type LibzFunctions = Callable<typeof LIBZ_FUNCTIONS>;

/** zlib compares the first character of the version that it is asked for with its own. */
const VERSION = "1";
const BUFFER_BYTES_MIN = 128 * 1024;
/** A buffer that had to be larger than this is not kept. */
const BUFFER_BYTES_KEPT = 1024 * 1024;

/** The system's zlib for one thread: a stream and its buffers, which are kept and serve all connections. */
export class LibzInflater implements Inflater {
  readonly #functions: LibzFunctions;
  readonly #posix: Posix;
  readonly #stream: Stream;
  readonly #payload: NativeBuffer;
  /** The buffer for the next message that is inflated; null while another message has it. */
  #spare: NativeBuffer | null = null;

  /** Throws if zlib refuses. */
  constructor(functions: LibzFunctions, posix: Posix) {
    this.#functions = functions;
    this.#posix = posix;
    this.#stream = new Stream(posix);
    this.#payload = new NativeBuffer(posix);
    const version = new Uint8Array(new ArrayBuffer(VERSION.length + 1));
    new TextEncoder().encodeInto(VERSION, version);
    const outcome = functions.inflateInit2_(
      this.#stream.address,
      RAW_WINDOW_BITS,
      posix.addressOf(version),
      Z_STREAM_BYTES,
    );
    if (outcome !== Z_OK) throw new Error(`zlib refuses to start: ${outcome}`);
  }

  inflate(pieces: readonly Uint8Array[], messageBytesMax: number, expectedBytes = 0): InflatedMessage | null {
    const payloadBytes = this.#collect(pieces);
    this.#functions.inflateReset(this.#stream.address);
    this.#stream.offer(this.#payload.address, payloadBytes);
    const output = this.#spare ?? new NativeBuffer(this.#posix);
    this.#spare = null;
    output.reserve(Math.min(expectedBytes, messageBytesMax + 1));
    const messageBytes = this.#inflateTo(output, messageBytesMax);
    if (messageBytes >= 0) return new Inflated(output, messageBytes, this.#posix, this);
    this.takeBack(output);
    return null;
  }

  /** Takes back a buffer, which is then free for another message. */
  takeBack(buffer: NativeBuffer): void {
    this.#spare = buffer;
  }

  /** Puts a payload together, and adds what its sender left out. Returns the length. */
  #collect(pieces: readonly Uint8Array[]): number {
    let total = SYNC_FLUSH_TAIL.length + FINAL_BLOCK.length;
    for (const piece of pieces) total += piece.length;
    this.#payload.reserve(total);
    const { bytes } = this.#payload;
    let at = 0;
    for (const piece of pieces) {
      bytes.set(piece, at);
      at += piece.length;
    }
    bytes.set(SYNC_FLUSH_TAIL, at);
    bytes.set(FINAL_BLOCK, at + SYNC_FLUSH_TAIL.length);
    return total;
  }

  /** Returns the length of the message, or −1 if it is broken or too large. */
  #inflateTo(output: NativeBuffer, messageBytesMax: number): number {
    const stream = this.#stream;
    let filledBytes = 0;
    while (true) {
      stream.make(output.address + filledBytes, output.bytes.length - filledBytes);
      const outcome = this.#functions.inflate(stream.address, Z_FINISH);
      filledBytes = output.bytes.length - stream.roomBytes;
      if (filledBytes > messageBytesMax) return -1;
      if (outcome === Z_STREAM_END) return filledBytes;
      if (outcome !== Z_BUF_ERROR || stream.roomBytes > 0) return -1;
      output.grow(Math.min(2 * filledBytes, messageBytesMax + 1));
    }
  }
}

class Inflated implements InflatedMessage {
  readonly #buffer: NativeBuffer;
  readonly #lengthBytes: number;
  readonly #posix: Posix;
  readonly #owner: LibzInflater;
  #at = 0;

  /** `owner` gets the buffer back once all of the message is taken. */
  constructor(buffer: NativeBuffer, lengthBytes: number, posix: Posix, owner: LibzInflater) {
    this.#buffer = buffer;
    this.#lengthBytes = lengthBytes;
    this.#posix = posix;
    this.#owner = owner;
    if (lengthBytes === 0) owner.takeBack(buffer);
  }

  get leftBytes(): number {
    return this.#lengthBytes - this.#at;
  }

  take(room: Uint8Array): number {
    const count = Math.min(room.length, this.leftBytes);
    if (count === 0) return 0;
    this.#posix.memcpy(this.#posix.addressOf(room), this.#buffer.address + this.#at, count);
    this.#at += count;
    if (this.leftBytes === 0) this.#owner.takeBack(this.#buffer);
    return count;
  }
}

/** A `z_stream`. */
class Stream {
  readonly address: number;
  readonly #words = new Uint32Array(new ArrayBuffer(Z_STREAM_BYTES));

  constructor(posix: Posix) {
    this.address = posix.addressOf(this.#words);
  }

  /** How much room is left for output. */
  get roomBytes(): number {
    return this.#words[AVAIL_OUT_WORD]!;
  }

  offer(address: number, lengthBytes: number): void {
    this.#point(NEXT_IN_WORD, address);
    this.#words[AVAIL_IN_WORD] = lengthBytes;
  }

  make(address: number, lengthBytes: number): void {
    this.#point(NEXT_OUT_WORD, address);
    this.#words[AVAIL_OUT_WORD] = lengthBytes;
  }

  #point(word: number, address: number): void {
    this.#words[word] = address >>> 0;
    this.#words[word + 1] = Math.floor(address / 2 ** 32);
  }
}

/** A buffer whose address is known, and which grows as needed. */
class NativeBuffer {
  bytes = new Uint8Array(new ArrayBuffer(BUFFER_BYTES_MIN));
  address: number;
  readonly #posix: Posix;

  constructor(posix: Posix) {
    this.#posix = posix;
    this.address = posix.addressOf(this.bytes);
  }

  /** Makes room for so many bytes. What is in the buffer may be lost. */
  reserve(lengthBytes: number): void {
    const isEnough = this.bytes.length >= lengthBytes;
    const isExcess = this.bytes.length > BUFFER_BYTES_KEPT && lengthBytes <= BUFFER_BYTES_KEPT;
    if (!isEnough || isExcess) this.#replace(lengthBytes);
  }

  /** Makes more room, and keeps what is in the buffer. */
  grow(lengthBytes: number): void {
    const { bytes } = this;
    this.#replace(lengthBytes);
    this.bytes.set(bytes);
  }

  #replace(lengthBytes: number): void {
    this.bytes = new Uint8Array(new ArrayBuffer(Math.max(lengthBytes, BUFFER_BYTES_MIN)));
    this.address = this.#posix.addressOf(this.bytes);
  }
}
