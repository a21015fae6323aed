/** The configured values that monitoring shows. */
import { authorizationTimeoutMs } from "../../config/authorization.ts";
import { CLUSTER_DEFAULTS } from "../../config/cluster.ts";
import { LEAF_PORT_DEFAULT } from "../../config/leafnodes.ts";
import { DEFAULT_HOST } from "../../config/listener.ts";
import type { Options } from "../../config/option_table.ts";
import type { TlsOptions } from "../../config/tls.ts";
import type {
  ClusterOptions,
  GatewayOptions,
  LeafnodeOptions,
  ListenerOptions,
  MonitoredOptions,
  WebSocketOptions,
  WriteTimeoutPolicy,
} from "../../monitor/snapshots/options.ts";
import type { ServerInfo } from "../../protocol/info.ts";
import { featureFlags } from "../../protocol/server_object.ts";
import { certificateEndMs } from "../../runtime/tls_files.ts";
import type { LinkCounts } from "../../shard/links/link_records.ts";
import type { MonitoredOperator } from "../settings/operator_setup.ts";
import { authenticationTimeoutMs } from "../settings/shard_settings.ts";
import { hasWebSocket } from "../settings/websocket_settings.ts";
import type { Ports } from "../threads/listening.ts";

const TLS_TIMEOUT_MS = 2000;

/** What monitoring shows beside the configuration itself. */
export interface MonitoredState {
  readonly info: ServerInfo;
  readonly operators: readonly MonitoredOperator[];
  readonly ocspPeers: MonitoredOptions["ocspPeers"];
  /** Where the server listens. */
  readonly ports: Ports;
  /** Null where there are no links. */
  readonly links: LinkCounts | null;
  readonly certificates: MonitoredCertificates;
}

/** When the certificates of listeners end, epoch milliseconds; null without TLS. */
export interface MonitoredCertificates {
  readonly client: number | null;
  readonly cluster: number | null;
  readonly gateway: number | null;
  readonly leafnodes: number | null;
  readonly webSocket: number | null;
}

/**
 * Call this when the contexts of these options are made: later the files may differ from what is served, or be gone.
 * Throws if one cannot be read.
 */
export function certificatesOf(options: Options): MonitoredCertificates {
  const { tls, cluster, gateway, leafnodes, websocket } = options;
  const endOf = (block: TlsOptions | undefined) => (block === undefined ? null : certificateEndMs(block));
  return {
    client: endOf(tls),
    cluster: endOf(cluster.tls),
    gateway: endOf(gateway.tls),
    leafnodes: endOf(leafnodes.tls),
    webSocket: hasWebSocket(options) ? endOf(websocket.tls) : null,
  };
}

export function monitoredOptions(options: Options, state: MonitoredState): MonitoredOptions {
  const { info, operators, ocspPeers, certificates } = state;
  return {
    isAuthRequired: info.authRequired ?? false,
    isTlsRequired: info.tlsRequired ?? false,
    isTlsVerified: info.tlsVerify ?? false,
    connectionsMax: options.maxConnections,
    subscriptionsMax: options.maxSubscriptions,
    pingIntervalMs: options.pingIntervalMs,
    pingsOutMax: options.maxPingsOut,
    httpHost: options.httpHost ?? options.host,
    httpPort: options.httpPort,
    httpBasePath: options.httpBasePath,
    httpsPort: options.httpsPort,
    authTimeoutMs: authenticationTimeoutMs(options),
    controlLineBytesMax: options.maxControlLineBytes,
    payloadBytesMax: options.maxPayloadBytes,
    pendingBytesMax: options.maxPendingBytes,
    tlsTimeoutMs: options.tls?.timeoutMs ?? TLS_TIMEOUT_MS,
    writeDeadlineMs: options.writeDeadlineMs,
    writeTimeoutPolicy: shownPolicy(options.writeTimeout),
    tlsCertNotAfterMs: certificates.client,
    tags: options.serverTags,
    metadata: options.serverMetadata,
    featureFlags: featureFlags(options.featureFlags),
    trustedOperatorJwts: operators.map(({ jwt }) => jwt),
    trustedOperatorClaims: operators.map(({ claims }) => claims),
    trustedProxyKeys: options.trustedProxies.length === 0 ? null : options.trustedProxies,
    ocspPeers,
    cluster: clusterBlock(options, state),
    gateway: gatewayBlock(options, state),
    leafnodes: leafnodeBlock(options, state),
    mqtt: {},
    webSocket: webSocketBlock(options, state),
  };
}

/** The block shows the cluster's name, whether there are routes or not. */
function clusterBlock(
  { cluster, gateway }: Options,
  { info, ports, certificates }: MonitoredState,
): ClusterOptions {
  const port = ports.get("cluster");
  // A leaf node that is a cluster by itself does not show it.
  const name = port === undefined ? cluster.name || gateway.name : info.cluster;
  const isPoolSizeShown = port !== undefined || cluster.poolSize !== CLUSTER_DEFAULTS.poolSize;
  return {
    ...listenerBlock(cluster, port, certificates.cluster),
    ...(name ? { name } : {}),
    urls: cluster.routes.map(hostOfUrl),
    ...(isPoolSizeShown ? { poolSize: cluster.poolSize } : {}),
    writeDeadlineMs: cluster.writeDeadlineMs ?? 0,
    writeTimeoutPolicy: shownPolicy(cluster.writeTimeout),
  };
}

function gatewayBlock({ gateway }: Options, { ports, links, certificates }: MonitoredState): GatewayOptions {
  if (gateway.name === undefined) return {};
  const known = new Map(links?.remoteGateways.map(({ name, urls }) => [name, urls]));
  return {
    ...listenerBlock(gateway, ports.get("gateway"), certificates.gateway),
    name: gateway.name,
    ...(gateway.advertise ? { advertise: gateway.advertise } : {}),
    connectRetries: gateway.connectRetries,
    remotes: gateway.gateways.map(({ name, urls, tls }) => ({
      name,
      // One without TLS of its own shows none.
      tlsTimeoutMs: tls?.timeoutMs ?? 0,
      urls: known.get(name) ?? urls.map(hostOfUrl),
    })),
    rejectsUnknown: gateway.rejectUnknownCluster,
  };
}

function leafnodeBlock({ leafnodes }: Options, { ports, certificates }: MonitoredState): LeafnodeOptions {
  return {
    ...listenerBlock(leafnodes, ports.get("leafnodes"), certificates.leafnodes),
    remotes: leafnodes.remotes.map(({ account, tls, urls, denyExports, denyImports }) => ({
      localAccount: account,
      tlsTimeoutMs: tls?.timeoutMs ?? 0,
      urls: urls.map(addressOfHub),
      denyExports,
      denyImports,
    })),
  };
}

function webSocketBlock({ websocket }: Options, { ports, certificates }: MonitoredState): WebSocketOptions {
  return {
    ...listeningBlock(websocket.host, ports.get("websocket")),
    ...(websocket.advertise ? { advertise: websocket.advertise } : {}),
    ...(websocket.noAuthUser === undefined ? {} : { noAuthUser: websocket.noAuthUser }),
    ...(websocket.jwtCookie === undefined ? {} : { jwtCookie: websocket.jwtCookie }),
    handshakeTimeoutMs: websocket.handshakeTimeoutMs,
    authTimeoutMs: websocket.authorization?.timeoutMs ?? 0,
    // As configured, even where TLS is used all the same.
    isTlsDisabled: websocket.noTls,
    mapsTlsIdentity: websocket.tls?.verifyAndMap ?? false,
    tlsPinnedCerts: websocket.tls?.pinnedCerts ?? [],
    isSameOrigin: websocket.sameOrigin,
    allowedOrigins: websocket.allowedOrigins,
    isCompressed: websocket.compression,
    tlsCertNotAfterMs: certificates.webSocket,
  };
}

/** What is configured is shown even without a port; the defaults are not. */
function listenerBlock(
  block: {
    readonly host: string;
    readonly tls: TlsOptions | undefined;
    readonly authorization: { readonly timeoutMs: number | undefined } | undefined;
  },
  port: number | undefined,
  tlsCertNotAfterMs: number | null,
): ListenerOptions {
  const { host, tls, authorization } = block;
  const isOn = port !== undefined;
  const tlsTimeoutMs = tls?.timeoutMs ?? TLS_TIMEOUT_MS;
  return {
    ...listeningBlock(host, port),
    authTimeoutMs: isOn
      ? authorizationTimeoutMs(authorization?.timeoutMs, tls)
      : (authorization?.timeoutMs ?? 0),
    tlsTimeoutMs: isOn || tlsTimeoutMs !== TLS_TIMEOUT_MS ? tlsTimeoutMs : 0,
    isTlsRequired: tls !== undefined,
    isTlsVerified: tls?.verify ?? false,
    tlsCertNotAfterMs,
  };
}

function listeningBlock(host: string, port: number | undefined): ListenerOptions {
  if (port !== undefined) return { host, port };
  return host === DEFAULT_HOST ? {} : { host };
}

/** `host:port` of a hub. */
function addressOfHub(url: string): string {
  const address = hostOfUrl(url);
  return /:\d+$/.test(address) ? address : `${address}:${LEAF_PORT_DEFAULT}`;
}

/** `host:port` without scheme and credentials. */
function hostOfUrl(url: string): string {
  return url
    .replace(/^[a-z-]*:\/\//, "")
    .replace(/^.*@/, "")
    .replace(/\/.*$/, "");
}

function shownPolicy(policy: Options["writeTimeout"]): WriteTimeoutPolicy {
  return policy === "default" ? "" : policy;
}
