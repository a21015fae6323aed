// Hot: the writes run once for each write to a compressed link.

import { STREAM_NAME } from "../../protocol/s2_chunks.ts";
import { type Streams, WOULD_BLOCK, WRITE_FAILED } from "../poller.ts";
import type { S2Context } from "./s2_context.ts";
import type { S2Effort } from "./s2_layer.ts";
import {
  S2_CHECKSUM_BYTES,
  S2_CHUNK_HEAD_BYTES,
  S2_COMPRESSED,
  S2_IOVEC,
  S2_OWN_BLOCK_BYTES,
  S2_OWN_BLOCK_GROWTH_BYTES,
  S2_PLAIN,
  S2_STORED,
} from "./s2_region.ts";

const IOVEC_BYTES = 16;
/** The most that is kept: a stream's name and a chunk. */
const OWN_BYTES_MAX =
  STREAM_NAME.length +
  S2_CHUNK_HEAD_BYTES +
  S2_CHECKSUM_BYTES +
  S2_OWN_BLOCK_BYTES +
  S2_OWN_BLOCK_GROWTH_BYTES;
/** Where the bytes of a stored chunk begin in what is sent, behind the name of its stream. */
const CHUNK_CONTENT = STREAM_NAME.length + S2_CHUNK_HEAD_BYTES + S2_CHECKSUM_BYTES;
const NOTHING = new Uint8Array(0);

/**
 * The outbound side of one compressed stream. Each write becomes a stream of S2 with its name, in chunks of 64 KiB, as
 * each flush does in nats-server. What the socket does not take of a chunk waits here, and nothing more is taken until
 * it is out. So up to one chunk counts neither as pending nor as written.
 */
export class S2Output {
  effort: S2Effort;
  readonly #streams: Streams;
  readonly #memoryBase: number;
  readonly #slot: number;
  readonly #context: S2Context;
  /** How many of the bytes that are still to be written are not compressed. */
  #clearBytes: number;
  /** Whether the write at hand has begun its stream. */
  #isBegun = false;
  /** The buffer for what the socket does not take. It is made for the first such chunk, and kept. */
  #own: Uint8Array = NOTHING;
  #ownStart = 0;
  #ownEnd = 0;

  constructor(
    streams: Streams,
    memoryBase: number,
    slot: number,
    effort: S2Effort,
    clearBytes: number,
    context: S2Context,
  ) {
    this.#streams = streams;
    this.#memoryBase = memoryBase;
    this.#slot = slot;
    this.effort = effort;
    this.#clearBytes = clearBytes;
    this.#context = context;
  }

  /** Whether something waits here that the caller knows nothing of. */
  get hasOwn(): boolean {
    return this.#ownStart < this.#ownEnd;
  }

  /** Sends what waits here. Returns 0 if nothing waits any more, else WOULD_BLOCK or WRITE_FAILED. */
  flush(): number {
    if (this.#ownStart === this.#ownEnd) return 0;
    const taken = this.#streams.write(this.#slot, this.#own, this.#ownStart, this.#ownEnd);
    if (taken < 0) return taken;
    this.#ownStart += taken;
    return this.#ownStart === this.#ownEnd ? 0 : WOULD_BLOCK;
  }

  /** Does what `Streams.writeGathered` does. */
  writeGathered(iovecOffset: number, count: number): number {
    const flushed = this.flush();
    if (flushed < 0) return flushed;
    const { words, codec } = this.#context;
    const iovecEnd = (iovecOffset + count * IOVEC_BYTES) >> 2;
    let iovec = iovecOffset >> 2;
    /** Bytes of the piece at `iovec` that were taken before. */
    let skipped = 0;
    let written = 0;
    this.#isBegun = false;
    while (iovec < iovecEnd) {
      const bytesMax = this.#bytesMax();
      const gathered = this.#gatheringPlace();
      let from = gathered;
      let filled = 0;
      while (filled < bytesMax && iovec < iovecEnd) {
        const length = words[iovec + 2]!;
        const piece = this.#offsetOf(iovec) + skipped;
        const taken = Math.min(length - skipped, bytesMax - filled);
        skipped += taken;
        if (skipped === length) {
          iovec += IOVEC_BYTES / 4;
          skipped = 0;
        }
        // A piece that fills a chunk, or is the only one left, stays where it is. Others are put together.
        const isAlone = filled === 0 && (taken === bytesMax || iovec === iovecEnd);
        if (isAlone) from = piece;
        else codec.move(gathered + filled, piece, taken);
        filled += taken;
      }
      const outcome = this.#send(from, filled);
      if (outcome === WRITE_FAILED) return WRITE_FAILED;
      written += filled;
      if (outcome === WOULD_BLOCK) break;
    }
    return written;
  }

  /** Does what `Streams.write` does. */
  write(bytes: Uint8Array, start: number, end: number): number {
    const flushed = this.flush();
    if (flushed < 0) return flushed;
    const { bytes: memory } = this.#context;
    let at = start;
    this.#isBegun = false;
    while (at < end) {
      const length = Math.min(end - at, this.#bytesMax());
      const place = this.#gatheringPlace();
      memory.set(bytes.subarray(at, at + length), place);
      const outcome = this.#send(place, length);
      if (outcome === WRITE_FAILED) return WRITE_FAILED;
      at += length;
      if (outcome === WOULD_BLOCK) break;
    }
    return at - start;
  }

  /** How much may be sent at once. */
  #bytesMax(): number {
    return this.#clearBytes > 0 ? Math.min(this.#clearBytes, S2_OWN_BLOCK_BYTES) : S2_OWN_BLOCK_BYTES;
  }

  /** Where what is to be sent is put together. If it is to be stored, that is its place in the chunk. */
  #gatheringPlace(): number {
    const { region } = this.#context;
    return this.effort === S2_STORED ? region + S2_COMPRESSED + CHUNK_CONTENT : region + S2_PLAIN;
  }

  /**
   * Sends so many bytes of the memory, at most `#bytesMax()`. Returns 0, WOULD_BLOCK if some wait here now, or
   * WRITE_FAILED.
   */
  #send(from: number, lengthBytes: number): number {
    if (lengthBytes === 0) return 0;
    const { codec, region } = this.#context;
    if (this.#clearBytes > 0) {
      this.#clearBytes -= lengthBytes;
      return this.#sendAsIs(from, from + lengthBytes);
    }
    const chunk = region + S2_COMPRESSED + STREAM_NAME.length;
    const end = chunk + codec.encodeChunk(chunk, from, lengthBytes, this.effort);
    const start = this.#isBegun ? chunk : chunk - STREAM_NAME.length;
    this.#isBegun = true;
    return this.#sendAsIs(start, end);
  }

  #sendAsIs(start: number, end: number): number {
    const { bytes, words, region } = this.#context;
    const iovec = (region + S2_IOVEC) >> 2;
    const address = this.#memoryBase + start;
    words[iovec] = address;
    words[iovec + 1] = Math.floor(address / 2 ** 32);
    words[iovec + 2] = end - start;
    words[iovec + 3] = 0;
    const taken = this.#streams.writeGathered(this.#slot, region + S2_IOVEC, 1);
    if (taken === WRITE_FAILED) return WRITE_FAILED;
    const rest = start + Math.max(taken, 0);
    if (rest === end) return 0;
    if (this.#own === NOTHING) this.#own = new Uint8Array(new ArrayBuffer(OWN_BYTES_MAX));
    this.#own.set(bytes.subarray(rest, end));
    this.#ownStart = 0;
    this.#ownEnd = end - rest;
    return WOULD_BLOCK;
  }

  /** Where in the memory the piece of an iovec lies. */
  #offsetOf(iovec: number): number {
    const { words } = this.#context;
    return (words[iovec]! >>> 0) + words[iovec + 1]! * 2 ** 32 - this.#memoryBase;
  }
}
