import { LEAF_PORT_DEFAULT } from "../../config/leafnodes.ts";
import { parseUrl, type UrlUser } from "../core/url_parts.ts";

/** Where a hub is. */
export interface RemoteUrl {
  /** As it stands before `://`, small; "nats-leaf" where there is none. */
  readonly scheme: string;
  /** Without the brackets of an IPv6 address. */
  readonly host: string;
  readonly port: number;
  /** Of a WebSocket URL, "" for none. */
  readonly path: string;
  readonly user: UrlUser | null;
}

/** Reads a URL that the configuration has accepted, or `scheme://host:port` made of what a hub told; null for neither. */
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
