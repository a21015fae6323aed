/** The summary of a server that its peers and tools go by. Source: nats-server sendStatsz. */

import type { CountByKind, ServerSnapshot, Traffic } from "../monitor/snapshot.ts";
import { formatTime, omitEmpty } from "../protocol/go_json.ts";

/** What the snapshot of one server does not know. */
export interface Surroundings {
  /** Accounts with at least one connection. */
  readonly activeAccounts: number;
  /** Servers known that share the system account, this one included. */
  readonly activeServers: number;
}

/** The body of STATSZ but for its `server`. */
export function statsz(
  { startMs, resources, counters }: ServerSnapshot,
  { activeAccounts, activeServers }: Surroundings,
) {
  return {
    start: formatTime(startMs),
    mem: resources.residentBytes,
    cores: resources.cpuCount,
    cpu: resources.cpuPercent,
    connections: counters.connections,
    total_connections: counters.connectionsEver,
    active_accounts: activeAccounts,
    subscriptions: counters.subscriptions,
    sent: sent(counters.traffic),
    sent_to_clients: sent(counters.clientTraffic),
    received: received(counters.traffic),
    received_from_clients: received(counters.clientTraffic),
    slow_consumers: counters.slowConsumers,
    slow_consumer_stats: byKind(counters.slowConsumersByKind),
    stale_connections: omitEmpty(counters.staleConnections),
    stale_connection_stats: byKind(counters.staleConnectionsByKind),
    stalled_clients: omitEmpty(counters.stalls),
    active_servers: activeServers,
    gomaxprocs: resources.cpuCount,
  };
}

function sent({ outMessages, outBytes }: Traffic) {
  return { msgs: outMessages, bytes: outBytes };
}

function received({ inMessages, inBytes }: Traffic) {
  return { msgs: inMessages, bytes: inBytes };
}

function byKind({ clients, routes, gateways, leafnodes }: CountByKind) {
  if (clients + routes + gateways + leafnodes === 0) return undefined;
  return { clients, routes, gateways, leafs: leafnodes };
}
