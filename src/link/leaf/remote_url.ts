import { LEAF_PORT_DEFAULT } from "../../config/leafnodes.ts";
import { parseUrl, type UrlUser } from "../core/url_parts.ts";

/** The address of a hub. */
export interface RemoteUrl {
  /** The scheme in lower case; "nats-leaf" if there is none. */
  readonly scheme: string;
  /** A name or an address; IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  /** The path of a WebSocket URL; "" for none. */
  readonly path: string;
  readonly user: UrlUser | null;
}

/**
 * Reads a URL that the configuration has accepted, or `scheme://host:port` made from a hub's INFO; null if it is
 * neither.
 */
export function parseRemoteUrl(text: string): RemoteUrl | null {
  const parts = parseUrl(text);
  if (parts === null || parts.host === "") return null;
  const { scheme, host, port, path, user } = parts;
  return {
    scheme: scheme || "nats-leaf",
    host,
    port: port || LEAF_PORT_DEFAULT,
    path: path === "/" ? "" : path,
    user,
  };
}

export function isWebSocketUrl({ scheme }: RemoteUrl): boolean {
  return scheme === "ws" || scheme === "wss";
}

/** Whether the URL itself asks for TLS. */
export function isTlsUrl({ scheme }: RemoteUrl): boolean {
  return scheme === "tls" || scheme === "wss";
}
