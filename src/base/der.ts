import { Buffer } from "node:buffer";

/** One value of a DER encoding: its tag, where the value lies and where its content lies. */
export interface DerValue {
  readonly tag: number;
  /** Offset of the tag's first byte. */
  readonly start: number;
  readonly contentStart: number;
  readonly end: number;
}

export const DER_BOOLEAN = 0x01;
export const DER_INTEGER = 0x02;
export const DER_NULL = 0x05;
export const DER_SEQUENCE = 0x30;
export const DER_OCTET_STRING = 0x04;
export const DER_OBJECT_IDENTIFIER = 0x06;
export const DER_UTF8_STRING = 0x0c;
export const DER_PRINTABLE_STRING = 0x13;
export const DER_BMP_STRING = 0x1e;
export const DER_UTC_TIME = 0x17;

/**
 * The value at `at`, or null if none ends before `end`. Lengths above 2^24 and tags of several bytes are not accepted.
 */
export function readDer(bytes: Uint8Array, at: number, end: number): DerValue | null {
  if (at + 2 > end) return null;
  const tag = bytes[at]!;
  if ((tag & 0x1f) === 0x1f) return null;
  let length = bytes[at + 1]!;
  let contentStart = at + 2;
  if (length >= 0x80) {
    const lengthBytes = length & 0x7f;
    if (lengthBytes === 0 || lengthBytes > 3 || contentStart + lengthBytes > end) return null;
    length = 0;
    for (let i = 0; i < lengthBytes; i++) length = length * 256 + bytes[contentStart++]!;
  }
  return contentStart + length > end ? null : { tag, start: at, contentStart, end: contentStart + length };
}

/** The values inside another one, up to the first that is not well-formed. */
export function* derChildren(bytes: Uint8Array, parent: DerValue): Iterable<DerValue> {
  for (let at = parent.contentStart; at < parent.end; ) {
    const child = readDer(bytes, at, parent.end);
    if (child === null) return;
    yield child;
    at = child.end;
  }
}

/** The bytes inside a value. The next function returns those of the whole value. */
export function derContent(bytes: Uint8Array, { contentStart, end }: DerValue): Uint8Array<ArrayBuffer> {
  return bytes.slice(contentStart, end);
}
export function derWhole(bytes: Uint8Array, { start, end }: DerValue): Uint8Array<ArrayBuffer> {
  return bytes.slice(start, end);
}

/** The encoding of a value whose content is these parts, one after the other. */
export function encodeDer(tag: number, ...content: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const length = content.reduce((sum, part) => sum + part.length, 0);
  const lengthBytes: number[] = [];
  for (let left = length; left > 0; left = Math.floor(left / 256)) lengthBytes.unshift(left % 256);
  const head = length < 0x80 ? [tag, length] : [tag, 0x80 | lengthBytes.length, ...lengthBytes];
  const whole = new Uint8Array(head.length + length);
  whole.set(head);
  let at = head.length;
  for (const part of content) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** An object identifier with dots, such as `2.5.4.3`. */
export function derObjectIdentifier(bytes: Uint8Array, value: DerValue): string {
  const arcs: number[] = [];
  let arc = 0;
  for (let at = value.contentStart; at < value.end; at++) {
    arc = arc * 128 + (bytes[at]! & 0x7f);
    if (bytes[at]! < 0x80) {
      arcs.push(arc);
      arc = 0;
    }
  }
  const [first = 0, ...rest] = arcs;
  const top = Math.min(Math.floor(first / 40), 2);
  return [top, first - top * 40, ...rest].join(".");
}

/** The text of a string of any type. */
export function derText(bytes: Uint8Array, value: DerValue): string {
  const content = bytes.slice(value.contentStart, value.end);
  if (value.tag === DER_BMP_STRING) return new TextDecoder("utf-16be").decode(content);
  // In Buffer's "latin1" each byte is a character; TextDecoder means Windows' code page by it.
  return Buffer.from(content).toString(value.tag === DER_UTF8_STRING ? "utf8" : "latin1");
}

/** The time of a UTCTime or GeneralizedTime, in milliseconds since 1970. */
export function derTimeMs(bytes: Uint8Array, value: DerValue): number {
  const digits = derText(bytes, value).replace(/Z$/, "");
  // A year of two digits from 50 on is in the last century (RFC 5280, section 4.1.2.5.1).
  const isShort = value.tag === DER_UTC_TIME;
  const century = digits.slice(0, 2) >= "50" ? "19" : "20";
  const full = isShort ? century + digits : digits;
  const part = (start: number) => Number(full.slice(start, start + 2));
  return Date.UTC(Number(full.slice(0, 4)), part(4) - 1, part(6), part(8), part(10), part(12));
}
