// Hot: finds out whether a message may ask to be traced. The host decides about those that do.

import { AREA_HEARS_TRACEPARENT } from "../../memory/layout";
import { area } from "./area";

const LF: u8 = 0x0a;
const LETTER_T: u8 = 0x54;
/** `Nats-Trace-Dest:` in two words. This name is case-sensitive. */
const NATS_TRA: u64 = 0x6172542d7374614e;
const CE_DEST_: u64 = 0x3a747365442d6563;
const DESTINATION_BYTES: u32 = 16;
/** Bytes from the line break before that name to its `T`. Few other lines have both. */
const LF_TO_T: u32 = 6;
/** Bytes from the start of a block, `NATS/1.0␍␊`, to the first LF. */
const FIRST_LF: u32 = 9;
/** `tracepar` of `traceparent:`, in lower case. It may come in any. */
const TRACEPAR: u64 = 0x7261706563617274;
const TRACEPARENT_BYTES: u32 = 12;
const LOWER_CASE: u64 = 0x2020202020202020;

/**
 * Whether a header block in `[block, end)` may have a header that asks for a trace. `traceparent` counts only if an
 * account listens to it; only its first eight letters are compared, and the host looks at the rest.
 */
export function mayAskForTrace(block: u32, end: u32): bool {
  if (load<u32>(area, AREA_HEARS_TRACEPARENT) != 0 && hasTraceparent(block, end)) return true;
  let at = block + FIRST_LF + LF_TO_T;
  while (at < end) {
    const letters = i8x16.eq(v128.load(at), i8x16.splat(LETTER_T));
    const lineEnds = i8x16.eq(v128.load(at - LF_TO_T), i8x16.splat(LF));
    let found = i8x16.bitmask(v128.and(letters, lineEnds));
    while (found != 0) {
      if (isDestination(at + ctz(found) - LF_TO_T + 1, end)) return true;
      found &= found - 1;
    }
    at += 16;
  }
  return false;
}

function isDestination(line: u32, end: u32): bool {
  if (line + DESTINATION_BYTES > end) return false;
  return load<u64>(line) == NATS_TRA && load<u64>(line, 8) == CE_DEST_;
}

function hasTraceparent(block: u32, end: u32): bool {
  let at = block;
  while (at < end) {
    let lineEnds = i8x16.bitmask(i8x16.eq(v128.load(at), i8x16.splat(LF)));
    while (lineEnds != 0) {
      const line = at + ctz(lineEnds) + 1;
      if (line + TRACEPARENT_BYTES > end) return false;
      if ((load<u64>(line) | LOWER_CASE) == TRACEPAR) return true;
      lineEnds &= lineEnds - 1;
    }
    at += 16;
  }
  return false;
}
