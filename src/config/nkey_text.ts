/**
 * The text form of nkeys: whether text is one, and what it holds. Written out here because loading nkeys.js for it
 * costs every start 22 ms on Bun and 100 ms on Deno, and most configurations hold no keys. What keys are used for
 * stands in auth/nkey.ts. Source: nats-io/nkeys, its README.
 */

/** The public keys a configuration may hold, by the letter they begin with. */
export type PublicKeyKind = "account" | "operator" | "user" | "curve" | "any";

const FIRST_LETTER: Readonly<Record<PublicKeyKind, RegExp>> = {
  account: /^A/,
  operator: /^O/,
  user: /^U/,
  curve: /^X/,
  any: /^[AOUXNC]/,
};

/** A prefix byte, 32 bytes of key and the checksum, in base32. */
const PUBLIC_KEY_CHARACTERS = 56;
/** One prefix byte more. */
const SEED_CHARACTERS = 58;
const SERVER_PREFIX = 13 << 3;
const CURVE_PREFIX = 23 << 3;
/** A prefix, anything, and the checksum. */
const KEY_BYTES_MIN = 4;

/** Whether `text` is an encoded public key of this kind, checksum included. */
export function isPublicKey(text: string, kind: PublicKeyKind): boolean {
  return FIRST_LETTER[kind].test(text) && text.length === PUBLIC_KEY_CHARACTERS && hasValidChecksum(text);
}

/** Whether `text` is the encoded seed of a user key (`SU…`), checksum included. */
export function isUserSeed(text: string): boolean {
  return text.startsWith("SU") && text.length === SEED_CHARACTERS && hasValidChecksum(text);
}

/** The encoded public key of a server, `N…`, from the 32 bytes of its Ed25519 key. */
export function serverPublicKey(key: Uint8Array): string {
  return encodeKeyText([SERVER_PREFIX, ...key]);
}

/** The encoded public curve key, `X…`, from the 32 bytes of an X25519 key. */
export function curvePublicKey(key: Uint8Array): string {
  return encodeKeyText([CURVE_PREFIX, ...key]);
}

/** Base32 of `bytes`, prefix and key, with their checksum, low byte first. */
export function encodeKeyText(bytes: readonly number[]): string {
  const checksum = crc16(bytes);
  return encodeBase32([...bytes, checksum & 0xff, checksum >> 8]);
}

/** What `encodeKeyText()` was given; undefined if `text` is no base32 or its checksum is wrong. */
export function decodeKeyText(text: string): readonly number[] | undefined {
  const bytes = decodeBase32(text);
  if (bytes === undefined || bytes.length < KEY_BYTES_MIN) return undefined;
  const [low = 0, high = 0] = bytes.splice(-2);
  return crc16(bytes) === (low | (high << 8)) ? bytes : undefined;
}

function hasValidChecksum(text: string): boolean {
  return decodeKeyText(text) !== undefined;
}

/** CRC-16 as XMODEM has it. */
function crc16(bytes: readonly number[]): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : crc << 1;
  }
  return crc;
}

const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** Base32 of RFC 4648 without padding. */
export function encodeBase32(bytes: Iterable<number>): string {
  let text = "";
  let bits = 0;
  let bitCount = 0;
  for (const byte of bytes) {
    bits = ((bits << 8) | byte) & 0xfff;
    bitCount += 8;
    for (; bitCount >= 5; bitCount -= 5) text += BASE32[(bits >> (bitCount - 5)) & 31];
  }
  return bitCount === 0 ? text : text + BASE32[(bits << (5 - bitCount)) & 31];
}

/** Base32 of RFC 4648 without padding; bits that fill no byte are dropped. */
function decodeBase32(text: string): number[] | undefined {
  const bytes: number[] = [];
  let bits = 0;
  let bitCount = 0;
  for (const character of text) {
    const value = BASE32.indexOf(character);
    if (value < 0) return undefined;
    bits = ((bits << 5) | value) & 0xfff;
    bitCount += 5;
    if (bitCount < 8) continue;
    bitCount -= 8;
    bytes.push((bits >> bitCount) & 0xff);
  }
  return bytes;
}
