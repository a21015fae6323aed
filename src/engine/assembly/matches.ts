// Hot: what searches for matches share, in the units of S2 and of deflate.

/** A search ends so many bytes before the end of a block, because it reads eight bytes at a time. */
export const TAIL_BYTES: u32 = 9;
/** Each time that so many more bytes, as a power of two, had no match, every step of a fast search skips one byte more. */
export const FAST_PATIENCE: u32 = 5;
const HASH_BITS_MIN: u32 = 8;
const MULTIPLIER: u64 = 0x9e3779b185ebca87;

/** How many bits the hashes of a block of `length` bytes have, at most `bitsMax`. Those of a small block have few, so that little of a table is cleared. */
export function hashBits(length: u32, bitsMax: u32): u32 {
  return min<u32>(bitsMax, max<u32>(HASH_BITS_MIN, 32 - clz(length)));
}

/** The hash of the first five of these bytes; `shift` is 64 less its bits. */
export function hashOfFive(bytes: u64, shift: u64): u32 {
  return <u32>(((bytes << 24) * MULTIPLIER) >> shift);
}

/**
 * How many bytes before `at` and `match` are the same. It looks back to `literal` from `at`, to `from` from `match`.
 */
export function commonBefore(at: u32, match: u32, literal: u32, from: u32): u32 {
  const start = at;
  while (at > literal && match > from && load<u8>(at - 1) == load<u8>(match - 1)) {
    at--;
    match--;
  }
  return start - at;
}

/** How many bytes are the same from `a` and from `b` on, before `end`. `a` is the later place. */
export function common(a: u32, b: u32, end: u32): u32 {
  const start = a;
  while (end - a >= 8) {
    const difference = load<u64>(a) ^ load<u64>(b);
    if (difference != 0) return a - start + <u32>(ctz(difference) >> 3);
    a += 8;
    b += 8;
  }
  while (a < end && load<u8>(a) == load<u8>(b)) {
    a++;
    b++;
  }
  return a - start;
}
