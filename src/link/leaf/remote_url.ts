import { LEAF_PORT_DEFAULT } from "../../config/leafnodes.ts";
import { readUrlUser, type UrlUser } from "../core/url_parts.ts";

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

const URL_PARTS =
  /^(?:([a-z][a-z\d+.-]*):\/\/)?(?:([^/?#]*)@)?(\[[^\]]*\]|[^:/?#]*)(?::(\d*))?(\/[^?#]*)?(?:[?#].*)?$/is;

/** Reads a URL that the configuration has accepted, or `scheme://host:port` made of what a hub told; null for neither. */
export function parseRemoteUrl(text: string): RemoteUrl | null {
  const match = URL_PARTS.exec(text);
  if (match === null) return null;
  const [, scheme = "nats-leaf", userInfo, host = "", port = "", path = ""] = match;
  const portNumber = port === "" ? LEAF_PORT_DEFAULT : Number(port);
  if (host === "" || portNumber > 65_535) return null;
  return {
    scheme: scheme.toLowerCase(),
    host: host.replace(/^\[|\]$/g, ""),
    port: portNumber,
    path: path === "/" ? "" : path,
    user: userInfo === undefined ? null : readUrlUser(userInfo),
  };
}

export function isWebSocketUrl({ scheme }: RemoteUrl): boolean {
  return scheme === "ws" || scheme === "wss";
}

/** Whether the URL itself asks for TLS. */
export function isTlsUrl({ scheme }: RemoteUrl): boolean {
  return scheme === "tls" || scheme === "wss";
}
