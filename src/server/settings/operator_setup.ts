/** What the configuration says of operators, verified: loaded only where a server runs in operator mode. */
import { readFileSync } from "node:fs";
import { decodeAs } from "../../auth/jwt/decode.ts";
import { claimsJson } from "../../auth/jwt/encode.ts";
import { readOperators, resolverOf } from "../../auth/operator_files.ts";
import { compileTrust } from "../../auth/operator_trust.ts";
import type { Options } from "../../config/option_table.ts";
import type { OperatorSetup } from "../../logins/operator_mode.ts";
import { NATS_VERSION } from "../version.ts";

export interface VerifiedOperators {
  readonly setup: OperatorSetup;
  readonly operators: readonly MonitoredOperator[];
}

/** An operator as monitoring shows it. */
export interface MonitoredOperator {
  readonly jwt: string;
  /** As JSON has them. */
  readonly claims: object;
}

export type OperatorSetupResult =
  | ({ readonly ok: true } & VerifiedOperators)
  /** The text a server refuses to start with. */
  | { readonly ok: false; readonly problem: string };

/** Reads and checks the operators' JWTs. `serverHash` is what names the server in subjects. */
export function setUpOperators(options: Options, serverHash: string): OperatorSetupResult {
  const read = readOperators(options.operators, (path) => readFileSync(path, "utf8"));
  if (!read.ok) return read;
  const { operators, jwts } = read;
  const resolver = resolverOf(options.resolver, operators) ?? { kind: "memory" };
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
  const monitored = operators.map((claims, place) => ({ jwt: jwts[place]!, claims: claimsJson(claims) }));
  return { ok: true, setup, operators: monitored };
}
