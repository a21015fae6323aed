/** The parts that the URLs of all kinds of links have in common. */
import { isIpAddress } from "../../runtime/posix/socket_address.ts";

/** The login in a URL; `password` is "" for none. */
export interface UrlUser {
  readonly user: string;
  readonly password: string;
}

/** The parts of `[scheme://][user[:password]@]host[:port][/path]`, whatever follows. */
export interface UrlParts {
  /** In lower case; "" for none. */
  readonly scheme: string;
  /** Null if the URL names no user. */
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

/** Parses a URL. Null if it is malformed or its port is above 65535. */
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

/**
 * Whether a host, without brackets, is an IP address, with or without a zone. An address is not a name that
 * certificates could be checked by.
 */
export function isAddress(host: string): boolean {
  return host.includes(":") || isIpAddress(host);
}

/** Reads `user` or `user:password`. A part with malformed escapes stays as it is. */
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
