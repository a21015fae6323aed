import type { RoutePermissions } from "../../config/cluster.ts";
import type { CompressionSettings } from "../../config/compression.ts";
import type { DialReports } from "../core/dial_tries.ts";
import type { HeartbeatSettings } from "../core/heartbeat.ts";

/**
 * What routes take from the configuration and from the rest of the server. Plain data; what is text is text, no byte strings.
 */
export interface RouteSettings extends DialReports {
  readonly serverId: string;
  readonly serverName: string;
  /** The NATS version that this server stands for. */
  readonly version: string;
  /** Shown where nats-server shows its Go version. */
  readonly runtime: string;
  readonly headers: boolean;
  readonly maxPayloadBytes: number;
  /** As configured; "" where none is, which makes the generated one give way to others'. */
  readonly clusterName: string;
  /** Where this server listens for other members. */
  readonly host: string;
  readonly port: number;
  /** The address to be gossiped instead. */
  readonly advertise: { readonly host: string; readonly port: number } | null;
  /** Client URLs are neither told to other members nor taken from them. */
  readonly noAdvertise: boolean;
  readonly credentials: RouteCredentials | null;
  /** How long a handshake may take; null without TLS. */
  readonly tlsTimeoutMs: number | null;
  /** Connections to each member, which share all accounts; none or less: a single one without pooling. */
  readonly poolSize: number;
  /** Accounts that have connections of their own besides. */
  readonly pinnedAccounts: readonly string[];
  readonly compression: CompressionSettings;
  /** Which interest crosses routes; null for all. */
  readonly permissions: RoutePermissions | null;
  /** URLs of the members to connect to. */
  readonly routes: readonly string[];
  /** Further attempts for routes learned by gossip. */
  readonly connectRetries: number;
  /** Doubles the pause between attempts, up to 30 s. */
  readonly connectBackoff: boolean;
  /** As configured; a route pings every 30 s at least. */
  readonly heartbeat: HeartbeatSettings;
  readonly controlLineBytesMax: number;
  /** `host:port` of this server's listeners for clients. */
  readonly connectUrls: readonly string[];
  readonly webSocketConnectUrls: readonly string[];
  /** `host:port` for other clusters and for leaf nodes; "" where nobody listens or nobody is to know. */
  readonly gatewayUrl: string;
  readonly leafNodeUrl: string;
}

/** The one user with which routes log in. */
export interface RouteCredentials {
  readonly user: string;
  /** As configured, maybe as a hash: what this server says when it learns of a route by gossip. */
  readonly password: string;
  readonly timeoutMs: number;
}
