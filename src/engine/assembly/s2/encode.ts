// Hot: runs once for each chunk of a compressed link.

import {
  S2_BETTER,
  S2_CHECKSUM_BYTES,
  S2_CHUNK_HEAD_BYTES,
  S2_LONG_BITS,
  S2_LONG_TABLE,
  S2_SHORT_BITS,
  S2_SHORT_TABLE,
  S2_STORED,
} from "../../../runtime/s2/s2_region";
import { common, commonBefore, FAST_PATIENCE, hashBits, hashOfFive, TAIL_BYTES } from "../matches";
import { checksum } from "./checksum";
import { emitCopy, emitLiteral, emitRepeat } from "./emit";

const CHUNK_COMPRESSED: u32 = 0;
const CHUNK_STORED: u32 = 1;
/** Chunks with less content are stored as they are. */
const COMPRESSIBLE_BYTES_MIN: u32 = 32;
/** As FAST_PATIENCE, of the better search. */
const BETTER_PATIENCE: u32 = 7;
/** A match of at least this length is taken without a look at the next place. */
const ENOUGH_BYTES: u32 = 16;
const MULTIPLIER_LONG: u64 = 0xcf1bbcdcb7a56463;

let shortTable: u32 = 0;
let longTable: u32 = 0;
/** 64 less the bits of this block's hashes. Those of a small block have few, so that little of a table is cleared. */
let shortShift: u64 = 0;
let longShift: u64 = 0;

export function attachTables(region: u32): void {
  shortTable = region + S2_SHORT_TABLE;
  longTable = region + S2_LONG_TABLE;
}

/**
 * Writes `length` bytes, 1 to S2_OWN_BLOCK_BYTES, as a chunk. Returns how long that is, at most S2_CHUNK_HEAD_BYTES,
 * S2_CHECKSUM_BYTES and S2_OWN_BLOCK_GROWTH_BYTES more. Content that compression does not make shorter by a 32nd is
 * stored. With S2_STORED, `from` may be where the content goes. Writes at most 16 bytes behind the chunk.
 */
export function encodeChunk(to: u32, from: u32, length: u32, level: u32): u32 {
  const content = to + S2_CHUNK_HEAD_BYTES + S2_CHECKSUM_BYTES;
  let type = CHUNK_STORED;
  let contentBytes = length;
  if (level != S2_STORED && length >= COMPRESSIBLE_BYTES_MIN) {
    const encodedBytes = encodeBlock(content, from, length, level);
    if (encodedBytes < length - (length >> 5)) {
      type = CHUNK_COMPRESSED;
      contentBytes = encodedBytes;
    }
  }
  if (type == CHUNK_STORED && from != content) memory.copy(content, from, length);
  store<u32>(to, type | ((S2_CHECKSUM_BYTES + contentBytes) << 8));
  store<u32>(to + S2_CHUNK_HEAD_BYTES, checksum(from, length));
  return S2_CHUNK_HEAD_BYTES + S2_CHECKSUM_BYTES + contentBytes;
}

function encodeBlock(to: u32, from: u32, length: u32, level: u32): u32 {
  let out = to;
  let rest = length;
  while (rest >= 0x80) {
    store<u8>(out++, rest | 0x80);
    rest >>= 7;
  }
  store<u8>(out++, rest);
  const bits = hashBits(length, S2_SHORT_BITS);
  shortShift = 64 - bits;
  memory.fill(shortTable, 0, 2 << bits);
  if (level != S2_BETTER) return searchFast(out, from, length) - to;
  const longBits = min<u32>(S2_LONG_BITS, bits + 1);
  longShift = 64 - longBits;
  memory.fill(longTable, 0, 2 << longBits);
  return searchBetter(out, from, length) - to;
}

/**
 * Takes the first match that it finds, and skips more and more bytes while it finds none. Returns where its output
 * ends.
 */
function searchFast(to: u32, from: u32, length: u32): u32 {
  const end = from + length;
  const searchEnd = end - TAIL_BYTES;
  let out = to;
  let literal = from;
  let at = from + 1;
  /** How far back the last match was, 0 before the first. */
  let distance: u32 = 0;
  while (at < searchEnd) {
    const bytes = load<u64>(at);
    let match = at - distance;
    if (distance == 0 || load<u32>(match) != <u32>bytes) {
      const entry = shortEntry(bytes);
      match = from + load<u16>(entry);
      store<u16>(entry, at - from);
      if (load<u32>(match) != <u32>bytes) {
        at += 1 + ((at - literal) >> FAST_PATIENCE);
        continue;
      }
    }
    const count = 4 + common(at + 4, match + 4, end);
    const before = commonBefore(at, match, literal, from);
    out = emitLiteral(out, literal, at - before - literal);
    out = emitMatch(out, at - match, before + count, distance);
    distance = at - match;
    at += count;
    literal = at;
    if (at >= searchEnd) break;
    // A later match may begin in what was passed over.
    note(from, at - 2);
  }
  return emitLiteral(out, literal, end - literal);
}

/** Looks for the longest match at each place and at the one behind it. Returns where its output ends. */
function searchBetter(to: u32, from: u32, length: u32): u32 {
  const end = from + length;
  const searchEnd = end - TAIL_BYTES;
  let out = to;
  let literal = from;
  let at = from + 1;
  let distance: u32 = 0;
  while (at < searchEnd) {
    let match: u32 = 0;
    let count: u32 = 0;
    let start = at;
    // The place behind is looked at as well. A match there is taken if it is longer by more than the later start costs.
    for (let ahead: u32 = 0; ahead < 2 && at + ahead < searchEnd; ahead++) {
      const place = at + ahead;
      const bytes = load<u64>(place);
      const longAt = longEntry(bytes);
      const shortAt = shortEntry(bytes);
      const long = from + load<u16>(longAt);
      const short = from + load<u16>(shortAt);
      store<u16>(longAt, place - from);
      store<u16>(shortAt, place - from);
      if (distance != 0 && load<u32>(place - distance) == <u32>bytes) {
        const found: u32 = 4 + common(place + 4, place - distance + 4, end);
        // A repeat takes two bytes less than a copy that says how far back it goes.
        if (found + 2 > count + ahead) {
          match = place - distance;
          count = found;
          start = place;
        }
      }
      if (long < place && load<u64>(long) == bytes) {
        const found: u32 = 8 + common(place + 8, long + 8, end);
        if (found > count + 2 * ahead) {
          match = long;
          count = found;
          start = place;
        }
      }
      if (count < 8 && short < place && load<u32>(short) == <u32>bytes) {
        const found: u32 = 4 + common(place + 4, short + 4, end);
        if (found > count + 2 * ahead) {
          match = short;
          count = found;
          start = place;
        }
      }
      if (count == 0 || count >= ENOUGH_BYTES) break;
    }
    if (count == 0) {
      at += 1 + ((at - literal) >> BETTER_PATIENCE);
      continue;
    }
    const before = commonBefore(start, match, literal, from);
    out = emitLiteral(out, literal, start - before - literal);
    out = emitMatch(out, start - match, before + count, distance);
    distance = start - match;
    const next = start + count;
    // One in four of the places that are passed over is noted: a later match may begin there.
    const noteEnd = min(next, searchEnd);
    for (let passed = start + 2; passed < noteEnd; passed += 4) {
      note(from, passed);
      store<u16>(longEntry(load<u64>(passed)), passed - from);
    }
    at = next;
    literal = next;
  }
  return emitLiteral(out, literal, end - literal);
}

/** The entry of the short table for the first five of these bytes. */
function shortEntry(bytes: u64): u32 {
  return shortTable + (hashOfFive(bytes, shortShift) << 1);
}

function longEntry(bytes: u64): u32 {
  return longTable + ((<u32>((bytes * MULTIPLIER_LONG) >> longShift)) << 1);
}

function note(from: u32, place: u32): void {
  store<u16>(shortEntry(load<u64>(place)), place - from);
}

/** Writes a match: `count` bytes from `back` back. The last match was from `distance` back. */
function emitMatch(out: u32, back: u32, count: u32, distance: u32): u32 {
  return back == distance ? emitRepeat(out, count) : emitCopy(out, back, count);
}
