import type { DialReports } from "../core/dial_tries.ts";
import type { LinkClock, LinkDialer, LinkEvents, LinkLog, LinkTls } from "../core/link.ts";
import type { JudgeServer } from "../core/server_login.ts";

/** How remote clusters are dialled; the same for all. */
export interface DialPolicy extends DialReports {
  /** The number of rounds that an implicit remote gets after the first. */
  readonly connectRetries: number;
  /** Whether pauses between rounds double, up to 30 s. */
  readonly connectBackoff: boolean;
}

/** User and password, byte strings. */
export interface GatewayCredentials {
  readonly user: string;
  readonly password: string;
}

/** The `gateway` block, and what else other clusters are told about the server. Names are byte strings. */
export interface GatewaySettings extends DialPolicy {
  readonly name: string;
  readonly serverId: string;
  readonly serverName: string;
  readonly version: string;
  readonly headers: boolean;
  readonly maxPayloadBytes: number;
  /**
   * The address at which others reach this gateway: `advertise`, else the one it listens on, with an address of the
   * server in place of a wildcard.
   */
  readonly host: string;
  readonly port: number;
  readonly isAdvertised: boolean;
  /** The login of this server at others, which they need here as well; null for none. */
  readonly credentials: GatewayCredentials | null;
  readonly authTimeoutMs: number;
  readonly tls: LinkTls | null;
  readonly remotes: readonly RemoteSettings[];
  readonly rejectsUnknown: boolean;
  /** 16 × `max_control_line`. */
  readonly controlLineBytesMax: number;
  readonly pingIntervalMs: number;
  readonly pingsOutMax: number;
}

/** A configured cluster. */
export interface RemoteSettings {
  readonly name: string;
  /** `nats://[user:password@]host:port`, byte strings. */
  readonly urls: readonly string[];
  /** The remote's own TLS settings, or else the gateway's. */
  readonly tls: LinkTls | null;
}

/** What gateways need from the rest of the server. */
export interface GatewayHooks {
  readonly clock: LinkClock;
  readonly dialer: LinkDialer;
  readonly log: LinkLog;
  readonly events: LinkEvents;
  readonly judge: JudgeServer;
  /** Whether a route leads to a server with that name. */
  isMemberName(serverName: string): boolean;
  /** Sends a line to all routes. */
  tellRoutes(line: string): void;
  /** The connected clusters, or their order, have changed. `names` has the nearest first. */
  clustersChanged(names: readonly string[]): void;
}
