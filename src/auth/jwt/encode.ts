/** Encodes claims as a signed token of version 2. Source: nats-io/jwt, claims.go. */
import { Buffer } from "node:buffer";
import { sha512_256 } from "@noble/hashes/sha2.js";
import { encodeBase32 } from "../../config/nkey_text.ts";
import { encodeBase64Url } from "../base64.ts";
import { type KeyPair, type Role, roleOf } from "../nkey.ts";
import type { Claims, ClaimType, StandardClaims } from "./claims.ts";
import * as codec from "./codec.ts";
import { ISSUER_ROLES, VERSION, wrongIssuer } from "./decode.ts";
import { compareUtf8, goJson } from "./json_codec.ts";

export type Encoded =
  | { readonly ok: true; readonly token: string }
  | { readonly ok: false; readonly text: string };

const HEADER = encodeBase64Url(Buffer.from('{"typ":"JWT","alg":"ed25519-nkey"}'));

/** The role that the subject's key must have, and the error text if it has another. */
const SUBJECT: Partial<Record<ClaimType, readonly [role: Role, text: string]>> = {
  operator: ["operator", "expected subject to be an operator public key"],
  account: ["account", "expected subject to be account public key"],
  user: ["user", "expected subject to be user public key"],
  activation: ["account", "expected subject to be an account"],
};

/**
 * Signs claims with `signer`, as of `nowSeconds`, Unix time. Issuer, time of issue, id and version are set here,
 * whatever the claims contain. Refuses a subject or a signer of the wrong kind.
 */
export function encode(claims: Claims, signer: KeyPair, nowSeconds: number): Encoded {
  if (claims.subject === "") return { ok: false, text: "subject is not set" };
  const subject = SUBJECT[claims.type];
  if (subject !== undefined && roleOf(claims.subject) !== subject[0]) return { ok: false, text: subject[1] };
  if (claims.type !== "generic" && !ISSUER_ROLES[claims.type].includes(signer.role)) {
    return { ok: false, text: wrongIssuer(claims.type) };
  }
  const unhashed = { ...claims, id: "", issuer: signer.publicKey, issuedAtSeconds: Math.floor(nowSeconds) };
  const standard = { ...unhashed, id: hashClaims(unhashed) };
  const payload = { ...writeStandard(standard), nats: writeNats(claims) };
  const signed = `${HEADER}.${encodeBase64Url(Buffer.from(goJson(payload)))}`;
  return { ok: true, token: `${signed}.${encodeBase64Url(signer.sign(Buffer.from(signed)))}` };
}

/** The `jti` of claims: SHA-512/256 over the other standard claims, in base32. */
export function hashClaims(claims: StandardClaims): string {
  const json = goJson(writeStandard({ ...claims, id: "" }));
  return encodeBase32(sha512_256(new TextEncoder().encode(json)));
}

/** The claims as indented JSON for people to read: what the token contains. */
export function formatClaims(claims: Claims): string {
  return JSON.stringify({ ...writeStandard(claims), nats: writeNats(claims) }, undefined, 2);
}

/** The claims as the JSON of a token of version 2, with exports and imports in their own order. */
export function claimsJson(claims: Exclude<Claims, { readonly type: "generic" }>): object {
  const { version, ...nats } = writeKnown(claims) as Record<string, unknown>;
  return { ...writeStandard(claims), nats: { ...nats, type: claims.type, version } };
}

function writeStandard(claims: StandardClaims): object {
  return codec.standardClaims.write(claims) as object;
}

function writeNats(claims: Claims): object {
  if (claims.type === "generic") return { ...claims.nats, version: VERSION };
  const { version, ...nats } = writeKnown(inOrder(claims)) as Record<string, unknown>;
  return { ...nats, type: claims.type, version: VERSION };
}

function writeKnown(claims: Exclude<Claims, { readonly type: "generic" }>): unknown {
  switch (claims.type) {
    case "operator":
      return codec.operator.write(claims.nats);
    case "account":
      return codec.account.write(claims.nats);
    case "user":
      return codec.user.write(claims.nats);
    case "activation":
      return codec.activation.write(claims.nats);
    case "authorization_request":
      return codec.authorizationRequest.write(claims.nats);
    case "authorization_response":
      return codec.authorizationResponse.write(claims.nats);
  }
}

/** Sorts exports and imports, as nats-io/jwt does before it signs. */
function inOrder<C extends Claims>(claims: C): C {
  if (claims.type !== "account") return claims;
  const { exports, imports } = claims.nats;
  const nats = { ...claims.nats, exports: bySubject(exports), imports: bySubject(imports) };
  return { ...claims, nats };
}

function bySubject<T extends { readonly subject: string }>(shares: readonly T[]): readonly T[] {
  return shares.toSorted((a, b) => compareUtf8(a.subject, b.subject));
}
