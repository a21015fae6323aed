/**
 * The region of a shard in which messages of compressed WebSockets are deflated; nothing touches it before there is one.
 * Read by both compilers, as `memory/layout.ts` is: plain integer constants, nothing else.
 */

/** What one block holds: a distance in it fits 15 bits, its length the 16 of a stored block. */
export const DEFLATE_BLOCK_BYTES = 32768;
/** Behind what is deflated, and behind what becomes of it: both are read and written up to 16 bytes at a time. */
export const DEFLATE_SLACK = 64;
/** Symbols of literals and lengths, of distances, and of code lengths. Source: RFC 1951, 3.2.5 to 3.2.7. */
export const DEFLATE_LITERALS = 286;
export const DEFLATE_DISTANCES = 30;
export const DEFLATE_CODE_LENGTHS = 19;

// Where in the region things lie. Of each alphabet, with room for 288 symbols: how often each is used, a word each, which
// become its codes: the bits in the order they are sent, and from DEFLATE_CODE_SHIFT on how many there are.
export const DEFLATE_CODE_SHIFT = 16;
export const DEFLATE_ALPHABET_BYTES = 1152;
export const DEFLATE_LITERAL_CODES = 0;
export const DEFLATE_DISTANCE_CODES = DEFLATE_LITERAL_CODES + DEFLATE_ALPHABET_BYTES;
export const DEFLATE_CODE_LENGTH_CODES = DEFLATE_DISTANCE_CODES + DEFLATE_ALPHABET_BYTES;
/** The codes of fixed blocks. */
export const DEFLATE_FIXED_LITERAL_CODES = DEFLATE_CODE_LENGTH_CODES + DEFLATE_ALPHABET_BYTES;
export const DEFLATE_FIXED_DISTANCE_CODES = DEFLATE_FIXED_LITERAL_CODES + DEFLATE_ALPHABET_BYTES;
/** Words to work with while codes are made: the symbols in use, sorted, and what they become. */
export const DEFLATE_SORTED = DEFLATE_FIXED_DISTANCE_CODES + DEFLATE_ALPHABET_BYTES;
export const DEFLATE_NODES = DEFLATE_SORTED + DEFLATE_ALPHABET_BYTES;
/** How many codes there are of each length, then the next code of it. */
export const DEFLATE_COUNTS = DEFLATE_NODES + DEFLATE_ALPHABET_BYTES;
/** Code lengths as they are sent: a word for each symbol, with its extra bits from DEFLATE_CODE_SHIFT on. */
export const DEFLATE_RUNS = DEFLATE_COUNTS + 128;
/** Where in the block five bytes were seen last, by their hash, u16. */
export const DEFLATE_HASH_BITS = 14;
export const DEFLATE_TABLE = DEFLATE_RUNS + 2 * DEFLATE_ALPHABET_BYTES;
/** What the block is made of: how many literals, then a match, a word each. */
export const DEFLATE_SEQUENCES = DEFLATE_TABLE + 2 * (1 << DEFLATE_HASH_BITS);
/** What is deflated may become so much longer in each block. */
export const DEFLATE_BLOCK_GROWTH_BYTES = 8;
/** What becomes of as many bytes as are packed at a time. */
export const DEFLATE_OUTPUT = DEFLATE_SEQUENCES + 2 * DEFLATE_BLOCK_BYTES + DEFLATE_SLACK;
