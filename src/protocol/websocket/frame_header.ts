/** What stands before the payload of a frame. Source: RFC 6455, section 5.2. Hot: once per frame. */

export const CONTINUATION = 0;
export const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;

/** Bits of a frame's first byte: the last frame of its message; a message that is compressed. */
export const FINAL_BIT = 0x80;
export const COMPRESSED_BIT = 0x40;
export const RESERVED_BITS = 0x30;
/** Bit of its second byte. */
export const MASK_BIT = 0x80;
export const MASK_BYTES = 4;

/** Of a header with a 64-bit length and a mask. */
export const FRAME_HEADER_BYTES_MAX = 14;
/** Of an unmasked one, as servers send. */
export const SERVER_HEADER_BYTES_MAX = 10;
export const CONTROL_PAYLOAD_BYTES_MAX = 125;
/** A small frame's header holds the length itself; these say that it follows. */
export const LENGTH_16_BIT = 126;
export const LENGTH_64_BIT = 127;

/** Length of the header of an unmasked frame. */
export function serverHeaderBytes(payloadBytes: number): number {
  if (payloadBytes < LENGTH_16_BIT) return 2;
  return payloadBytes < 65536 ? 4 : SERVER_HEADER_BYTES_MAX;
}

/** Writes the header of an unmasked frame to `bytes` at `at`; `first` is the opcode with its bits. Returns its end. */
export function writeServerHeader(
  bytes: Uint8Array,
  at: number,
  first: number,
  payloadBytes: number,
): number {
  bytes[at] = first;
  if (payloadBytes < LENGTH_16_BIT) {
    bytes[at + 1] = payloadBytes;
    return at + 2;
  }
  if (payloadBytes < 65536) {
    bytes[at + 1] = LENGTH_16_BIT;
    bytes[at + 2] = payloadBytes >>> 8;
    bytes[at + 3] = payloadBytes;
    return at + 4;
  }
  bytes[at + 1] = LENGTH_64_BIT;
  const high = Math.floor(payloadBytes / 2 ** 32);
  const low = payloadBytes >>> 0;
  for (let i = 0; i < 4; i++) {
    bytes[at + 2 + i] = high >>> (24 - 8 * i);
    bytes[at + 6 + i] = low >>> (24 - 8 * i);
  }
  return at + SERVER_HEADER_BYTES_MAX;
}

/** The same of a frame with a mask of four bytes, as clients send: the mask itself is the end of the header. */
export function writeClientHeader(
  bytes: Uint8Array,
  at: number,
  first: number,
  payloadBytes: number,
  mask: Uint8Array,
): number {
  const end = writeServerHeader(bytes, at, first, payloadBytes);
  bytes[at + 1]! |= MASK_BIT;
  bytes.set(mask, end);
  return end + mask.length;
}
