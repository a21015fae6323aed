// Hot: once for each piece of a frame that a client sends.

/**
 * Applies the mask of a frame (RFC 6455, section 5.3) to `bytes[start, end)`; masking twice undoes it. `words` is a
 * view of the same memory from its first byte, as is `bytes`. `mask` is the mask of the first of these bytes, as
 * `maskAt` and `rotateMask` give it.
 */
export function applyMask(
  bytes: Uint8Array,
  words: Int32Array,
  start: number,
  end: number,
  mask: number,
): void {
  let at = start;
  while ((at & 3) !== 0 && at < end) {
    bytes[at]! ^= mask;
    mask = rotateMask(mask, 1);
    at++;
  }
  const wordEnd = end >> 2;
  for (let word = at >> 2; word < wordEnd; word++) words[word]! ^= mask;
  at = Math.max(at, wordEnd << 2);
  for (; at < end; at++) {
    bytes[at]! ^= mask;
    mask = rotateMask(mask, 1);
  }
}

/** The four bytes of a mask as a word, the first one lowest. */
export function maskAt(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

/** The mask of the byte that comes `count` bytes later. */
export function rotateMask(mask: number, count: number): number {
  const bits = (count & 3) << 3;
  return bits === 0 ? mask : (mask >>> bits) | (mask << (32 - bits));
}
