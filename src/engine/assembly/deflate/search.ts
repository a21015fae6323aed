// Hot: once for each block of a compressed message. Finds what repeats, and counts the symbols that say so.

import {
  DEFLATE_DISTANCE_CODES,
  DEFLATE_HASH_BITS,
  DEFLATE_LITERAL_CODES,
  DEFLATE_SEQUENCES,
  DEFLATE_TABLE,
} from "../../../runtime/websocket/deflate_region";
import { distanceSymbol, lengthSymbol, MATCH_MAX, MATCH_MIN } from "./symbols";

/** Before the end of a block nothing is searched any more: eight bytes are read at a time. */
const TAIL_BYTES: u32 = 9;
/** After so many bytes without a match one more is left out from step to step, as a power of two. */
const PATIENCE: u32 = 5;
const HASH_BITS_MIN: u32 = 8;
const MULTIPLIER: u64 = 0x9e3779b185ebca87;

/** Where the sequences of the last block end. */
export let sequencesEnd: u32 = 0;

let literalCounts: u32 = 0;
let distanceCounts: u32 = 0;
let table: u32 = 0;
let sequences: u32 = 0;
/** Of the hashes of this block: the smaller it is, the less of the table is to be cleared. */
let hashShift: u64 = 0;

export function attachSearch(region: u32): void {
  literalCounts = region + DEFLATE_LITERAL_CODES;
  distanceCounts = region + DEFLATE_DISTANCE_CODES;
  table = region + DEFLATE_TABLE;
  sequences = region + DEFLATE_SEQUENCES;
}

/**
 * Says of `length` bytes, a block at most, what they are made of: sequences of literals with a match behind them, the last
 * without. Takes the first match it comes upon, looks at less and less where there is none. The counts were cleared.
 */
export function search(from: u32, length: u32): void {
  const end = from + length;
  const searchEnd = length > TAIL_BYTES ? end - TAIL_BYTES : from;
  const bits = min<u32>(DEFLATE_HASH_BITS, max<u32>(HASH_BITS_MIN, 32 - clz(length)));
  hashShift = 64 - bits;
  memory.fill(table, 0, 2 << bits);
  sequencesEnd = sequences;
  let literal = from;
  let at = from + 1;
  while (at < searchEnd) {
    const bytes = load<u64>(at);
    const entry = entryOf(bytes);
    let match = from + load<u16>(entry);
    store<u16>(entry, at - from);
    if (load<u32>(match) != <u32>bytes) {
      at += 1 + ((at - literal) >> PATIENCE);
      continue;
    }
    let count = MATCH_MIN + common(at + MATCH_MIN, match + MATCH_MIN, end);
    while (at > literal && match > from && load<u8>(at - 1) == load<u8>(match - 1)) {
      at--;
      match--;
      count++;
    }
    addLiterals(literal, at);
    addMatch(at - match, count);
    at += count;
    literal = at;
    if (at >= searchEnd) break;
    // What was passed over may be matched as well.
    const passed = at - 2;
    store<u16>(entryOf(load<u64>(passed)), passed - from);
  }
  addLiterals(literal, end);
  store<u32>(sequencesEnd - 4, 0);
}

/** Begins a sequence with the bytes between two places. */
function addLiterals(from: u32, to: u32): void {
  const counts = literalCounts;
  store<u32>(sequencesEnd, to - from);
  sequencesEnd += 8;
  for (let at = from; at < to; at++) {
    const count = counts + ((<u32>load<u8>(at)) << 2);
    store<u32>(count, load<u32>(count) + 1);
  }
}

/** Ends the sequence with a match: `count` bytes of `distance` back. What is longer than a match may be goes on in sequences without literals. */
function addMatch(distance: u32, count: u32): void {
  while (count > MATCH_MAX) {
    // What is left must be long enough for a match.
    const part = min(MATCH_MAX, count - MATCH_MIN);
    addPart(distance, part);
    store<u32>(sequencesEnd, 0);
    sequencesEnd += 8;
    count -= part;
  }
  addPart(distance, count);
}

function addPart(distance: u32, count: u32): void {
  store<u32>(sequencesEnd - 4, (distance << 16) | count);
  const length = literalCounts + (lengthSymbol(count) << 2);
  store<u32>(length, load<u32>(length) + 1);
  const far = distanceCounts + (distanceSymbol(distance) << 2);
  store<u32>(far, load<u32>(far) + 1);
}

/** Where the place of such bytes stands: of the first five. */
function entryOf(bytes: u64): u32 {
  return table + ((<u32>(((bytes << 24) * MULTIPLIER) >> hashShift)) << 1);
}

/** How many bytes are the same from two places on, the first of which is the later one, before `end`. */
function common(a: u32, b: u32, end: u32): u32 {
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
