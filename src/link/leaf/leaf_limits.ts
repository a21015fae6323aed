import { leastLimit, leastPayload } from "../../account/limits.ts";
import type { Login } from "../../auth/login.ts";
import type { LeafAccount, LeafOptions } from "./leaf_context.ts";

/** How much a leaf link may have. −1 for any number, payloads of less for none at all. */
export interface LeafLimits {
  readonly payloadBytesMax: number;
  readonly subscriptionsMax: number;
}

type Limits = Pick<LeafOptions & LeafAccount, "payloadBytesMax" | "subscriptionsMax">;

/** The least of what server, account and user allow; `login` is null on the side that dialled. */
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
