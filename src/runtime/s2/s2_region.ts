/**
 * The region of the links shard in which S2 is made and read; nothing touches it before a link is compressed.
 * Read by both compilers, as `memory/layout.ts` is: plain integer constants, nothing else.
 */

/** What a chunk of a stream may hold. Source: klauspost/compress, s2/README.md, "Format Extensions". */
export const S2_BLOCK_BYTES_MAX = 4194304;
/** What one holds that this server makes: positions in it fit 16 bits. */
export const S2_OWN_BLOCK_BYTES = 65536;
/** How much longer it may get while it is made: two bytes too many for each 261, one for each 65. */
export const S2_OWN_BLOCK_GROWTH_BYTES = 1040;
/** In front of the block in a chunk: its type and length, then a checksum. */
export const S2_CHUNK_HEAD_BYTES = 4;
export const S2_CHECKSUM_BYTES = 4;
/** How much longer than what it holds a chunk may be, behind its head. Source: s2 `MaxEncodedLen`. */
export const S2_CHUNK_GROWTH_BYTES = 12;
/** How hard is searched. */
export const S2_STORED = 0;
export const S2_FAST = 1;
export const S2_BETTER = 2;

/** Behind each part: what is read and written 16 bytes at a time may run over it. */
export const S2_SLACK = 64;

// Where in the region things lie.
/** Twelve tables of 256 words for checksums. */
export const S2_CHECKSUM_TABLES = 0;
/** Where in the block a few bytes were seen last, by their hash, u16; and where eight were. */
export const S2_SHORT_BITS = 14;
export const S2_SHORT_TABLE = S2_CHECKSUM_TABLES + 12 * 256 * 4;
export const S2_LONG_BITS = 15;
export const S2_LONG_TABLE = S2_SHORT_TABLE + 2 * (1 << S2_SHORT_BITS);
/** One iovec, 8-aligned. */
export const S2_IOVEC = S2_LONG_TABLE + 2 * (1 << S2_LONG_BITS);
/** A block of this server's, before and after. */
export const S2_PLAIN = S2_IOVEC + 16 + S2_SLACK;
export const S2_COMPRESSED = S2_PLAIN + S2_OWN_BLOCK_BYTES + S2_SLACK;
/** Streams take turns in so many rooms of two kinds, by their slots: who is interrupted in the midst of a chunk has to move out. */
export const S2_ROOM_COUNT = 8;
/** Chunks of others as they came: the longest there may be, and a read behind what there is of it. */
export const S2_ARRIVED = S2_COMPRESSED + S2_OWN_BLOCK_BYTES + S2_OWN_BLOCK_GROWTH_BYTES + S2_SLACK;
export const S2_ARRIVED_BYTES = S2_BLOCK_BYTES_MAX + 262144;
/** What has come of one for which its reader had no room. */
export const S2_DECODED = S2_ARRIVED + S2_ROOM_COUNT * (S2_ARRIVED_BYTES + S2_SLACK);
export const S2_REGION_BYTES = S2_DECODED + S2_ROOM_COUNT * (S2_BLOCK_BYTES_MAX + S2_SLACK);
