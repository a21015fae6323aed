import { isIP } from "node:net";

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
  const colon = userInfo.indexOf(":");
  const user = colon < 0 ? userInfo : userInfo.slice(0, colon);
  const password = colon < 0 ? "" : userInfo.slice(colon + 1);
  return {
    text,
    host: address ?? name ?? "",
    port: Number(port),
    user: unescaped(user),
    password: unescaped(password),
  };
}

/** The URL of a member that says itself where it listens. */
export function routeUrlOf(host: string, port: number): RouteUrl {
  return { text: `nats-route://${joinHostPort(host, port)}/`, host, port, user: "", password: "" };
}

/** `host:port`, with brackets around an IPv6 address. Source: Go `net.JoinHostPort`. */
export function joinHostPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** As it may be shown. */
export function redacted({ text, password }: RouteUrl): string {
  return password === "" ? text : text.replace(/:[^:@/]*@/, ":xxxxx@");
}

export function isIpAddress(host: string): boolean {
  return isIP(host) !== 0;
}

function unescaped(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
