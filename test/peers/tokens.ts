import type { Claims } from "../../src/auth/jwt/claims.ts";
import { encode } from "../../src/auth/jwt/encode.ts";
import type { KeyPair } from "../../src/auth/nkey.ts";

/** The second these suites began, Unix time. */
export const NOW_S = Math.floor(Date.now() / 1000);

/** Signs claims; throws what is wrong with them. */
export function tokenOf(claims: Claims, signer: KeyPair, issuedAtS = NOW_S): string {
  const encoded = encode(claims, signer, issuedAtS);
  if (!encoded.ok) throw new Error(encoded.text);
  return encoded.token;
}
