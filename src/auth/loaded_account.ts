import type { AccountClaims, Revocations, UserScope } from "./jwt/claims.ts";

/** An account whose JWT has been verified, and what it means for logins. Immutable: an update makes another. */
export interface LoadedAccount {
  /** Its public key, which is its name. */
  readonly key: string;
  /** The token as it came; empty for a system account that could not be fetched yet. */
  readonly jwt: string;
  readonly claims: AccountClaims;
  /** The keys that may sign its users, with the scope of those that have one. */
  readonly userIssuers: ReadonlyMap<string, UserScope | undefined>;
  /** The token's time is over, or the account was deleted: nobody gets in. */
  readonly isExpired: boolean;
  /** When it was loaded or last changed, Unix milliseconds. */
  readonly updatedAtMs: number;
}

/**
 * The keys that may sign users of an account. The identity is not among them where the operator key that signed the
 * account is strict. Source: nats-server accounts.go, updateAccountClaimsWithRefresh.
 */
export function userIssuersOf(
  { subject, issuer, nats }: AccountClaims,
  strictKeys: readonly string[],
): ReadonlyMap<string, UserScope | undefined> {
  if (strictKeys.includes(issuer)) return nats.signingKeys;
  return new Map([...nats.signingKeys, [subject, undefined]]);
}

/** Whether a user JWT issued then does not hold any more. */
export function isRevoked(revocations: Revocations, userKey: string, issuedAtS: number): boolean {
  return [userKey, "*"].some((key) => (revocations.get(key) ?? Number.NEGATIVE_INFINITY) >= issuedAtS);
}

/** How a connection ends when its account has changed. */
export type LoginEnd =
  /** `-ERR 'User Authentication Revoked'`. */
  | "revoked"
  /** `-ERR 'Authorization Violation'`: a bearer token where these are no longer allowed. */
  | "authorization violation"
  /** Without any error: the key that signed the user is gone, or means something else. */
  | "issuer changed";
