import { jetStreamKey, refusedKey } from "./absent_features.ts";
import { type AccountOptions, accounts } from "./accounts.ts";
import { type AuthorizationOptions, authorization } from "./authorization.ts";
import { compareAuthorization, compareTrustedProxies } from "./authorization_reload.ts";
import { CLUSTER_DEFAULTS, type ClusterOptions, cluster, clusterReload } from "./cluster.ts";
import { GATEWAY_DEFAULTS, type GatewayOptions, gateway, gatewayReload } from "./gateway.ts";
import { LEAFNODES_DEFAULTS, type LeafnodesOptions, leafnodes, leafnodesReload } from "./leafnodes.ts";
import { DEFAULT_HOST, listenHost, type WriteTimeoutPolicy, writeTimeoutPolicy } from "./listener.ts";
import { type MappingOptions, mappings } from "./mappings.ts";
import { MIDGE_DEFAULTS, type MidgeOptions, midge, midgeReload } from "./midge.ts";
import {
  compareResolver,
  operators,
  preload,
  type ResolverOptions,
  resolver,
  trustedKeys,
  trustedProxies,
} from "./operator.ts";
import { block, defaultsOf, type OptionsOf, option, SET_BY_OTHERS, type SharedKey } from "./option.ts";
import {
  address,
  bool,
  duration,
  durationText,
  integer,
  integerOrDefault,
  mapOf,
  nameWithoutSpaces,
  port,
  secret,
  size,
  string,
  strings,
  zeroMeans,
} from "./readers.ts";
import { fixed, fixedByContent, fixedPort, live, liveAs, liveDuration } from "./reload.ts";
import {
  readLameDuckDuration,
  readLameDuckGracePeriod,
  readMaxSubscriptionTokens,
  readTags,
} from "./server_values.ts";
import { type OcspCacheOptions, type OcspOptions, ocsp, ocspCache, type TlsOptions, tls } from "./tls.ts";
import { compareTls } from "./tls_reload.ts";
import { WEBSOCKET_DEFAULTS, type WebSocketOptions, websocket, websocketReload } from "./websocket.ts";

/**
 * Every option of the server: its key and aliases in the file, how its value is read, its default, what a reload
 * does with a change, and a sentence about it. Block options have their tables in the file of the block.
 * Source: nats-server opts.go (processConfigFileLine, setBaselineOptions) and reload.go (diffOptions).
 */

export const DEFAULT_PORT = 4222;
const INT32_MAX = 2 ** 31 - 1;

const accountsReload = liveAs<unknown>(() => "Reloaded: accounts");

export const OPTION_TABLE = {
  // Listening for clients.
  host: option({
    key: "host",
    aliases: ["net"],
    reader: listenHost,
    default: DEFAULT_HOST,
    reload: fixed("Host"),
    doc: "The interface to listen on for clients.",
  }),
  port: option({
    key: "port",
    reader: zeroMeans(DEFAULT_PORT, port),
    default: DEFAULT_PORT,
    reload: fixedPort("Port"),
    doc: "The port to listen on for clients; -1 for a random one.",
  }),
  clientAdvertise: option<string | undefined>({
    key: "client_advertise",
    reader: string,
    default: undefined,
    reload: liveAs((value) => `Reload: client_advertise = ${value ?? ""}`),
    doc: "host or host:port that clients are told to use.",
  }),
  serverName: option<string | undefined>({
    key: "server_name",
    reader: nameWithoutSpaces("server name"),
    default: undefined,
    reload: fixed("ServerName"),
    doc: "A name, unique in the cluster; the server id if absent.",
  }),
  serverTags: option<readonly string[]>({
    key: "server_tags",
    reader: { type: "string or strings", read: readTags },
    default: [],
    reload: liveAs(() => "Reloaded: tags"),
    doc: "Lower-case labels, for system requests that address servers by label.",
  }),
  serverMetadata: option<ReadonlyMap<string, string>>({
    key: "server_metadata",
    reader: mapOf(string),
    default: new Map(),
    reload: liveAs(() => "Reloaded: metadata"),
    doc: "Names and values shown in varz.",
  }),
  featureFlags: option<ReadonlyMap<string, boolean>>({
    key: "feature_flags",
    reader: mapOf(bool),
    default: new Map(),
    reload: fixed("FeatureFlags"),
    doc: "Opts in to or out of named features; unknown names are only logged.",
  }),

  // Logging.
  debug: option({ key: "debug", reader: bool, default: false, reload: live(), doc: "Logs at debug level." }),
  trace: option({
    key: "trace",
    reader: bool,
    default: false,
    reload: live(),
    doc: "Logs every protocol line of clients.",
  }),
  traceVerbose: option({
    key: "trace_verbose",
    reader: bool,
    default: false,
    reload: live(),
    doc: "Traces the system account as well; implies trace.",
  }),
  traceHeaders: option({
    key: "trace_headers",
    reader: bool,
    default: false,
    reload: live(),
    doc: "Traces headers instead of payloads; implies trace.",
  }),
  logTime: option({
    key: "logtime",
    reader: bool,
    default: true,
    reload: live(),
    doc: "Starts log lines with the time.",
  }),
  logTimeUtc: option({
    key: "logtime_utc",
    reader: bool,
    default: false,
    reload: live(),
    doc: "That time in UTC instead of local time.",
  }),
  logFile: option<string | undefined>({
    key: "log_file",
    aliases: ["logfile"],
    reader: string,
    default: undefined,
    reload: live(),
    doc: "The file to log to instead of stderr.",
  }),
  logSizeLimitBytes: option({
    key: "log_size_limit",
    aliases: ["logfile_size_limit"],
    reader: size(),
    default: 0,
    reload: fixed("LogSizeLimit"),
    doc: "Starts a new log file beyond this size; 0 for never.",
  }),
  logMaxFiles: option({
    key: "log_max_num",
    aliases: ["logfile_max_num"],
    reader: integer(),
    default: 0,
    reload: fixed("LogMaxFiles"),
    doc: "Log files kept, the current one included; 0 for all.",
  }),
  syslog: option({
    key: "syslog",
    reader: bool,
    default: false,
    reload: live(),
    doc: "Logs to the system log.",
  }),
  remoteSyslog: option<string | undefined>({
    key: "remote_syslog",
    reader: string,
    default: undefined,
    reload: live(),
    doc: "Logs to a syslog server: udp://host:port.",
  }),
  maxTracedMessageBytes: option({
    key: "max_traced_msg_len",
    reader: integer(),
    default: 0,
    reload: live(),
    doc: "Bytes of a payload shown in traces; 0 for all.",
  }),

  // Files that tell about this process.
  pidFile: option<string | undefined>({
    key: "pid_file",
    aliases: ["pidfile"],
    reader: string,
    default: undefined,
    reload: liveAs((path) => (path ? `Reloaded: pid_file = ${path}` : undefined)),
    doc: "The file the process id is written to.",
  }),
  portsFileDir: option<string | undefined>({
    key: "ports_file_dir",
    reader: string,
    default: undefined,
    reload: live(),
    doc: "The folder a file with all listen URLs is written to.",
  }),

  // Monitoring and profiling.
  httpHost: option<string | undefined>({
    key: SET_BY_OTHERS,
    reader: string,
    default: undefined,
    reload: fixed("HTTPHost"),
    doc: "The interface for monitoring, set by http and https; the client host if absent.",
  }),
  httpPort: option({
    key: "http_port",
    aliases: ["monitor_port"],
    reader: port,
    default: 0,
    reload: fixedPort("HTTPPort"),
    doc: "The monitoring port; -1 for a random one, 0 for none.",
  }),
  httpsPort: option({
    key: "https_port",
    reader: port,
    default: 0,
    reload: fixedPort("HTTPSPort"),
    doc: "The same with TLS; only one of the two may be set.",
  }),
  httpBasePath: option({
    key: "http_base_path",
    reader: string,
    default: "",
    reload: fixed("HTTPBasePath"),
    doc: "Put before the monitoring paths; a leading slash is added where it is missing.",
  }),
  profilingPort: option({
    key: "prof_port",
    reader: port,
    default: 0,
    reload: fixedPort("ProfPort"),
    doc: "Accepted for compatibility; nothing is profiled over HTTP.",
  }),
  profilingBlockRate: option({
    key: "prof_block_rate",
    reader: integer(),
    default: 0,
    reload: live(),
    doc: "Accepted for compatibility.",
  }),

  // Limits.
  maxConnections: option({
    key: "max_connections",
    aliases: ["max_conn"],
    // As monitoring shows it where there is to be no client.
    reader: zeroMeans(-1, integer()),
    default: 65_536,
    reload: live(),
    doc: "Clients at a time; 0 or less rejects all.",
  }),
  maxPayloadBytes: option({
    key: "max_payload",
    reader: zeroMeans(1_048_576, size(INT32_MAX)),
    default: 1_048_576,
    reload: live(),
    doc: "Bytes of one message, headers included.",
  }),
  maxPendingBytes: option({
    key: "max_pending",
    reader: zeroMeans(67_108_864, size()),
    default: 67_108_864,
    reload: fixed("MaxPending"),
    doc: "Bytes that may wait for one client before it counts as slow; at least max_payload.",
  }),
  maxControlLineBytes: option({
    key: "max_control_line",
    reader: zeroMeans(4096, size(INT32_MAX)),
    default: 4096,
    reload: live(),
    doc: "Bytes of one protocol line.",
  }),
  maxSubscriptions: option({
    key: "max_subscriptions",
    aliases: ["max_subs"],
    reader: integer(),
    default: 0,
    reload: fixed("MaxSubs"),
    doc: "Subscriptions of one connection; 0 for any number.",
  }),
  maxSubscriptionTokens: option({
    key: "max_subscription_tokens",
    aliases: ["max_sub_tokens"],
    reader: { type: "integer", read: readMaxSubscriptionTokens },
    default: 0,
    reload: fixed("MaxSubTokens"),
    doc: "Tokens of a subscribed subject, 1 to 255; 0, the default, for any number.",
  }),
  maxClosedClients: option({
    key: "max_closed_clients",
    reader: integerOrDefault(10_000),
    default: 10_000,
    reload: fixed("MaxClosedClients"),
    doc: "Closed connections remembered for connz.",
  }),

  // Keeping connections alive, or not.
  pingIntervalMs: option({
    key: "ping_interval",
    reader: zeroMeans(120_000, duration),
    default: 120_000,
    reload: liveDuration,
    doc: "Pause between pings to a client.",
  }),
  maxPingsOut: option({
    key: "ping_max",
    reader: integerOrDefault(2),
    default: 2,
    reload: live(),
    doc: "Unanswered pings before a client is closed.",
  }),
  writeDeadlineMs: option({
    key: "write_deadline",
    reader: zeroMeans(10_000, duration),
    default: 10_000,
    reload: liveDuration,
    doc: "How long a client may take to accept data.",
  }),
  writeTimeout: option<WriteTimeoutPolicy>({
    key: "write_timeout",
    reader: writeTimeoutPolicy,
    default: "default",
    reload: fixed("WriteTimeout"),
    doc: "What happens to a client past the write deadline: clients are closed by default.",
  }),
  noFastProducerStall: option({
    key: "no_fast_producer_stall",
    reader: bool,
    default: false,
    reload: liveAs((isOff) => `Reloaded: fast producers will ${isOff ? "not " : ""}be stalled`),
    doc: "Does not slow publishers whose subscribers are behind.",
  }),
  lameDuckDurationMs: option({
    key: "lame_duck_duration",
    reader: { ...durationText, read: readLameDuckDuration },
    default: 120_000,
    reload: fixed("LameDuckDuration"),
    doc: "From the beginning of lame duck mode to the last client closed; at least 30 s.",
  }),
  lameDuckGracePeriodMs: option({
    key: "lame_duck_grace_period",
    reader: { ...durationText, read: readLameDuckGracePeriod },
    default: 10_000,
    reload: fixed("LameDuckGracePeriod"),
    doc: "How long lame duck mode waits before it starts to close clients; less than its duration.",
  }),

  // The client protocol.
  allowNonTls: option({
    key: "allow_non_tls",
    reader: bool,
    default: false,
    reload: fixed("AllowNonTLS"),
    doc: "Serves clients with and without TLS on one port.",
  }),
  proxyProtocol: option({
    key: "proxy_protocol",
    reader: bool,
    default: false,
    reload: fixed("ProxyProtocol"),
    doc: "Takes from a PROXY header, where one comes first, who the client is.",
  }),
  trustedProxies: option<readonly string[]>({
    key: "proxies",
    reader: trustedProxies,
    default: [],
    reload: { kind: "compared", compare: compareTrustedProxies },
    doc: "Public keys of the proxies that are believed.",
  }),
  noHeaderSupport: option({
    key: "no_header_support",
    reader: bool,
    default: false,
    reload: fixed("NoHeaderSupport"),
    doc: "Refuses messages with headers.",
  }),
  disableSublistCache: option({
    key: "disable_sublist_cache",
    aliases: ["no_sublist_cache"],
    reader: bool,
    default: false,
    reload: fixed("NoSublistCache"),
    doc: "Accepted for compatibility; match results are always cached.",
  }),
  connectErrorReports: option({
    key: "connect_error_reports",
    reader: integerOrDefault(3600),
    default: 3600,
    reload: live(),
    doc: "Logs every so many failed first attempts to reach another server.",
  }),
  reconnectErrorReports: option({
    key: "reconnect_error_reports",
    reader: integerOrDefault(1),
    default: 1,
    reload: live(),
    doc: "The same for attempts to reach it again.",
  }),

  // Who may connect.
  tls: option<TlsOptions | undefined>({
    key: "tls",
    reader: tls("listener"),
    default: undefined,
    reload: { kind: "compared", compare: compareTls },
    doc: "TLS for clients, and for https monitoring.",
  }),
  ocsp: option<OcspOptions | undefined>({
    key: "ocsp",
    reader: ocsp,
    default: undefined,
    reload: liveAs(() => "Reloaded: OCSP"),
    doc: "Stapling for the server's own certificates.",
  }),
  storeDir: option<string | undefined>({
    key: "store_dir",
    aliases: ["storedir"],
    reader: string,
    default: undefined,
    reload: liveAs(() => undefined),
    doc: "Where staples are kept over a restart; Midge stores no messages.",
  }),
  ocspCache: option<OcspCacheOptions | undefined>({
    key: "ocsp_cache",
    reader: ocspCache,
    default: undefined,
    reload: liveAs(() => "Reloaded OCSP peer cache"),
    doc: "Where OCSP responses about peers are kept.",
  }),
  authorization: option<AuthorizationOptions | undefined>({
    key: "authorization",
    reader: authorization,
    default: undefined,
    reload: { kind: "compared", compare: compareAuthorization },
    doc: "Who may connect to $G, and how long they have to say who they are.",
  }),
  noAuthUser: option<string | undefined>({
    key: "no_auth_user",
    reader: string,
    default: undefined,
    reload: fixed("NoAuthUser"),
    doc: "The user of clients that send no credentials.",
  }),
  accounts: option<readonly AccountOptions[]>({
    key: "accounts",
    reader: accounts,
    default: [],
    reload: accountsReload,
    doc: "Isolated subject spaces with users of their own.",
  }),
  mappings: option<readonly MappingOptions[]>({
    key: "mappings",
    aliases: ["maps"],
    reader: mappings,
    default: [],
    reload: accountsReload,
    doc: "Subject mappings of $G.",
  }),
  systemAccount: option<string | undefined>({
    key: "system_account",
    aliases: ["system"],
    reader: string,
    default: undefined,
    reload: fixed("SystemAccount"),
    doc: "The account that sees the server's events; $SYS if absent.",
  }),
  noSystemAccount: option({
    key: "no_system_account",
    aliases: ["no_system", "no_sys_acc"],
    reader: bool,
    default: false,
    reload: fixed("NoSystemAccount"),
    doc: "Does without a system account.",
  }),

  // Operator mode.
  operators: option<readonly string[]>({
    key: "operator",
    aliases: ["operators", "root", "roots", "root_operator", "root_operators"],
    reader: operators,
    default: [],
    // `server/reload.ts` knows what they say.
    reload: fixedByContent,
    doc: "Operator JWTs, or files that hold them.",
  }),
  trustedKeys: option<readonly string[]>({
    key: "trusted_keys",
    aliases: ["trusted"],
    reader: trustedKeys,
    default: [],
    reload: fixed("TrustedKeys"),
    doc: "Operator keys, where there is no operator JWT.",
  }),
  resolver: option<ResolverOptions | undefined>({
    key: "resolver",
    aliases: ["account_resolver", "accounts_resolver"],
    reader: resolver,
    default: undefined,
    reload: { kind: "compared", compare: compareResolver },
    doc: "Where account JWTs come from; a reload moves between MEM and URLs, and no further.",
  }),
  resolverTls: option<TlsOptions | undefined>({
    key: "resolver_tls",
    reader: tls("listener"),
    default: undefined,
    reload: accountsReload,
    doc: "TLS towards a URL resolver: ca_file, cert_file with key_file, insecure.",
  }),
  resolverPreload: option<ReadonlyMap<string, string>>({
    key: "resolver_preload",
    reader: preload,
    default: new Map(),
    reload: accountsReload,
    doc: "Account JWTs by account key, put into the resolver at start and by a reload.",
  }),
  resolverPinnedAccounts: option<readonly string[] | undefined>({
    key: "resolver_pinned_accounts",
    reader: strings,
    default: undefined,
    reload: accountsReload,
    doc: "The only accounts whose users may connect, beside an operator's system account. None at all if empty.",
  }),
  defaultSentinel: option<string | undefined>({
    key: "default_sentinel",
    reader: secret,
    default: undefined,
    reload: liveAs(() => "Reloaded: default_sentinel"),
    doc: "The user JWT assumed for clients that send none.",
  }),

  // Other servers, other protocols.
  cluster: option<ClusterOptions>({
    key: "cluster",
    reader: cluster,
    default: CLUSTER_DEFAULTS,
    reload: clusterReload,
    doc: "The routes of one cluster.",
  }),
  gateway: option<GatewayOptions>({
    key: "gateway",
    reader: gateway,
    default: GATEWAY_DEFAULTS,
    reload: gatewayReload,
    doc: "Connections between clusters.",
  }),
  leafnodes: option<LeafnodesOptions>({
    key: "leafnodes",
    aliases: ["leaf"],
    reader: leafnodes,
    default: LEAFNODES_DEFAULTS,
    reload: leafnodesReload,
    doc: "Leaf nodes, and hubs this server is a leaf of.",
  }),
  websocket: option<WebSocketOptions>({
    key: "websocket",
    aliases: ["ws"],
    reader: websocket,
    default: WEBSOCKET_DEFAULTS,
    reload: websocketReload,
    doc: "WebSocket clients.",
  }),

  // Midge itself.
  midge: option<MidgeOptions>({
    key: "midge",
    reader: midge,
    default: MIDGE_DEFAULTS,
    reload: midgeReload,
    doc: "What other NATS servers do not have; they refuse this block.",
  }),
};

/** Everything a server can be told. Times are milliseconds, sizes bytes. Never changed once made. */
export type Options = OptionsOf<typeof OPTION_TABLE>;

/**
 * What a program tells a server: any of the options, and of a block, at any depth, any of its options. What is left out or
 * undefined has its default.
 */
export type GivenOptions = { readonly [Field in keyof Options]?: Given<Options[Field]> | undefined };

type Given<T> =
  T extends ReadonlyMap<unknown, unknown>
    ? T
    : T extends readonly (infer Item)[]
      ? readonly Given<Item>[]
      : T extends object
        ? { readonly [Field in keyof T]?: Given<T[Field]> | undefined }
        : T;

/** The options of a server that is told nothing. */
export function defaultOptions(): Options {
  return defaultsOf(OPTION_TABLE);
}

/** `http` and `https`: host and port in one. An empty host means the client host. */
function monitoringKey(key: "http" | "https", field: "httpPort" | "httpsPort"): SharedKey<Options> {
  return {
    key,
    aliases: [],
    doc: `host:port for monitoring over ${key}, or a port alone.`,
    read: (value, site, draft) => {
      const read = address.read(value, site);
      if (read === undefined) return;
      draft.httpHost = read.host === "" ? undefined : read.host;
      draft[field] = read.port;
    },
  };
}

export const OPTIONS_BLOCK = block("configuration", OPTION_TABLE, {
  sharedKeys: [
    {
      key: "listen",
      aliases: [],
      doc: "host:port for clients, or a port alone.",
      read: (value, site, draft) => {
        const read = address.read(value, site);
        if (read === undefined) return;
        draft.host = read.host === "" ? DEFAULT_HOST : read.host;
        draft.port = read.port === 0 ? DEFAULT_PORT : read.port;
      },
    },
    monitoringKey("http", "httpPort"),
    monitoringKey("https", "httpsPort"),
    jetStreamKey("jetstream"),
    refusedKey("default_js_domain", "JetStream"),
    refusedKey("mqtt", "MQTT"),
  ],
});
