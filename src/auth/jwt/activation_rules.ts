import { roleOf } from "../nkey.ts";
import type { Activation } from "./claims.ts";
import type { Issues } from "./issues.ts";
import { checkSubject } from "./subject_rules.ts";

/** Checks an activation, by itself or inside an import. Source: nats-io/jwt, activation_claims.go. */
export function checkActivation(activation: Activation, issues: Issues): void {
  if (activation.kind === "unknown") issues.block('invalid import type: "unknown"');
  checkSubject(activation.subject, issues);
  checkIssuerAccount(activation.issuerAccount, "account_id", issues);
}

/** Checks the account that a token names because one of the account's signing keys issued it. */
export function checkIssuerAccount(key: string, called: string, issues: Issues): void {
  if (key !== "" && roleOf(key) !== "account") issues.block(`${called} is not an account public key`);
}
