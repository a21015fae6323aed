import { isPublicKey } from "../config/nkey_text.ts";
import type { OperatorClaims, UserClaims } from "./jwt/claims.ts";
import { findVersionFault } from "./jwt/validate.ts";
import { hasRightsOfItsOwn } from "./scope.ts";

/**
 * The keys that a server in operator mode trusts: compiled once, from the operators' JWTs or from `trusted_keys`. No
 * reload changes them. Plain data.
 * Source: nats-server jwt.go, validateTrustedOperators; server.go, processTrustedKeys.
 */
export interface OperatorTrust {
  /** Operator keys that may sign accounts. */
  readonly trustedKeys: readonly string[];
  /** Those of them whose accounts must sign users with signing keys, not with their identity. */
  readonly strictKeys: readonly string[];
  /** The public key of the system account; empty for none. */
  readonly systemAccount: string;
  /** The first operator, whose requests resolvers obey; undefined with `trusted_keys`. */
  readonly operator: TrustedOperator | undefined;
}

export interface TrustedOperator {
  /** The identity key. */
  readonly key: string;
  /** The keys that may have accounts deleted: signing keys, and unless strict the identity. */
  readonly keys: readonly string[];
  /** The identity key signs no account. */
  readonly isStrict: boolean;
}

/** What the configuration says besides the operators' JWTs, which have to fit it. */
export interface TrustOptions {
  readonly trustedKeys: readonly string[];
  readonly systemAccount: string | undefined;
  /** The user JWT of clients that bring none; without claims it is not valid. */
  readonly defaultSentinel: { readonly claims: UserClaims | undefined } | undefined;
  /** Accounts come from other servers, so a system account is needed to ask them. */
  readonly hasNatsResolver: boolean;
  /** `2.15.2`. */
  readonly serverVersion: string;
}

export type TrustResult =
  | { readonly ok: true; readonly trust: OperatorTrust }
  /** The text a server refuses to start with. */
  | { readonly ok: false; readonly problem: string };

export function compileTrust(operators: readonly OperatorClaims[], options: TrustOptions): TrustResult {
  const problem = operators.length === 0 ? undefined : findProblem(operators, options);
  if (problem !== undefined) return { ok: false, problem };
  const [first] = operators;
  const trustedKeys = operators.length === 0 ? options.trustedKeys : operators.flatMap(signersOf);
  const invalid = trustedKeys.find((key) => !isPublicKey(key, "operator"));
  if (invalid !== undefined) {
    const problem = `trusted Keys ${JSON.stringify(invalid)} are required to be a valid public operator nkey`;
    return { ok: false, problem };
  }
  // Of several operators none speaks for the server.
  const systemAccount = options.systemAccount || (operators.length === 1 && first?.nats.systemAccount) || "";
  return {
    ok: true,
    trust: {
      trustedKeys,
      strictKeys: operators.flatMap(({ nats }) => (nats.strictSigningKeyUsage ? nats.signingKeys : [])),
      systemAccount,
      operator: first && {
        key: first.subject,
        keys: signersOf(first),
        isStrict: first.nats.strictSigningKeyUsage,
      },
    },
  };
}

/** The keys by which an operator signs accounts. */
function signersOf({ subject, nats }: OperatorClaims): readonly string[] {
  return nats.strictSigningKeyUsage ? nats.signingKeys : [subject, ...nats.signingKeys];
}

function findProblem(operators: readonly OperatorClaims[], options: TrustOptions): string | undefined {
  return (
    findSentinelProblem(options.defaultSentinel) ??
    findSystemAccountProblem(operators, options) ??
    operators.map((operator) => findVersionProblem(operator, options.serverVersion)).find(Boolean)
  );
}

function findSentinelProblem(sentinel: TrustOptions["defaultSentinel"]): string | undefined {
  if (sentinel === undefined) return undefined;
  const { claims } = sentinel;
  if (claims === undefined) return "default sentinel JWT not valid";
  // Such a user takes its rights from a scope, which is known only once the account is.
  const looksScoped = claims.nats.issuerAccount !== "" && !hasRightsOfItsOwn(claims);
  return claims.nats.bearerToken || looksScoped ? undefined : "default sentinel must be a bearer token";
}

function findSystemAccountProblem(
  operators: readonly OperatorClaims[],
  { systemAccount, hasNatsResolver }: TrustOptions,
): string | undefined {
  const named = operators.map(({ nats }) => nats.systemAccount).filter((key) => key !== "");
  if (systemAccount) {
    const fits = named.length === 0 || named.includes(systemAccount);
    return fits ? undefined : "system_account in config and operator JWT must be identical";
  }
  // Of several operators none speaks for the server.
  if ((operators.length === 1 && named.length === 1) || !hasNatsResolver) return undefined;
  return "using nats based account resolver - the system account needs to be specified in configuration or the operator jwt";
}

const VERSION_PARTS = ["major", "minor", "update"] as const;

/** Whether the operator asks for a newer server than this one. */
function findVersionProblem({ subject, nats }: OperatorClaims, serverVersion: string): string | undefined {
  const asserted = nats.assertServerVersion;
  if (asserted === "") return undefined;
  const fault = findVersionFault(asserted);
  if (fault !== undefined)
    return `operator ${subject} expects version ${asserted} got error instead: ${fault}`;
  const wanted = asserted.split(".").map(Number);
  const have = serverVersion.split(/[.-]/).map(Number);
  for (const [index, part] of VERSION_PARTS.entries()) {
    const [asked = 0, own = 0] = [wanted[index], have[index]];
    if (asked < own) return undefined;
    if (asked > own)
      return `operator ${subject} expected ${part} version ${asked} > server ${part} version ${own}`;
  }
  return undefined;
}
