// Hot: runs once for each block of a compressed message. Writes bits, the lowest first. Source: RFC 1951, 3.1.1.

import {
  DEFLATE_CODE_SHIFT,
  DEFLATE_DISTANCE_CODES,
  DEFLATE_FIXED_DISTANCE_CODES,
  DEFLATE_FIXED_LITERAL_CODES,
  DEFLATE_LITERAL_CODES,
  DEFLATE_SEQUENCES,
} from "../../../runtime/websocket/deflate_region";
import {
  distanceExtra,
  distanceExtraBits,
  distanceSymbol,
  END_OF_BLOCK,
  lengthExtra,
  lengthExtraBits,
  lengthSymbol,
} from "./symbols";

const CODE_MASK: u32 = (1 << DEFLATE_CODE_SHIFT) - 1;

/** Where the next byte goes, and the bits that do not fill a byte yet. */
export let out: u32 = 0;
let bits: u64 = 0;
let bitCount: u64 = 0;

let region: u32 = 0;

export function attachWriter(at: u32): void {
  region = at;
}

export function startWriting(at: u32): void {
  out = at;
  bits = 0;
  bitCount = 0;
}

/** Writes the low `count` bits of `value`, 32 at most. Its other bits are 0. */
export function writeBits(value: u32, count: u32): void {
  bits |= (<u64>value) << bitCount;
  bitCount += count;
  store<u64>(out, bits);
  out += <u32>(bitCount >> 3);
  bits >>= bitCount & ~7;
  bitCount &= 7;
}

export function writeCode(code: u32): void {
  writeBits(code & CODE_MASK, code >> DEFLATE_CODE_SHIFT);
}

/** Fills the byte that was begun with zeros. */
export function alignToByte(): void {
  if (bitCount > 0) writeBits(0, 8 - <u32>bitCount);
}

/** Writes bytes as they are. The caller has aligned to a byte. */
export function writeBytes(from: u32, length: u32): void {
  memory.copy(out, from, length);
  out += length;
}

/**
 * Writes the block itself, whose literals begin at `from`: its sequences up to `sequencesEnd`, then its end. No code of
 * a literal or length is longer than 14 bits. So four of them, or one with a distance (14 + 5 + 15 + 13), fit into 64
 * bits behind the seven that may be left over.
 */
export function writeSequences(from: u32, sequencesEnd: u32, isFixed: bool): void {
  const literals = region + (isFixed ? DEFLATE_FIXED_LITERAL_CODES : DEFLATE_LITERAL_CODES);
  const distances = region + (isFixed ? DEFLATE_FIXED_DISTANCE_CODES : DEFLATE_DISTANCE_CODES);
  let to = out;
  let pending = bits;
  let count = bitCount;
  let at = from;
  for (let sequence = region + DEFLATE_SEQUENCES; sequence < sequencesEnd; sequence += 8) {
    const literalsEnd = at + load<u32>(sequence);
    while (at < literalsEnd) {
      const stop = min(at + 4, literalsEnd);
      for (; at < stop; at++) {
        const code = load<u32>(literals + ((<u32>load<u8>(at)) << 2));
        pending |= (<u64>(code & CODE_MASK)) << count;
        count += code >> DEFLATE_CODE_SHIFT;
      }
      store<u64>(to, pending);
      to += <u32>(count >> 3);
      pending >>= count & ~7;
      count &= 7;
    }
    const match = load<u32>(sequence, 4);
    if (match == 0) break;
    const length = match & 0xffff;
    const distance = match >> 16;
    at += length;
    let code = load<u32>(literals + (lengthSymbol(length) << 2));
    pending |= (<u64>(code & CODE_MASK)) << count;
    count += code >> DEFLATE_CODE_SHIFT;
    let extraBits = lengthExtraBits(length);
    pending |= (<u64>lengthExtra(length, extraBits)) << count;
    count += extraBits;
    code = load<u32>(distances + (distanceSymbol(distance) << 2));
    pending |= (<u64>(code & CODE_MASK)) << count;
    count += code >> DEFLATE_CODE_SHIFT;
    extraBits = distanceExtraBits(distance);
    pending |= (<u64>distanceExtra(distance, extraBits)) << count;
    count += extraBits;
    store<u64>(to, pending);
    to += <u32>(count >> 3);
    pending >>= count & ~7;
    count &= 7;
  }
  out = to;
  bits = pending;
  bitCount = count;
  writeCode(load<u32>(literals + (END_OF_BLOCK << 2)));
}
