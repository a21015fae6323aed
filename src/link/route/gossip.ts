import { hostPortText } from "../../runtime/posix/socket_address.ts";
import { textOf } from "../../subject/byte_string.ts";
import { infoLine, type LinkInfo } from "../core/link_info.ts";
import type { RouteSettings } from "./route_settings.ts";
import { parseRouteUrl, type RouteUrl, routeUrlOf } from "./route_url.ts";

/** A peer's `gossip_mode` that asks not to tell others of it. */
const GOSSIP_DISABLED = 1;

/**
 * What members are told of a new one, so that they dial it; it learns nothing of them. Null where it does not want that.
 *
 * `gossip_mode` is never sent: without it some hear of a member twice, and nobody misses one. Source: clusters.md 3.7.2.
 */
export function gossipLine(info: LinkInfo, remoteIp: string): string | null {
  if (info.gossipMode === GOSSIP_DISABLED) return null;
  const ip = info.ip === "" ? routeUrlOf(remoteIp, info.port).text : info.ip;
  return infoLine({ ...info, ip, nonce: "", gossipMode: 0 });
}

export type Gossip =
  | { readonly kind: "new"; readonly url: RouteUrl }
  /** One of the configured routes, which are dialled anyway. */
  | { readonly kind: "configured" }
  | { readonly kind: "malformed" };

/** Where to dial a server that a member told of, with this server's own credentials if it asks for any. */
export function gossipedUrl(info: LinkInfo, { routes, credentials }: RouteSettings): Gossip {
  const url = parseRouteUrl(textOf(info.ip));
  const addresses = [hostPortText(textOf(info.host), info.port).toLowerCase()];
  if (url !== undefined) addresses.push(hostPortText(url.host, info.port).toLowerCase());
  const isConfigured = routes.some((text) => {
    const configured = parseRouteUrl(text);
    if (configured === undefined) return false;
    return addresses.includes(hostPortText(configured.host, configured.port).toLowerCase());
  });
  if (isConfigured) return { kind: "configured" };
  if (url === undefined) return { kind: "malformed" };
  if (!info.authRequired || credentials === null) return { kind: "new", url };
  const { user, password } = credentials;
  return { kind: "new", url: { ...url, user, password } };
}
