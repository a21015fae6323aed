/** Operator mode, in which accounts and users come from JWTs. The code that verifies them is loaded only then. */
import type { Options } from "../../config/option_table.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { VerifiedOperators } from "./operator_setup.ts";

export function isOperatorMode({ operators, trustedKeys }: Options): boolean {
  return operators.length > 0 || trustedKeys.length > 0;
}

/**
 * Null outside operator mode. Throws if the operators cannot be used; the server then does not start, with that text.
 */
export async function verifyOperators(
  options: Options,
  hash: string,
  runtime: Pick<Runtime, "findTlsLimit">,
): Promise<VerifiedOperators | null> {
  if (!isOperatorMode(options)) return null;
  const { setUpOperators } = await import("./operator_setup.ts");
  const result = setUpOperators(options, hash, runtime);
  if (!result.ok) throw new Error(result.problem);
  return result;
}
