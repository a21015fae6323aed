import { maskedChecksum } from "../../src/protocol/testing/chunks.ts";

/** Reads the framed format of Snappy, checksums and all; throws at what is none. */
export function unframeSnappy(stream: Uint8Array): Uint8Array {
  const view = new DataView(stream.buffer, stream.byteOffset, stream.length);
  const plain: number[] = [];
  for (let at = 0; at < stream.length; ) {
    const type = stream[at]!;
    const length = view.getUint32(at, true) >>> 8;
    const body = stream.subarray(at + 4, at + 4 + length);
    if (body.length < length) throw new Error("a chunk is cut short");
    at += 4 + length;
    if (type === 0xff) {
      if (new TextDecoder().decode(body) !== "sNaPpY") throw new Error("the identifier is another one");
      continue;
    }
    if (type > 1) throw new Error(`a chunk of type ${type}`);
    const block = type === 0 ? decompressBlock(body.subarray(4)) : body.subarray(4);
    const checksum = new DataView(body.buffer, body.byteOffset).getUint32(0, true);
    if (checksum !== maskedChecksum(block)) throw new Error("the checksum of a chunk is wrong");
    for (const byte of block) plain.push(byte);
  }
  return Uint8Array.from(plain);
}

function decompressBlock(block: Uint8Array): Uint8Array {
  let length = 0;
  let at = 0;
  for (let shift = 0; ; shift += 7) {
    length |= (block[at]! & 0x7f) << shift;
    if (block[at++]! < 0x80) break;
  }
  const plain: number[] = [];
  while (at < block.length) {
    const tag = block[at++]!;
    let count = (tag >> 2) + 1;
    if ((tag & 3) === 0) {
      if (count > 60) {
        const extra = count - 60;
        count = 1;
        for (let i = 0; i < extra; i++) count += block[at++]! << (8 * i);
      }
      for (let i = 0; i < count; i++) plain.push(block[at++]!);
      continue;
    }
    let offset = 0;
    if ((tag & 3) === 1) {
      count = ((tag >> 2) & 7) + 4;
      offset = ((tag >> 5) << 8) | block[at++]!;
    } else for (let i = 0; i < ((tag & 3) === 2 ? 2 : 4); i++) offset += block[at++]! << (8 * i);
    for (let i = 0; i < count; i++) plain.push(plain[plain.length - offset]!);
  }
  if (plain.length !== length) throw new Error(`a block of ${plain.length} bytes says that it has ${length}`);
  return Uint8Array.from(plain);
}
