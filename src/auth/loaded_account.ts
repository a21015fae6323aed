import type { AccountClaims, Revocations, UserScope } from "./jwt/claims.ts";
import type { Login } from "./login.ts";

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

/** Whether the account, as it is now, still lets in who logged in when it was `previous`; null if so. */
export function findLoginEnd(login: Login, previous: LoadedAccount, account: LoadedAccount): LoginEnd | null {
  const { jwt, isBearer, publicKey, issuedAtS, issuerKey } = login;
  const { limits, revocations } = account.claims.nats;
  if (jwt !== "" && isBearer && limits.disallowBearer) return "authorization violation";
  if (publicKey !== "" && isRevoked(revocations, publicKey, issuedAtS)) return "revoked";
  if (issuerKey === "" || issuerKey === account.key) return null;
  const isKnown = account.userIssuers.has(issuerKey);
  const [scope, before] = [account.userIssuers.get(issuerKey), previous.userIssuers.get(issuerKey)];
  return isKnown && isSameScope(scope, before) ? null : "issuer changed";
}

/** Scopes hold texts, numbers and lists, in the order in which they are decoded. */
function isSameScope(a: UserScope | undefined, b: UserScope | undefined): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
