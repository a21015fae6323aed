import { Buffer } from "node:buffer";
import type { AccountClaims, Claims, OperatorClaims, UserClaims } from "../jwt/claims.ts";
import { encode } from "../jwt/encode.ts";
import { newAccount, newOperator, newUser } from "../jwt/new_claims.ts";
import type { KeyPair } from "../nkey.ts";

/** Keys and tokens for tests: an operator, accounts it signed, users these signed. */

/** The second at which everything in these tests happens, Unix time; a Thursday at 09:20 UTC. */
export const NOW_S = 1_764_840_000;
export const NOW_MS = NOW_S * 1000;

/** Signs claims `ageS` seconds ago; throws what is wrong with them. */
export function sign(claims: Claims, signer: KeyPair, ageS = 0): string {
  const encoded = encode(claims, signer, NOW_S - ageS);
  if (!encoded.ok) throw new Error(encoded.text);
  return encoded.token;
}

type Parts<C extends Claims> = Partial<Omit<C, "nats" | "type">> & { readonly nats?: Partial<C["nats"]> };

function withParts<C extends Claims>(claims: C, parts: Parts<C>): C {
  return { ...claims, ...parts, nats: { ...claims.nats, ...parts.nats } };
}

export function operatorClaims(key: KeyPair, parts: Parts<OperatorClaims> = {}): OperatorClaims {
  return withParts({ ...newOperator(key.publicKey, "O"), issuer: key.publicKey }, parts);
}

export function accountClaims(key: KeyPair, parts: Parts<AccountClaims> = {}): AccountClaims {
  return withParts(newAccount(key.publicKey, "acme"), parts);
}

export function userClaims(key: KeyPair, parts: Parts<UserClaims> = {}): UserClaims {
  return withParts(newUser(key.publicKey, "bob"), parts);
}

/** A token whose header, or whatever part of it, was tampered with. */
export function tamper(token: string, part: 0 | 1 | 2, change: (text: string) => string): string {
  const parts = token.split(".");
  const text = Buffer.from(parts[part] ?? "", "base64url").toString("latin1");
  parts[part] = Buffer.from(change(text), "latin1").toString("base64url");
  return parts.join(".");
}
