import { SNAPPY_NAME } from "../../src/protocol/s2_chunks.ts";
import { unframeS2 } from "../../src/protocol/s2_stream.ts";
import { maskedChecksum } from "../../src/protocol/testing/chunks.ts";

const BLOCK_BYTES_MAX = 65_536;

/** Reads the framed format of Snappy, checksums and all; throws at what is none. */
export function unframeSnappy(stream: Uint8Array): Uint8Array {
  const view = new DataView(stream.buffer, stream.byteOffset, stream.length);
  if (SNAPPY_NAME.some((byte, i) => stream[i] !== byte)) throw new Error("the identifier is another one");
  const plain: number[] = [];
  for (let at = SNAPPY_NAME.length; at < stream.length; ) {
    const end = at + 4 + (view.getUint32(at, true) >>> 8);
    const block = end > stream.length ? null : unframeS2(stream.subarray(at, end), BLOCK_BYTES_MAX);
    if (block === null || stream[at]! > 1) throw new Error(`a chunk at ${at} that is none`);
    if (view.getUint32(at + 4, true) !== maskedChecksum(block))
      throw new Error("the checksum of a chunk is wrong");
    for (const byte of block) plain.push(byte);
    at = end;
  }
  return Uint8Array.from(plain);
}
