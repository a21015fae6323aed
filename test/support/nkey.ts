import { Buffer } from "node:buffer";
import { createPrivateKey, createPublicKey, type KeyObject, randomBytes, sign } from "node:crypto";

/** Roles of signing keys; the byte a public key starts with (security, 5.1). */
const PREFIX_BYTES = { operator: 0x70, account: 0x00, user: 0xa0, server: 0x68, cluster: 0x10 } as const;
const SEED_PREFIX_BYTE = 0x90;
const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/** What stands before the 32 bytes of an Ed25519 seed in PKCS #8. */
const PKCS8_HEAD = Buffer.from("302e020100300506032b657004220420", "hex");

export type NKeyRole = keyof typeof PREFIX_BYTES;

/**
 * A signing key for tests. Written over node:crypto, which signs in 0.1 ms where nkeys.js takes 7 to 24, and so that a
 * test can also encode what no library would: a wrong checksum, a role that does not exist.
 */
export class NKey {
  readonly role: NKeyRole;
  /** 56 characters, such as `UABC…`. */
  readonly publicKey: string;
  /** 58 characters, such as `SUAB…`. */
  readonly seed: string;
  /** The 32 bytes of the public key. */
  readonly publicBytes: Uint8Array;
  readonly #privateKey: KeyObject;

  constructor(role: NKeyRole, seedBytes: Uint8Array = randomBytes(32)) {
    const prefix = PREFIX_BYTES[role];
    this.role = role;
    this.#privateKey = createPrivateKey({
      key: Buffer.concat([PKCS8_HEAD, seedBytes]),
      format: "der",
      type: "pkcs8",
    });
    this.publicBytes = createPublicKey(this.#privateKey)
      .export({ format: "der", type: "spki" })
      .subarray(-32);
    this.publicKey = encodeNKey([prefix], this.publicBytes);
    this.seed = encodeNKey([SEED_PREFIX_BYTE | (prefix >> 5), (prefix & 31) << 3], seedBytes);
  }

  /** Raw Ed25519, 64 bytes. */
  sign(data: string | Uint8Array): Buffer {
    return sign(null, Buffer.from(data as string), this.#privateKey);
  }
}

/** Base32 text of prefix, key and checksum, as nkeys have it. */
export function encodeNKey(
  prefix: readonly number[],
  key: Uint8Array,
  checksum = crc16([...prefix, ...key]),
): string {
  return base32([...prefix, ...key, checksum & 0xff, checksum >> 8]);
}

/** RFC 4648, upper case, without padding. */
export function base32(bytes: Iterable<number>): string {
  let text = "";
  let bits = 0;
  let bitCount = 0;
  for (const byte of bytes) {
    bits = ((bits << 8) | byte) & 0xfff;
    for (bitCount += 8; bitCount >= 5; bitCount -= 5) text += BASE32[(bits >> (bitCount - 5)) & 31];
  }
  return bitCount === 0 ? text : text + BASE32[(bits << (5 - bitCount)) & 31];
}

/** CRC-16/XMODEM. */
export function crc16(bytes: Iterable<number>): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = ((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)) & 0xffff;
  }
  return crc;
}
