// Hot: runs once for each block of a compressed message. Finds repeated bytes, and counts the symbols of the result.

import {
  DEFLATE_DISTANCE_CODES,
  DEFLATE_HASH_BITS,
  DEFLATE_LITERAL_CODES,
  DEFLATE_SEQUENCES,
  DEFLATE_TABLE,
} from "../../../runtime/websocket/deflate_region";
import { common, commonBefore, FAST_PATIENCE, hashBits, hashOfFive, TAIL_BYTES } from "../matches";
import { distanceSymbol, lengthSymbol, MATCH_MAX, MATCH_MIN } from "./symbols";

/** Where the sequences of the last block end. */
export let sequencesEnd: u32 = 0;

let literalCounts: u32 = 0;
let distanceCounts: u32 = 0;
let table: u32 = 0;
let sequences: u32 = 0;
/** 64 less the bits of this block's hashes. Those of a small block have few, so that little of the table is cleared. */
let hashShift: u64 = 0;

export function attachSearch(region: u32): void {
  literalCounts = region + DEFLATE_LITERAL_CODES;
  distanceCounts = region + DEFLATE_DISTANCE_CODES;
  table = region + DEFLATE_TABLE;
  sequences = region + DEFLATE_SEQUENCES;
}

/**
 * Divides `length` bytes, a block at most, into sequences: literals with a match behind them, and in the last one no
 * match. It takes the first match that it finds, and skips more and more bytes while it finds none. The caller has
 * cleared the counts.
 */
export function search(from: u32, length: u32): void {
  const end = from + length;
  const searchEnd = length > TAIL_BYTES ? end - TAIL_BYTES : from;
  const bits = hashBits(length, DEFLATE_HASH_BITS);
  hashShift = 64 - bits;
  memory.fill(table, 0, 2 << bits);
  sequencesEnd = sequences;
  let literal = from;
  let at = from + 1;
  while (at < searchEnd) {
    const bytes = load<u64>(at);
    const entry = entryOf(bytes);
    const match = from + load<u16>(entry);
    store<u16>(entry, at - from);
    if (load<u32>(match) != <u32>bytes) {
      at += 1 + ((at - literal) >> FAST_PATIENCE);
      continue;
    }
    const count = MATCH_MIN + common(at + MATCH_MIN, match + MATCH_MIN, end);
    const before = commonBefore(at, match, literal, from);
    addLiterals(literal, at - before);
    addMatch(at - match, before + count);
    at += count;
    literal = at;
    if (at >= searchEnd) break;
    // A later match may begin in what was passed over.
    const passed = at - 2;
    store<u16>(entryOf(load<u64>(passed)), passed - from);
  }
  addLiterals(literal, end);
  store<u32>(sequencesEnd - 4, 0);
}

/** Begins a sequence with the bytes between two places as literals. */
function addLiterals(from: u32, to: u32): void {
  const counts = literalCounts;
  store<u32>(sequencesEnd, to - from);
  sequencesEnd += 8;
  for (let at = from; at < to; at++) {
    const count = counts + ((<u32>load<u8>(at)) << 2);
    store<u32>(count, load<u32>(count) + 1);
  }
}

/**
 * Ends the sequence with a match: `count` bytes from `distance` back. If it is longer than a match may be, it goes on
 * in sequences without literals.
 */
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

/** The entry of the table for the first five of these bytes. */
function entryOf(bytes: u64): u32 {
  return table + (hashOfFive(bytes, hashShift) << 1);
}
