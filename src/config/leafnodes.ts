/** `leafnodes { … }`: the listener for leaf nodes, and the remotes this server is a leaf of. */
import { type CompressionOptions, compression, formatCompression } from "./compression.ts";
import type { ConfigValue } from "./config_tree.ts";
import { authorization, type LeafAuthorizationOptions } from "./leaf_authorization.ts";
import { compareRemotes, type LeafRemoteOptions, remotes } from "./leaf_remotes.ts";
import { hostOption, listenKey, portOption, writeDeadlineOption, writeTimeoutOption } from "./listener.ts";
import {
  block,
  blockReader,
  defaultsOf,
  type OptionsOf,
  option,
  type ReloadStep,
  type Site,
} from "./option.ts";
import { bool, duration, moreThanZero, string } from "./readers.ts";
import { fixed, fixedPort, isEqual, liveAs, nestedListener } from "./reload.ts";
import { type TlsOptions, tls } from "./tls.ts";

/** The port of a remote URL that names none. */
export const LEAF_PORT_DEFAULT = 7422;

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
    reader: moreThanZero(1000, duration),
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
    doc: "S2 with leaf nodes that connect; the default is s2_auto.",
  }),
  isolateLeafnodeInterest: option({
    key: "isolate_leafnode_interest",
    aliases: ["isolate"],
    reader: bool,
    default: false,
    reload: fixed('field "IsolateLeafnodeInterest"'),
    doc: "Keeps the interest of one leaf from the others.",
  }),
  writeDeadlineMs: writeDeadlineOption(fixed('field "WriteDeadline"')),
  writeTimeout: writeTimeoutOption("leafs", fixed('field "WriteTimeout"')),
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
