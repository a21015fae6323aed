import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import nacl from "tweetnacl";
import { decodePublicKey, type KeyPair } from "./nkey.ts";

/**
 * Messages sealed between two curve keys, as an auth callout has them: `xkv1`, a random nonce of 24 bytes, and a box
 * of NaCl (X25519, XSalsa20-Poly1305). Source: nats-io/nkeys, xkeys.go.
 */

const VERSION = Buffer.from("xkv1");
const HEADER_BYTES = VERSION.length + nacl.box.nonceLength;

/** Why a sealed message could not be opened, in nkeys' words. */
export type SealFault =
  | "nkeys: encrypted input is not valid"
  | "nkeys: encrypted input wrong version"
  | "nkeys: not a valid recipient public curve key"
  | "nkeys: not a valid sender public curve key"
  | "nkeys: could not decrypt input";

export type Sealed =
  | { readonly ok: true; readonly bytes: Uint8Array }
  | { readonly ok: false; readonly text: SealFault };

/**
 * Seals messages to other curve keys, and opens messages from them. Computing the secret that two keys share takes 1.2
 * ms, so the one for the last other key is kept: a server talks to one callout service.
 */
export class SealingKey {
  readonly #key: KeyPair;
  #other = "";
  #shared: Uint8Array = new Uint8Array(0);

  /** Throws a TypeError if `key` is no curve key. */
  constructor(key: KeyPair) {
    if (key.role !== "curve")
      throw new TypeError(`a curve key is needed to seal, not one of role ${key.role}`);
    this.#key = key;
  }

  get publicKey(): string {
    return this.#key.publicKey;
  }

  seal(message: Uint8Array, recipient: string): Sealed {
    const shared = this.#sharedWith(recipient);
    if (shared === undefined) return { ok: false, text: "nkeys: not a valid recipient public curve key" };
    const nonce = randomBytes(nacl.box.nonceLength);
    const box = nacl.box.after(message, nonce, shared);
    return { ok: true, bytes: Buffer.concat([VERSION, nonce, box]) };
  }

  open(sealed: Uint8Array, sender: string): Sealed {
    if (sealed.length <= HEADER_BYTES) return { ok: false, text: "nkeys: encrypted input is not valid" };
    if (VERSION.compare(sealed, 0, VERSION.length) !== 0) {
      return { ok: false, text: "nkeys: encrypted input wrong version" };
    }
    const shared = this.#sharedWith(sender);
    if (shared === undefined) return { ok: false, text: "nkeys: not a valid sender public curve key" };
    const nonce = sealed.subarray(VERSION.length, HEADER_BYTES);
    const bytes = nacl.box.open.after(sealed.subarray(HEADER_BYTES), nonce, shared);
    return bytes === null ? { ok: false, text: "nkeys: could not decrypt input" } : { ok: true, bytes };
  }

  #sharedWith(other: string): Uint8Array | undefined {
    if (other === this.#other) return this.#shared;
    const key = decodePublicKey(other);
    if (key?.role !== "curve") return undefined;
    this.#shared = nacl.box.before(key.bytes, this.#key.secretBytes());
    this.#other = other;
    return this.#shared;
  }
}
