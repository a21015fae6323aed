/**
 * The framed format of Snappy: a stream identifier, then chunks of at most 64 KiB, each with a checksum of what it
 * holds, compressed or as it is. Source: google/snappy, framing_format.txt and format_description.txt.
 */
import { CHUNK_COMPRESSED, CHUNK_STORED, SNAPPY_NAME } from "../protocol/s2_chunks.ts";

const CHUNK_BYTES_MAX = 65_536;
/** Type and length, then the checksum. */
const CHUNK_HEAD_BYTES = 8;

const MATCH_BYTES_MIN = 4;
/** Elements name at most this many bytes at once. */
const COPY_BYTES_MAX = 64;
const HASH_BITS = 14;

/** `bytes` as a stream. */
export function frameSnappy(bytes: Uint8Array): Uint8Array {
  const chunks: Uint8Array[] = [SNAPPY_NAME];
  for (let from = 0; from < bytes.length; from += CHUNK_BYTES_MAX) {
    chunks.push(chunkOf(bytes.subarray(from, from + CHUNK_BYTES_MAX)));
  }
  const stream = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    stream.set(chunk, at);
    at += chunk.length;
  }
  return stream;
}

function chunkOf(plain: Uint8Array): Uint8Array {
  const compressed = compressBlock(plain);
  const isSmaller = compressed.length < plain.length;
  const data = isSmaller ? compressed : plain;
  const chunk = new Uint8Array(CHUNK_HEAD_BYTES + data.length);
  const view = new DataView(chunk.buffer);
  // The length is of what follows it: checksum and data.
  view.setUint32(0, ((4 + data.length) << 8) | (isSmaller ? CHUNK_COMPRESSED : CHUNK_STORED), true);
  view.setUint32(4, maskedChecksum(plain), true);
  chunk.set(data, CHUNK_HEAD_BYTES);
  return chunk;
}

/** One block: its length, then literals and copies of what came before. At most 64 KiB, so offsets have 16 bits. */
function compressBlock(plain: Uint8Array): Uint8Array {
  const out: number[] = [];
  for (let length = plain.length; ; length >>>= 7) {
    if (length < 0x80) {
      out.push(length);
      break;
    }
    out.push((length & 0x7f) | 0x80);
  }
  const view = new DataView(plain.buffer, plain.byteOffset, plain.length);
  /** Where four bytes of a hash were last seen, plus one. */
  const seen = new Uint32Array(1 << HASH_BITS);
  let literalStart = 0;
  let at = 0;
  while (at + MATCH_BYTES_MIN <= plain.length) {
    const four = view.getUint32(at, true);
    const hash = Math.imul(four, 0x1e35a7bd) >>> (32 - HASH_BITS);
    const candidate = seen[hash]! - 1;
    seen[hash] = at + 1;
    if (candidate < 0 || view.getUint32(candidate, true) !== four) {
      at++;
      continue;
    }
    let length = MATCH_BYTES_MIN;
    while (at + length < plain.length && plain[candidate + length] === plain[at + length]) length++;
    pushLiteral(out, plain.subarray(literalStart, at));
    pushCopy(out, at - candidate, length);
    at += length;
    literalStart = at;
  }
  pushLiteral(out, plain.subarray(literalStart));
  return Uint8Array.from(out);
}

function pushLiteral(out: number[], literal: Uint8Array): void {
  const last = literal.length - 1;
  if (last < 0) return;
  if (last < 60) out.push(last << 2);
  else if (last < 256) out.push(60 << 2, last);
  else out.push(61 << 2, last & 0xff, last >> 8);
  for (const byte of literal) out.push(byte);
}

function pushCopy(out: number[], offset: number, length: number): void {
  for (let left = length; left > 0; left -= COPY_BYTES_MAX) {
    out.push(((Math.min(left, COPY_BYTES_MAX) - 1) << 2) | 2, offset & 0xff, offset >> 8);
  }
}

/** CRC-32C with the mask of the framing format. */
function maskedChecksum(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ byte) & 0xff]!;
  crc = ~crc >>> 0;
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** Castagnoli's polynomial, reflected. */
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ 0x82f63b78;
  return crc;
});
