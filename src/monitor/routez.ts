import { subscriptionLists } from "./connection_report.ts";
import { formatRoundTrip, formatTime, formatUptime, omitEmpty } from "./go_json.ts";
import type { SubscriptionListing } from "./parameters.ts";
import type { RouteSnapshot, RoutesSnapshot, SubjectPermission } from "./snapshots/links.ts";
import type { ServerSnapshot } from "./snapshots/server.ts";
import type { MonitorSource } from "./source.ts";

export interface RoutezOptions {
  readonly subscriptions: SubscriptionListing;
}

export type Routez = ReturnType<typeof routezReport>;

/** Route connections, several per peer. Source: nats-server `Routez`. */
export async function routez(
  source: MonitorSource,
  { subscriptions = "none" }: Partial<RoutezOptions> = {},
): Promise<Routez> {
  return routezReport(await source.server(), await source.routes(subscriptions !== "none"), subscriptions);
}

export function routezReport(
  server: ServerSnapshot,
  snapshot: RoutesSnapshot,
  subscriptions: SubscriptionListing = "none",
) {
  const { identity, nowMs } = server;
  return {
    server_id: identity.id,
    server_name: identity.name,
    now: formatTime(nowMs),
    import: permissionReport(snapshot.importPermission),
    export: permissionReport(snapshot.exportPermission),
    num_routes: snapshot.routes.length,
    routes: snapshot.routes.map((route) => routeReport(route, nowMs, subscriptions)),
  };
}

function routeReport(route: RouteSnapshot, nowMs: number, subscriptions: SubscriptionListing) {
  return {
    rid: route.id,
    remote_id: route.remoteId,
    remote_name: route.remoteName,
    did_solicit: route.isSolicited,
    is_configured: route.isConfigured,
    ip: route.ip,
    port: route.port,
    start: formatTime(route.startMs),
    last_activity: formatTime(route.lastActivityMs),
    rtt: formatRoundTrip(route.roundTripNs),
    uptime: formatUptime(nowMs - route.startMs),
    idle: formatUptime(nowMs - route.lastActivityMs),
    import: permissionReport(route.importPermission),
    export: permissionReport(route.exportPermission),
    pending_size: route.pendingBytes,
    in_msgs: route.inMessages,
    out_msgs: route.outMessages,
    in_bytes: route.inBytes,
    out_bytes: route.outBytes,
    subscriptions: route.subscriptionCount,
    ...subscriptionLists(route.subscriptions, subscriptions, false),
    account: omitEmpty(route.account),
    compression: omitEmpty(route.compression),
  };
}

function permissionReport(permission: SubjectPermission | null) {
  if (permission === null) return undefined;
  return { allow: omitEmpty(permission.allow), deny: omitEmpty(permission.deny) };
}
