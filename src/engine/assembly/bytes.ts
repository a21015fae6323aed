// Hot: scanning, comparing, hashing and copying bytes, 16 at a time. Reads may run up to 15 bytes past `end`, and
// copies may write up to 15 bytes past the last one. Every region keeps that much room behind it.

const BLANK: u8 = 0x20;

/** Address of the first byte ≤ 0x20 (blank, tab, CR, LF, other controls) in `[at, end)`, or `end` if there is none. */
export function findBlank(at: u32, end: u32): u32 {
  while (at < end) {
    const mask = i8x16.bitmask(i8x16.le_u(v128.load(at), i8x16.splat(BLANK)));
    if (mask != 0) {
      const found = at + ctz(mask);
      return found < end ? found : end;
    }
    at += 16;
  }
  return end;
}

/** Whether `length` bytes at `a` and `b` are the same. */
export function equal(a: u32, b: u32, length: u32): bool {
  while (length >= 16) {
    if (i8x16.bitmask(i8x16.eq(v128.load(a), v128.load(b))) != 0xffff) return false;
    a += 16;
    b += 16;
    length -= 16;
  }
  const wanted = (1 << length) - 1;
  return (i8x16.bitmask(i8x16.eq(v128.load(a), v128.load(b))) & wanted) == wanted;
}

/** Copies `length` bytes in steps of 16, at least one step. */
export function copy(to: u32, from: u32, length: u32): void {
  let done: u32 = 0;
  do {
    v128.store(to + done, v128.load(from + done));
    done += 16;
  } while (done < length);
}

/**
 * The hash of a subject under the process's seed. Subjects chosen to collide can at most make their own sender miss the
 * plan cache, because its sets are bounded.
 */
export function hashBytes(at: u32, length: u32, seed: u64): u32 {
  const multiplier = seed | 1;
  let hash = (seed ^ length) * 0x9e3779b97f4a7c15;
  while (length >= 8) {
    hash = (hash ^ load<u64>(at)) * multiplier;
    hash ^= hash >> 32;
    at += 8;
    length -= 8;
  }
  if (length != 0) {
    const tail = load<u64>(at) & (((<u64>1) << (length << 3)) - 1);
    hash = (hash ^ tail) * multiplier;
    hash ^= hash >> 32;
  }
  hash *= 0xff51afd7ed558ccd;
  return <u32>(hash >> 32);
}

/** Writes a number as decimal digits and returns the address after them. */
export function writeDecimal(to: u32, value: u32): u32 {
  let digits: u32 = 1;
  for (let rest = value; rest >= 10; rest /= 10) digits++;
  for (let at = to + digits - 1; at >= to; at--) {
    store<u8>(at, 0x30 + <u8>(value % 10));
    value /= 10;
  }
  return to + digits;
}
