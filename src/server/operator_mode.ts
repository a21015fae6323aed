import type { Options } from "../config/option_table.ts";

/** Whether accounts and users come from JWTs. */
export function isOperatorMode({ operators, trustedKeys }: Options): boolean {
  return operators.length > 0 || trustedKeys.length > 0;
}
