/**
 * Deflates with the runtime's zlib, in any kind of memory, for tests. The unit that servers use is in a room above this
 * one.
 */
import { deflated } from "../../../protocol/websocket/testing/deflated.ts";
import type { Deflater } from "../deflater.ts";

/** Makes a deflater. `memory` begins at address 0. */
export function createSlowDeflater(memory: Uint8Array): Deflater {
  return {
    deflate(to, from, length) {
      const payload = deflated(new Uint8Array(memory.subarray(from, from + length)));
      memory.set(payload, to);
      return payload.length;
    },
  };
}
