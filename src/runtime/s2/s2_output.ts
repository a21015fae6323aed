// Hot: once for each write to a compressed link.

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
/** A stream's name and a chunk. */
const OWN_BYTES_MAX =
  STREAM_NAME.length +
  S2_CHUNK_HEAD_BYTES +
  S2_CHECKSUM_BYTES +
  S2_OWN_BLOCK_BYTES +
  S2_OWN_BLOCK_GROWTH_BYTES;
/** Where in what is sent the bytes of a chunk that is stored are, behind the name of its stream. */
const CHUNK_CONTENT = STREAM_NAME.length + S2_CHUNK_HEAD_BYTES + S2_CHECKSUM_BYTES;
const NOTHING = new Uint8Array(0);

/**
 * The outbound side of one compressed stream: each write becomes a stream of S2 with its name, as nats-server makes of each flush,
 * in chunks of 64 KiB. What the socket does not take of a chunk waits here, and nothing more is taken until it is out: so as
 * much as one chunk holds is neither pending nor written.
 */
export class S2Output {
  effort: S2Effort;
  readonly #streams: Streams;
  readonly #memoryBase: number;
  readonly #slot: number;
  readonly #context: S2Context;
  /** Bytes of what is still to be written that go as they are. */
  #clearBytes: number;
  /** The write at hand has begun its stream. */
  #isBegun = false;
  /** Made for the first chunk that the socket does not take, and kept. */
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

  /** Something waits here that the caller knows nothing of. */
  get hasOwn(): boolean {
    return this.#ownStart < this.#ownEnd;
  }

  /** Sends what waits here as far as it goes: 0 when nothing does any more, else WOULD_BLOCK or WRITE_FAILED. */
  flush(): number {
    if (this.#ownStart === this.#ownEnd) return 0;
    const taken = this.#streams.write(this.#slot, this.#own, this.#ownStart, this.#ownEnd);
    if (taken < 0) return taken;
    this.#ownStart += taken;
    return this.#ownStart === this.#ownEnd ? 0 : WOULD_BLOCK;
  }

  /** As `Streams.writeGathered`. */
  writeGathered(iovecOffset: number, count: number): number {
    const flushed = this.flush();
    if (flushed < 0) return flushed;
    const { words, codec } = this.#context;
    const iovecEnd = (iovecOffset + count * IOVEC_BYTES) >> 2;
    let iovec = iovecOffset >> 2;
    /** Of the piece at `iovec`, taken before. */
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
        // What is all that there is for a chunk stays where it is; pieces are put together.
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

  /** As `Streams.write`. */
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

  /** Where what is to be sent is put together: in its chunk, where it goes as it is. */
  #gatheringPlace(): number {
    const { region } = this.#context;
    return this.effort === S2_STORED ? region + S2_COMPRESSED + CHUNK_CONTENT : region + S2_PLAIN;
  }

  /** Sends that many bytes of the memory, at most `#bytesMax()`: 0, or WOULD_BLOCK where some of them wait here now. */
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
