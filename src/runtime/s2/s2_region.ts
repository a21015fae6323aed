/**
 * The region of the links shard in which S2 is made and read. Nothing touches it before a link is compressed. Both
 * compilers read this file, as they read `memory/layout.ts`, so it holds plain integer constants and nothing else.
 */

/** The most that a chunk may hold. Source: klauspost/compress, s2/README.md, "Format Extensions". */
export const S2_BLOCK_BYTES_MAX = 4194304;
/** The most that a chunk of this server holds, so that positions in it fit into 16 bits. */
export const S2_OWN_BLOCK_BYTES = 65536;
/** How much longer that may get while it is made: two bytes too many for each 261, one for each 65. */
export const S2_OWN_BLOCK_GROWTH_BYTES = 1040;
/** What is before the block in a chunk: its type and length, then a checksum. */
export const S2_CHUNK_HEAD_BYTES = 4;
export const S2_CHECKSUM_BYTES = 4;
/** How much longer a chunk may be, behind its head, than what it holds. Source: s2 `MaxEncodedLen`. */
export const S2_CHUNK_GROWTH_BYTES = 12;
/** How hard the encoder searches for matches. */
export const S2_STORED = 0;
export const S2_FAST = 1;
export const S2_BETTER = 2;

/** Room behind each part, because reads and writes of 16 bytes at a time may run past its end. */
export const S2_SLACK = 64;

// Offsets in the region.
/** Twelve tables of 256 words for checksums. */
export const S2_CHECKSUM_TABLES = 0;
/** By the hash of five bytes, and of eight: where in the block they were seen last, u16. */
export const S2_SHORT_BITS = 14;
export const S2_SHORT_TABLE = S2_CHECKSUM_TABLES + 12 * 256 * 4;
export const S2_LONG_BITS = 15;
export const S2_LONG_TABLE = S2_SHORT_TABLE + 2 * (1 << S2_SHORT_BITS);
/** One iovec, 8-aligned. */
export const S2_IOVEC = S2_LONG_TABLE + 2 * (1 << S2_LONG_BITS);
/** A block of this server, before and after it is compressed. */
export const S2_PLAIN = S2_IOVEC + 16 + S2_SLACK;
export const S2_COMPRESSED = S2_PLAIN + S2_OWN_BLOCK_BYTES + S2_SLACK;
/**
 * There are so many rooms of each of two kinds, in which streams take turns by their slots. A stream that is
 * interrupted in the middle of a chunk has to move out.
 */
export const S2_ROOM_COUNT = 8;
/**
 * Chunks of other servers as they came. There is room for the longest chunk and for a read behind what is there of it.
 */
export const S2_ARRIVED = S2_COMPRESSED + S2_OWN_BLOCK_BYTES + S2_OWN_BLOCK_GROWTH_BYTES + S2_SLACK;
export const S2_ARRIVED_BYTES = S2_BLOCK_BYTES_MAX + 262144;
/** What was in a chunk and its reader had no room for. */
export const S2_DECODED = S2_ARRIVED + S2_ROOM_COUNT * (S2_ARRIVED_BYTES + S2_SLACK);
export const S2_REGION_BYTES = S2_DECODED + S2_ROOM_COUNT * (S2_BLOCK_BYTES_MAX + S2_SLACK);
