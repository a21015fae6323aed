/** Compression by the runtime's zlib, which makes its memory anew for each message. */
import { Buffer } from "node:buffer";
import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import { type Compressor, FINAL_BLOCK, type InflatedMessage, SYNC_FLUSH_TAIL } from "./compression.ts";

const WINDOW_BITS_MIN = 9;
const WINDOW_BITS_MAX = 15;
const MEMORY_LEVEL_MAX = 8;
/** What data that does not compress takes more than its length, and then some. */
const CHUNK_REST_BYTES = 64;
/** Output is taken in pieces, and pieces are put together by copying them: one is best, and as large as need be. */
const CHUNK_BYTES_MIN = 1024;
const CHUNK_BYTES_MAX = 1024 * 1024;

export const runtimeCompressor: Compressor = {
  deflate(message) {
    // A window as large as the message is as good as a larger one, which takes 256 KiB for each call.
    const windowBits = Math.min(Math.max(32 - Math.clz32(message.length), WINDOW_BITS_MIN), WINDOW_BITS_MAX);
    const flushed = deflateRawSync(message, {
      level: constants.Z_BEST_SPEED,
      finishFlush: constants.Z_SYNC_FLUSH,
      windowBits,
      memLevel: Math.min(windowBits - 6, MEMORY_LEVEL_MAX),
      chunkSize: message.length + CHUNK_REST_BYTES,
    });
    return flushed.subarray(0, flushed.length - SYNC_FLUSH_TAIL.length);
  },
  inflate(pieces, messageBytesMax, expectedBytes = 0) {
    const payload = Buffer.concat([...pieces, SYNC_FLUSH_TAIL, FINAL_BLOCK]);
    try {
      const message = inflateRawSync(payload, {
        maxOutputLength: messageBytesMax,
        chunkSize: Math.min(
          Math.max(4 * payload.length, expectedBytes + CHUNK_REST_BYTES, CHUNK_BYTES_MIN),
          CHUNK_BYTES_MAX,
        ),
      });
      return new Inflated(message);
    } catch {
      return null;
    }
  },
};

class Inflated implements InflatedMessage {
  readonly #message: Uint8Array;
  #at = 0;

  constructor(message: Uint8Array) {
    this.#message = message;
  }

  get leftBytes(): number {
    return this.#message.length - this.#at;
  }

  take(room: Uint8Array): number {
    const count = Math.min(room.length, this.leftBytes);
    room.set(this.#message.subarray(this.#at, this.#at + count));
    this.#at += count;
    return count;
  }
}
