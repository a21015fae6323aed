import type { LeafRemoteOptions } from "../../config/leaf_remotes.ts";
import { leafProxyContext } from "../../shard/links/links_setup.ts";
import type { DialProxy } from "../core/link.ts";

const HTTP_PORT = 80;
const HTTPS_PORT = 443;
const TLS_TIMEOUT_MS_DEFAULT = 2000;

/**
 * The proxy through which a remote is reached; null for none. `dialTimeoutMs` applies if the proxy has no timeout of
 * its own; `tlsContext` is that of the remote.
 */
export function proxyOf(
  { proxy }: LeafRemoteOptions,
  dialTimeoutMs: number,
  tlsContext: string,
): DialProxy | null {
  if (!proxy?.url) return null;
  const { protocol, hostname, port } = new URL(proxy.url);
  const isSecure = protocol === "https:";
  const tlsTimeoutMs = proxy.tls?.timeoutMs ?? TLS_TIMEOUT_MS_DEFAULT;
  return {
    host: hostname.replace(/^\[|\]$/g, ""),
    port: port === "" ? (isSecure ? HTTPS_PORT : HTTP_PORT) : Number(port),
    user: proxy.username,
    password: proxy.password,
    timeoutMs: proxy.timeoutMs > 0 ? proxy.timeoutMs : dialTimeoutMs,
    tls: isSecure ? { context: leafProxyContext(tlsContext), timeoutMs: tlsTimeoutMs } : null,
  };
}
