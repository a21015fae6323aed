/** Which ports a configuration opens, and what is said when one cannot be opened. */
import type { Options } from "../../config/option_table.ts";
import type { ListenerKind } from "../../fabric/listeners.ts";
import { hostPortText } from "../../runtime/posix/socket_address.ts";
import { webSocketScheme } from "../settings/websocket_settings.ts";

/** A port to open. */
export interface ListenerOptions {
  readonly kind: ListenerKind;
  readonly host: string;
  /** 0 for a free port. */
  readonly port: number;
}

/** The ports of a configuration, that of clients first. */
export function listenersOf({
  host,
  port,
  websocket,
  cluster,
  gateway,
  leafnodes,
}: Options): ListenerOptions[] {
  const listeners: ListenerOptions[] = [{ kind: "client", host, port: freeOr(port) }];
  for (const [kind, block] of Object.entries({ websocket, cluster, gateway, leafnodes } as const)) {
    if (block.port === 0) continue;
    listeners.push({ kind: kind as ListenerKind, host: block.host, port: freeOr(block.port) });
  }
  return listeners;
}

/**
 * Whether other servers connect to this one, or it connects to others. Routes without a cluster port are not dialled.
 */
export function hasLinks({ cluster, gateway, leafnodes }: Options): boolean {
  return (
    cluster.port !== 0 || gateway.name !== undefined || leafnodes.port !== 0 || leafnodes.remotes.length > 0
  );
}

/** Why a server does not start. Source: nats-server `AcceptLoop`, `startRouteAcceptLoop` and their like. */
export function listenErrorText({ kind, host, port }: ListenerOptions, error: string): string {
  switch (kind) {
    case "client":
      return `Error listening on port: ${hostPortText(host, port)}, ${JSON.stringify(error)}`;
    case "websocket":
      return `Unable to listen for websocket connections: ${error}`;
    case "cluster":
      return `Error listening on router port: ${port} - ${error}`;
    case "gateway":
      return `Error listening on gateway port: ${port} - ${error}`;
    case "leafnodes":
      return `Error listening on leafnode port: ${port} - ${error}`;
  }
}

/** What the log says of a port once it is open. Source: as above. */
export function listeningText({ kind, host, port }: ListenerOptions, options: Options): string {
  const scheme = kind === "websocket" ? `${webSocketScheme(options)}://` : "";
  return `Listening for ${LISTENED_FOR[kind]} on ${scheme}${hostPortText(host, port)}`;
}

const LISTENED_FOR: Readonly<Record<ListenerKind, string>> = {
  client: "client connections",
  websocket: "websocket clients",
  cluster: "route connections",
  gateway: "gateways connections",
  leafnodes: "leafnode connections",
};

/** −1 in a configuration is for a free port. */
function freeOr(port: number): number {
  return port === -1 ? 0 : port;
}
