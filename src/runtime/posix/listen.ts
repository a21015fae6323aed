import { errnoText } from "./errno.ts";
import { EAFNOSUPPORT } from "./libc.ts";
import type { Posix } from "./posix.ts";
import { hostPortText, isEveryAddress, isIpAddress } from "./socket_address.ts";

/** A listening socket and the port that it got, or what to tell the operator. */
export type ListenResult =
  | { readonly ok: true; readonly fd: number; readonly port: number }
  | { readonly ok: false; readonly error: string };

/**
 * Listens on `host`:`port`; port 0 lets the kernel choose.
 *
 * It does what Go, and so nats-server, does. `0.0.0.0`, `::` and an empty host take IPv6 and IPv4 on one socket
 * (compared with 2.15.2), or IPv4 alone if the kernel has no IPv6. A name listens on its first IPv4 address, or else on
 * its first address. Error texts are Go's: `listen tcp 127.0.0.1:4222: bind: address already in use`.
 */
export async function listenTcp(
  posix: Posix,
  host: string,
  port: number,
  backlog: number,
): Promise<ListenResult> {
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    return { ok: false, error: `listen tcp: address ${port}: invalid port` };
  }
  const isWildcard = isEveryAddress(host);
  const resolved = await resolveForListening(isWildcard ? "::" : host);
  if (!resolved.ok) return { ok: false, error: `listen tcp: lookup ${host}: ${resolved.error}` };
  const { ip } = resolved;
  const options = { backlog, isDualStack: isWildcard };
  let result = posix.listenSocket(ip, port, options);
  if (isWildcard && typeof result === "object" && result.errno === EAFNOSUPPORT) {
    result = posix.listenSocket("0.0.0.0", port, options);
  }
  if (typeof result === "object") {
    const address = hostPortText(isWildcard ? host : ip, port);
    return { ok: false, error: `listen tcp ${address}: ${result.step}: ${errnoText(result.errno)}` };
  }
  const local = posix.localAddress(result);
  return { ok: true, fd: result, port: typeof local === "number" ? port : local.port };
}

type Resolved = { readonly ok: true; readonly ip: string } | { readonly ok: false; readonly error: string };

/**
 * The address of a host. If a name has several, it is the one that Go would take: the first IPv4 one, else the first.
 */
export async function resolveForListening(host: string): Promise<Resolved> {
  if (isIpAddress(host)) return { ok: true, ip: host };
  try {
    const { lookup } = await import("node:dns/promises");
    const addresses = await lookup(host, { all: true });
    const chosen = addresses.find((address) => address.family === 4) ?? addresses[0];
    return chosen === undefined ? { ok: false, error: "no such host" } : { ok: true, ip: chosen.address };
  } catch (error) {
    return { ok: false, error: lookupErrorText(error as Error & { code?: string }) };
  }
}

/** Go's words for a name that does not resolve. Other errors, such as a missing permission, keep their own words. */
export function lookupErrorText(error: Error & { code?: string }): string {
  return error.code === "ENOTFOUND" || error.code === "EAI_AGAIN" ? "no such host" : error.message;
}
