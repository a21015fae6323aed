/**
 * The region of a shard in which messages of compressed WebSockets are deflated. Nothing touches it before there is
 * one. Both compilers read this file, as they read `memory/layout.ts`, so it holds plain integer constants and nothing
 * else.
 */

/** The most that a block holds: a distance in it fits into 15 bits, and its length into the 16 of a stored block. */
export const DEFLATE_BLOCK_BYTES = 32768;
/** Room behind what is deflated and behind the result, which are read and written up to 16 bytes at a time. */
export const DEFLATE_SLACK = 64;
/**
 * How many symbols of literals and lengths, of distances, and of code lengths there are. Source: RFC 1951, 3.2.5–3.2.7.
 */
export const DEFLATE_LITERALS = 286;
export const DEFLATE_DISTANCES = 30;
export const DEFLATE_CODE_LENGTHS = 19;

// Offsets in the region. Each alphabet has a word for each symbol, with room for 288. The word says how often the
// symbol is used, and later becomes its code: the bits in the order in which they are sent, and from DEFLATE_CODE_SHIFT
// on how many there are.
export const DEFLATE_CODE_SHIFT = 16;
export const DEFLATE_ALPHABET_BYTES = 1152;
export const DEFLATE_LITERAL_CODES = 0;
export const DEFLATE_DISTANCE_CODES = DEFLATE_LITERAL_CODES + DEFLATE_ALPHABET_BYTES;
export const DEFLATE_CODE_LENGTH_CODES = DEFLATE_DISTANCE_CODES + DEFLATE_ALPHABET_BYTES;
/** The codes of fixed blocks. */
export const DEFLATE_FIXED_LITERAL_CODES = DEFLATE_CODE_LENGTH_CODES + DEFLATE_ALPHABET_BYTES;
export const DEFLATE_FIXED_DISTANCE_CODES = DEFLATE_FIXED_LITERAL_CODES + DEFLATE_ALPHABET_BYTES;
/** Working memory while codes are made: the symbols in use, sorted, and the nodes of the tree over them. */
export const DEFLATE_SORTED = DEFLATE_FIXED_DISTANCE_CODES + DEFLATE_ALPHABET_BYTES;
export const DEFLATE_NODES = DEFLATE_SORTED + DEFLATE_ALPHABET_BYTES;
/** How many codes of each length there are, and later the next code of that length. */
export const DEFLATE_COUNTS = DEFLATE_NODES + DEFLATE_ALPHABET_BYTES;
/** Code lengths as they are sent: a word for each symbol, with its extra bits from bit 16 on. */
export const DEFLATE_RUNS = DEFLATE_COUNTS + 128;
/** By the hash of five bytes: where in the block they were seen last, u16. */
export const DEFLATE_HASH_BITS = 14;
export const DEFLATE_TABLE = DEFLATE_RUNS + 2 * DEFLATE_ALPHABET_BYTES;
/** The sequences of a block: how many literals, then a match, a word each. */
export const DEFLATE_SEQUENCES = DEFLATE_TABLE + 2 * (1 << DEFLATE_HASH_BITS);
/** How much longer each block may become when it is deflated. */
export const DEFLATE_BLOCK_GROWTH_BYTES = 8;
/** The deflated form of as many bytes as are packed at a time. */
export const DEFLATE_OUTPUT = DEFLATE_SEQUENCES + 2 * DEFLATE_BLOCK_BYTES + DEFLATE_SLACK;
