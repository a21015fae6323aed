import { hostPortText } from "../../runtime/posix/socket_address.ts";
import { EMPTY_LINK_INFO, infoLine, SERVER_PROTOCOL } from "../core/link_info.ts";
import type { GatewaySettings } from "./gateway_settings.ts";

/** What gateways tell by INFO. Lines are byte strings. */

export const GATEWAY_COMMAND = {
  /** There is another cluster. */
  gossip: 1,
  /** All plain interest in an account follows. */
  allStart: 2,
  /** All plain interest in the account has been told. */
  allComplete: 3,
} as const;

/** The `host:port` that others are told. */
export function ownGatewayUrl({ host, port }: GatewaySettings): string {
  return hostPortText(host, port);
}

/** The INFO that introduces this server, with the addresses of its cluster's gateways. */
export function ownGatewayInfo(
  settings: GatewaySettings,
  clusterUrls: readonly string[],
  isTls: boolean,
): string {
  const { name, serverId, serverName, version, host, port, credentials, headers, maxPayloadBytes } = settings;
  return infoLine({
    ...EMPTY_LINK_INFO,
    serverId,
    serverName,
    version,
    protocol: SERVER_PROTOCOL,
    host,
    port,
    headers,
    authRequired: credentials !== null,
    tlsRequired: isTls,
    tlsVerify: isTls,
    maxPayloadBytes,
    gateway: name,
    gatewayUrls: clusterUrls,
    gatewayUrl: ownGatewayUrl(settings),
    gatewayNrp: true,
    gatewayIom: true,
  });
}

/** The line that tells a cluster that dialled this server of another cluster. */
export function gossipToGateway(serverId: string, cluster: string, urls: readonly string[]): string {
  return gossip(serverId, "", cluster, urls);
}

/**
 * The line that tells members of this cluster of another cluster. Its id is not that of a server, so that nobody takes
 * it for a route to be dialled.
 */
export function gossipToRoute(
  serverId: string,
  serverName: string,
  cluster: string,
  urls: readonly string[],
): string {
  return gossip(`GW${serverId}`, serverName, cluster, urls);
}

/** The line with command 2 or 3 from cluster `name` for one of its accounts. */
export function accountCommand(name: string, command: number, account: string): string {
  const gatewayCommandPayload = account;
  return infoLine({
    ...EMPTY_LINK_INFO,
    gateway: name,
    gatewayCommand: command,
    gatewayCommandPayload,
  });
}

function gossip(serverId: string, serverName: string, gateway: string, gatewayUrls: readonly string[]) {
  const gatewayCommand = GATEWAY_COMMAND.gossip;
  return infoLine({ ...EMPTY_LINK_INFO, serverId, serverName, gateway, gatewayUrls, gatewayCommand });
}
