import { GLOBAL_ACCOUNT } from "./account_names.ts";
import { jetStreamKey } from "./accounts.ts";
import { publicKey } from "./authorization.ts";
import { type CompressionOptions, compression, formatCompression } from "./compression.ts";
import type { ConfigValue } from "./config_tree.ts";
import {
  hostOption,
  listenKey,
  portOption,
  type WriteTimeoutPolicy,
  writeTimeoutPolicy,
} from "./listener.ts";
import { isUserSeed } from "./nkey_text.ts";
import {
  block,
  blockReader,
  defaultsOf,
  type OptionsOf,
  option,
  type Reader,
  type ReloadStep,
  readBlock,
  type Site,
  wrongType,
} from "./option.ts";
import { subjects } from "./permissions.ts";
import { arrayOf, authorizationTimeout, bool, duration, secret, string, url, urls } from "./readers.ts";
import {
  compareOptions,
  fixed,
  fixedPort,
  formatValue,
  isEqual,
  liveAs,
  nestedListener,
  withPrefix,
} from "./reload.ts";
import { type TlsOptions, tls } from "./tls.ts";

/** `leafnodes { … }`: the listener for leaf nodes, and the remotes this server is a leaf of. */

/** The port of a remote URL that names none. */
export const LEAF_PORT_DEFAULT = 7422;

const LEAF_USER_BLOCK = block("leafnode user", {
  user: option({
    key: "user",
    aliases: ["username"],
    reader: string,
    default: "",
    doc: "The name a leaf logs in with.",
  }),
  password: option<string | undefined>({
    key: "password",
    aliases: ["pass"],
    reader: secret,
    default: undefined,
    doc: "Its password.",
  }),
  account: option<string | undefined>({
    key: "account",
    reader: string,
    default: undefined,
    doc: "The account it is bound to; $G if absent.",
  }),
  proxyRequired: option({
    key: "proxy_required",
    reader: bool,
    default: false,
    doc: "Admits it only through a trusted proxy.",
  }),
});

export type LeafUserOptions = OptionsOf<typeof LEAF_USER_BLOCK.table>;

const LEAF_AUTHORIZATION_BLOCK = block("leafnode authorization", {
  user: option<string | undefined>({
    key: "user",
    aliases: ["username"],
    reader: string,
    default: undefined,
    doc: "The single user.",
  }),
  password: option<string | undefined>({
    key: "password",
    aliases: ["pass"],
    reader: secret,
    default: undefined,
    doc: "Its password.",
  }),
  nkey: option<string | undefined>({
    key: "nkey",
    reader: publicKey("user", () => "Not a valid public nkey for leafnode authorization"),
    default: undefined,
    doc: "The single public user key.",
  }),
  account: option<string | undefined>({
    key: "account",
    reader: string,
    default: undefined,
    doc: "The account of the single user; $G if absent.",
  }),
  users: option<readonly LeafUserOptions[]>({
    key: "users",
    reader: arrayOf(blockReader(LEAF_USER_BLOCK)),
    default: [],
    doc: "Several users instead.",
  }),
  timeoutMs: option<number | undefined>({
    key: "timeout",
    reader: authorizationTimeout,
    default: undefined,
    doc: "How long a leaf has to authenticate.",
  }),
  proxyRequired: option({
    key: "proxy_required",
    reader: bool,
    default: false,
    doc: "Admits leafs only through a trusted proxy.",
  }),
});

export type LeafAuthorizationOptions = OptionsOf<typeof LEAF_AUTHORIZATION_BLOCK.table>;

const authorization: Reader<LeafAuthorizationOptions> = {
  type: "authorization block",
  blocks: [LEAF_AUTHORIZATION_BLOCK],
  read: (value, site) => {
    if (value.kind !== "map") return wrongType(value, site, "a map to define leafnode authorization");
    const read = readBlock(LEAF_AUTHORIZATION_BLOCK, value, site);
    if (read.users.length === 0) return read;
    if (read.user) return site.error("can not have a single user/pass and a users array");
    if (read.nkey) return site.error("can not have a single nkey and a users array");
    const names = read.users.map(({ user }) => user);
    const duplicate = names.find((name, index) => names.indexOf(name) !== index);
    if (duplicate === undefined) return read;
    return site.error(`duplicate user ${JSON.stringify(duplicate)} detected in leafnode authorization`);
  },
};

const PROXY_BLOCK = block("proxy", {
  url: option({
    key: "url",
    reader: string,
    default: "",
    doc: "http://host:port or https://host:port of the proxy.",
  }),
  username: option({ key: "username", reader: string, default: "", doc: "The user at the proxy." }),
  password: option({ key: "password", reader: secret, default: "", doc: "Its password." }),
  timeoutMs: option({
    key: "timeout",
    reader: duration,
    default: 0,
    doc: "How long connecting may take; 0 for the dial timeout.",
  }),
  tls: option<TlsOptions | undefined>({
    key: "tls",
    reader: { ...tls("listener"), read: readProxyTls },
    default: undefined,
    doc: "TLS towards an https proxy.",
  }),
});

/** An HTTP proxy for a remote, whatever its URLs are. */
export type LeafProxyOptions = OptionsOf<typeof PROXY_BLOCK.table>;

/** A proxy is dialled, so what concerns listeners has no meaning there. */
const LISTENER_TLS_KEYS = [
  "verify",
  "verify_and_map",
  "verify_cert_and_check_known_urls",
  "connection_rate_limit",
  "pinned_certs",
  "handshake_first",
  "first",
  "immediate",
  "ocsp_peer",
];

function readProxyTls(value: ConfigValue, site: Site): TlsOptions | undefined {
  if (value.kind === "map") {
    const foreign = [...value.entries.values()].find(({ key }) =>
      LISTENER_TLS_KEYS.includes(key.toLowerCase()),
    );
    if (foreign !== undefined)
      return site.entry(foreign).error(`"${foreign.key}" is not supported for proxy TLS`);
  }
  return tls("listener").read(value, site);
}

/** Whether a remote's proxy is spoken with by TLS. */
export function isHttps(proxy: LeafProxyOptions | undefined): boolean {
  return /^https:/i.test(proxy?.url ?? "");
}

/** Of a proxy only its TLS may change. */
function compareProxies(
  old: LeafProxyOptions | undefined,
  now: LeafProxyOptions | undefined,
): readonly ReloadStep[] {
  if (isEqual(old, now)) return [];
  const plain = (proxy: LeafProxyOptions | undefined) => ({ ...proxy, tls: undefined });
  if (isEqual(plain(old), plain(now))) return [{ kind: "change", key: "proxy", old, new: now }];
  return [{ kind: "refusal", name: 'field "Proxy"', old: formatValue(old), new: formatValue(now) }];
}

function readProxy(value: ConfigValue, site: Site): LeafProxyOptions | undefined {
  if (value.kind !== "map") return wrongType(value, site, "proxy to be a map");
  const read = readBlock(PROXY_BLOCK, value, site);
  if (read.url === "") {
    const isEmpty = read.username === "" && read.password === "" && read.timeoutMs === 0 && !read.tls;
    return isEmpty ? read : site.error("proxy URL must be specified when other proxy options are set");
  }
  const [, scheme = "", host = ""] = /^([a-z][a-z\d+.-]*):\/\/([^/?#]*)/i.exec(read.url) ?? [];
  if (scheme.toLowerCase() !== "http" && scheme.toLowerCase() !== "https") {
    return site.error(`proxy URL scheme must be http or https, got: ${scheme}`);
  }
  if (host === "") return site.error("proxy URL must specify a host");
  if (!URL.canParse(read.url)) return site.error("invalid proxy URL");
  if (read.tls !== undefined && scheme.toLowerCase() !== "https")
    return site.error(`proxy TLS configuration requires an https proxy URL, got: ${scheme}`);
  if (read.timeoutMs < 0) return site.error("proxy timeout must be >= 0");
  if ((read.username === "") !== (read.password === "")) {
    return site.error("proxy username and password must both be specified or both be empty");
  }
  return read;
}

const REMOTE_TABLE = {
  urls: option<readonly string[]>({
    key: "urls",
    aliases: ["url"],
    reader: {
      type: "URL or array of URL",
      read: (value, site) =>
        value.kind === "array" ? urls("leafnode").read(value, site) : readOneUrl(value, site),
    },
    default: [],
    reload: fixed('field "URLs"'),
    doc: "Where the hub is: nats-leaf://, tls://, ws:// or wss://; one is tried after the other.",
  }),
  account: option({
    key: "account",
    aliases: ["local"],
    reader: string,
    default: GLOBAL_ACCOUNT,
    reload: fixed('field "LocalAccount"'),
    doc: "The local account that is shared with the hub.",
  }),
  credentials: option<string | undefined>({
    key: "credentials",
    aliases: ["creds"],
    reader: string,
    default: undefined,
    reload: fixed('field "Credentials"'),
    doc: "A file with user JWT and seed; ~ and $VARIABLES in it stand for themselves until the file is opened.",
  }),
  nkey: option<string | undefined>({
    key: "nkey",
    aliases: ["seed"],
    reader: {
      type: "secret string",
      read: (value, site) => {
        const seed = secret.read(value, site);
        return seed === undefined || isUserSeed(seed)
          ? seed
          : site.error("Remote leafnode nkey is not a valid seed");
      },
    },
    default: undefined,
    reload: fixed('field "Nkey"'),
    doc: "The seed of a user key to log in with.",
  }),
  tls: option<TlsOptions | undefined>({
    key: "tls",
    reader: tls("listener"),
    default: undefined,
    reload: liveAs(() => undefined),
    doc: "TLS towards the hub; an empty block trusts the system's authorities.",
  }),
  hub: option({
    key: "hub",
    reader: bool,
    default: false,
    reload: fixed('field "Hub"'),
    doc: "Makes this side the hub.",
  }),
  denyImports: option<readonly string[]>({
    key: "deny_imports",
    aliases: ["deny_import"],
    reader: subjects(false),
    default: [],
    reload: fixed('field "DenyImports"'),
    doc: "Subjects not taken from the hub.",
  }),
  denyExports: option<readonly string[]>({
    key: "deny_exports",
    aliases: ["deny_export"],
    reader: subjects(false),
    default: [],
    reload: fixed('field "DenyExports"'),
    doc: "Subjects not given to the hub.",
  }),
  noRandomize: option({
    key: "no_randomize",
    aliases: ["dont_randomize"],
    reader: bool,
    default: false,
    reload: fixed('field "NoRandomize"'),
    doc: "Tries the URLs in the order written.",
  }),
  webSocketCompression: option({
    key: "ws_compression",
    aliases: ["ws_compress", "websocket_compress", "websocket_compression"],
    reader: bool,
    default: false,
    reload: fixed('field "Websocket"'),
    doc: "Asks for compression on ws:// and wss://.",
  }),
  webSocketNoMasking: option({
    key: "ws_no_masking",
    aliases: ["websocket_no_masking"],
    reader: bool,
    default: false,
    reload: fixed('field "Websocket"'),
    doc: "Asks to leave out WebSocket masking.",
  }),
  compression: option<CompressionOptions>({
    key: "compression",
    reader: compression("s2_auto", "s2_auto"),
    default: { mode: "s2_auto", rttThresholdsMs: [] },
    reload: liveAs(() => undefined),
    doc: "How this connection compresses.",
  }),
  firstInfoTimeoutMs: option({
    key: "first_info_timeout",
    reader: duration,
    default: 1000,
    reload: fixed('field "FirstInfoTimeout"'),
    doc: "How long the hub's first INFO may take.",
  }),
  dialTimeoutMs: option({
    key: "dial_timeout",
    reader: duration,
    default: 0,
    reload: fixed('field "DialTimeout"'),
    doc: "How long connecting may take; 0 for the default.",
  }),
  disabled: option({
    key: "disabled",
    reader: bool,
    default: false,
    reload: liveAs(() => undefined),
    doc: "Keeps the remote in the file without connecting.",
  }),
  proxy: option<LeafProxyOptions | undefined>({
    key: "proxy",
    reader: { type: "proxy block", blocks: [PROXY_BLOCK], read: readProxy },
    default: undefined,
    reload: { kind: "compared", compare: compareProxies },
    doc: "An HTTP proxy by which its URLs are reached.",
  }),
  isolateLeafnodeInterest: option({
    key: "isolate_leafnode_interest",
    aliases: ["isolate"],
    reader: bool,
    default: false,
    reload: fixed('field "LocalIsolation"'),
    doc: "Keeps the interest of other leafs from this hub.",
  }),
  requestIsolation: option({
    key: "request_isolation",
    reader: bool,
    default: false,
    reload: fixed('field "RequestIsolation"'),
    doc: "Asks the hub to keep the interest of other leafs to itself.",
  }),
  ignoreDiscoveredServers: option({
    key: "ignore_discovered_servers",
    reader: bool,
    default: false,
    reload: fixed('field "IgnoreDiscoveredServers"'),
    doc: "Uses only the URLs of the file.",
  }),
};

/** A hub this server connects to. */
export type LeafRemoteOptions = OptionsOf<typeof REMOTE_TABLE>;

const REMOTE_BLOCK = block("remote leafnode", REMOTE_TABLE, {
  sharedKeys: [jetStreamKey("jetstream_cluster_migrate", ["js_cluster_migrate"])],
});

function readOneUrl(value: ConfigValue, site: Site): readonly string[] | undefined {
  const read = url("leafnode").read(value, site);
  return read === undefined ? undefined : [read];
}

const remote: Reader<LeafRemoteOptions> = {
  type: "remote leafnode block",
  blocks: [REMOTE_BLOCK],
  read: (value, site) => {
    if (value.kind !== "map") return wrongType(value, site, "a remote leafnode entry to be a map");
    const read = readBlock(REMOTE_BLOCK, value, site);
    if (read.credentials !== undefined && read.nkey !== undefined) {
      return site.error("Remote leafnode can not have both creds and nkey defined");
    }
    if (read.proxy?.url && read.urls.length > 0) checkProxyUse(read, site);
    return read.account === "" ? { ...read, account: GLOBAL_ACCOUNT } : read;
  },
};

function checkProxyUse({ urls: hubUrls, tls: hubTls }: LeafRemoteOptions, site: Site): void {
  const secure = hubUrls.find((text) => /^wss:/i.test(text));
  if (hubTls !== undefined || secure === undefined) return;
  site.error(
    `proxy is configured but remote URL ${secure} requires TLS and no TLS configuration is provided. When using proxy with TLS endpoints, ensure TLS is properly configured for the leafnode remote`,
  );
}

const remotes: Reader<readonly LeafRemoteOptions[]> = {
  type: "array of remotes",
  blocks: [REMOTE_BLOCK],
  read: (value, site) => {
    const read = arrayOf(remote).read(value, site);
    const ids = read?.map(remoteId) ?? [];
    const duplicate = ids.findIndex((id, index) => ids.indexOf(id) !== index);
    return duplicate < 0 ? read : site.error(`duplicate remote ${remoteName(read![duplicate]!)}`);
  },
};

/** What makes two remotes the same one: where they connect, and as whom. */
export function remoteId({ urls: hubUrls, account, credentials, nkey }: LeafRemoteOptions): string {
  return JSON.stringify([hubUrls, account, credentials, nkey]);
}

/** A URL as it may be shown. */
export function withoutUser(text: string): string {
  return text.replace(/\/\/[^/@]*@/, "//[REDACTED]@");
}

/** A remote as messages name it, without passwords and seeds. */
export function remoteName({ urls: hubUrls, account, credentials, nkey }: LeafRemoteOptions): string {
  const list = hubUrls.map((text) => JSON.stringify(withoutUser(text))).join(" ");
  const login =
    credentials !== undefined
      ? `, credentials=${JSON.stringify(credentials)}`
      : nkey !== undefined
        ? ', nkey="[REDACTED]"'
        : "";
  return `urls=[${list}], account=${JSON.stringify(account)}${login}`;
}

const LEAFNODES_TABLE = {
  host: hostOption(fixed('field "Host"')),
  port: portOption(fixedPort('field "Port"')),
  authorization: option<LeafAuthorizationOptions | undefined>({
    key: "authorization",
    reader: authorization,
    default: undefined,
    reload: fixed('field "Authorization"'),
    doc: "Who may connect as a leaf; the server's users if absent.",
  }),
  tls: option<TlsOptions | undefined>({
    key: "tls",
    reader: tls("listener"),
    default: undefined,
    reload: { kind: "compared", compare: compareTls },
    doc: "TLS for leafs.",
  }),
  advertise: option<string | undefined>({
    key: "advertise",
    aliases: ["leafnode_advertise"],
    reader: string,
    default: undefined,
    reload: fixed('field "Advertise"'),
    doc: "host:port that leafs should use.",
  }),
  noAdvertise: option({
    key: "no_advertise",
    reader: bool,
    default: false,
    reload: fixed('field "NoAdvertise"'),
    doc: "Keeps this URL from other members of the cluster.",
  }),
  minVersion: option<string | undefined>({
    key: "min_version",
    aliases: ["minimum_version"],
    reader: { type: "version", read: readMinVersion },
    default: undefined,
    reload: fixed('field "MinVersion"'),
    doc: "Refuses leafs of older servers.",
  }),
  reconnectIntervalMs: option({
    key: "reconnect",
    aliases: ["reconnect_delay", "reconnect_interval"],
    reader: duration,
    default: 1000,
    reload: fixed('field "ReconnectInterval"'),
    doc: "Pause before a remote is dialled again.",
  }),
  dialTimeoutMs: option({
    key: "dial_timeout",
    reader: duration,
    default: 0,
    reload: fixed('field "DialTimeout"'),
    doc: "How long connecting may take; 0 for the default.",
  }),
  compression: option<CompressionOptions>({
    key: "compression",
    reader: compression("s2_auto", "s2_auto"),
    default: { mode: "s2_auto", rttThresholdsMs: [] },
    reload: liveAs((value) => `Reloaded: LeafNode Compression value is: ${formatCompression(value)}`),
    doc: "How leaf connections compress.",
  }),
  isolateLeafnodeInterest: option({
    key: "isolate_leafnode_interest",
    aliases: ["isolate"],
    reader: bool,
    default: false,
    reload: fixed('field "IsolateLeafnodeInterest"'),
    doc: "Keeps the interest of one leaf from the others.",
  }),
  writeDeadlineMs: option<number | undefined>({
    key: "write_deadline",
    reader: duration,
    default: undefined,
    reload: fixed('field "WriteDeadline"'),
    doc: "How long a write may take; the server's if absent.",
  }),
  writeTimeout: option<WriteTimeoutPolicy>({
    key: "write_timeout",
    reader: writeTimeoutPolicy,
    default: "default",
    reload: fixed('field "WriteTimeout"'),
    doc: "What happens then; leafs retry by default.",
  }),
  remotes: option<readonly LeafRemoteOptions[]>({
    key: "remotes",
    reader: remotes,
    default: [],
    reload: { kind: "compared", compare: compareRemotes },
    doc: "Hubs this server connects to.",
  }),
};

export type LeafnodesOptions = OptionsOf<typeof LEAFNODES_TABLE>;

export const leafnodes = blockReader(block("leafnodes", LEAFNODES_TABLE, { sharedKeys: [listenKey] }));

export const LEAFNODES_DEFAULTS: LeafnodesOptions = defaultsOf(LEAFNODES_TABLE);

export const leafnodesReload = nestedListener("leafnodes", "LeafNode: ", LEAFNODES_TABLE);

/** Leaf nodes before 2.8 do not speak the current protocol. */
function readMinVersion(value: ConfigValue, site: Site): string | undefined {
  const text = string.read(value, site);
  if (text === undefined) return undefined;
  const match = /^v?(\d+)\.(\d+)\.(\d+)(?:[-+].*)?$/.exec(text);
  if (match === null)
    return site.error(`invalid leafnode's minimum version: "${text}" is no version like 2.10.0`);
  const [major, minor] = [Number(match[1]), Number(match[2])];
  if (major < 2 || (major === 2 && minor < 8))
    return site.error("the minimum version should be at least 2.8.0");
  return text;
}

function compareTls(before: TlsOptions | undefined, after: TlsOptions | undefined): readonly ReloadStep[] {
  if (isEqual(before, after)) return [];
  const isFirstChanged = !isEqual(before?.handshakeFirst, after?.handshakeFirst);
  const logLine = `Reloaded: LeafNode TLS HandshakeFirst value is: ${after?.handshakeFirst.enabled ?? false}`;
  return [{ kind: "change", key: "tls", old: before, new: after, ...(isFirstChanged ? { logLine } : {}) }];
}

/** Remotes come and go; one that stays may change its TLS, compression and whether it is disabled. */
function compareRemotes(
  before: readonly LeafRemoteOptions[],
  after: readonly LeafRemoteOptions[],
): readonly ReloadStep[] {
  const afterById = new Map(after.map((entry) => [remoteId(entry), entry]));
  const beforeIds = new Set(before.map(remoteId));
  const kept = before.flatMap((old): readonly ReloadStep[] => {
    const now = afterById.get(remoteId(old));
    const name = `Remote ${remoteName(old)}`;
    if (now === undefined)
      return [
        {
          kind: "change",
          key: "remotes",
          old,
          new: undefined,
          logLine: `Reloaded: LeafNode ${name} removed`,
        },
      ];
    const lines: Readonly<Record<string, string>> = {
      disabled: `Reloaded: LeafNode ${name} Disabled value is: ${now.disabled}`,
      compression: `Reloaded: LeafNode ${name} Compression value is: ${formatCompression(now.compression)}`,
    };
    return withPrefix("remotes", `remote ${remoteName(old)}: `, compareOptions(REMOTE_TABLE, old, now)).map(
      (step) => {
        const logLine = step.kind === "change" ? lines[step.key.replace("remotes.", "")] : undefined;
        return logLine === undefined ? step : { ...step, logLine };
      },
    );
  });
  const added = after
    .filter((now) => !beforeIds.has(remoteId(now)))
    .map((now): ReloadStep => ({ kind: "change", key: "remotes", old: undefined, new: now }));
  return [...kept, ...added];
}
