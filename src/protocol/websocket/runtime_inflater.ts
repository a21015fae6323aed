/** Inflates by the runtime's zlib, which makes its memory anew for each message. */
import { Buffer } from "node:buffer";
import { inflateRawSync } from "node:zlib";
import { FINAL_BLOCK, type InflatedMessage, type Inflater, SYNC_FLUSH_TAIL } from "./compression.ts";

/** Beside what is expected, so that its end is noticed. */
const CHUNK_REST_BYTES = 64;
/** Output is taken in pieces, and pieces are put together by copying them: one is best, and as large as need be. */
const CHUNK_BYTES_MIN = 1024;
const CHUNK_BYTES_MAX = 1024 * 1024;

export const runtimeInflater: Inflater = {
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
