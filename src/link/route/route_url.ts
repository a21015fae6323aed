import { withoutPassword } from "../../base/redacted_url.ts";
import { hostPortText } from "../../runtime/posix/socket_address.ts";
import { parseUrl } from "../core/url_parts.ts";

/** `nats-route://[user:password@]host:port`, as far as routes look at it. */
export interface RouteUrl {
  /** As it was written. */
  readonly text: string;
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
  /** "" where the URL names none. */
  readonly user: string;
  readonly password: string;
}

/** Undefined for what names no host and port. */
export function parseRouteUrl(text: string): RouteUrl | undefined {
  const parts = parseUrl(text);
  if (parts === null || parts.scheme === "" || parts.host === "" || parts.port === 0) return undefined;
  const { host, port, user } = parts;
  return { text, host, port, user: user?.user ?? "", password: user?.password ?? "" };
}

/** The URL of a member that says itself where it listens. */
export function routeUrlOf(host: string, port: number): RouteUrl {
  return { text: `nats-route://${hostPortText(host, port)}/`, host, port, user: "", password: "" };
}

/** As it may be shown. */
export function redacted({ text }: RouteUrl): string {
  return withoutPassword(text);
}
