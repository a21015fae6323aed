import { errorText } from "../base/error_text.ts";
import type { ResolverOptions } from "../config/operator.ts";
import type { OperatorClaims } from "./jwt/claims.ts";
import { decodeAs } from "./jwt/decode.ts";
import { readToken } from "./jwt/decorated.ts";

/** Reads what the configuration's `operator` names. */

export type OperatorsResult =
  | {
      readonly ok: true;
      readonly operators: readonly OperatorClaims[];
      /** The token of each operator, in the same order. */
      readonly jwts: readonly string[];
    }
  /** The text a server refuses to start with. */
  | { readonly ok: false; readonly problem: string };

/** Decodes operators: JWTs as they are, or files that hold one, decorated or not. `readFile` may throw. */
export function readOperators(
  entries: readonly string[],
  readFile: (path: string) => string,
): OperatorsResult {
  const operators: OperatorClaims[] = [];
  const jwts: string[] = [];
  for (const entry of entries) {
    let text: string;
    try {
      text = entry.startsWith("eyJ") ? entry : readFile(entry);
    } catch (error) {
      const why = errorText(error);
      return { ok: false, problem: `error parsing operator JWT: ${why}` };
    }
    const jwt = readToken(text);
    const decoded = decodeAs("operator", jwt);
    if (!decoded.ok) return { ok: false, problem: `error parsing operator JWT: ${decoded.text}` };
    operators.push(decoded.claims);
    jwts.push(jwt);
  }
  return { ok: true, operators, jwts };
}

/** The resolver of the configuration; without one, the account server that a single operator names. */
export function resolverOf(
  configured: ResolverOptions | undefined,
  operators: readonly OperatorClaims[],
): ResolverOptions | undefined {
  const [operator, ...more] = operators;
  if (configured !== undefined || operator === undefined || more.length > 0) return configured;
  return { kind: "url", url: `${operator.nats.accountServerUrl}/accounts/` };
}
