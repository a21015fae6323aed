import { hostPortText } from "../../runtime/posix/socket_address.ts";
import { byteStringOfText, textOf } from "../../subject/byte_string.ts";
import { isAddress, parseUrl, type UrlUser } from "../core/url_parts.ts";
import type { GatewayCredentials } from "./gateway_settings.ts";

/** The address of a gateway, and the login to use there. */
export interface GatewayUrl {
  /** A name or an address; IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  /** `host:port`, with IPv6 in brackets, as servers tell each other and log. */
  readonly address: string;
  /** Null if the URL names no user; then this gateway's own credentials are used. */
  readonly credentials: GatewayCredentials | null;
}

/**
 * Reads a byte string `scheme://user:password@host:port`, or `host:port` from gossip. Null if it lacks a host or a
 * port.
 */
export function parseGatewayUrl(url: string): GatewayUrl | null {
  const parts = parseUrl(textOf(url));
  if (parts === null || parts.host === "" || parts.port === 0) return null;
  const { host, port, user } = parts;
  return { host, port, address: hostPortText(host, port), credentials: user && credentialsOf(user) };
}

/** Whether the host is a name, which a certificate can be checked by, and not an address. */
export function isHostName({ host }: GatewayUrl): boolean {
  return !isAddress(host);
}

function credentialsOf({ user, password }: UrlUser): GatewayCredentials {
  return { user: byteStringOfText(user), password: byteStringOfText(password) };
}
