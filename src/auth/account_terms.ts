/** What a change of an account means for those who are logged in: sent to every shard, which knows them. Plain data. */
import type { Permissions } from "../config/permissions.ts";
import * as errors from "../protocol/errors.ts";
import { denyPublish, permissionsOf } from "./jwt_permissions.ts";
import type { LoadedAccount, LoginEnd } from "./loaded_account.ts";
import type { Login } from "./login.ts";
import { AUTH_CALLOUT_SUBJECT } from "./verdict.ts";

export interface AccountTerms {
  /** The account's name. */
  readonly account: string;
  /** Its time is over, or it was deleted. */
  readonly isExpired: boolean;
  readonly disallowsBearer: boolean;
  /** User key, or `*`: users issued at or before that Unix second are out. */
  readonly revocations: Readonly<Record<string, number>>;
  /** Keys that sign no users any more, or with another scope. */
  readonly endedIssuers: readonly string[];
  /** For users whose JWT has no permissions; null permits everything. */
  readonly defaultPermissions: Permissions | null;
}

/** The terms of an account that was `previous` before. */
export function termsOf(account: LoadedAccount, previous: LoadedAccount | undefined): AccountTerms {
  const { limits, revocations, authorization } = account.claims.nats;
  const defaultPermissions = permissionsOf(account.claims.nats.defaultPermissions);
  const before = previous?.userIssuers ?? new Map();
  return {
    account: account.key,
    isExpired: account.isExpired,
    disallowsBearer: limits.disallowBearer,
    revocations: Object.fromEntries(revocations),
    endedIssuers: [...before.keys()].filter((key) => !isSameIssuer(account, previous, key)),
    // What a login in the account of a callout is denied (`protectCallout`) stays denied.
    defaultPermissions:
      authorization.authUsers.length === 0
        ? defaultPermissions
        : denyPublish(defaultPermissions, AUTH_CALLOUT_SUBJECT),
  };
}

/** How a login ends under these terms; null if it goes on. Source: nats-server updateAccountClaimsWithRefresh. */
export function findEnd(login: Login, terms: AccountTerms): LoginEnd | "expired" | null {
  if (terms.isExpired) return "expired";
  const { jwt, isBearer, publicKey, issuedAtS, issuerKey, account } = login;
  if (jwt !== "" && isBearer && terms.disallowsBearer) return "authorization violation";
  const revokedAtS = [publicKey, "*"].map((key) => terms.revocations[key] ?? Number.NEGATIVE_INFINITY);
  if (publicKey !== "" && revokedAtS.some((atS) => atS >= issuedAtS)) return "revoked";
  if (issuerKey === "" || issuerKey === account) return null;
  return terms.endedIssuers.includes(issuerKey) ? "issuer changed" : null;
}

/** What a client, or a leaf node, is told of its end; of one whose issuer has changed, nothing. */
export const END_ERRORS = {
  expired: errors.ERROR_ACCOUNT_AUTHENTICATION_EXPIRED,
  revoked: errors.ERROR_USER_AUTHENTICATION_REVOKED,
  "authorization violation": errors.ERROR_AUTHORIZATION_VIOLATION,
} as const;

/** Scopes hold texts, numbers and lists, in the order in which they are decoded. */
function isSameIssuer(account: LoadedAccount, previous: LoadedAccount | undefined, key: string): boolean {
  const [scope, before] = [account.userIssuers.get(key), previous?.userIssuers.get(key)];
  return account.userIssuers.has(key) && JSON.stringify(scope) === JSON.stringify(before);
}
