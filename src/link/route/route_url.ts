import { withoutPassword } from "../../base/redacted_url.ts";
import { hostPortText } from "../../runtime/posix/socket_address.ts";
import { parseUrl } from "../core/url_parts.ts";

/** The parts of `nats-route://[user:password@]host:port` that routes use. */
export interface RouteUrl {
  /** The URL as it was written. */
  readonly text: string;
  /** A name or an address; IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  /** "" if the URL names no user. */
  readonly user: string;
  readonly password: string;
}

/** Parses a URL. Undefined if it lacks a scheme, a host or a port. */
export function parseRouteUrl(text: string): RouteUrl | undefined {
  const parts = parseUrl(text);
  if (parts === null || parts.scheme === "" || parts.host === "" || parts.port === 0) return undefined;
  const { host, port, user } = parts;
  return { text, host, port, user: user?.user ?? "", password: user?.password ?? "" };
}

/** The URL of a member that has told its address. */
export function routeUrlOf(host: string, port: number): RouteUrl {
  return { text: `nats-route://${hostPortText(host, port)}/`, host, port, user: "", password: "" };
}

/** The URL's text without the password, as it may be shown. */
export function redacted({ text }: RouteUrl): string {
  return withoutPassword(text);
}
