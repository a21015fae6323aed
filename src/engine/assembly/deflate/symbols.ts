// Which symbol stands for a length or a distance, and which extra bits follow it. Source: RFC 1951, 3.2.5.

/** The shortest match that is looked for, and the longest that a symbol can stand for. */
export const MATCH_MIN: u32 = 4;
export const MATCH_MAX: u32 = 258;

export const END_OF_BLOCK: u32 = 256;
const LENGTHS: u32 = 257;
const LENGTH_MIN: u32 = 3;
const LENGTH_MAX_SYMBOL: u32 = 285;

/**
 * Lengths, less 3, have a symbol each up to 7. From 8 on, the highest bit and the two bits behind it make the symbol.
 * The longest length has a symbol of its own.
 */
export function lengthSymbol(count: u32): u32 {
  const length = count - LENGTH_MIN;
  if (length < 8) return LENGTHS + length;
  if (count == MATCH_MAX) return LENGTH_MAX_SYMBOL;
  const bits = 31 - clz(length);
  return LENGTHS + ((bits - 1) << 2) + ((length >> (bits - 2)) & 3);
}

export function lengthExtraBits(count: u32): u32 {
  const length = count - LENGTH_MIN;
  return length < 8 || count == MATCH_MAX ? 0 : 29 - clz(length);
}

export function lengthExtra(count: u32, bits: u32): u32 {
  return (count - LENGTH_MIN) & ((1 << bits) - 1);
}

/** Distances, less 1, have a symbol each up to 3. From 4 on, the highest bit and the one behind it make the symbol. */
export function distanceSymbol(distance: u32): u32 {
  const back = distance - 1;
  if (back < 4) return back;
  const bits = 31 - clz(back);
  return (bits << 1) + ((back >> (bits - 1)) & 1);
}

export function distanceExtraBits(distance: u32): u32 {
  const back = distance - 1;
  return back < 4 ? 0 : 30 - clz(back);
}

export function distanceExtra(distance: u32, bits: u32): u32 {
  return (distance - 1) & ((1 << bits) - 1);
}

/** How many extra bits follow a symbol. With this and the counts, sequences need not be read again to add them up. */
export function extraBitsOfLength(symbol: u32): u32 {
  const index = symbol - LENGTHS;
  return index < 8 || symbol == LENGTH_MAX_SYMBOL ? 0 : (index >> 2) - 1;
}

export function extraBitsOfDistance(symbol: u32): u32 {
  return symbol < 4 ? 0 : (symbol >> 1) - 1;
}
