import type { DialReports } from "../core/dial_tries.ts";
import type { LinkClock, LinkDialer, LinkEvents, LinkLog, LinkTls } from "../core/link.ts";
import type { JudgeServer } from "../core/server_login.ts";

/** How remote clusters are dialled: the same for all of them. */
export interface DialPolicy extends DialReports {
  /** Rounds that an implicit remote gets beyond the first. */
  readonly connectRetries: number;
  /** Whether pauses between rounds double, up to 30 s. */
  readonly connectBackoff: boolean;
}

/** User and password, byte strings. */
export interface GatewayCredentials {
  readonly user: string;
  readonly password: string;
}

/** The `gateway` block, and what else of the server other clusters are told. Names are byte strings. */
export interface GatewaySettings extends DialPolicy {
  readonly name: string;
  readonly serverId: string;
  readonly serverName: string;
  readonly version: string;
  readonly maxPayloadBytes: number;
  /** Where others reach this gateway: `advertise`, else where it listens, an address of the server for any. */
  readonly host: string;
  readonly port: number;
  readonly isAdvertised: boolean;
  /** How this server logs in at others, and whether they have to log in here. */
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
  /** Its own, or the gateway's. */
  readonly tls: LinkTls | null;
}

/** What gateways ask of the rest of the server. */
export interface GatewayHooks {
  readonly clock: LinkClock;
  readonly dialer: LinkDialer;
  readonly log: LinkLog;
  readonly events: LinkEvents;
  readonly judge: JudgeServer;
  /** Whether a route leads to a server of that name. */
  isMemberName(serverName: string): boolean;
  /** Sends a line to all routes. */
  tellRoutes(line: string): void;
  /** The clusters that are reached have changed, or their order, nearest first. */
  clustersChanged(names: readonly string[]): void;
}
