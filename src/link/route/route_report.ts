import { textOf } from "../../subject/byte_string.ts";
import type { LinkConnection } from "../core/link.ts";
import type { LinkPermission } from "../core/link_info.ts";
import type { RouteLink } from "./route_link.ts";

/** What monitoring shows of a route, as far as its protocol knows it. Texts are texts here, no byte strings. */
export interface RouteReport {
  readonly connection: LinkConnection;
  readonly remoteId: string;
  readonly remoteName: string;
  readonly isSolicited: boolean;
  /** Whether its URL is in this server's configuration. */
  readonly isConfigured: boolean;
  /** 0 before the first measurement. */
  readonly roundTripNs: number;
  /** The permission that the peer sent; null if it sent none. */
  readonly importPermission: LinkPermission | null;
  readonly exportPermission: LinkPermission | null;
  readonly subscriptionCount: number;
  readonly compression: string;
  /** The account it is dedicated to; "" for a connection of the pool. */
  readonly account: string;
}

export function routeReport(route: RouteLink): RouteReport {
  const { connection, info } = route;
  return {
    connection,
    remoteId: textOf(route.remoteId),
    remoteName: textOf(info.serverName),
    isSolicited: route.isSolicited,
    isConfigured: route.isExplicit,
    roundTripNs: Math.round(route.rttMs * 1e6),
    importPermission: shown(info.import),
    exportPermission: shown(info.export),
    subscriptionCount: route.subscriptionCount,
    compression: route.compression,
    account: textOf(route.account ?? ""),
  };
}

function shown(permission: LinkPermission | null): LinkPermission | null {
  if (permission === null) return null;
  return { allow: permission.allow.map(textOf), deny: permission.deny.map(textOf) };
}
