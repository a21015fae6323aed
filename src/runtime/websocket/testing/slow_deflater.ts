/** Deflates by the runtime's zlib, in a memory of any kind: for tests. The engine's, which servers use, lies above this room. */
import { deflated } from "../../../protocol/websocket/testing/deflated.ts";
import type { Deflater } from "../deflater.ts";

/** `memory` begins at address 0. */
export function createSlowDeflater(memory: Uint8Array): Deflater {
  return {
    deflate(to, from, length) {
      const payload = deflated(new Uint8Array(memory.subarray(from, from + length)));
      memory.set(payload, to);
      return payload.length;
    },
  };
}
