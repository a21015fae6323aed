/** Chunks of a stream. Source: google/snappy, framing_format.txt; klauspost/compress, s2/README.md. */

export const CHUNK_COMPRESSED = 0x00;
export const CHUNK_STORED = 0x01;
/**
 * Types from here on may be skipped: padding, an index, extensions of others. Unknown types below must not be skipped.
 */
export const CHUNK_SKIPPABLE = 0x80;
export const CHUNK_NAME = 0xff;

/** A stream begins with this chunk, which names the format. */
export const STREAM_NAME = Uint8Array.of(0xff, 6, 0, 0, 0x53, 0x32, 0x73, 0x54, 0x77, 0x4f);
/** The name chunk of Snappy, which is accepted as well: S2 can read all that Snappy writes. */
export const SNAPPY_NAME = Uint8Array.of(0xff, 6, 0, 0, 0x73, 0x4e, 0x61, 0x50, 0x70, 0x59);
