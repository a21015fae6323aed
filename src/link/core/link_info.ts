/** INFO and CONNECT between servers: all fields of routes, gateways and leaf nodes. Cold: a few times per connection. */
import {
  decodeFields,
  encodeFields,
  type FieldsReading,
  optional,
  required,
  type ValuesOf,
  zerosOf,
} from "./json_fields.ts";
import type { LinkKind } from "./link.ts";

/** The protocol version that this server announces as `proto`; 3 means that it understands message tracing. */
export const SERVER_PROTOCOL = 3;
/** The first protocol version that understands tracing. */
export const TRACE_PROTOCOL = 3;

export type { LinkPermission } from "./json_fields.ts";

/** The fields in the order in which nats-server writes them. Source: nats-server `Info`. */
const INFO_TABLE = {
  serverId: required("server_id", "text"),
  serverName: required("server_name", "text"),
  version: required("version", "text"),
  protocol: required("proto", "int"),
  gitCommit: optional("git_commit", "text"),
  goVersion: required("go", "text"),
  host: required("host", "text"),
  port: required("port", "int"),
  headers: required("headers", "boolean"),
  authRequired: optional("auth_required", "boolean"),
  tlsRequired: optional("tls_required", "boolean"),
  tlsVerify: optional("tls_verify", "boolean"),
  tlsAvailable: optional("tls_available", "boolean"),
  maxPayloadBytes: required("max_payload", "int32"),
  jetStream: optional("jetstream", "boolean"),
  /** For a route `nats-route://host:port/`, for a leaf node `host:port`. */
  ip: optional("ip", "text"),
  clientId: optional("client_id", "int"),
  clientIp: optional("client_ip", "text"),
  nonce: optional("nonce", "text"),
  cluster: optional("cluster", "text"),
  isClusterDynamic: optional("cluster_dynamic", "boolean"),
  domain: optional("domain", "text"),
  connectUrls: optional("connect_urls", "texts"),
  webSocketConnectUrls: optional("ws_connect_urls", "texts"),
  isLameDuck: optional("ldm", "boolean"),
  compression: optional("compression", "text"),
  connectInfo: optional("connect_info", "boolean"),
  remoteAccount: optional("remote_account", "text"),
  accountIsSystem: optional("acc_is_sys", "boolean"),
  jetStreamApiLevel: optional("api_lvl", "int"),
  import: optional("import", "permission"),
  export: optional("export", "permission"),
  /** The sender understands `LS+` and `LMSG` with an origin. */
  lnoc: optional("lnoc", "boolean"),
  /** The sender understands `LS-` with an origin. */
  lnocu: optional("lnocu", "boolean"),
  /** The sender understands the origin `_`. */
  ln: optional("ln", "boolean"),
  infoOnConnect: optional("info_on_connect", "boolean"),
  routePoolSize: optional("route_pool_size", "int"),
  routePoolIndex: optional("route_pool_idx", "int"),
  routeAccount: optional("route_account", "text"),
  routeAccountRequestId: optional("route_acc_add_reqid", "text"),
  /** 1: must not be gossiped further; 2: must be gossiped although learned by gossip. */
  gossipMode: optional("gossip_mode", "byte"),
  gateway: optional("gateway", "text"),
  gatewayUrls: optional("gateway_urls", "texts"),
  gatewayUrl: optional("gateway_url", "text"),
  gatewayCommand: optional("gateway_cmd", "byte"),
  /** Bytes, as a byte string. */
  gatewayCommandPayload: optional("gateway_cmd_payload", "base64"),
  gatewayNrp: optional("gateway_nrp", "boolean"),
  gatewayIom: optional("gateway_iom", "boolean"),
  leafNodeUrls: optional("leafnode_urls", "texts"),
  xkey: optional("xkey", "text"),
};

/** The contents of INFO. Texts are byte strings; fields that a document leaves out are empty. */
export type LinkInfo = ValuesOf<typeof INFO_TABLE>;

export const EMPTY_LINK_INFO: LinkInfo = zerosOf(INFO_TABLE);

/** Reads the document of an INFO. */
export function decodeLinkInfo(json: string): FieldsReading<LinkInfo> {
  return decodeFields(INFO_TABLE, "Info", json);
}

/** The INFO line by which routes and leaf links introduce this server, with a blank before CR LF. A byte string. */
export function ownInfoLine(info: LinkInfo): string {
  return `INFO ${encodeFields(INFO_TABLE, info)} \r\n`;
}

/** The line of any other INFO: gossip, and gateways' INFO and commands. A byte string. */
export function infoLine(info: LinkInfo): string {
  return `INFO ${encodeFields(INFO_TABLE, info)}\r\n`;
}

/** Source: nats-server `connectInfo`. */
const ROUTE_CONNECT_TABLE = {
  echo: required("echo", "boolean"),
  verbose: required("verbose", "boolean"),
  pedantic: required("pedantic", "boolean"),
  user: optional("user", "text"),
  password: optional("pass", "text"),
  tlsRequired: required("tls_required", "boolean"),
  headers: required("headers", "boolean"),
  /** The server id of a route or gateway; the server name of a leaf node. */
  name: required("name", "text"),
  cluster: required("cluster", "text"),
  isClusterDynamic: optional("cluster_dynamic", "boolean"),
  lnoc: optional("lnoc", "boolean"),
  lnocu: optional("lnocu", "boolean"),
  ln: optional("ln", "boolean"),
  gateway: optional("gateway", "text"),
};

/** Source: nats-server `leafConnectInfo`. */
const LEAF_CONNECT_TABLE = {
  version: optional("version", "text"),
  nkey: optional("nkey", "text"),
  jwt: optional("jwt", "text"),
  signature: optional("sig", "text"),
  user: optional("user", "text"),
  password: optional("pass", "text"),
  authToken: optional("auth_token", "text"),
  serverId: optional("server_id", "text"),
  domain: optional("domain", "text"),
  name: optional("name", "text"),
  isHub: optional("is_hub", "boolean"),
  cluster: optional("cluster", "text"),
  headers: optional("headers", "boolean"),
  jetStream: optional("jetstream", "boolean"),
  denyPublish: optional("deny_pub", "texts"),
  isolate: optional("isolate", "boolean"),
  compressMode: optional("compress_mode", "text"),
  gateway: optional("gateway", "text"),
  remoteAccount: optional("remote_account", "text"),
  protocol: optional("protocol", "int"),
};

/** Fields that only a client sends. They are read to tell clients from servers, and to refuse wrong types. */
const CLIENT_CONNECT_TABLE = {
  lang: required("lang", "text"),
  account: optional("account", "text"),
  isNewAccount: optional("new_account", "boolean"),
  noResponders: optional("no_responders", "boolean"),
  import: optional("import", "permission"),
  export: optional("export", "permission"),
  proxySignature: optional("proxy_sig", "text"),
};

const CONNECT_TABLE = { ...CLIENT_CONNECT_TABLE, ...LEAF_CONNECT_TABLE, ...ROUTE_CONNECT_TABLE };

/** The contents of CONNECT. Texts are byte strings; fields that a document leaves out are empty. */
export type LinkConnect = ValuesOf<typeof CONNECT_TABLE>;

export const EMPTY_LINK_CONNECT: LinkConnect = zerosOf(CONNECT_TABLE);

/** Reads the document of a CONNECT, whoever sent it. */
export function decodeLinkConnect(json: string): FieldsReading<LinkConnect> {
  return decodeFields(CONNECT_TABLE, "ClientOpts", json);
}

/** The CONNECT line for this kind of link, with its fields in its order. A byte string. */
export function connectLine(kind: LinkKind, connect: LinkConnect): string {
  const table = kind === "leaf" ? LEAF_CONNECT_TABLE : ROUTE_CONNECT_TABLE;
  return `CONNECT ${encodeFields(table, connect)}\r\n`;
}
