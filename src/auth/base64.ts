import { Buffer } from "node:buffer";

/** Base64 as JWTs and signatures have it, as strict and as lenient as Go's encoding/base64. */

export type DecodedBase64 =
  | { readonly ok: true; readonly bytes: Uint8Array }
  | { readonly ok: false; readonly text: string };

/** URL-safe, without padding. */
export function encodeBase64Url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64url");
}

/** URL-safe, without padding; line ends do not count. The text says where it went wrong. Never throws. */
export function decodeBase64Url(text: string): DecodedBase64 {
  const illegal = text.search(/[^\w\-\r\n]/);
  if (illegal >= 0) return corruptAt(illegal);
  const digits = /[\r\n]/.test(text) ? text.replace(/[\r\n]/g, "") : text;
  if (digits.length % 4 === 1) return corruptAt(text.length - 1);
  return { ok: true, bytes: Buffer.from(digits, "base64url") };
}

/** The standard alphabet, with its padding; undefined for anything else. */
function decodeBase64Standard(text: string): Uint8Array | undefined {
  const digits = text.replace(/[\r\n]/g, "");
  if (digits.length % 4 !== 0 || !/^[A-Za-z\d+/]*={0,2}$/.test(digits)) return undefined;
  return Buffer.from(digits, "base64");
}

/** A signature of a nonce, in either of the forms clients send. Source: nats-server, processClientOrLeafAuthentication. */
export function decodeSignature(text: string): Uint8Array | undefined {
  const decoded = decodeBase64Url(text);
  return decoded.ok ? decoded.bytes : decodeBase64Standard(text);
}

function corruptAt(offset: number): DecodedBase64 {
  return { ok: false, text: `illegal base64 data at input byte ${offset}` };
}
