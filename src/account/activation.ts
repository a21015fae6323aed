import type { ActivationClaims } from "../auth/jwt/claims.ts";
import { isSubset } from "../subject/subset.ts";
import type { ImportRule } from "./account_source.ts";

/** Decodes an activation token and verifies that its issuer signed it; null if that fails. */
export type VerifyActivation = (token: string) => ActivationClaims | null;

/** The account that exports. */
interface Exporter {
  readonly name: string;
  /** The keys that may sign in its name; its own is one of them unless its operator is strict. */
  readonly signingKeys: ReadonlySet<string>;
  /** By importing account, or `*` for all: tokens issued at or before that Unix second are revoked. */
  readonly revocations: ReadonlyMap<string, number>;
}

/**
 * Why a token does not let `importer` import; undefined if it does. Times are Unix seconds.
 *
 * Source: nats-server checkActivation, jwt Import.Validate.
 */
export function activationProblem(
  claims: ActivationClaims | null,
  rule: ImportRule,
  importer: string,
  exporter: Exporter,
  nowSeconds: number,
): string | undefined {
  if (claims === null) return rule.token === "" ? "no activation token" : "activation token not valid";
  const { nats, issuer, subject, issuedAtSeconds, expiresAtSeconds, notBeforeSeconds } = claims;
  if (subject !== importer) return "activation token for another account";
  const isIssuer =
    nats.issuerAccount === ""
      ? issuer === exporter.name
      : nats.issuerAccount === exporter.name && exporter.signingKeys.has(issuer);
  if (!isIssuer) return "activation token not issued by the exporting account";
  if (nats.kind !== rule.kind) return "activation token for another kind of import";
  if (!isSubset(rule.remote, nats.subject)) return "activation token for another subject";
  if (notBeforeSeconds > nowSeconds) return "activation token not valid yet";
  if (expiresAtSeconds !== 0 && expiresAtSeconds <= nowSeconds) return "activation token expired";
  const isRevoked = [subject, "*"].some((key) => (exporter.revocations.get(key) ?? -1) >= issuedAtSeconds);
  return isRevoked ? "activation token revoked" : undefined;
}
