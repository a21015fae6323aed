// Hot: the writes run once for each write to a WebSocket.
import { COMPRESSED_BYTES_MIN } from "../../protocol/websocket/compression.ts";
import type { FrameTerms } from "../../protocol/websocket/extensions.ts";
import {
  BINARY,
  COMPRESSED_BIT,
  CONTINUATION,
  FINAL_BIT,
  MASK_BYTES,
  SERVER_HEADER_BYTES_MAX,
  serverHeaderBytes,
  writeClientHeader,
  writeServerHeader,
} from "../../protocol/websocket/frame_header.ts";
import { applyMask, maskAt } from "../../protocol/websocket/mask.ts";
import { type Streams, WOULD_BLOCK, WRITE_FAILED } from "../poller.ts";
import { DEFLATE_OUTPUT } from "./deflate_region.ts";
import type { FrameContext } from "./frame_input.ts";
import type { FrameSide } from "./websocket_layer.ts";

/**
 * How many bytes of control frames may wait, mostly answers to pings. More drop the older ones (RFC 6455, section
 * 5.5.3).
 */
const CONTROL_BYTES_MAX = 16 * 1024;
/** Room for the longest control frame, with its mask. */
const CONTROL_BYTES_MIN = 132;
const NO_MASK = 0;
const NOTHING = new Uint8Array(0);
const IOVEC_BYTES = 16;

/**
 * The outbound side of one WebSocket: each write becomes a frame. What the socket does not take of a payload stays with
 * the caller, who offers it again; the rest of a frame that has begun is _owed_. Headers, control frames and compressed
 * payload wait here. They go out in this order:
 *
 *   own bytes (ends of headers, packed frames) ─▶ owed payload, the caller's ─▶ control frames ─▶ the next frame
 */
export class FrameOutput {
  readonly #streams: Streams;
  readonly #slot: number;
  readonly #terms: FrameTerms;
  /** Frames are sent with masks. Then they are copies, because others may use the bytes that are masked. */
  readonly #masks: boolean;
  readonly #context: FrameContext;
  readonly #memoryBase: number;
  /** Bytes that go out before anything else. */
  #own: Uint8Array = NOTHING;
  /** Control frames, which go out between two frames of the caller's. */
  #controls: Uint8Array = NOTHING;
  #controlBytes = 0;
  /** Payload of the frame that has begun, still to be offered again. */
  #owedBytes = 0;

  constructor(
    streams: Streams,
    memoryBase: number,
    slot: number,
    terms: FrameTerms,
    side: FrameSide,
    context: FrameContext,
  ) {
    this.#streams = streams;
    this.#memoryBase = memoryBase;
    this.#slot = slot;
    this.#terms = terms;
    this.#masks = side === "client" && terms.isMasked;
    this.#context = context;
  }

  /** Whether something waits here that the caller knows nothing of. */
  get hasOwn(): boolean {
    return this.#own.length > 0 || (this.#controlBytes > 0 && this.#owedBytes === 0);
  }

  /** Sends what waits here. Returns 0 if nothing waits any more, else WOULD_BLOCK or WRITE_FAILED. */
  flush(): number {
    while (true) {
      if (this.#own.length === 0) {
        if (this.#controlBytes === 0 || this.#owedBytes > 0) return 0;
        this.#own = this.#controls.subarray(0, this.#controlBytes);
        this.#controls = NOTHING;
        this.#controlBytes = 0;
      }
      const taken = this.#streams.write(this.#slot, this.#own, 0, this.#own.length);
      if (taken < 0) return taken;
      const isWhole = taken === this.#own.length;
      this.#own = isWhole ? NOTHING : ownCopy(this.#own, taken, this.#own.length);
      if (!isWhole) return WOULD_BLOCK;
    }
  }

  /** Queues a control frame, which flush() sends. */
  addControl(opcode: number, payload: Uint8Array): void {
    const frame = framed(payload, 0, FINAL_BIT | opcode, this.#masks);
    if (this.#controlBytes + frame.length > CONTROL_BYTES_MAX) this.#controlBytes = 0;
    const neededBytes = this.#controlBytes + frame.length;
    if (neededBytes > this.#controls.length) {
      const larger = new Uint8Array(new ArrayBuffer(Math.max(CONTROL_BYTES_MIN, 2 * this.#controls.length)));
      larger.set(this.#controls.subarray(0, this.#controlBytes));
      this.#controls = larger;
    }
    this.#controls.set(frame, this.#controlBytes);
    this.#controlBytes = neededBytes;
  }

  /** Sends the last frame of all. Nothing is sent if another frame is not finished. */
  sendLast(opcode: number, payload: Uint8Array): void {
    if (this.#owedBytes > 0) return;
    this.addControl(opcode, payload);
    this.flush();
  }

  /** Does what `Streams.writeGathered` does. The header is written into the room before the first piece. */
  writeGathered(iovecOffset: number, count: number): number {
    const flushed = this.flush();
    if (flushed < 0) return flushed;
    const { bytes, words } = this.#context;
    const first = iovecOffset >> 2;
    let total = 0;
    for (let i = 0; i < count; i++) total += words[first + i * 4 + 2]!;
    if (this.#owedBytes > 0 || this.#isPacked(total)) return this.#writeCopied(iovecOffset, total);
    const headerBytes = serverHeaderBytes(total);
    const address = words[first]!;
    const length = words[first + 2]!;
    const start = this.#offsetOf(iovecOffset) - headerBytes;
    writeServerHeader(bytes, start, FINAL_BIT | BINARY, total);
    // The room lies in the page of the piece, so nothing is borrowed from the upper half of the address.
    words[first] = address - headerBytes;
    words[first + 2] = length + headerBytes;
    const taken = this.#streams.writeGathered(this.#slot, iovecOffset, count);
    words[first] = address;
    words[first + 2] = length;
    if (taken === WRITE_FAILED) return WRITE_FAILED;
    if (taken >= headerBytes) {
      this.#owedBytes = total - (taken - headerBytes);
      return taken > headerBytes ? taken - headerBytes : WOULD_BLOCK;
    }
    // Even if nothing is out, a layer below may have made a record of it, so the same bytes must follow.
    this.#own = ownCopy(bytes, start + Math.max(taken, 0), start + headerBytes);
    this.#owedBytes = total;
    return WOULD_BLOCK;
  }

  /** Does what `Streams.write` does. */
  write(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    let outcome = this.flush();
    while (outcome === 0 && at < end) {
      if (this.#owedBytes > 0) {
        const offered = Math.min(this.#owedBytes, end - at);
        const taken = this.#streams.write(this.#slot, bytes, at, at + offered);
        if (taken < 0) outcome = taken;
        else {
          at += taken;
          this.#owedBytes -= taken;
          outcome = taken < offered ? WOULD_BLOCK : this.flush();
        }
      } else if (this.#isPacked(end - at)) {
        const count = Math.min(end - at, this.#context.packingBytes);
        if (this.#isDeflated(count)) outcome = this.#sendDeflated(bytes, at, at + count);
        else {
          this.#own = this.#packed(bytes.subarray(at, at + count));
          outcome = this.flush();
        }
        if (outcome === WRITE_FAILED) break;
        at += count;
      } else {
        this.#owedBytes = end - at;
        const header = new Uint8Array(new ArrayBuffer(SERVER_HEADER_BYTES_MAX));
        this.#own = header.subarray(0, writeServerHeader(header, 0, FINAL_BIT | BINARY, end - at));
        outcome = this.flush();
      }
    }
    return at > start ? at - start : outcome;
  }

  /** Writes the pieces of an iovec array, `total` bytes, that do not become one frame: copies them together first. */
  #writeCopied(iovecOffset: number, total: number): number {
    const { bytes, words, unmask, packing, packingBytes } = this.#context;
    let iovec = iovecOffset;
    /** Bytes of the piece at `iovec` that were copied before. */
    let skipped = 0;
    let written = 0;
    while (written < total) {
      let filled = 0;
      while (filled < packingBytes && written + filled < total) {
        const length = words[(iovec >> 2) + 2]!;
        const count = Math.min(length - skipped, packingBytes - filled);
        unmask(packing + filled, this.#offsetOf(iovec) + skipped, count, NO_MASK);
        filled += count;
        skipped += count;
        if (skipped < length) continue;
        iovec += IOVEC_BYTES;
        skipped = 0;
      }
      const taken = this.write(bytes, packing, packing + filled);
      if (taken < 0) return written > 0 ? written : taken;
      written += taken;
      if (taken < filled) break;
    }
    return written;
  }

  /** Frames with this payload: one with a mask, or, for a browser, messages of one small frame each. */
  #packed(payload: Uint8Array): Uint8Array {
    return framed(payload, this.#terms.frameBytesMax, FINAL_BIT | BINARY, this.#masks);
  }

  /**
   * Sends `source[start, end)`, at most as much as is packed at a time, as one compressed message. Returns as `flush`.
   */
  #sendDeflated(source: Uint8Array, start: number, end: number): number {
    const { bytes, packing, deflating, deflater } = this.#context;
    let from = start;
    if (source !== bytes) {
      bytes.set(source.subarray(start, end), packing);
      from = packing;
    }
    const to = deflating + DEFLATE_OUTPUT;
    const payloadBytes = deflater!.deflate(to, from, end - start);
    const frameBytesMax = this.#terms.compressedFrameBytesMax;
    if (this.#masks || (frameBytesMax > 0 && payloadBytes > frameBytesMax)) {
      const payload = bytes.subarray(to, to + payloadBytes);
      this.#own = framed(payload, frameBytesMax, BINARY | COMPRESSED_BIT, this.#masks);
      return this.flush();
    }
    // The slack before the payload has room for the header.
    const frame = to - serverHeaderBytes(payloadBytes);
    const frameEnd = to + payloadBytes;
    writeServerHeader(bytes, frame, FINAL_BIT | BINARY | COMPRESSED_BIT, payloadBytes);
    const taken = this.#streams.write(this.#slot, bytes, frame, frameEnd);
    if (taken === WRITE_FAILED) return WRITE_FAILED;
    if (frame + taken === frameEnd) return this.flush();
    this.#own = ownCopy(bytes, frame + Math.max(taken, 0), frameEnd);
    return WOULD_BLOCK;
  }

  /** Where in the memory the piece of an iovec lies. */
  #offsetOf(iovecOffset: number): number {
    const { words } = this.#context;
    const iovec = iovecOffset >> 2;
    return (words[iovec]! >>> 0) + words[iovec + 1]! * 2 ** 32 - this.#memoryBase;
  }

  #isPacked(payloadBytes: number): boolean {
    const { frameBytesMax } = this.#terms;
    if (this.#masks || this.#isDeflated(payloadBytes)) return true;
    return frameBytesMax > 0 && payloadBytes > frameBytesMax;
  }

  #isDeflated(payloadBytes: number): boolean {
    return this.#terms.isCompressed && payloadBytes >= COMPRESSED_BYTES_MIN;
  }
}

/**
 * A payload in frames of at most `frameBytesMax` bytes, or in one frame if that is 0. `first` is the first byte of
 * their headers. With FINAL_BIT each frame is a message; without it they are one message.
 */
function framed(payload: Uint8Array, frameBytesMax: number, first: number, masks: boolean): Uint8Array {
  const frameBytes = frameBytesMax === 0 ? Math.max(payload.length, 1) : frameBytesMax;
  const frameCount = Math.max(Math.ceil(payload.length / frameBytes), 1);
  const headerBytes = serverHeaderBytes(Math.min(frameBytes, payload.length)) + (masks ? MASK_BYTES : 0);
  // Masks are applied a word at a time.
  const frames = new Uint8Array(new ArrayBuffer((frameCount * headerBytes + payload.length + 3) & ~3));
  const words = new Int32Array(frames.buffer);
  const mask = masks ? new Uint8Array(MASK_BYTES) : null;
  let at = 0;
  for (let i = 0; i < frameCount; i++) {
    const piece = payload.subarray(i * frameBytes, (i + 1) * frameBytes);
    const isLast = i === frameCount - 1;
    const opcode = (i > 0 && (first & FINAL_BIT) === 0 ? CONTINUATION : first) | (isLast ? FINAL_BIT : 0);
    if (mask === null) at = writeServerHeader(frames, at, opcode, piece.length);
    else at = writeClientHeader(frames, at, opcode, piece.length, crypto.getRandomValues(mask));
    frames.set(piece, at);
    if (mask !== null) applyMask(frames, words, at, at + piece.length, maskAt(mask, 0));
    at += piece.length;
  }
  return frames.subarray(0, at);
}

/** A copy of `bytes[start, end)` in a buffer of its own, whose address does not change, as streams need it. */
function ownCopy(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const copy = new Uint8Array(new ArrayBuffer(end - start));
  copy.set(bytes.subarray(start, end));
  return copy;
}
