/**
 * Reads the framed format of S2, in which nats-server writes its caches, and that of Snappy, which S2 extends. Links
 * are read by the engine's S2, in the shared memory; this is the plain implementation, against which tests compare that
 * one. Source: klauspost/compress, s2/README.md; google/snappy, framing_format.txt and format_description.txt.
 */
import { CHUNK_COMPRESSED, CHUNK_SKIPPABLE, CHUNK_STORED } from "./s2_chunks.ts";

const CHUNK_HEAD_BYTES = 4;
const CHECKSUM_BYTES = 4;

/**
 * The content of a stream; null if it is malformed, or if the content is longer than `bytesMax`. Checksums are not
 * verified.
 */
export function unframeS2(stream: Uint8Array, bytesMax: number): Uint8Array<ArrayBuffer> | null {
  const pieces: Uint8Array[] = [];
  let total = 0;
  for (let at = 0; at < stream.length; ) {
    if (at + CHUNK_HEAD_BYTES > stream.length) return null;
    const type = stream[at]!;
    const length = stream[at + 1]! | (stream[at + 2]! << 8) | (stream[at + 3]! << 16);
    const start = at + CHUNK_HEAD_BYTES;
    at = start + length;
    if (at > stream.length) return null;
    if (type >= CHUNK_SKIPPABLE) continue;
    const data = stream.subarray(start + CHECKSUM_BYTES, at);
    const piece =
      type === CHUNK_STORED ? data : type === CHUNK_COMPRESSED ? decodeBlock(data, bytesMax - total) : null;
    if (piece === null || total + piece.length > bytesMax) return null;
    total += piece.length;
    pieces.push(piece);
  }
  const whole = new Uint8Array(total);
  let filled = 0;
  for (const piece of pieces) {
    whole.set(piece, filled);
    filled += piece.length;
  }
  return whole;
}

/** One block: its length, then literals and copies of what came before; S2 may repeat the last copy's distance. */
function decodeBlock(block: Uint8Array, bytesMax: number): Uint8Array | null {
  let at = 0;
  const little = (bytes: number): number => {
    let value = 0;
    for (let i = 0; i < bytes; i++) value += (block[at++] ?? 0) * 256 ** i;
    return value;
  };
  let length = 0;
  for (let scale = 1; ; scale *= 128) {
    const byte = block[at++];
    if (byte === undefined || scale > 2 ** 28) return null;
    length += (byte & 0x7f) * scale;
    if (byte < 0x80) break;
  }
  if (length > bytesMax) return null;
  const out = new Uint8Array(length);
  let filled = 0;
  let distance = 0;
  while (at < block.length) {
    const tag = block[at++]!;
    const six = tag >> 2;
    let count: number;
    switch (tag & 3) {
      case 0:
        count = 1 + (six < 60 ? six : little(six - 59));
        if (filled + count > length || at + count > block.length) return null;
        out.set(block.subarray(at, at + count), filled);
        filled += count;
        at += count;
        continue;
      case 1: {
        const near = ((tag & 0xe0) << 3) | little(1);
        const three = six & 7;
        if (near !== 0) {
          distance = near;
          count = 4 + three;
        } else count = 4 + (three < 5 ? three : repeatLength(three, little));
        break;
      }
      case 2:
        distance = little(2);
        count = 1 + six;
        break;
      default:
        distance = little(4);
        count = 1 + six;
    }
    if (at > block.length || distance === 0 || distance > filled || filled + count > length) return null;
    // Byte by byte: a copy may reach into what it writes.
    for (let i = 0; i < count; i++, filled++) out[filled] = out[filled - distance]!;
  }
  return filled === length ? out : null;
}

function repeatLength(code: number, little: (bytes: number) => number): number {
  if (code === 5) return little(1) + 4;
  return code === 6 ? little(2) + (1 << 8) : little(3) + (1 << 16);
}
