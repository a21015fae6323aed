import { hostPortText } from "../../runtime/posix/socket_address.ts";
import { textOf } from "../../subject/byte_string.ts";
import { infoLine, type LinkInfo } from "../core/link_info.ts";
import type { RouteSettings } from "./route_settings.ts";
import { parseRouteUrl, type RouteUrl, routeUrlOf } from "./route_url.ts";

/** The `gossip_mode` of a peer that others must not be told of. */
const GOSSIP_DISABLED = 1;

/**
 * The line that tells other members of a new one, so that they dial it; the new member is not told of them. Null if it
 * does not want to be gossiped.
 *
 * `gossip_mode` is never sent. Without it some members are told of another twice, but no member misses one. Source:
 * clusters.md 3.7.2.
 */
export function gossipLine(info: LinkInfo, remoteIp: string): string | null {
  if (info.gossipMode === GOSSIP_DISABLED) return null;
  const ip = info.ip === "" ? routeUrlOf(remoteIp, info.port).text : info.ip;
  return infoLine({ ...info, ip, nonce: "", gossipMode: 0 });
}

export type Gossip =
  | { readonly kind: "new"; readonly url: RouteUrl }
  /** It is a configured route, which is dialled anyway. */
  | { readonly kind: "configured" }
  | { readonly kind: "malformed" };

/** The URL of a server that a member told of, with this server's own credentials if that server asks for any. */
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
