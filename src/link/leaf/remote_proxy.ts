import type { LeafRemoteOptions } from "../../config/leaf_remotes.ts";
import type { DialProxy } from "../core/link.ts";

const HTTP_PORT = 80;

/** The proxy by which a remote is reached; null for none. `dialTimeoutMs` is for one that has no time of its own. */
export function proxyOf({ proxy }: LeafRemoteOptions, dialTimeoutMs: number): DialProxy | null {
  if (!proxy?.url) return null;
  const { hostname, port } = new URL(proxy.url);
  return {
    host: hostname.replace(/^\[|\]$/g, ""),
    port: port === "" ? HTTP_PORT : Number(port),
    user: proxy.username,
    password: proxy.password,
    timeoutMs: proxy.timeoutMs > 0 ? proxy.timeoutMs : dialTimeoutMs,
  };
}
