/** permessage-deflate without context takeover: each message is compressed by itself. Source: RFC 7692. */

/** Messages up to this long are sent as they are. Source: nats-server `wsCompressThreshold`. */
export const COMPRESSED_BYTES_MIN = 65;

/** A sender leaves out the end of its last block, which a sync flush always is. */
export const SYNC_FLUSH_TAIL = new Uint8Array([0x00, 0x00, 0xff, 0xff]);
/** Then a block that says it is the last, so that the data ends for zlib too. */
export const FINAL_BLOCK = new Uint8Array([0x01, 0x00, 0x00, 0xff, 0xff]);

/** Inflates whole messages. */
export interface Inflater {
  /**
   * The message whose payload, in pieces, this is; null where it is no deflate data, or would be larger than that.
   * Quickest where it has no more than the expected bytes.
   */
  inflate(
    pieces: readonly Uint8Array[],
    messageBytesMax: number,
    expectedBytes?: number,
  ): InflatedMessage | null;
}

/** A message, until all of it is taken. */
export interface InflatedMessage {
  readonly leftBytes: number;
  /** Moves as much as there is room for to `room`; how many bytes that was. */
  take(room: Uint8Array): number;
}
