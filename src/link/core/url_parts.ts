/** What the URLs of all kinds of links have in common. */
import { isIpAddress } from "../../runtime/posix/socket_address.ts";

/** Who a URL says logs in; `password` is "" for none. */
export interface UrlUser {
  readonly user: string;
  readonly password: string;
}

/** Reads `user` or `user:password`. A part whose escapes are none stays as it is. */
export function readUrlUser(userInfo: string): UrlUser {
  const colon = userInfo.indexOf(":");
  if (colon < 0) return { user: unescaped(userInfo), password: "" };
  return { user: unescaped(userInfo.slice(0, colon)), password: unescaped(userInfo.slice(colon + 1)) };
}

/** Whether a host, without brackets, is an IP address, with a zone or without: no name, and so none that others lack. */
export function isAddress(host: string): boolean {
  return host.includes(":") || isIpAddress(host);
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
