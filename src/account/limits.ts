import type { AccountLimits } from "../config/accounts.ts";

const INT32_MAX = 0x7fffffff;
const INT32_MIN = -INT32_MAX - 1;

/** The least of several limits, of which −1 stands for none; a limit below −1 leaves no room at all. */
export function leastLimit(...limits: readonly number[]): number {
  const least = leastPayload(...limits);
  return least === -1 ? -1 : Math.max(least, 0);
}

/** The least of several limits of payloads, of which −1 stands for none; a limit below −1 forbids empty ones, too. */
export function leastPayload(...limits: readonly number[]): number {
  let least = -1;
  for (const limit of limits) if (limit !== -1 && (least === -1 || limit < least)) least = limit;
  return least;
}

/** The limits of an account's JWT or configuration: −1 for none or a number from 0 on, of payloads also one below −1. */
export function limitsOf(given: AccountLimits): AccountLimits {
  return {
    maxConnections: limitOf(given.maxConnections),
    maxSubscriptions: limitOf(given.maxSubscriptions),
    maxPayloadBytes: withinInt32(given.maxPayloadBytes),
    maxLeafnodes: limitOf(given.maxLeafnodes),
  };
}

function limitOf(given: number): number {
  return given < -1 ? 0 : withinInt32(given);
}

function withinInt32(given: number): number {
  return Math.min(Math.max(given, INT32_MIN), INT32_MAX);
}
