import { hostPortText } from "../../runtime/posix/socket_address.ts";
import { byteStringOfText, textOf } from "../../subject/byte_string.ts";
import { isAddress, parseUrl, type UrlUser } from "../core/url_parts.ts";
import type { GatewayCredentials } from "./gateway_settings.ts";

/** Where a gateway listens, and who to be there. */
export interface GatewayUrl {
  /** A name or an address; IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  /** `host:port`, IPv6 in brackets: what servers tell each other, and log. */
  readonly address: string;
  /** null where the URL names no user: this gateway's own credentials serve. */
  readonly credentials: GatewayCredentials | null;
}

/** Reads a byte string `scheme://user:password@host:port`, or `host:port` as gossip has it; null without a host or a port. */
export function parseGatewayUrl(url: string): GatewayUrl | null {
  const parts = parseUrl(textOf(url));
  if (parts === null || parts.host === "" || parts.port === 0) return null;
  const { host, port, user } = parts;
  return { host, port, address: hostPortText(host, port), credentials: user && credentialsOf(user) };
}

/** Whether a certificate can name it: an address has no name. */
export function isHostName({ host }: GatewayUrl): boolean {
  return !isAddress(host);
}

function credentialsOf({ user, password }: UrlUser): GatewayCredentials {
  return { user: byteStringOfText(user), password: byteStringOfText(password) };
}
