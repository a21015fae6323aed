/** What the configuration says of operators, verified: loaded only where a server runs in operator mode. */
import { readFileSync } from "node:fs";
import type { StandardClaims } from "../../auth/jwt/claims.ts";
import { decodeAs } from "../../auth/jwt/decode.ts";
import { claimsJson } from "../../auth/jwt/encode.ts";
import { readOperators, resolverOf } from "../../auth/operator_files.ts";
import { compileTrust } from "../../auth/operator_trust.ts";
import { findPreloadProblem } from "../../auth/resolver/open_resolver.ts";
import { errorText } from "../../base/error_text.ts";
import type { Options } from "../../config/option_table.ts";
import { findMissingSystemAccount } from "../../config/start_checks.ts";
import { TLS_DEFAULTS, type TlsOptions } from "../../config/tls.ts";
import type { OperatorSetup } from "../../logins/operator_mode.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { readTlsMaterial, type TlsMaterial } from "../../runtime/tls_material.ts";
import { NATS_VERSION } from "../version.ts";

export interface VerifiedOperators {
  readonly setup: OperatorSetup;
  readonly operators: readonly MonitoredOperator[];
}

/** An operator as monitoring and the log show it. */
export interface MonitoredOperator {
  readonly jwt: string;
  /** As JSON has them. */
  readonly claims: object;
  readonly standard: StandardClaims;
}

export type OperatorSetupResult =
  | ({ readonly ok: true } & VerifiedOperators)
  /** The text a server refuses to start with. */
  | { readonly ok: false; readonly problem: string };

/**
 * Reads and checks the operators' JWTs, what is preloaded, and the files of `resolver_tls`. `serverHash` is what names the
 * server in subjects.
 */
export function setUpOperators(
  options: Options,
  serverHash: string,
  runtime: Pick<Runtime, "findTlsLimit">,
): OperatorSetupResult {
  const read = readOperators(options.operators, (path) => readFileSync(path, "utf8"));
  if (!read.ok) return read;
  const { operators, jwts } = read;
  const resolver = resolverOf(options.resolver, operators) ?? { kind: "memory" };
  const { defaultSentinel } = options;
  const sentinel = defaultSentinel === undefined ? undefined : decodeAs("user", defaultSentinel);
  const result = compileTrust(operators, {
    trustedKeys: options.trustedKeys,
    systemAccount: options.systemAccount,
    defaultSentinel: sentinel && { claims: sentinel.ok ? sentinel.claims : undefined },
    hasNatsResolver: resolver.kind === "full" || resolver.kind === "cache",
    serverVersion: NATS_VERSION,
  });
  if (!result.ok) return result;
  const missing = findMissingSystemAccount(options, result.trust.systemAccount);
  if (missing !== undefined) return { ok: false, problem: missing };
  // Others have no use for it.
  const resolverTls = resolver.kind === "url" ? options.resolverTls : undefined;
  const tls = readResolverTls(resolverTls ?? TLS_DEFAULTS, runtime);
  if (!tls.ok) return tls;
  const preloadProblem = findPreloadProblem(resolver, options.resolverPreload);
  if (preloadProblem !== undefined) return { ok: false, problem: preloadProblem };
  const setup: OperatorSetup = {
    trust: result.trust,
    accounts: { resolver, resolverTls: tls.material, preload: [...options.resolverPreload] },
    mayBootstrap: operators.length === 1 && resolver.kind !== "memory",
    serverHash,
  };
  const monitored = operators.map((claims, place) => ({
    jwt: jwts[place]!,
    claims: claimsJson(claims),
    standard: claims,
  }));
  return { ok: true, setup, operators: monitored };
}

/** What a URL resolver dials with, which does so by the runtime's own TLS. */
function readResolverTls(
  options: TlsOptions,
  runtime: Pick<Runtime, "findTlsLimit">,
): { readonly ok: true; readonly material: TlsMaterial } | { readonly ok: false; readonly problem: string } {
  const limit = runtime.findTlsLimit(options, ["client"]);
  if (limit !== undefined) return { ok: false, problem: `resolver_tls: ${limit}; run on Bun` };
  try {
    return { ok: true, material: readTlsMaterial(options) };
  } catch (error) {
    return { ok: false, problem: `resolver_tls: ${errorText(error)}` };
  }
}
