/** What the logins thread, which keeps the accounts of operator mode, tells main about one of them. */
import type { AccountDescription } from "../account/description.ts";
import { claimsJson } from "../auth/jwt/encode.ts";
import type { Issue } from "../auth/jwt/issues.ts";
import { validate } from "../auth/jwt/validate.ts";
import type { LoadedAccount } from "../auth/loaded_account.ts";

/** Plain data, fit for a structured clone. */
export interface AccountDetails extends AccountDescription {
  /** Null for a system account whose JWT could not be fetched yet. */
  readonly claims: AccountClaimsDetails | null;
  readonly isExpired: boolean;
  /** When it was loaded or last changed. */
  readonly updatedAtMs: number;
}

export interface AccountClaimsDetails {
  readonly jwt: string;
  readonly issuer: string;
  readonly tags: readonly string[];
  /** The claims as an object for JSON. */
  readonly decoded: object;
  /** What validation finds wrong with them now. */
  readonly issues: readonly Issue[];
  /** User key or `*` to Unix seconds. */
  readonly revocations: ReadonlyMap<string, number>;
}

/** Describes an account. Validation checks times as of `nowMs`. */
export function accountDetails(
  description: AccountDescription,
  { jwt, claims, isExpired, updatedAtMs }: LoadedAccount,
  nowMs: number,
): AccountDetails {
  const { issuer, nats } = claims;
  const told = {
    jwt,
    issuer,
    tags: nats.tags,
    decoded: claimsJson(claims),
    issues: validate(claims, nowMs / 1000),
    revocations: nats.revocations,
  };
  return { ...description, claims: jwt === "" ? null : told, isExpired, updatedAtMs };
}
