/** What the configuration says of operators, verified: loaded only where a server runs in operator mode. */
import { readFileSync } from "node:fs";
import type { OperatorClaims } from "../auth/jwt/claims.ts";
import { decodeAs } from "../auth/jwt/decode.ts";
import { readToken } from "../auth/jwt/decorated.ts";
import { compileTrust } from "../auth/operator_trust.ts";
import type { ResolverOptions } from "../config/operator.ts";
import type { Options } from "../config/option_table.ts";
import type { OperatorSetup } from "../link/operator_mode.ts";
import { NATS_VERSION } from "./version.ts";

export type OperatorSetupResult =
  | { readonly ok: true; readonly setup: OperatorSetup }
  /** The text a server refuses to start with. */
  | { readonly ok: false; readonly problem: string };

/** Reads and checks the operators' JWTs. `serverHash` is what names the server in subjects. */
export function setUpOperators(options: Options, serverHash: string): OperatorSetupResult {
  const operators: OperatorClaims[] = [];
  for (const text of options.operators) {
    const decoded = decodeAs("operator", operatorJwt(text));
    if (!decoded.ok) return { ok: false, problem: `error parsing operator JWT: ${decoded.text}` };
    operators.push(decoded.claims);
  }
  const resolver = options.resolver ?? resolverOf(operators);
  const { defaultSentinel } = options;
  const sentinel = defaultSentinel === undefined ? undefined : decodeAs("user", defaultSentinel);
  const result = compileTrust(operators, {
    trustedKeys: options.trustedKeys,
    systemAccount: options.systemAccount,
    pinnedAccounts: options.resolverPinnedAccounts,
    defaultSentinel: sentinel && {
      jwt: defaultSentinel ?? "",
      claims: sentinel.ok ? sentinel.claims : undefined,
    },
    hasNatsResolver: resolver.kind === "full" || resolver.kind === "cache",
    serverVersion: NATS_VERSION,
  });
  if (!result.ok) return result;
  const setup: OperatorSetup = {
    trust: result.trust,
    resolver,
    preload: [...options.resolverPreload],
    mayBootstrap: operators.length === 1 && resolver.kind !== "memory",
    serverHash,
  };
  return { ok: true, setup };
}

/** Where accounts come from if the configuration does not say: the account server of the only operator. */
function resolverOf(operators: readonly OperatorClaims[]): ResolverOptions {
  const [operator] = operators;
  if (operators.length !== 1 || operator === undefined) return { kind: "memory" };
  return { kind: "url", url: `${operator.nats.accountServerUrl}/accounts/` };
}

/** An operator's JWT itself, or what is in the file of that name. */
function operatorJwt(text: string): string {
  if (/^eyJ[\w-]*\.[\w-]+\.[\w-]+$/.test(text)) return text;
  return readToken(readFileSync(text, "utf8"));
}
