import { leastLimit, leastPayload } from "../../account/limits.ts";
import type { Login } from "../../auth/login.ts";
import type { LeafAccount, LeafOptions } from "./leaf_context.ts";

/**
 * The limits of a leaf link. −1 means no limit; a `payloadBytesMax` below −1 allows no payload at all, not even an
 * empty one.
 */
export interface LeafLimits {
  readonly payloadBytesMax: number;
  readonly subscriptionsMax: number;
}

type Limits = Pick<LeafOptions & LeafAccount, "payloadBytesMax" | "subscriptionsMax">;

/** The lowest limits of server, account and user; `login` is null on the side that dialled. */
export function leafLimits(options: Limits, account: Limits, login: Login | null): LeafLimits {
  return {
    payloadBytesMax: leastPayload(
      options.payloadBytesMax,
      account.payloadBytesMax,
      login?.maxPayloadBytes ?? -1,
    ),
    subscriptionsMax: leastLimit(
      options.subscriptionsMax,
      account.subscriptionsMax,
      login?.maxSubscriptions ?? -1,
    ),
  };
}
