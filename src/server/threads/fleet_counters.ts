/** Sums over what shards count, read from the shared memory: it asks no thread anything. */
import {
  AREA_CLIENTS_EVER,
  AREA_IN_BYTES,
  AREA_IN_MESSAGES,
  AREA_OUT_BYTES,
  AREA_OUT_MESSAGES,
  AREA_PINNED_ACCOUNT_FAILURES,
  AREA_SLOW_CONSUMERS,
  AREA_STALE_CONNECTIONS,
  AREA_STALLS,
  AREA_SUBSCRIPTIONS_ADDED,
  AREA_SUBSCRIPTIONS_REMOVED,
} from "../../memory/layout.ts";
import { HEADER_CONNECTION_COUNT, NODE_SHARD_FIRST } from "../../memory/map.ts";
import { counterValue, type SharedMemory } from "../../memory/shared_memory.ts";
import type { Traffic } from "../../monitor/snapshots/traffic.ts";

export interface FleetCounters extends Traffic {
  readonly connections: number;
  readonly connectionsEver: number;
  /** Held now. */
  readonly subscriptions: number;
  readonly subscriptionsAdded: number;
  readonly subscriptionsRemoved: number;
  readonly slowConsumers: number;
  /** Without those of links. */
  readonly clients: {
    readonly traffic: Traffic;
    readonly slowConsumers: number;
    readonly staleConnections: number;
  };
  /** How often a producer was kept waiting. */
  readonly stalls: number;
  /** Logins into accounts that are not among `resolver_pinned_accounts`. */
  readonly pinnedAccountFailures: number;
}

/** A shard that has not started has counted nothing; one that died has left its counters to its successor. */
export function fleetCounters({ words, map }: SharedMemory): FleetCounters {
  const sumOver = (nodes: readonly number[]) => (offset: number) =>
    nodes.reduce((total, node) => total + counterValue(words, map.area(node).area + offset), 0);
  const all = Array.from({ length: map.nodeCount - NODE_SHARD_FIRST }, (_, i) => NODE_SHARD_FIRST + i);
  const sum = sumOver(all);
  const ofClients = sumOver(all.filter((node) => map.isShard(node)));
  const subscriptionsAdded = sum(AREA_SUBSCRIPTIONS_ADDED);
  const subscriptionsRemoved = sum(AREA_SUBSCRIPTIONS_REMOVED);
  return {
    ...trafficOf(sum),
    connections: Atomics.load(words, HEADER_CONNECTION_COUNT),
    connectionsEver: sum(AREA_CLIENTS_EVER),
    subscriptions: subscriptionsAdded - subscriptionsRemoved,
    subscriptionsAdded,
    subscriptionsRemoved,
    slowConsumers: sum(AREA_SLOW_CONSUMERS),
    clients: {
      traffic: trafficOf(ofClients),
      slowConsumers: ofClients(AREA_SLOW_CONSUMERS),
      staleConnections: ofClients(AREA_STALE_CONNECTIONS),
    },
    stalls: sum(AREA_STALLS),
    pinnedAccountFailures: sum(AREA_PINNED_ACCOUNT_FAILURES),
  };
}

function trafficOf(sum: (offset: number) => number): Traffic {
  return {
    inMessages: sum(AREA_IN_MESSAGES),
    inBytes: sum(AREA_IN_BYTES),
    outMessages: sum(AREA_OUT_MESSAGES),
    outBytes: sum(AREA_OUT_BYTES),
  };
}
