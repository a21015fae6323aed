// Hot: runs once for each compressed chunk of another server. It trusts no length: each is compared with what is left
// of the block, and of the room for the result, before a byte is read or written for it.

import { S2_BLOCK_BYTES_MAX } from "../../../runtime/s2/s2_region";

const TAG_LITERAL: u32 = 0;
const TAG_COPY_NEAR: u32 = 1;
const TAG_COPY: u32 = 2;
/** With this length code and the three after it, a literal's length follows in 1 to 4 bytes. */
const LONG_LITERAL: u32 = 60;
/**
 * The shortest repeat, and those of the length codes with 1, 2 and 3 bytes. Source: s2/README.md, "Format Extensions".
 */
const REPEAT_MIN: u32 = 4;
const REPEAT_CODE_1: u32 = 5;
const REPEAT_MIN_1: u32 = 8;
const REPEAT_MIN_2: u32 = 260;
const REPEAT_MIN_3: u32 = 65540;

/** Where the elements of the block begin, behind its length. */
let body: u32 = 0;

/**
 * How long the block in these bytes is when decoded; −1 if it does not say, or if that is more than any block may be.
 */
export function decodedLength(from: u32, length: u32): i32 {
  let value: u32 = 0;
  // Four bytes give 28 bits, which say more than any block may be.
  for (let i: u32 = 0; i < 4 && i < length; i++) {
    const byte = <u32>load<u8>(from + i);
    value |= (byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      body = from + i + 1;
      return value <= <u32>S2_BLOCK_BYTES_MAX ? <i32>value : -1;
    }
  }
  return -1;
}

/**
 * Decodes the block in these bytes to `to`, where there is room for as many as `decodedLength` says. False if the block
 * is broken. Writes nothing behind that room.
 */
export function decode(to: u32, from: u32, length: u32): bool {
  const decodedBytes = decodedLength(from, length);
  if (decodedBytes < 0) return false;
  const fromEnd = from + length;
  const end = to + <u32>decodedBytes;
  let at = body;
  let out = to;
  /** How far back the last copy went, 0 before the first. */
  let distance: u32 = 0;
  while (at < fromEnd) {
    const tag = <u32>load<u8>(at);
    const code = tag >> 2;
    const kind = tag & 3;
    let count: u32;
    if (kind == TAG_LITERAL) {
      at++;
      count = code;
      if (code >= LONG_LITERAL) {
        const lengthBytes = code - LONG_LITERAL + 1;
        if (fromEnd - at < lengthBytes) return false;
        count = little(at, lengthBytes);
        at += lengthBytes;
      }
      // The literal is one longer than it says. 32 bits may not hold that, so it is checked first.
      if (count >= fromEnd - at || count >= end - out) return false;
      count++;
      if (count <= 16 && fromEnd - at >= 16 && end - out >= 16) v128.store(out, v128.load(at));
      else memory.copy(out, at, count);
      at += count;
      out += count;
      continue;
    }
    if (kind == TAG_COPY_NEAR) {
      if (fromEnd - at < 2) return false;
      const near = ((tag & 0xe0) << 3) | load<u8>(at, 1);
      at += 2;
      count = (code & 7) + REPEAT_MIN;
      if (near != 0) distance = near;
      else if ((code & 7) >= REPEAT_CODE_1) {
        const lengthBytes = (code & 7) - REPEAT_CODE_1 + 1;
        if (fromEnd - at < lengthBytes) return false;
        count =
          little(at, lengthBytes) +
          (lengthBytes == 1 ? REPEAT_MIN_1 : lengthBytes == 2 ? REPEAT_MIN_2 : REPEAT_MIN_3);
        at += lengthBytes;
      }
    } else {
      const lengthBytes: u32 = kind == TAG_COPY ? 2 : 4;
      if (fromEnd - at <= lengthBytes) return false;
      count = code + 1;
      distance = little(at + 1, lengthBytes);
      at += 1 + lengthBytes;
    }
    if (distance == 0 || distance > out - to || count > end - out) return false;
    copyBack(out, distance, count, end);
    out += count;
  }
  return out == end;
}

/** A number of 1 to 4 bytes, the lowest first. */
function little(at: u32, bytes: u32): u32 {
  if (bytes == 2) return load<u16>(at);
  let value: u32 = load<u8>(at);
  for (let i: u32 = 1; i < bytes; i++) value |= (<u32>load<u8>(at + i)) << (i << 3);
  return value;
}

/**
 * Copies `count` bytes from `distance` back. If that is less than `count`, the copy repeats what it has just written.
 * Writes nothing at `end` or behind it.
 */
function copyBack(out: u32, distance: u32, count: u32, end: u32): void {
  const stop = out + count;
  if (distance >= 16 && end - out >= count + 16) {
    do {
      v128.store(out, v128.load(out - distance));
      out += 16;
    } while (out < stop);
    return;
  }
  if (distance >= count) {
    memory.copy(out, out - distance, count);
    return;
  }
  // What repeats is written byte by byte until it is at least 8 bytes long, and then copied 8 bytes at a time.
  let step = distance;
  while (step < 8) step += distance;
  const plainStop = min(stop, out + step - distance);
  while (out < plainStop) {
    store<u8>(out, load<u8>(out - distance));
    out++;
  }
  while (stop - out >= 8) {
    store<u64>(out, load<u64>(out - step));
    out += 8;
  }
  while (out < stop) {
    store<u8>(out, load<u8>(out - step));
    out++;
  }
}
