// Hot: runs once for each block of a compressed message. Writes the header of a block: the lengths of its codes.
// Source: RFC 1951, 3.2.7.

import {
  DEFLATE_CODE_LENGTH_CODES,
  DEFLATE_CODE_LENGTHS,
  DEFLATE_CODE_SHIFT,
  DEFLATE_DISTANCE_CODES,
  DEFLATE_DISTANCES,
  DEFLATE_LITERAL_CODES,
  DEFLATE_LITERALS,
  DEFLATE_RUNS,
} from "../../../runtime/websocket/deflate_region";
import { makeCodes } from "./codes";
import { writeBits, writeCode } from "./write";

const LITERALS_MIN: u32 = 257;
const DISTANCES_MIN: u32 = 1;
const CODE_LENGTHS_MIN: u32 = 4;
const CODE_LENGTH_BITS_MAX: u32 = 7;
/** Bits of the three counts that a header begins with, and of the length of each code that stands for a code length. */
const COUNT_BITS: u32 = 5 + 5 + 4;
const LENGTH_BITS: u32 = 3;

/** Symbols besides the lengths: the last length 3 to 6 times more, nought 3 to 10 times, nought 11 to 138 times. */
const REPEAT: u32 = 16;
const NOUGHTS: u32 = 17;
const MANY_NOUGHTS: u32 = 18;
const REPEATS_MIN: u32 = 3;
const REPEATS_MAX: u32 = 6;
const NOUGHTS_MAX: u32 = 10;
const MANY_NOUGHTS_MIN: u32 = 11;
const MANY_NOUGHTS_MAX: u32 = 138;

/**
 * The order in which the lengths of those symbols' codes are sent, five bits for each: 16, 17, 18, 0, 8, 7, 9, 6, 10,
 * 5, 11, 4, and the rest.
 */
const ORDER_FIRST: u64 = 0x22caa324e804a30;
const ORDER_FIRST_COUNT: u32 = 12;
const ORDER_REST: u64 = 0x3c2e1346c;

let literals: u32 = 0;
let distances: u32 = 0;
let codeLengths: u32 = 0;
let runs: u32 = 0;

/** These four describe the header that was planned last. */
let runsEnd: u32 = 0;
let literalCount: u32 = 0;
let distanceCount: u32 = 0;
let codeLengthCount: u32 = 0;

export function attachHeader(region: u32): void {
  literals = region + DEFLATE_LITERAL_CODES;
  distances = region + DEFLATE_DISTANCE_CODES;
  codeLengths = region + DEFLATE_CODE_LENGTH_CODES;
  runs = region + DEFLATE_RUNS;
}

/** Prepares the header for the codes that were made. Returns how many bits it takes. */
export function planHeader(): u32 {
  literalCount = usedCount(literals, DEFLATE_LITERALS, LITERALS_MIN);
  distanceCount = usedCount(distances, DEFLATE_DISTANCES, DISTANCES_MIN);
  memory.fill(codeLengths, 0, DEFLATE_CODE_LENGTHS << 2);
  runsEnd = runs;
  let extraBits = addRuns(literals, literalCount);
  extraBits += addRuns(distances, distanceCount);
  const bits = makeCodes(codeLengths, DEFLATE_CODE_LENGTHS, CODE_LENGTH_BITS_MAX);
  codeLengthCount = DEFLATE_CODE_LENGTHS;
  while (codeLengthCount > CODE_LENGTHS_MIN && lengthOf(codeLengths, inOrder(codeLengthCount - 1)) == 0) {
    codeLengthCount--;
  }
  return COUNT_BITS + LENGTH_BITS * codeLengthCount + bits + extraBits;
}

export function writeHeader(): void {
  writeBits(literalCount - LITERALS_MIN, 5);
  writeBits(distanceCount - DISTANCES_MIN, 5);
  writeBits(codeLengthCount - CODE_LENGTHS_MIN, 4);
  for (let i: u32 = 0; i < codeLengthCount; i++) writeBits(lengthOf(codeLengths, inOrder(i)), LENGTH_BITS);
  for (let at = runs; at < runsEnd; at += 4) {
    const run = load<u32>(at);
    const symbol = run & 0xffff;
    writeCode(load<u32>(codeLengths + (symbol << 2)));
    if (symbol >= REPEAT) writeBits(run >> 16, runBits(symbol));
  }
}

/** How many symbols there are up to the last one that has a code, and at least `countMin`. */
function usedCount(alphabet: u32, symbolCount: u32, countMin: u32): u32 {
  let count = symbolCount;
  while (count > countMin && load<u32>(alphabet + ((count - 1) << 2)) == 0) count--;
  return count;
}

/** Adds the runs that say the lengths of `symbolCount` symbols. Returns how many extra bits follow their symbols. */
function addRuns(alphabet: u32, symbolCount: u32): u32 {
  let extraBits: u32 = 0;
  let symbol: u32 = 0;
  while (symbol < symbolCount) {
    const length = lengthOf(alphabet, symbol);
    let repeats: u32 = 1;
    while (symbol + repeats < symbolCount && lengthOf(alphabet, symbol + repeats) == length) repeats++;
    symbol += repeats;
    if (length != 0) {
      addRun(length, 0);
      repeats--;
    }
    while (repeats >= REPEATS_MIN) {
      const kind = length != 0 ? REPEAT : repeats < MANY_NOUGHTS_MIN ? NOUGHTS : MANY_NOUGHTS;
      const least = kind == MANY_NOUGHTS ? MANY_NOUGHTS_MIN : REPEATS_MIN;
      const part = min(
        repeats,
        kind == REPEAT ? REPEATS_MAX : kind == NOUGHTS ? NOUGHTS_MAX : MANY_NOUGHTS_MAX,
      );
      addRun(kind, part - least);
      extraBits += runBits(kind);
      repeats -= part;
    }
    for (; repeats > 0; repeats--) addRun(length, 0);
  }
  return extraBits;
}

function addRun(symbol: u32, extra: u32): void {
  store<u32>(runsEnd, symbol | (extra << 16));
  runsEnd += 4;
  const count = codeLengths + (symbol << 2);
  store<u32>(count, load<u32>(count) + 1);
}

function runBits(symbol: u32): u32 {
  return symbol == REPEAT ? 2 : symbol == NOUGHTS ? 3 : 7;
}

function lengthOf(alphabet: u32, symbol: u32): u32 {
  return load<u32>(alphabet + (symbol << 2)) >> DEFLATE_CODE_SHIFT;
}

function inOrder(i: u32): u32 {
  const isFirst = i < ORDER_FIRST_COUNT;
  return <u32>((isFirst ? ORDER_FIRST >> (5 * i) : ORDER_REST >> (5 * (i - ORDER_FIRST_COUNT))) & 31);
}
