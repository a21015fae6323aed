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
  /** The configured name; "" if there is none, so that the generated name may give way to others'. */
  readonly clusterName: string;
  /** The address at which this server listens for other members. */
  readonly host: string;
  readonly port: number;
  /** The address that is gossiped instead. */
  readonly advertise: { readonly host: string; readonly port: number } | null;
  /** Whether client URLs are neither told to other members nor taken from them. */
  readonly noAdvertise: boolean;
  readonly credentials: RouteCredentials | null;
  /** How long a TLS handshake may take; null without TLS. */
  readonly tlsTimeoutMs: number | null;
  /**
   * The number of connections to each member, among which accounts are shared. With 0 or less there is a single
   * connection without pooling.
   */
  readonly poolSize: number;
  /** The accounts that have connections of their own in addition. */
  readonly pinnedAccounts: readonly string[];
  readonly compression: CompressionSettings;
  /** Which interest crosses routes; null for all. */
  readonly permissions: RoutePermissions | null;
  /** The URLs of the members to connect to. */
  readonly routes: readonly string[];
  /** Further attempts for routes learned by gossip. */
  readonly connectRetries: number;
  /** Whether the pause between attempts doubles each time, up to 30 s. */
  readonly connectBackoff: boolean;
  /** The configured values; a route pings at least every 30 s. */
  readonly heartbeat: HeartbeatSettings;
  readonly controlLineBytesMax: number;
  /** `host:port` of this server's listeners for clients. */
  readonly connectUrls: readonly string[];
  readonly webSocketConnectUrls: readonly string[];
  /**
   * The `host:port` for other clusters; `leafNodeUrl` is the one for leaf nodes. "" if this server does not listen for
   * them or does not tell.
   */
  readonly gatewayUrl: string;
  readonly leafNodeUrl: string;
}

/** The user with which routes log in. */
export interface RouteCredentials {
  readonly user: string;
  /** The configured password, possibly a hash. This server logs in with it at routes that it learns of by gossip. */
  readonly password: string;
  readonly timeoutMs: number;
}
