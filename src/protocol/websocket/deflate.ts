/** permessage-deflate without context takeover: each message is compressed by itself. Source: RFC 7692. */
import { Buffer } from "node:buffer";
import { constants, deflateRawSync, inflateRawSync } from "node:zlib";

/** Messages up to this long are sent as they are. Source: nats-server `wsCompressThreshold`. */
export const COMPRESSED_BYTES_MIN = 65;

/** A sender leaves out the end of its last block, which a sync flush always is. */
const SYNC_FLUSH_TAIL = new Uint8Array([0x00, 0x00, 0xff, 0xff]);
/** Then a block that says it is the last, so that the data ends for zlib too. */
const FINAL_BLOCK = new Uint8Array([0x01, 0x00, 0x00, 0xff, 0xff]);

/** The payload of a compressed message. */
export function deflateMessage(message: Uint8Array): Uint8Array {
  const flushed = deflateRawSync(message, {
    level: constants.Z_BEST_SPEED,
    finishFlush: constants.Z_SYNC_FLUSH,
  });
  return flushed.subarray(0, flushed.length - SYNC_FLUSH_TAIL.length);
}

/** The message whose payload, in pieces, this is; null where it is no deflate data, or would be larger than that. */
export function inflateMessage(pieces: readonly Uint8Array[], messageBytesMax: number): Uint8Array | null {
  try {
    return inflateRawSync(Buffer.concat([...pieces, SYNC_FLUSH_TAIL, FINAL_BLOCK]), {
      maxOutputLength: messageBytesMax,
    });
  } catch {
    return null;
  }
}
