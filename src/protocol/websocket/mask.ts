// Hot: once for each piece of a frame that a client sends.

/**
 * Moves `length` bytes of a memory from `from` to `to` (≤ `from`, or apart) and applies the mask of a frame to them
 * (RFC 6455, section 5.3), as `maskAt` and `rotateMask` give it for the first of them. Touches nothing behind them.
 */
export type Unmask = (to: number, from: number, length: number, mask: number) => void;

/** `Unmask` in a memory of which both are views from its first byte. The engine's is faster, where there is one. */
export function createUnmask(bytes: Uint8Array, words: Int32Array): Unmask {
  return (to, from, length, mask) => {
    if (mask !== 0) applyMask(bytes, words, from, from + length, mask);
    if (to !== from) bytes.copyWithin(to, from, from + length);
  };
}

/** Applies a mask to `bytes[start, end)`; twice undoes it. `words` is a view of the same memory, as is `bytes`. */
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

/** The mask as it stands `count` bytes later. */
export function rotateMask(mask: number, count: number): number {
  const bits = (count & 3) << 3;
  return bits === 0 ? mask : (mask >>> bits) | (mask << (32 - bits));
}
