/** Chunks of a stream. Source: google/snappy, framing_format.txt; klauspost/compress, s2/README.md. */

export const CHUNK_COMPRESSED = 0x00;
export const CHUNK_STORED = 0x01;
/** From here on they may be skipped: padding, an index, what others have thought of. What lies between may not. */
export const CHUNK_SKIPPABLE = 0x80;
export const CHUNK_NAME = 0xff;

/** What a stream begins with: a chunk with its name. */
export const STREAM_NAME = Uint8Array.of(0xff, 6, 0, 0, 0x53, 0x32, 0x73, 0x54, 0x77, 0x4f);
/** The other name that is read: all that Snappy writes S2 reads. */
export const SNAPPY_NAME = Uint8Array.of(0xff, 6, 0, 0, 0x73, 0x4e, 0x61, 0x50, 0x70, 0x59);
