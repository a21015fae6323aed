/** Whether a server is the one that was dialled, judged by its certificate. */
import type { Certificate } from "../base/x509.ts";
import { isIpAddress } from "./posix/socket_address.ts";
import { coversServerName } from "./server_name.ts";

/** Names beyond this are counted, not listed. */
const NAMES_SHOWN_MAX = 100;

/**
 * Why a certificate is not valid for this host name or IP address, in Go's words; undefined if it is. Its common name
 * does not count. Source: Go crypto/x509 `VerifyHostname`, `HostnameError`.
 */
export function serverIdentityProblem(
  { dnsNames, ipAddresses, emails, uris, subject }: Certificate,
  serverName: string,
): string | undefined {
  const isAddress = isIpAddress(serverName);
  const names = isAddress ? ipAddresses : dnsNames;
  const host = isAddress ? canonicalIp(serverName) : serverName.toLowerCase().replace(/\.$/, "");
  if (isAddress ? names.includes(host) : coversServerName(names, host)) return undefined;
  const hasNames = dnsNames.length + ipAddresses.length + emails.length + uris.length > 0;
  const commonNames = subject.flat().filter(({ type }) => type === COMMON_NAME);
  if (
    !hasNames &&
    coversServerName(
      commonNames.slice(-1).map(({ value }) => value),
      host,
    )
  ) {
    return "certificate relies on legacy Common Name field, use SANs instead";
  }
  if (names.length >= NAMES_SHOWN_MAX) {
    const kind = isAddress ? "IP SANs" : "names";
    return `certificate is valid for ${names.length} ${kind}, but none matched ${serverName}`;
  }
  if (names.length > 0) return `certificate is valid for ${names.join(", ")}, not ${serverName}`;
  return isAddress
    ? `cannot validate certificate for ${serverName} because it doesn't contain any IP SANs`
    : `certificate is not valid for any names, but wanted to match ${serverName}`;
}

const COMMON_NAME = "2.5.4.3";

/** The canonical form of an address. IPv6 addresses have many forms. */
function canonicalIp(ip: string): string {
  return ip.includes(":") ? new URL(`http://[${ip}]/`).hostname.slice(1, -1) : ip;
}
