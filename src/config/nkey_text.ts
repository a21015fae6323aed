import { fromPublic, fromSeed } from "nkeys.js";

/** The public keys a configuration may hold, by the letter they begin with. */
export type PublicKeyKind = "account" | "operator" | "user" | "curve" | "any";

const FIRST_LETTER: Readonly<Record<PublicKeyKind, RegExp>> = {
  account: /^A/,
  operator: /^O/,
  user: /^U/,
  curve: /^X/,
  any: /^[AOUXNC]/,
};

/** Whether `text` is an encoded public key of this kind, checksum included. */
export function isPublicKey(text: string, kind: PublicKeyKind): boolean {
  if (!FIRST_LETTER[kind].test(text) || text.length !== 56) return false;
  try {
    fromPublic(text);
    return true;
  } catch {
    return false;
  }
}

/** Whether `text` is the encoded seed of a user key (`SU…`), checksum included. */
export function isUserSeed(text: string): boolean {
  if (!text.startsWith("SU")) return false;
  try {
    fromSeed(new TextEncoder().encode(text));
    return true;
  } catch {
    return false;
  }
}
