/** Chunks of the streams of Snappy and S2, made the slow way. Source: google/snappy, framing_format.txt. */

/** In front of the content: type and length, then a checksum. */
const HEAD_BYTES = 8;

/** A chunk of that type. */
export function chunkOf(type: number, content: Uint8Array, checksum = 0): Uint8Array {
  const chunk = new Uint8Array(HEAD_BYTES + content.length);
  const view = new DataView(chunk.buffer);
  view.setUint32(0, type | ((content.length + 4) << 8), true);
  view.setUint32(4, checksum, true);
  chunk.set(content, HEAD_BYTES);
  return chunk;
}

/** CRC-32C bit by bit, masked as the format says. */
export function maskedChecksum(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ ((crc & 1) * 0x82f63b78);
  }
  const value = ~crc >>> 0;
  return (((value >>> 15) | (value << 17)) + 0xa282ead8) >>> 0;
}
