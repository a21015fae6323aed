// Hot: runs once per match, and once per token if there are wildcards.

/**
 * Hashes `prefix` and `bytes[start, end)` to an int32 that a client who does not know the seeds cannot steer. It is
 * HalfSipHash-1-3 (Aumasson and Bernstein) with all four words of its state seeded, and takes about 1 ns a byte. Every
 * word goes through the same round: the prefix, the data, the rest of the data with its length, and three empty words
 * to finish.
 */
export function hashSubject(
  seeds: Int32Array,
  prefix: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  let v0 = seeds[0]!;
  let v1 = seeds[1]!;
  let v2 = seeds[2]! ^ 0x6c796765;
  let v3 = seeds[3]! ^ 0x74656462;
  let word = prefix;
  let at = start;
  for (let roundsLeft = ((end - start) >> 2) + TAIL_ROUND; ; roundsLeft--) {
    v3 ^= word;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= word;
    if (roundsLeft > TAIL_ROUND) {
      word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
      at += 4;
    } else if (roundsLeft === TAIL_ROUND) {
      word = (end - start) << 24;
      if (at < end) word |= bytes[at]!;
      if (at + 1 < end) word |= bytes[at + 1]! << 8;
      if (at + 2 < end) word |= bytes[at + 2]! << 16;
    } else if (roundsLeft === 0) {
      return v1 ^ v3;
    } else {
      if (roundsLeft === FINAL_ROUNDS) v2 ^= 0xff;
      word = 0;
    }
  }
}

const FINAL_ROUNDS = 3;
const TAIL_ROUND = FINAL_ROUNDS + 1;

/** Mixes `hash`, which is seeded already, with two small integers and spreads the result over all 32 bits. */
export function mixHash(hash: number, first: number, second: number): number {
  let mixed = hash ^ Math.imul(first, 0x9e3779b1) ^ Math.imul(second, 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x7feb352d);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x846ca68b);
  return mixed ^ (mixed >>> 16);
}
