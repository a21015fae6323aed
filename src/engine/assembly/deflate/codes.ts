// Hot: runs three times for each block of a compressed message. Makes Huffman codes from how often each symbol is used.

import {
  DEFLATE_CODE_SHIFT,
  DEFLATE_COUNTS,
  DEFLATE_NODES,
  DEFLATE_SORTED,
} from "../../../runtime/websocket/deflate_region";

/** The low bits of a word are a symbol, the others how often it is used. */
const SYMBOL_BITS: u32 = 9;
const SYMBOL_MASK: u32 = (1 << SYMBOL_BITS) - 1;
/** Lengths of codes are below this, whatever is asked for. */
const LENGTHS: u32 = 16;

let sorted: u32 = 0;
let nodes: u32 = 0;
let counts: u32 = 0;

export function attachCodes(region: u32): void {
  sorted = region + DEFLATE_SORTED;
  nodes = region + DEFLATE_NODES;
  counts = region + DEFLATE_COUNTS;
}

/**
 * Turns the counts of `symbolCount` symbols into their codes, of at most `lengthMax` bits. Symbols that are not used
 * get none. Returns how many bits all uses take together. If only one symbol is used, its code has one bit.
 */
export function makeCodes(alphabet: u32, symbolCount: u32, lengthMax: u32): u32 {
  const used = sortUsed(alphabet, symbolCount);
  memory.fill(counts, 0, LENGTHS << 2);
  if (used == 1) store<u32>(counts + 4, 1);
  else if (used > 1) {
    countLengths(used, lengthMax);
    shorten(lengthMax);
  }
  // The symbols that are used least get the longest codes.
  let bits: u32 = 0;
  let at = sorted;
  for (let length = lengthMax; length > 0; length--) {
    for (let left = load<u32>(counts + (length << 2)); left > 0; left--) {
      const word = load<u32>(at);
      store<u32>(alphabet + ((word & SYMBOL_MASK) << 2), length << DEFLATE_CODE_SHIFT);
      bits += length * (word >> SYMBOL_BITS);
      at += 4;
    }
  }
  number(alphabet, symbolCount);
  return bits;
}

/** Makes the codes of symbols whose lengths are set already. */
export function numberCodes(alphabet: u32, symbolCount: u32): void {
  memory.fill(counts, 0, LENGTHS << 2);
  for (let i: u32 = 0; i < symbolCount; i++) {
    const count = counts + ((load<u32>(alphabet + (i << 2)) >> DEFLATE_CODE_SHIFT) << 2);
    store<u32>(count, load<u32>(count) + 1);
  }
  store<u32>(counts, 0);
  number(alphabet, symbolCount);
}

/** Sorts the symbols in use, the least used first. Returns how many there are. */
function sortUsed(alphabet: u32, symbolCount: u32): u32 {
  let end = sorted;
  for (let symbol: u32 = 0; symbol < symbolCount; symbol++) {
    const uses = load<u32>(alphabet + (symbol << 2));
    if (uses == 0) continue;
    store<u32>(end, (uses << SYMBOL_BITS) | symbol);
    end += 4;
  }
  const bytes = end - sorted;
  for (let gap: u32 = 132 << 2; gap > 0; gap = gap == 4 ? 0 : ((gap >> 2) / 3) << 2 || 4) {
    for (let i = gap; i < bytes; i += 4) {
      const word = load<u32>(sorted + i);
      let place = i;
      while (place >= gap && load<u32>(sorted + place - gap) > word) {
        store<u32>(sorted + place, load<u32>(sorted + place - gap));
        place -= gap;
      }
      store<u32>(sorted + place, word);
    }
  }
  return bytes >> 2;
}

/**
 * Counts how many codes of each length the `used` sorted symbols get, 2 or more. It builds a tree by joining, over and
 * over, the two least used of the symbols and nodes that are not joined yet. Nodes come into being in order of use.
 * Codes that would be longer than `lengthMax` are counted as that long.
 */
function countLengths(used: u32, lengthMax: u32): void {
  const symbolsEnd = sorted + (used << 2);
  const root = nodes + ((used - 2) << 2);
  let symbol = sorted;
  /** The first node that is not joined yet. A node holds its uses until it is joined, and its parent afterwards. */
  let free = nodes;
  for (let node = nodes; node <= root; node += 4) {
    let uses: u32 = 0;
    for (let child = 0; child < 2; child++) {
      if (free == node || (symbol < symbolsEnd && load<u32>(symbol) >> SYMBOL_BITS <= load<u32>(free))) {
        uses += load<u32>(symbol) >> SYMBOL_BITS;
        symbol += 4;
      } else {
        uses += load<u32>(free);
        store<u32>(free, node);
        free += 4;
      }
    }
    store<u32>(node, uses);
  }
  // From the root down, each node's parent is replaced by its depth. A node takes a place and gives two, one deeper.
  store<u32>(root, 0);
  add(1, lengthMax, 2);
  for (let node = root - 4; node >= nodes; node -= 4) {
    const depth = load<u32>(load<u32>(node)) + 1;
    store<u32>(node, depth);
    add(depth, lengthMax, -1);
    add(depth + 1, lengthMax, 2);
  }
}

function add(depth: u32, lengthMax: u32, change: i32): void {
  const count = counts + (min(depth, lengthMax) << 2);
  store<u32>(count, load<u32>(count) + change);
}

/**
 * Makes room for codes that were cut to `lengthMax`. Each step makes the longest shorter code one bit longer and puts
 * one of the cut codes beside it, which costs the least.
 */
function shorten(lengthMax: u32): void {
  let taken: u32 = 0;
  for (let length: u32 = 1; length <= lengthMax; length++) {
    taken += load<u32>(counts + (length << 2)) << (lengthMax - length);
  }
  const longest = counts + (lengthMax << 2);
  for (; taken > (<u32>1) << lengthMax; taken--) {
    let shorter = longest - 4;
    while (load<u32>(shorter) == 0) shorter -= 4;
    store<u32>(shorter, load<u32>(shorter) - 1);
    store<u32>(shorter + 4, load<u32>(shorter + 4) + 2);
    store<u32>(longest, load<u32>(longest) - 1);
  }
}

/** Gives each symbol with a length its code. Codes of one length count up with the symbols. Source: RFC 1951, 3.2.2. */
function number(alphabet: u32, symbolCount: u32): void {
  let code: u32 = 0;
  for (let length: u32 = 1; length < LENGTHS; length++) {
    const place = counts + (length << 2);
    const count = load<u32>(place);
    store<u32>(place, code);
    code = (code + count) << 1;
  }
  const end = alphabet + (symbolCount << 2);
  for (let symbol = alphabet; symbol < end; symbol += 4) {
    const length = load<u32>(symbol) >> DEFLATE_CODE_SHIFT;
    if (length == 0) {
      store<u32>(symbol, 0);
      continue;
    }
    const place = counts + (length << 2);
    const next = load<u32>(place);
    store<u32>(place, next + 1);
    store<u32>(symbol, (length << DEFLATE_CODE_SHIFT) | (reversed(next) >> (16 - length)));
  }
}

/** Sixteen bits in reverse order. */
function reversed(bits: u32): u32 {
  bits = ((bits & 0x5555) << 1) | ((bits >> 1) & 0x5555);
  bits = ((bits & 0x3333) << 2) | ((bits >> 2) & 0x3333);
  bits = ((bits & 0x0f0f) << 4) | ((bits >> 4) & 0x0f0f);
  return ((bits & 0xff) << 8) | (bits >> 8);
}
