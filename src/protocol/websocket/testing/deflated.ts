/** What peers compress, by the runtime's zlib: for tests. */
import { constants, deflateRawSync } from "node:zlib";
import { SYNC_FLUSH_TAIL } from "../compression.ts";

/** The payload of a compressed message; `level` is zlib's, the higher the more slowly. */
export function deflated(
  message: string | Uint8Array,
  level: number = constants.Z_DEFAULT_LEVEL,
): Uint8Array {
  const flushed = deflateRawSync(message, { finishFlush: constants.Z_SYNC_FLUSH, level });
  return flushed.subarray(0, flushed.length - SYNC_FLUSH_TAIL.length);
}
