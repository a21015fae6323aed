import { withoutPassword } from "../../base/redacted_url.ts";
import { hostPortText } from "../../runtime/posix/socket_address.ts";
import { readUrlUser } from "../core/url_parts.ts";

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
  const match =
    /^[a-z][a-z\d+.-]*:\/\/(?:([^@/]*)@)?(?:\[([^\]]+)\]|([^:/[\]@]+)):(\d{1,5})(?:[/?#].*)?$/i.exec(text);
  if (match === null) return undefined;
  const [, userInfo = "", address, name, port] = match;
  return { text, host: address ?? name ?? "", port: Number(port), ...readUrlUser(userInfo) };
}

/** The URL of a member that says itself where it listens. */
export function routeUrlOf(host: string, port: number): RouteUrl {
  return { text: `nats-route://${hostPortText(host, port)}/`, host, port, user: "", password: "" };
}

/** As it may be shown. */
export function redacted({ text }: RouteUrl): string {
  return withoutPassword(text);
}
