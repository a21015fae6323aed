import { formatTime, formatUptime, msToNs, omitEmpty, omitZeroTime, sortedRecord } from "./go_json.ts";
import type {
  ClusterOptions,
  GatewayOptions,
  LeafnodeOptions,
  ListenerOptions,
  MonitoredOptions,
  MqttOptions,
  OcspMonitor,
  WebSocketOptions,
} from "./snapshots/options.ts";
import type { ServerSnapshot } from "./snapshots/server.ts";
import type { CountByKind } from "./snapshots/traffic.ts";
import type { MonitorSource } from "./source.ts";

export type Varz = ReturnType<typeof varzReport>;

/** The server in general. Source: nats-server `Varz`, `createVarz`, `updateVarzRuntimeFields`. */
export async function varz(source: MonitorSource): Promise<Varz> {
  return varzReport(await source.server());
}

export function varzReport(server: ServerSnapshot) {
  const { identity, options, resources, counters } = server;
  return {
    server_id: identity.id,
    server_name: identity.name,
    version: identity.version,
    proto: identity.protocol,
    git_commit: omitEmpty(identity.gitCommit),
    go: identity.runtime,
    host: identity.host,
    port: identity.port,
    auth_required: omitEmpty(options.isAuthRequired),
    tls_required: omitEmpty(options.isTlsRequired),
    tls_verify: omitEmpty(options.isTlsVerified),
    tls_ocsp_peer_verify: omitEmpty(options.ocspPeers?.checksClients),
    connect_urls: omitEmpty(server.connectUrls),
    ws_connect_urls: omitEmpty(server.webSocketConnectUrls),
    max_connections: options.connectionsMax,
    max_subscriptions: omitEmpty(options.subscriptionsMax),
    ping_interval: msToNs(options.pingIntervalMs),
    ping_max: options.pingsOutMax,
    http_host: options.httpHost,
    http_port: options.httpPort,
    http_base_path: options.httpBasePath,
    https_port: options.httpsPort,
    auth_timeout: options.authTimeoutMs / 1000,
    max_control_line: options.controlLineBytesMax,
    max_payload: options.payloadBytesMax,
    max_pending: options.pendingBytesMax,
    cluster: cluster(options.cluster),
    gateway: gateway(options),
    leaf: leaf(options),
    mqtt: mqtt(options.mqtt),
    websocket: webSocket(options.webSocket),
    jetstream: {},
    tls_timeout: options.tlsTimeoutMs / 1000,
    write_deadline: msToNs(options.writeDeadlineMs),
    write_timeout: omitEmpty(options.writeTimeoutPolicy),
    start: formatTime(server.startMs),
    now: formatTime(server.nowMs),
    uptime: formatUptime(server.nowMs - server.startMs),
    mem: resources.residentBytes,
    cores: resources.cpuCount,
    gomaxprocs: resources.threadCount,
    cpu: resources.cpuPercent,
    connections: counters.connections,
    total_connections: counters.connectionsEver,
    routes: counters.routes,
    remotes: counters.routePeers,
    leafnodes: counters.leafnodes,
    in_msgs: counters.traffic.inMessages,
    in_bytes: counters.traffic.inBytes,
    in_client_msgs: counters.clientTraffic.inMessages,
    in_client_bytes: counters.clientTraffic.inBytes,
    out_msgs: counters.traffic.outMessages,
    out_bytes: counters.traffic.outBytes,
    out_client_msgs: counters.clientTraffic.outMessages,
    out_client_bytes: counters.clientTraffic.outBytes,
    slow_consumers: counters.slowConsumers,
    stale_connections: counters.staleConnections,
    stalled_clients: counters.stalls,
    subscriptions: counters.subscriptions,
    http_req_stats: sortedRecord(server.httpRequestCounts),
    config_load_time: formatTime(server.configLoadMs),
    config_digest: server.configDigest,
    tags: omitEmpty(options.tags),
    metadata: omitEmptyMap(options.metadata),
    feature_flags: omitEmptyMap(options.featureFlags),
    trusted_operators_jwt: omitEmpty(options.trustedOperatorJwts),
    trusted_operators_claim: omitEmpty(options.trustedOperatorClaims),
    system_account: omitEmpty(identity.systemAccount),
    pinned_account_fails: omitEmpty(counters.pinnedAccountFailures),
    ocsp_peer_cache: ocspCache(options.ocspPeers),
    slow_consumer_stats: countByKind(counters.slowConsumersByKind),
    stale_connection_stats: countByKind(counters.staleConnectionsByKind),
    // Only JetStream waits for disks.
    disk_io_wait_stats: { waiters: 0, waits: 0, wait_time: 0, max_wait_time: 0 },
    proxies:
      options.trustedProxyKeys === null
        ? undefined
        : { trusted: omitEmpty(options.trustedProxyKeys.map((key) => ({ key }))) },
    tls_cert_not_after: omitZeroTime(options.tlsCertNotAfterMs),
  };
}

function omitEmptyMap<T>(map: ReadonlyMap<string, T>): Record<string, T> | undefined {
  return map.size === 0 ? undefined : sortedRecord(map);
}

function ocspCache(peers: OcspMonitor | null) {
  if (peers === null || peers.cache === null) return undefined;
  const { type, hits, misses, good, revoked, unknown } = peers.cache;
  return {
    cache_type: type,
    cache_hits: omitEmpty(hits),
    cache_misses: omitEmpty(misses),
    cached_responses: omitEmpty(good + revoked + unknown),
    cached_revoked_responses: omitEmpty(revoked),
    cached_good_responses: omitEmpty(good),
    cached_unknown_responses: omitEmpty(unknown),
  };
}

function countByKind({ clients, routes, gateways, leafnodes }: CountByKind) {
  return { clients, routes, gateways, leafs: leafnodes };
}

function seconds(ms: number | undefined): number | undefined {
  return omitEmpty((ms ?? 0) / 1000);
}

function nanoseconds(ms: number | undefined): number | undefined {
  return omitEmpty(msToNs(ms ?? 0));
}

function cluster(options: ClusterOptions) {
  return {
    name: omitEmpty(options.name),
    addr: omitEmpty(options.host),
    cluster_port: omitEmpty(options.port),
    auth_timeout: seconds(options.authTimeoutMs),
    urls: omitEmpty(options.urls),
    ...listenerTls(options),
    pool_size: omitEmpty(options.poolSize),
    ...writeLimits(options),
    tls_cert_not_after: omitZeroTime(options.tlsCertNotAfterMs),
  };
}

function listenerTls(options: ListenerOptions) {
  return {
    tls_timeout: seconds(options.tlsTimeoutMs),
    tls_required: omitEmpty(options.isTlsRequired),
    tls_verify: omitEmpty(options.isTlsVerified),
  };
}

/** Gateways and leafnodes show the cluster's write limits too. */
function writeLimits(options: ClusterOptions) {
  return {
    write_deadline: nanoseconds(options.writeDeadlineMs),
    write_timeout: omitEmpty(options.writeTimeoutPolicy),
  };
}

function gateway({ gateway: options, cluster: clusterOptions }: MonitoredOptions) {
  const { remotes = [] }: GatewayOptions = options;
  return {
    name: omitEmpty(options.name),
    host: omitEmpty(options.host),
    port: omitEmpty(options.port),
    auth_timeout: seconds(options.authTimeoutMs),
    ...listenerTls(options),
    advertise: omitEmpty(options.advertise),
    connect_retries: omitEmpty(options.connectRetries),
    gateways: omitEmpty(
      remotes.map(({ name, tlsTimeoutMs, urls }) => ({
        name,
        tls_timeout: seconds(tlsTimeoutMs),
        urls: omitEmpty(urls),
      })),
    ),
    reject_unknown: omitEmpty(options.rejectsUnknown),
    ...writeLimits(clusterOptions),
    tls_cert_not_after: omitZeroTime(options.tlsCertNotAfterMs),
  };
}

function leaf({ leafnodes: options, cluster: clusterOptions }: MonitoredOptions) {
  const { remotes = [] }: LeafnodeOptions = options;
  return {
    host: omitEmpty(options.host),
    port: omitEmpty(options.port),
    auth_timeout: seconds(options.authTimeoutMs),
    ...listenerTls(options),
    remotes: omitEmpty(
      remotes.map(({ localAccount, tlsTimeoutMs, urls, denyExports, denyImports }) => ({
        local_account: omitEmpty(localAccount),
        tls_timeout: seconds(tlsTimeoutMs),
        urls: omitEmpty(urls),
        deny:
          denyExports.length + denyImports.length === 0
            ? undefined
            : { exports: omitEmpty(denyExports), imports: omitEmpty(denyImports) },
      })),
    ),
    ...writeLimits(clusterOptions),
    tls_cert_not_after: omitZeroTime(options.tlsCertNotAfterMs),
  };
}

function mqtt(options: MqttOptions) {
  return {
    host: omitEmpty(options.host),
    port: omitEmpty(options.port),
    no_auth_user: omitEmpty(options.noAuthUser),
    auth_timeout: seconds(options.authTimeoutMs),
    tls_map: omitEmpty(options.mapsTlsIdentity),
    tls_timeout: seconds(options.tlsTimeoutMs),
    tls_pinned_certs: omitEmpty(options.tlsPinnedCerts),
    js_domain: omitEmpty(options.jetStreamDomain),
    ack_wait: nanoseconds(options.ackWaitMs),
    max_ack_pending: omitEmpty(options.acksPendingMax),
    tls_cert_not_after: omitZeroTime(options.tlsCertNotAfterMs),
  };
}

function webSocket(options: WebSocketOptions) {
  return {
    host: omitEmpty(options.host),
    port: omitEmpty(options.port),
    advertise: omitEmpty(options.advertise),
    no_auth_user: omitEmpty(options.noAuthUser),
    jwt_cookie: omitEmpty(options.jwtCookie),
    handshake_timeout: nanoseconds(options.handshakeTimeoutMs),
    auth_timeout: seconds(options.authTimeoutMs),
    no_tls: omitEmpty(options.isTlsDisabled),
    tls_map: omitEmpty(options.mapsTlsIdentity),
    tls_pinned_certs: omitEmpty(options.tlsPinnedCerts),
    same_origin: omitEmpty(options.isSameOrigin),
    allowed_origins: omitEmpty(options.allowedOrigins),
    compression: omitEmpty(options.isCompressed),
    tls_cert_not_after: omitZeroTime(options.tlsCertNotAfterMs),
  };
}
