/** What the options of a config mean for the links shard. */
import { networkInterfaces } from "node:os";
import type { Options } from "../../config/option_table.ts";
import { splitHostPort } from "../../config/readers.ts";
import { hostPortText, isEveryAddress } from "../../runtime/posix/socket_address.ts";
import type { LinksBlock, LinksSetup, LinkTlsBlocks } from "../../shard/links/links_setup.ts";
import { clusterName } from "../server_info.ts";
import type { Ports } from "../threads/listening.ts";
import { NATS_VERSION } from "../version.ts";
import { webSocketPingIntervalMs } from "./websocket_settings.ts";

export interface LinksIdentity {
  readonly id: string;
  /** What runs the server, shown where nats-server shows its Go version. */
  readonly runtime: string;
  readonly isOperatorMode: boolean;
  readonly isLameDuck: boolean;
  /** Whether the server was a leaf node from its start. */
  readonly wasLeafNode: boolean;
  /** "" without one. */
  readonly systemAccount: string;
}

export function linksSetup(
  options: Options,
  identity: LinksIdentity,
  ports: Ports,
  tls: LinkTlsBlocks,
): LinksSetup {
  const { cluster, gateway, leafnodes } = options;
  const ownAddresses = addressesOfThisMachine();
  return {
    serverId: identity.id,
    serverName: options.serverName || identity.id,
    version: NATS_VERSION,
    goVersion: identity.runtime,
    gitCommit: "",
    maxPayloadBytes: options.maxPayloadBytes,
    maxControlLineBytes: options.maxControlLineBytes,
    pingIntervalMs: options.pingIntervalMs,
    webSocketPingIntervalMs: webSocketPingIntervalMs(options),
    pingsOutMax: options.maxPingsOut,
    supportsHeaders: !options.noHeaderSupport,
    maxSubscriptions: options.maxSubscriptions === 0 ? -1 : options.maxSubscriptions,
    isOperatorMode: identity.isOperatorMode,
    isLameDuck: identity.isLameDuck,
    clusterName: clusterName(options, identity.wasLeafNode) ?? "",
    systemAccount: identity.systemAccount,
    connectErrorReports: options.connectErrorReports,
    reconnectErrorReports: options.reconnectErrorReports,
    connectUrls: clientUrls(options, ports.get("client") ?? 0),
    webSocketUrls: webSocketUrls(options, ports.get("websocket") ?? 0),
    ownAddresses,
    tls,
    cluster: block(cluster, ports.get("cluster")),
    gateway: gateway.name === undefined ? null : { options: gateway, port: ports.get("gateway") ?? 0 },
    leafnodes:
      leafnodes.port === 0 && leafnodes.remotes.length === 0
        ? null
        : { options: leafnodes, port: ports.get("leafnodes") ?? 0 },
  };
}

/** `host:port` at which clients reach this server: as advertised, else wherever it listens. */
export function clientUrls({ clientAdvertise, host }: Options, port: number): string[] {
  if (clientAdvertise) return [withPort(clientAdvertise, port)];
  return urlsOf(host, port, addressesOfThisMachine());
}

/** The same for clients of the WebSocket port, which is 0 where there is none. */
export function webSocketUrls({ websocket: { advertise, host } }: Options, port: number): string[] {
  if (port === 0) return [];
  if (advertise) return [withPort(advertise, port)];
  return urlsOf(host, port, addressesOfThisMachine());
}

function block<T>(options: T, port: number | undefined): LinksBlock<T> | null {
  return port === undefined ? null : { options, port };
}

/** Where clients reach a listener: at its host, or at any address of the machine but the loopback's. */
function urlsOf(host: string, port: number, addresses: readonly string[]): string[] {
  if (!isEveryAddress(host)) return [hostPortText(host, port)];
  const reachable = addresses.filter((ip) => !isLoopback(ip));
  return reachable.map((ip) => hostPortText(ip, port));
}

function withPort(advertised: string, port: number): string {
  const parts = splitHostPort(advertised) ?? { host: advertised, port: "0" };
  return hostPortText(parts.host, Number(parts.port) <= 0 ? port : Number(parts.port));
}

function addressesOfThisMachine(): string[] {
  return Object.values(networkInterfaces()).flatMap((addresses) => {
    return (addresses ?? []).filter(({ scopeid }) => !scopeid).map(({ address }) => address);
  });
}

function isLoopback(ip: string): boolean {
  return ip.startsWith("127.") || ip === "::1";
}
