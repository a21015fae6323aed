/** The hubs that this server is a leaf node of. */

import { withoutUser } from "../base/redacted_url.ts";
import { jetStreamKey } from "./absent_features.ts";
import { GLOBAL_ACCOUNT } from "./account_names.ts";
import { type CompressionOptions, compression, formatCompression } from "./compression.ts";
import type { ConfigValue } from "./config_tree.ts";
import { compareProxies, type LeafProxyOptions, PROXY_BLOCK, readProxy } from "./leaf_proxy.ts";
import { isUserSeed } from "./nkey_text.ts";
import {
  block,
  type OptionsOf,
  option,
  type Reader,
  type ReloadStep,
  readBlock,
  type Site,
  wrongType,
} from "./option.ts";
import { subjects } from "./permissions.ts";
import { arrayOf, bool, duration, moreThanZero, secret, string, url, urls } from "./readers.ts";
import { compareOptions, fixed, liveAs, withPrefix } from "./reload.ts";
import { type TlsOptions, tls } from "./tls.ts";

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
    doc: "S2 with this hub; the default is s2_auto.",
  }),
  firstInfoTimeoutMs: option({
    key: "first_info_timeout",
    reader: moreThanZero(1000, duration),
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
    return {
      ...read,
      account: read.account || GLOBAL_ACCOUNT,
      credentials: read.credentials || undefined,
    };
  },
};

function checkProxyUse({ urls: hubUrls, tls: hubTls }: LeafRemoteOptions, site: Site): void {
  const secure = hubUrls.find((text) => /^wss:/i.test(text));
  if (hubTls !== undefined || secure === undefined) return;
  site.error(
    `proxy is configured but remote URL ${secure} requires TLS and no TLS configuration is provided. When using proxy with TLS endpoints, ensure TLS is properly configured for the leafnode remote`,
  );
}

export const remotes: Reader<readonly LeafRemoteOptions[]> = {
  type: "array of remotes",
  blocks: [REMOTE_BLOCK],
  read: (value, site) => {
    const read = arrayOf(remote).read(value, site);
    const ids = read?.map(remoteId) ?? [];
    const duplicate = ids.findIndex((id, index) => ids.indexOf(id) !== index);
    return duplicate < 0 ? read : site.error(`duplicate remote ${remoteName(read![duplicate]!)}`);
  },
};

/** Identifies a remote: where it connects, and as whom. */
export function remoteId({ urls: hubUrls, account, credentials, nkey }: LeafRemoteOptions): string {
  return JSON.stringify([hubUrls, account, credentials, nkey]);
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

/** Remotes come and go; one that stays may change its TLS, compression and whether it is disabled. */
export function compareRemotes(
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
