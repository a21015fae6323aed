import { authorizationTimeoutMs } from "../config/authorization.ts";
import type { GatewayOptions } from "../config/gateway.ts";
import { parseGatewayUrl } from "../link/gateway/gateway_url.ts";
import type { GatewayOptions as MonitoredGatewayOptions } from "../monitor/snapshot.ts";

const TLS_TIMEOUT_MS = 2000;

/**
 * The `gateway` block as /varz shows it, empty without gateways; `port` is the one it listens on, `certificateEndMs` when
 * its certificate ends.
 */
export function monitoredGateway(
  options: GatewayOptions,
  port: number,
  certificateEndMs: number | null,
): MonitoredGatewayOptions {
  const { name, host, authorization, tls, advertise, connectRetries, gateways, rejectUnknownCluster } =
    options;
  if (name === undefined) return {};
  return {
    name,
    host,
    port,
    authTimeoutMs: authorizationTimeoutMs(authorization?.timeoutMs, tls),
    tlsTimeoutMs: tls?.timeoutMs ?? TLS_TIMEOUT_MS,
    isTlsRequired: tls !== undefined,
    isTlsVerified: tls !== undefined,
    tlsCertNotAfterMs: certificateEndMs,
    ...(advertise === undefined ? {} : { advertise }),
    connectRetries,
    remotes: gateways.map((remote) => ({
      name: remote.name,
      // One without TLS of its own shows none.
      tlsTimeoutMs: remote.tls?.timeoutMs ?? 0,
      urls: remote.urls.map((url) => parseGatewayUrl(url)?.address ?? url),
    })),
    rejectsUnknown: rejectUnknownCluster,
  };
}
