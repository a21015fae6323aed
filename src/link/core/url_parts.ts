/** What the URLs of all kinds of links have in common. */
import { isIpAddress } from "../../runtime/posix/socket_address.ts";

/** Who a URL says logs in; `password` is "" for none. */
export interface UrlUser {
  readonly user: string;
  readonly password: string;
}

/** The parts of `[scheme://][user[:password]@]host[:port][/path]`, whatever follows. */
export interface UrlParts {
  /** In small letters, "" for none. */
  readonly scheme: string;
  /** null where the URL names nobody. */
  readonly user: UrlUser | null;
  /** Without the brackets of an IPv6 address; "" for none. */
  readonly host: string;
  /** 0 for none. */
  readonly port: number;
  /** With the slash; "" for none. */
  readonly path: string;
}

const URL_PATTERN =
  /^(?:(?<scheme>[a-z][a-z\d+.-]*):\/\/)?(?:(?<userInfo>[^/?#]*)@)?(?:\[(?<address>[^\]]*)\]|(?<name>[^:/?#@[\]]*))(?::(?<port>\d*))?(?<path>\/[^?#]*)?(?:[?#].*)?$/is;

/** null for what is no such URL, or has a port that there cannot be. */
export function parseUrl(text: string): UrlParts | null {
  const groups = URL_PATTERN.exec(text)?.groups;
  if (groups === undefined) return null;
  const { scheme = "", userInfo, address, name = "", port = "", path = "" } = groups;
  if (Number(port) > 65_535) return null;
  return {
    scheme: scheme.toLowerCase(),
    user: userInfo === undefined ? null : readUser(userInfo),
    host: address ?? name,
    port: Number(port),
    path,
  };
}

/** Whether a host, without brackets, is an IP address, with a zone or without: no name, and so none that others lack. */
export function isAddress(host: string): boolean {
  return host.includes(":") || isIpAddress(host);
}

/** Reads `user` or `user:password`. A part whose escapes are none stays as it is. */
function readUser(userInfo: string): UrlUser {
  const colon = userInfo.indexOf(":");
  if (colon < 0) return { user: unescaped(userInfo), password: "" };
  return { user: unescaped(userInfo.slice(0, colon)), password: unescaped(userInfo.slice(colon + 1)) };
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
