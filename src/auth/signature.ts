/** Signatures as CONNECT carries them: the nonce of INFO, signed as it stands there, in base64. */

/** Whether `signature` is the Ed25519 signature of `message` by the encoded public key. Takes 0.1 ms. */
export type SignatureCheck = (publicKey: string, message: Uint8Array, signature: Uint8Array) => boolean;

/**
 * The bytes of `sig`: URL-safe base64 without padding, else the standard alphabet with padding. Line ends inside
 * are skipped and bits left over ignored, as Go's decoder does. Undefined for anything else.
 */
export function decodeSignature(text: string): Uint8Array | undefined {
  return decodeUnpadded(text) ?? decodePadded(text);
}

/** The bytes of `proxy_sig`, for which only the first of the two forms is known. */
export function decodeProxySignature(text: string): Uint8Array | undefined {
  return decodeUnpadded(text);
}

function decodeUnpadded(text: string): Uint8Array | undefined {
  const digits = text.replace(/[\r\n]/g, "");
  if (!/^[A-Za-z0-9_-]*$/.test(digits) || digits.length % 4 === 1) return undefined;
  return toBytes(digits.replaceAll("-", "+").replaceAll("_", "/"));
}

function decodePadded(text: string): Uint8Array | undefined {
  const digits = text.replace(/[\r\n]/g, "");
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(digits) || digits.length % 4 !== 0) return undefined;
  return toBytes(digits.replace(/=+$/, ""));
}

function toBytes(digits: string): Uint8Array {
  return Uint8Array.from(atob(digits), (character) => character.charCodeAt(0));
}
