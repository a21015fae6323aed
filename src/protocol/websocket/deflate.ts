/** permessage-deflate without context takeover: each message is compressed by itself. Source: RFC 7692. */
import { Buffer } from "node:buffer";
import { constants, deflateRawSync, inflateRawSync } from "node:zlib";

/** Messages up to this long are sent as they are. Source: nats-server `wsCompressThreshold`. */
export const COMPRESSED_BYTES_MIN = 65;

const WINDOW_BITS_MIN = 9;
const WINDOW_BITS_MAX = 15;
const MEMORY_LEVEL_MAX = 8;
/** What data that does not compress takes more than its length, and then some. */
const CHUNK_REST_BYTES = 64;
/** Output is taken in pieces, and pieces are put together by copying them: one is best, and as large as need be. */
const CHUNK_BYTES_MIN = 1024;
const CHUNK_BYTES_MAX = 1024 * 1024;

/** A sender leaves out the end of its last block, which a sync flush always is. */
const SYNC_FLUSH_TAIL = new Uint8Array([0x00, 0x00, 0xff, 0xff]);
/** Then a block that says it is the last, so that the data ends for zlib too. */
const FINAL_BLOCK = new Uint8Array([0x01, 0x00, 0x00, 0xff, 0xff]);

/** The payload of a compressed message. */
export function deflateMessage(message: Uint8Array): Uint8Array {
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
}

/**
 * The message whose payload, in pieces, this is; null where it is no deflate data, or would be larger than that. Quickest
 * where it has no more than the expected bytes.
 */
export function inflateMessage(
  pieces: readonly Uint8Array[],
  messageBytesMax: number,
  expectedBytes = 0,
): Uint8Array | null {
  const payload = Buffer.concat([...pieces, SYNC_FLUSH_TAIL, FINAL_BLOCK]);
  try {
    return inflateRawSync(payload, {
      maxOutputLength: messageBytesMax,
      chunkSize: Math.min(
        Math.max(4 * payload.length, expectedBytes + CHUNK_REST_BYTES, CHUNK_BYTES_MIN),
        CHUNK_BYTES_MAX,
      ),
    });
  } catch {
    return null;
  }
}
