// The INFO line. Cold: once per connection and when the cluster changes.

/** What a server says of itself to a client. Fields left out are not sent; see the JSON names below. */
export interface ServerInfo {
  /** The server's public nkey, `N…`. */
  readonly serverId: string;
  readonly serverName: string;
  /** A NATS version: clients compare it to know what the server can do. */
  readonly version: string;
  readonly gitCommit?: string;
  /** Clients expect one and accept any. */
  readonly goVersion: string;
  readonly host: string;
  readonly port: number;
  readonly headers: boolean;
  readonly authRequired?: boolean;
  readonly tlsRequired?: boolean;
  readonly tlsVerify?: boolean;
  readonly tlsAvailable?: boolean;
  /** The limit in force for the connection. */
  readonly maxPayloadBytes: number;
  readonly jetStream?: boolean;
  readonly clientId?: number;
  readonly clientIp?: string;
  readonly nonce?: string;
  readonly cluster?: string;
  readonly jetStreamDomain?: string;
  /** `host:port` of the cluster's client listeners, this server's own first. */
  readonly connectUrls?: readonly string[];
  /** The same for WebSocket clients, who are told these instead. */
  readonly webSocketConnectUrls?: readonly string[];
  readonly lameDuckMode?: boolean;
  /** True in the INFO that follows the first PONG. */
  readonly connectInfo?: boolean;
  readonly remoteAccount?: string;
  readonly accountIsSystem?: boolean;
  readonly jetStreamApiLevel?: number;
  /** The server's public curve key, `X…`. */
  readonly xkey?: string;
}

/**
 * Returns the line `INFO {…} ␍␊`, blank before CR LF included, with the fields in nats-server's order.
 * Source: nats-server `Info`, `generateInfoJSON`.
 */
export function infoLine(info: ServerInfo): Uint8Array {
  const fields = {
    server_id: info.serverId,
    server_name: info.serverName,
    version: info.version,
    proto: 1,
    git_commit: info.gitCommit || undefined,
    go: info.goVersion,
    host: info.host,
    port: info.port,
    headers: info.headers,
    auth_required: info.authRequired || undefined,
    tls_required: info.tlsRequired || undefined,
    tls_verify: info.tlsVerify || undefined,
    tls_available: info.tlsAvailable || undefined,
    max_payload: info.maxPayloadBytes,
    jetstream: info.jetStream || undefined,
    client_id: info.clientId || undefined,
    client_ip: info.clientIp || undefined,
    nonce: info.nonce || undefined,
    cluster: info.cluster || undefined,
    domain: info.jetStreamDomain || undefined,
    connect_urls: info.connectUrls?.length ? info.connectUrls : undefined,
    ldm: info.lameDuckMode || undefined,
    connect_info: info.connectInfo || undefined,
    remote_account: info.remoteAccount || undefined,
    acc_is_sys: info.accountIsSystem || undefined,
    api_lvl: info.jetStreamApiLevel || undefined,
    xkey: info.xkey || undefined,
  };
  return new TextEncoder().encode(`INFO ${JSON.stringify(fields)} \r\n`);
}
