import type { AccountLimits } from "../config/accounts.ts";

const INT32_MAX = 0x7fffffff;

/** The least of several limits, of which −1 stands for none; a limit below −1 leaves no room at all. */
export function leastLimit(...limits: readonly number[]): number {
  let least = -1;
  for (const limit of limits) if (limit !== -1 && (least === -1 || limit < least)) least = limit;
  return least === -1 ? -1 : Math.max(least, 0);
}

/** The limits of an account's JWT or configuration, each brought to −1 for none or a number from 0 on. */
export function limitsOf(given: AccountLimits): AccountLimits {
  return {
    maxConnections: limitOf(given.maxConnections),
    maxSubscriptions: limitOf(given.maxSubscriptions),
    maxPayloadBytes: limitOf(given.maxPayloadBytes),
    maxLeafnodes: limitOf(given.maxLeafnodes),
  };
}

function limitOf(given: number): number {
  return given < -1 ? 0 : Math.min(given, INT32_MAX);
}
