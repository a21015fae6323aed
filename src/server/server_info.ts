/** Who a server is, and what it tells clients of itself. */
import type { Options } from "../config/option_table.ts";
import { splitHostPort } from "../config/readers.ts";
import type { ServerInfo } from "../protocol/info.ts";
import { featureFlags, type ServerIdentity } from "../protocol/server_object.ts";
import { NATS_VERSION } from "./version.ts";

/** The JetStream API level; servers without JetStream send it too. */
const API_LEVEL = 5;

/** The address that clients are told to use, or what is wrong with `client_advertise`. */
export function announcedAddress(
  { clientAdvertise, host }: Options,
  port: number,
): { ok: true; host: string; port: number } | { ok: false; reason: string } {
  if (!clientAdvertise) return { ok: true, host, port };
  // Colons and no port: an IPv6 address wants its brackets.
  const whole = clientAdvertise.includes(":") ? undefined : { host: clientAdvertise, port: "0" };
  const parts = splitHostPort(clientAdvertise) ?? whole;
  const isPort = parts !== undefined && /^(-1|\d{1,5})$/.test(parts.port) && Number(parts.port) <= 65_535;
  if (!isPort || parts.host === "") {
    return { ok: false, reason: "expected host or host:port, with a port of 0 to 65535" };
  }
  return { ok: true, host: parts.host, port: Number(parts.port) <= 0 ? port : Number(parts.port) };
}

/** What INFO says of a server independently of its options. */
export interface InfoIdentity {
  readonly id: string;
  readonly xkey: string;
  /** Shown where nats-server shows its Go version. */
  readonly runtime: string;
}

/** INFO as every client gets it. */
export function serverInfo(
  options: Options,
  server: InfoIdentity,
  address: { readonly host: string; readonly port: number },
  isAuthRequired: boolean,
): ServerInfo {
  return {
    serverId: server.id,
    serverName: options.serverName || server.id,
    version: NATS_VERSION,
    goVersion: server.runtime,
    host: address.host,
    port: address.port,
    headers: !options.noHeaderSupport,
    authRequired: isAuthRequired,
    ...tlsInfo(options),
    ...clusterOf(options),
    maxPayloadBytes: options.maxPayloadBytes,
    jetStreamApiLevel: API_LEVEL,
    xkey: server.xkey,
  };
}

/**
 * The server as events and answers to system requests name it. `givenName` is the cluster's name if that is not
 * configured.
 */
export function serverIdentity(options: Options, id: string, givenName = ""): ServerIdentity {
  const address = announcedAddress(options, 0);
  return {
    name: options.serverName || id,
    host: address.ok ? address.host : options.host,
    id,
    cluster: clusterName(options) ?? givenName,
    version: NATS_VERSION,
    tags: options.serverTags,
    metadata: options.serverMetadata,
    featureFlags: featureFlags(options.featureFlags),
  };
}

/**
 * The name of the cluster as it is configured, also of a server without routes. With gateways it is the gateway's name;
 * a leaf node without a cluster is a cluster by itself, under the name that the server is given. Undefined for none.
 */
export function clusterName(
  { cluster, gateway, leafnodes, serverName }: Options,
  isLeafNode = leafnodes.remotes.length > 0,
): string | undefined {
  const name = cluster.name || gateway.name;
  if (name || cluster.port !== 0 || !isLeafNode) return name || undefined;
  return serverName || undefined;
}

function clusterOf(options: Options): Partial<ServerInfo> {
  const name = clusterName(options);
  return name === undefined ? {} : { cluster: name };
}

function tlsInfo({ tls, allowNonTls }: Options): Partial<ServerInfo> {
  if (tls === undefined) return {};
  return { tlsRequired: !allowNonTls, tlsVerify: tls.verify, tlsAvailable: allowNonTls };
}
