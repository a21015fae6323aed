import { isAddress } from "../core/url_parts.ts";
import type { GatewayCredentials } from "./gateway_settings.ts";

/** Where a gateway listens, and who to be there. */
export interface GatewayUrl {
  /** A name or an address; IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  /** `host:port` as it was written, IPv6 in brackets: what servers tell each other, and log. */
  readonly address: string;
  /** null where the URL names no user: this gateway's own credentials serve. */
  readonly credentials: GatewayCredentials | null;
}

const URL_PATTERN =
  /^(?:[a-z][a-z\d+.-]*:\/\/)?(?:(?<userInfo>[^@/?#]*)@)?(?<host>\[[^\]]+\]|[^:/?#[\]]+):(?<port>\d+)(?:[/?#].*)?$/i;

/** Reads a byte string `scheme://user:password@host:port`, or `host:port` as gossip has it; null without a host or a port. */
export function parseGatewayUrl(url: string): GatewayUrl | null {
  const { userInfo, host, port: digits } = URL_PATTERN.exec(url)?.groups ?? {};
  const port = Number(digits);
  if (host === undefined || !(port > 0 && port <= 65_535)) return null;
  const address = `${host}:${port}`;
  const bareHost = host.startsWith("[") ? host.slice(1, -1) : host;
  return { host: bareHost, port, address, credentials: readCredentials(userInfo) };
}

/** Whether a certificate can name it: an address has no name. */
export function isHostName({ host }: GatewayUrl): boolean {
  return !isAddress(host);
}

function readCredentials(userInfo: string | undefined): GatewayCredentials | null {
  if (userInfo === undefined) return null;
  const colon = userInfo.indexOf(":");
  const user = colon < 0 ? userInfo : userInfo.slice(0, colon);
  const password = colon < 0 ? "" : userInfo.slice(colon + 1);
  return { user: unescapeUrl(user), password: unescapeUrl(password) };
}

/** Escapes that are none stay as they are. */
function unescapeUrl(byteString: string): string {
  return byteString.replace(/%([\da-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
