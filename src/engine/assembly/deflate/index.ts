// What the host calls in the deflate unit, a WebAssembly module beside the engine. A shard loads it with its first
// compressed WebSocket. All addresses are of the shared memory, and the host has checked that what they name fits.

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

/** A block begins with three bits: whether it is the last, which none is, and its kind. */
const KIND_BITS: u32 = 3;
const STORED: u32 = 0;
const FIXED: u32 = 1 << 1;
const DYNAMIC: u32 = 2 << 1;
/** A stored block goes on, at the next whole byte, with its length and the same inverted. */
const STORED_HEAD_BITS: u32 = 32;
const LITERAL_BITS_MAX: u32 = 14;
const DISTANCE_BITS_MAX: u32 = 15;
/** Fixed codes are made for so many symbols, some of which stand for nothing. */
const FIXED_LITERALS: u32 = 288;
const FIXED_DISTANCES: u32 = 30;
const FIXED_DISTANCE_BITS: u32 = 5;

let literals: u32 = 0;
let distances: u32 = 0;

/** Sets the region that this instance works in (`runtime/websocket/deflate_region.ts`). */
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
 * Deflates a message to `to`. There must be room for its length, DEFLATE_BLOCK_GROWTH_BYTES more for each block that is
 * begun, and DEFLATE_SLACK. Returns how long the result is, without the four bytes that end a flush.
 */
export function deflate(to: u32, from: u32, length: u32): u32 {
  startWriting(to);
  while (length > 0) {
    const blockBytes = min<u32>(length, DEFLATE_BLOCK_BYTES);
    writeBlock(from, blockBytes);
    from += blockBytes;
    length -= blockBytes;
  }
  // The flush is an empty stored block.
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

/** How many extra bits follow the counted symbols of lengths and distances. */
function countExtraBits(): u32 {
  let bits: u32 = 0;
  for (let i = END_OF_BLOCK + 1; i < <u32>DEFLATE_LITERALS; i++)
    bits += load<u32>(literals + (i << 2)) * extraBitsOfLength(i);
  for (let i: u32 = 0; i < <u32>DEFLATE_DISTANCES; i++)
    bits += load<u32>(distances + (i << 2)) * extraBitsOfDistance(i);
  return bits;
}

/** How many bits the counted symbols themselves take in fixed codes. */
function countFixedBits(): u32 {
  let bits: u32 = 0;
  for (let i: u32 = 0; i < <u32>DEFLATE_LITERALS; i++)
    bits += load<u32>(literals + (i << 2)) * fixedLength(i);
  for (let i: u32 = 0; i < <u32>DEFLATE_DISTANCES; i++)
    bits += load<u32>(distances + (i << 2)) * FIXED_DISTANCE_BITS;
  return bits;
}

/** How many bits the fixed code of a literal or length has. Source: RFC 1951, 3.2.6. */
function fixedLength(symbol: u32): u32 {
  return symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8;
}
