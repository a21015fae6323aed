/** S2 without the server's unit, so that the layer is tested by itself. It only finds runs of one byte. */
import { unframeS2 } from "../../../protocol/s2_stream.ts";
import { chunkOf, maskedChecksum } from "../../../protocol/testing/chunks.ts";
import type { S2Codec } from "../s2_codec.ts";
import { S2_BLOCK_BYTES_MAX, S2_REGION_BYTES, S2_STORED } from "../s2_region.ts";

/** Address of the region. What lies before is for the test. */
export const REGION = 8 * 1024 * 1024;
export const MEMORY_BYTES = REGION + Math.ceil(S2_REGION_BYTES / 65536) * 65536;

export function slowCodec(memory: Uint8Array): S2Codec {
  const blockOf = (from: number, length: number) =>
    unframeS2(chunkOf(0, memory.slice(from, from + length), 0), S2_BLOCK_BYTES_MAX);
  return {
    encodeChunk(to, from, length, effort) {
      const plain = memory.slice(from, from + length);
      const chunk = compressedChunk(plain, effort !== S2_STORED);
      memory.set(chunk, to);
      return chunk.length;
    },
    decodedLength(from, length) {
      let value = 0;
      for (let i = 0; i < 4 && i < length; i++) {
        value += (memory[from + i]! & 0x7f) * 128 ** i;
        if (memory[from + i]! < 0x80) return value <= S2_BLOCK_BYTES_MAX ? value : -1;
      }
      return -1;
    },
    decode(to, from, length) {
      const block = blockOf(from, length);
      if (block === null) return 0;
      memory.set(block, to);
      return 1;
    },
    checksum: (from, length) => maskedChecksum(memory.subarray(from, from + length)) | 0,
    move: (to, from, length) => {
      memory.copyWithin(to, from, from + length);
    },
  };
}

/** A chunk of these bytes. They are stored if they are no run of one byte, or must not be compressed. */
export function compressedChunk(plain: Uint8Array, mayCompress: boolean): Uint8Array {
  const checksum = maskedChecksum(plain);
  const isRun = mayCompress && plain.length > 8 && plain.every((byte) => byte === plain[0]);
  return isRun ? chunkOf(0, runBlock(plain), checksum) : chunkOf(1, plain, checksum);
}

/** A block of one byte, then copies of the byte before. */
function runBlock(plain: Uint8Array): Uint8Array {
  const block: number[] = [];
  for (let rest = plain.length; ; rest >>>= 7) {
    block.push(rest < 0x80 ? rest : (rest & 0x7f) | 0x80);
    if (rest < 0x80) break;
  }
  block.push(0, plain[0]!);
  for (let left = plain.length - 1; left > 0; left -= 64)
    block.push(((Math.min(left, 64) - 1) << 2) | 2, 1, 0);
  return Uint8Array.from(block);
}
