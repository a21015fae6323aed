/** The summary of a server (STATSZ), which other servers and tools read. Source: nats-server sendStatsz. */
import type {
  GatewaySnapshot,
  GatewaysSnapshot,
  RouteSnapshot,
  RoutesSnapshot,
} from "../monitor/snapshots/links.ts";
import type { ServerSnapshot } from "../monitor/snapshots/server.ts";
import type { CountByKind, Traffic } from "../monitor/snapshots/traffic.ts";
import { formatTime, omitEmpty } from "../protocol/go_json.ts";

/** What is not in the snapshot of the server. */
export interface Surroundings {
  /** Accounts with at least one connection, and the system account: this server is a client of it. */
  readonly activeAccounts: number;
  /** Servers known that share the system account, this one included. */
  readonly activeServers: number;
  readonly routes: RoutesSnapshot;
  /** Null without. */
  readonly gateways: GatewaysSnapshot | null;
}

/** The body of STATSZ but for its `server`. */
export function statsz(
  { startMs, resources, counters }: ServerSnapshot,
  { activeAccounts, activeServers, routes, gateways }: Surroundings,
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
    routes: omitEmpty(routes.routes.map(routeReport)),
    gateways: gateways === null ? undefined : omitEmpty(gatewayReports(gateways)),
    active_servers: activeServers,
    gomaxprocs: resources.cpuCount,
  };
}

function routeReport(route: RouteSnapshot) {
  return {
    rid: route.id,
    name: route.remoteName,
    sent: sent(route),
    received: received(route),
    pending: route.pendingBytes,
  };
}

/** One report for each cluster that this server is connected to; what came from there is summed up. */
function gatewayReports({ outbound, inbound }: GatewaysSnapshot) {
  return outbound.map(({ name, connection }) => {
    const from = inbound.filter((gateway) => gateway.name === name);
    const sum = (of: (gateway: GatewaySnapshot) => number) =>
      from.reduce((total, gateway) => total + of(gateway), 0);
    return {
      gwid: connection.id,
      name,
      sent: sent(connection),
      received: {
        msgs: sum((gateway) => gateway.connection.inMessages),
        bytes: sum((gateway) => gateway.connection.inBytes),
      },
      inbound_connections: from.length,
    };
  });
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
