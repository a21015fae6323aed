import { Buffer } from "node:buffer";

/**
 * Subjects are bytes, and what rewrites them counts, cuts and hashes bytes. A byte string carries them through code
 * that is clearer over text: each of its characters is one byte, so nothing is lost, broken UTF-8 included.
 */

/** A method of buffers that takes any bytes: a third of the time that making a buffer of them first takes (36 of 117 ns). */
const { latin1Slice } = Buffer.prototype;

const HAS_OTHER_THAN_ASCII = /[\x80-\xff]/;

/** The byte string of `bytes[start, end)`; copies. */
export function byteStringOf(bytes: Uint8Array, start = 0, end = bytes.length): string {
  return latin1Slice.call(bytes, start, end);
}

/** The bytes of a byte string. */
export function bytesOf(byteString: string): Uint8Array {
  const bytes = new Uint8Array(byteString.length);
  writeByteString(bytes, 0, byteString);
  return bytes;
}

/** Writes the bytes of a byte string, or of its characters `[start, end)`, to `bytes` from `at` on. */
export function writeByteString(
  bytes: Uint8Array,
  at: number,
  byteString: string,
  start = 0,
  end = byteString.length,
): void {
  for (let i = start; i < end; i++) bytes[at + i - start] = byteString.charCodeAt(i);
}

/** The byte string of text that comes as text: from a configuration or a JWT. */
export function byteStringOfText(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

/** The text of a byte string, for messages; what is no UTF-8 shows as U+FFFD. */
export function textOf(byteString: string): string {
  return HAS_OTHER_THAN_ASCII.test(byteString)
    ? Buffer.from(byteString, "latin1").toString("utf8")
    : byteString;
}
