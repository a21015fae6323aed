import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { base32, type NKey } from "./nkey.ts";

/** A JWT's claims: the standard ones beside `nats`. Times are Unix seconds. */
export type Claims = Readonly<Record<string, unknown>>;

/** How a token departs from the rule, for tokens that a server must refuse, or accept for old times' sake. */
export interface TokenShape {
  readonly header?: unknown;
  /** The signed bytes are the payload segment alone, as in version 1. */
  readonly signsPayloadOnly?: boolean;
}

const HEADER_V2 = { typ: "JWT", alg: "ed25519-nkey" };
export const HEADER_V1 = { typ: "jwt", alg: "ed25519" };

/** Now, in the seconds that claims count in, and so many of them later. */
export function seconds(later = 0): number {
  return Math.floor(Date.now() / 1000) + later;
}

/**
 * A signed token of these claims; `iss`, `iat` and `jti` are those of the signer, now and the content unless the claims
 * have them. An encoder of the tests' own: libraries refuse to make what a hostile client sends.
 */
export function encodeJwt(claims: Claims, signer: NKey, shape: TokenShape = {}): string {
  const filled: Claims = { iss: signer.publicKey, iat: seconds(), ...claims };
  const jti = base32(createHash("sha256").update(JSON.stringify(filled)).digest());
  const head = segment(shape.header ?? HEADER_V2);
  const payload = segment({ jti, ...filled });
  const signature = signer.sign(shape.signsPayloadOnly ? payload : `${head}.${payload}`);
  return `${head}.${payload}.${signature.toString("base64url")}`;
}

/** The claims of a token, unverified. */
export function decodeJwt<T = Claims>(token: string): T {
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as T;
}

/** JSON, in URL-safe base64 without padding. */
export function segment(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
