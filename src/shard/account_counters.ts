/** Counters of an account: how they begin, and how they grow. */
import type { AccountCounters } from "./shard_options.ts";

export const NO_COUNTERS: AccountCounters = {
  connections: 0,
  subscriptions: 0,
  subscriptionsAdded: 0,
  subscriptionsRemoved: 0,
  inMessages: 0,
  inBytes: 0,
  outMessages: 0,
  outBytes: 0,
  slowConsumers: 0,
};

/** Counters with the messages of a connection added. */
export function withTraffic(
  counters: AccountCounters,
  [inMessages, inBytes, outMessages, outBytes]: readonly [number, number, number, number],
): AccountCounters {
  return {
    ...counters,
    inMessages: counters.inMessages + inMessages,
    inBytes: counters.inBytes + inBytes,
    outMessages: counters.outMessages + outMessages,
    outBytes: counters.outBytes + outBytes,
  };
}
