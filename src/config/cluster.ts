import { type LinkAuthorization, readLinkAuthorization, spellLinkAuthorization } from "./authorization.ts";
import { type CompressionOptions, compression } from "./compression.ts";
import type { ConfigValue } from "./config_tree.ts";
import { hostOption, listenKey, portOption, writeDeadlineOption, writeTimeoutOption } from "./listener.ts";
import {
  block,
  defaultsOf,
  type OptionsOf,
  option,
  type Reader,
  readBlock,
  type Site,
  wrongType,
} from "./option.ts";
import { checkSubject, type Permissions, permissions, type SubjectPermission } from "./permissions.ts";
import { bool, clusterName, duration, integer, integerOrDefault, string, strings, urls } from "./readers.ts";
import { fixed, fixedPort, liveAs, nestedListener } from "./reload.ts";
import { isFields, spell } from "./spelling.ts";
import { type TlsOptions, tls } from "./tls.ts";

/** `cluster { … }`: the routes of one cluster. */

/** The longest pause between pings on a route; longer ones are shortened to it. */
const ROUTE_PING_INTERVAL_MS_MAX = 30_000;

/** Which interest crosses a route. */
export interface RoutePermissions {
  /** What interest of this server is announced to the other side. */
  readonly import: SubjectPermission | undefined;
  /** What interest of the other side is accepted. */
  readonly export: SubjectPermission | undefined;
}

/** Every change inside the block is logged in the same words, once. */
const changed = liveAs(() => "Reloaded: cluster");

const CLUSTER_TABLE = {
  name: option<string | undefined>({
    key: "name",
    reader: clusterName("cluster name"),
    default: undefined,
    reload: changed,
    doc: "The name all members share; generated if absent.",
  }),
  host: hostOption(fixed("host")),
  port: portOption(fixedPort("port")),
  authorization: option<LinkAuthorization | undefined>({
    key: "authorization",
    reader: { type: "authorization block", read: readAuthorization, spell: spellLinkAuthorization },
    default: undefined,
    reload: changed,
    doc: "The single user that routes log in with: user, password and timeout.",
  }),
  routes: option<readonly string[]>({
    key: "routes",
    reader: urls("route"),
    default: [],
    reload: liveAs(() => "Reloaded: cluster routes"),
    doc: "Members to connect to: nats-route://[user:password@]host:port.",
  }),
  tls: option<TlsOptions | undefined>({
    key: "tls",
    reader: tls("link"),
    default: undefined,
    reload: changed,
    doc: "TLS on routes; both ends verify.",
  }),
  advertise: option<string | undefined>({
    key: "advertise",
    aliases: ["cluster_advertise"],
    reader: string,
    default: undefined,
    reload: changed,
    doc: "host:port that other members should use to reach this one.",
  }),
  noAdvertise: option({
    key: "no_advertise",
    reader: bool,
    default: false,
    reload: changed,
    doc: "Keeps client URLs from other members.",
  }),
  connectRetries: option({
    key: "connect_retries",
    reader: integer(),
    default: 0,
    reload: changed,
    doc: "Attempts for routes learned from others.",
  }),
  connectBackoff: option({
    key: "connect_backoff",
    reader: bool,
    default: false,
    reload: changed,
    doc: "Waits longer after each failed attempt.",
  }),
  permissions: option<RoutePermissions | undefined>({
    key: "permissions",
    reader: { ...permissions, read: readRoutePermissions, spell: spellRoutePermissions },
    default: undefined,
    reload: changed,
    doc: "Which interest crosses routes.",
  }),
  poolSize: option({
    key: "pool_size",
    reader: integerOrDefault(3),
    default: 3,
    reload: changed,
    doc: "Connections to each member; -1 for a single one without pooling.",
  }),
  accounts: option<readonly string[]>({
    key: "accounts",
    reader: strings,
    default: [],
    reload: changed,
    doc: "Accounts with a route of their own.",
  }),
  compression: option<CompressionOptions>({
    key: "compression",
    reader: compression("s2_fast", "accept"),
    default: { mode: "accept", rttThresholdsMs: [] },
    reload: changed,
    doc: "S2 on routes; the default is accept.",
  }),
  pingIntervalMs: option<number | undefined>({
    key: "ping_interval",
    reader: { ...duration, read: readPingInterval },
    default: undefined,
    reload: changed,
    doc: "Pause between pings on routes, at most 30 s; the server's if absent.",
  }),
  maxPingsOut: option<number | undefined>({
    key: "ping_max",
    reader: integer(),
    default: undefined,
    reload: changed,
    doc: "Unanswered pings before a route is closed; the server's if absent.",
  }),
  writeDeadlineMs: writeDeadlineOption(changed),
  writeTimeout: writeTimeoutOption("routes", changed),
};

export type ClusterOptions = OptionsOf<typeof CLUSTER_TABLE>;

const CLUSTER_BLOCK = block("cluster", CLUSTER_TABLE, { sharedKeys: [listenKey] });

export const CLUSTER_DEFAULTS: ClusterOptions = defaultsOf(CLUSTER_TABLE);

export const clusterReload = nestedListener("cluster", "cluster ", CLUSTER_TABLE);

export const cluster: Reader<ClusterOptions> = {
  type: "cluster block",
  blocks: [CLUSTER_BLOCK],
  read: (value, site) => {
    if (value.kind !== "map") return wrongType(value, site, "a map to define cluster");
    const read = readBlock(CLUSTER_BLOCK, value, site);
    const fallback = read.authorization?.permissions;
    return read.permissions === undefined && fallback !== undefined
      ? { ...read, permissions: toRoutePermissions(fallback, site) }
      : read;
  },
};

function readAuthorization(value: ConfigValue, site: Site): LinkAuthorization | undefined {
  const read = readLinkAuthorization("Cluster", value, site);
  if (read?.permissions !== undefined) {
    site.warn('setting "permissions" within cluster authorization block is deprecated');
  }
  return read;
}

function readRoutePermissions(value: ConfigValue, site: Site): RoutePermissions | undefined {
  const read = permissions.read(value, site);
  return read === undefined ? undefined : toRoutePermissions(read, site);
}

function spellRoutePermissions(value: unknown, site: Site): ConfigValue | undefined {
  if (!isFields(value)) return spell(permissions, value, site);
  const { import: publish, export: subscribe, ...others } = value;
  return spell(permissions, { ...others, publish, subscribe }, site);
}

function toRoutePermissions(read: Permissions, site: Site): RoutePermissions | undefined {
  if (read.responses !== undefined) return site.error("Cluster permissions do not support dynamic responses");
  const accepted = [...(read.subscribe?.allow ?? []), ...(read.subscribe?.deny ?? [])];
  const withQueue = accepted.find((subject) => checkSubject(subject, false) !== undefined);
  if (withQueue !== undefined) return site.error(`cluster export: ${checkSubject(withQueue, false)}`);
  return { import: read.publish, export: read.subscribe };
}

function readPingInterval(value: ConfigValue, site: Site): number | undefined {
  const intervalMs = duration.read(value, site);
  if (intervalMs === undefined || intervalMs <= ROUTE_PING_INTERVAL_MS_MAX) return intervalMs;
  site.warn("Cluster 'ping_interval' will reset to 30s which is the max for routes");
  return ROUTE_PING_INTERVAL_MS_MAX;
}

/** Whether a server is in no cluster and no supercluster. Source: nats-server standAloneMode. */
export function isStandalone({
  cluster,
  gateway,
}: {
  readonly cluster: { readonly port: number };
  readonly gateway: { readonly port: number };
}): boolean {
  return cluster.port === 0 && gateway.port === 0;
}
