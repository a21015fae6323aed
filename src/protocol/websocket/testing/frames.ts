/** Frames as peers send them, well-formed and otherwise, byte by byte as RFC 6455 has them: for tests. */

export interface FrameParts {
  readonly opcode?: number;
  readonly payload?: string | Uint8Array;
  /** Null for none. */
  readonly mask?: readonly number[] | null;
  readonly isFinal?: boolean;
  /** RSV1 to RSV3, as bits of the first byte. */
  readonly reserved?: number;
  /** Of the length, 0 for as few as do. */
  readonly lengthBytes?: 0 | 2 | 8;
}

const MASK = [0x37, 0xfa, 0x21, 0x3d];

/** One frame; a binary one with a mask unless told otherwise. */
export function frame(parts: FrameParts = {}): Uint8Array {
  const { opcode = 2, payload = "", mask = MASK, isFinal = true, reserved = 0, lengthBytes = 0 } = parts;
  const bytes = typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
  const maskBit = mask === null ? 0 : 0x80;
  const header = [(isFinal ? 0x80 : 0) | reserved | opcode];
  if (lengthBytes === 8 || bytes.length > 0xffff) {
    const length = new DataView(new ArrayBuffer(8));
    length.setBigUint64(0, BigInt(bytes.length));
    header.push(maskBit | 127, ...new Uint8Array(length.buffer));
  } else if (lengthBytes === 2 || bytes.length > 125) {
    header.push(maskBit | 126, bytes.length >> 8, bytes.length & 0xff);
  } else header.push(maskBit | bytes.length);
  const masked = bytes.map((byte, at) => byte ^ (mask?.[at % 4] ?? 0));
  return new Uint8Array([...header, ...(mask ?? []), ...masked]);
}

export function concat(...pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}
