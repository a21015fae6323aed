// Hot: whether a message may ask to be traced. Only the host knows what to make of one that does.

import { AREA_HEARS_TRACEPARENT } from "../../memory/layout";
import { area } from "./area";

const LF: u8 = 0x0a;
/** `Nats-Trace-Dest:`, as two words; names of headers are case-sensitive. */
const NATS_TRA: u64 = 0x6172542d7374614e;
const CE_DEST_: u64 = 0x3a747365442d6563;
const DESTINATION_BYTES: u32 = 16;
/** `tracepar` of `traceparent:`, which comes in any case. */
const TRACEPAR: u64 = 0x7261706563617274;
const TRACEPARENT_BYTES: u32 = 12;
const LOWER_CASE: u64 = 0x2020202020202020;

/**
 * Whether a header block in `[at, end)` has a line of one of the names that ask for a trace. `traceparent` counts only
 * where an account listens to it; the host looks at the rest of its name.
 */
export function mayAskForTrace(at: u32, end: u32): bool {
  const hearsTraceparent = load<u32>(area, AREA_HEARS_TRACEPARENT) != 0;
  while (at < end) {
    let lineEnds = i8x16.bitmask(i8x16.eq(v128.load(at), i8x16.splat(LF)));
    while (lineEnds != 0) {
      const line = at + ctz(lineEnds) + 1;
      if (line + TRACEPARENT_BYTES > end) return false;
      const name = load<u64>(line);
      if (name == NATS_TRA && line + DESTINATION_BYTES <= end && load<u64>(line, 8) == CE_DEST_) return true;
      if (hearsTraceparent && (name | LOWER_CASE) == TRACEPAR) return true;
      lineEnds &= lineEnds - 1;
    }
    at += 16;
  }
  return false;
}
