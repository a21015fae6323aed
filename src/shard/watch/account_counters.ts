/** Counters of an account: their initial values, and adding those of connections. */
import {
  CONNECTION_IN_BYTES,
  CONNECTION_IN_MESSAGES,
  CONNECTION_OUT_BYTES,
  CONNECTION_OUT_MESSAGES,
} from "../../memory/layout.ts";
import { counterValue, type SharedMemory } from "../../memory/shared_memory.ts";
import type { Connection } from "../connection.ts";
import type { LinkTraffic } from "../links/link_records.ts";
import type { AccountCounters } from "./records.ts";

/** Counters that can be added to. */
export type Growing<Counters> = { -readonly [Name in keyof Counters]: number };

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

/** The messages that a connection has counted. */
export function connectionTraffic({ words }: SharedMemory, { address }: Connection): LinkTraffic {
  return {
    inMessages: counterValue(words, address + CONNECTION_IN_MESSAGES),
    inBytes: counterValue(words, address + CONNECTION_IN_BYTES),
    outMessages: counterValue(words, address + CONNECTION_OUT_MESSAGES),
    outBytes: counterValue(words, address + CONNECTION_OUT_BYTES),
  };
}

/** Returns counters with the messages of a connection added. */
export function withTraffic(counters: LinkTraffic, traffic: LinkTraffic): LinkTraffic {
  const sum = { ...counters };
  addTraffic(sum, traffic);
  return sum;
}

/** Adds the messages of a connection to counters, in place. */
export function addTraffic(sum: Growing<LinkTraffic>, traffic: LinkTraffic): void {
  sum.inMessages += traffic.inMessages;
  sum.inBytes += traffic.inBytes;
  sum.outMessages += traffic.outMessages;
  sum.outBytes += traffic.outBytes;
}

/** Sums the counters of several shards, by the account's name. */
export function sumsByAccount(
  shards: readonly Readonly<Record<string, AccountCounters>>[],
): ReadonlyMap<string, AccountCounters> {
  const sums = new Map<string, AccountCounters>();
  for (const counters of shards) {
    for (const [name, more] of Object.entries(counters)) {
      const sum = sums.get(name) ?? NO_COUNTERS;
      sums.set(name, {
        connections: sum.connections + more.connections,
        subscriptions: sum.subscriptions + more.subscriptions,
        subscriptionsAdded: sum.subscriptionsAdded + more.subscriptionsAdded,
        subscriptionsRemoved: sum.subscriptionsRemoved + more.subscriptionsRemoved,
        inMessages: sum.inMessages + more.inMessages,
        inBytes: sum.inBytes + more.inBytes,
        outMessages: sum.outMessages + more.outMessages,
        outBytes: sum.outBytes + more.outBytes,
        slowConsumers: sum.slowConsumers + more.slowConsumers,
      });
    }
  }
  return sums;
}
