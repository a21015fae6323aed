// What the host calls of the deflate unit: a WebAssembly module beside the engine, at shards with WebSockets, from the
// first on that is compressed. All addresses are of the shared memory, and the host has checked that what it names fits.

import {
  DEFLATE_BLOCK_BYTES,
  DEFLATE_CODE_SHIFT,
  DEFLATE_DISTANCE_CODES,
  DEFLATE_DISTANCES,
  DEFLATE_FIXED_DISTANCE_CODES,
  DEFLATE_FIXED_LITERAL_CODES,
  DEFLATE_LITERAL_CODES,
  DEFLATE_LITERALS,
} from "../../../runtime/websocket/deflate_region";
import { attachCodes, makeCodes, numberCodes } from "./codes";
import { attachHeader, planHeader, writeHeader } from "./header";
import { attachSearch, search, sequencesEnd } from "./search";
import { END_OF_BLOCK, extraBitsOfDistance, extraBitsOfLength } from "./symbols";
import { alignToByte, attachWriter, out, startWriting, writeBits, writeBytes, writeSequences } from "./write";

/** What a block says of itself first: whether it is the last, which none is, and its kind. */
const KIND_BITS: u32 = 3;
const STORED: u32 = 0;
const FIXED: u32 = 1 << 1;
const DYNAMIC: u32 = 2 << 1;
/** Of a stored block, on the next whole byte: its length, and that inverted. */
const STORED_HEAD_BITS: u32 = 32;
const LITERAL_BITS_MAX: u32 = 14;
const DISTANCE_BITS_MAX: u32 = 15;
/** Fixed codes are made of these many symbols, of which some stand for nothing. */
const FIXED_LITERALS: u32 = 288;
const FIXED_DISTANCES: u32 = 30;
const FIXED_DISTANCE_BITS: u32 = 5;

let literals: u32 = 0;
let distances: u32 = 0;

/** The region that this instance works in (`runtime/websocket/deflate_region.ts`). */
export function attach(region: u32): void {
  literals = region + DEFLATE_LITERAL_CODES;
  distances = region + DEFLATE_DISTANCE_CODES;
  attachSearch(region);
  attachCodes(region);
  attachHeader(region);
  attachWriter(region);
  const fixed = region + DEFLATE_FIXED_LITERAL_CODES;
  for (let i: u32 = 0; i < FIXED_LITERALS; i++)
    store<u32>(fixed + (i << 2), fixedLength(i) << DEFLATE_CODE_SHIFT);
  numberCodes(fixed, FIXED_LITERALS);
  const far = region + DEFLATE_FIXED_DISTANCE_CODES;
  for (let i: u32 = 0; i < FIXED_DISTANCES; i++)
    store<u32>(far + (i << 2), FIXED_DISTANCE_BITS << DEFLATE_CODE_SHIFT);
  numberCodes(far, FIXED_DISTANCES);
}

/**
 * Deflates a message to where there is room for it, DEFLATE_BLOCK_GROWTH_BYTES more for each block that begins, and
 * DEFLATE_SLACK. Returns how long it has become, without the four bytes that end a flush.
 */
export function deflate(to: u32, from: u32, length: u32): u32 {
  startWriting(to);
  while (length > 0) {
    const blockBytes = min<u32>(length, DEFLATE_BLOCK_BYTES);
    writeBlock(from, blockBytes);
    from += blockBytes;
    length -= blockBytes;
  }
  // The flush: a stored block of nothing.
  writeBits(STORED, KIND_BITS);
  alignToByte();
  return out - to;
}

/** Writes a block in the way that takes the fewest bits. */
function writeBlock(from: u32, length: u32): void {
  memory.fill(literals, 0, DEFLATE_LITERALS << 2);
  memory.fill(distances, 0, DEFLATE_DISTANCES << 2);
  search(from, length);
  store<u32>(literals + (END_OF_BLOCK << 2), 1);
  const extraBits = countExtraBits();
  const fixedBits = extraBits + countFixedBits();
  const dynamicBits =
    extraBits +
    makeCodes(literals, DEFLATE_LITERALS, LITERAL_BITS_MAX) +
    makeCodes(distances, DEFLATE_DISTANCES, DISTANCE_BITS_MAX) +
    planHeader();
  if (min(fixedBits, dynamicBits) >= STORED_HEAD_BITS + (length << 3)) {
    writeBits(STORED, KIND_BITS);
    alignToByte();
    writeBits(length | (~length << 16), STORED_HEAD_BITS);
    writeBytes(from, length);
    return;
  }
  const isFixed = fixedBits <= dynamicBits;
  writeBits(isFixed ? FIXED : DYNAMIC, KIND_BITS);
  if (!isFixed) writeHeader();
  writeSequences(from, sequencesEnd, isFixed);
}

/** Bits that follow the symbols of lengths and distances, of what was counted. */
function countExtraBits(): u32 {
  let bits: u32 = 0;
  for (let i = END_OF_BLOCK + 1; i < <u32>DEFLATE_LITERALS; i++)
    bits += load<u32>(literals + (i << 2)) * extraBitsOfLength(i);
  for (let i: u32 = 0; i < <u32>DEFLATE_DISTANCES; i++)
    bits += load<u32>(distances + (i << 2)) * extraBitsOfDistance(i);
  return bits;
}

/** Bits that the symbols themselves take in fixed codes. */
function countFixedBits(): u32 {
  let bits: u32 = 0;
  for (let i: u32 = 0; i < <u32>DEFLATE_LITERALS; i++)
    bits += load<u32>(literals + (i << 2)) * fixedLength(i);
  for (let i: u32 = 0; i < <u32>DEFLATE_DISTANCES; i++)
    bits += load<u32>(distances + (i << 2)) * FIXED_DISTANCE_BITS;
  return bits;
}

/** Of the fixed code of a literal or length. Source: RFC 1951, 3.2.6. */
function fixedLength(symbol: u32): u32 {
  return symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8;
}
