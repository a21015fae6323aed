import { type LinkAuthorization, readLinkAuthorization, spellLinkAuthorization } from "./authorization.ts";
import { hostOption, listenKey, portOption, writeDeadlineOption, writeTimeoutOption } from "./listener.ts";
import { block, blockReader, defaultsOf, type OptionsOf, option, type ReloadStep } from "./option.ts";
import { arrayOf, bool, clusterName, integer, string, url, urls } from "./readers.ts";
import { fixed, fixedPort, isEqual, liveAs, nestedListener } from "./reload.ts";
import { type TlsOptions, tls } from "./tls.ts";

/** `gateway { … }`: the connections between clusters. */

const REMOTE_BLOCK = block(
  "remote gateway",
  {
    name: option({ key: "name", reader: string, default: "", doc: "The name of the other cluster." }),
    urls: option<readonly string[]>({
      key: "urls",
      reader: urls("gateway"),
      default: [],
      doc: "Where to reach its gateways.",
    }),
    tls: option<TlsOptions | undefined>({
      key: "tls",
      reader: tls("link"),
      default: undefined,
      doc: "TLS towards this cluster; the gateway's own if absent.",
    }),
  },
  {
    sharedKeys: [
      {
        key: "url",
        aliases: [],
        doc: "One more place to reach its gateways.",
        read: (value, site, draft) => {
          const read = url("gateway").read(value, site);
          if (read !== undefined) draft.urls = [...draft.urls, read];
        },
      },
    ],
  },
);

/** A cluster to connect to. */
export type RemoteGatewayOptions = OptionsOf<typeof REMOTE_BLOCK.table>;

const GATEWAY_TABLE = {
  name: option<string | undefined>({
    key: "name",
    reader: clusterName("gateway name"),
    default: undefined,
    reload: fixed('field "Name"'),
    doc: "The name of this cluster.",
  }),
  host: hostOption(fixed('field "Host"')),
  port: portOption(fixedPort('field "Port"')),
  authorization: option<LinkAuthorization | undefined>({
    key: "authorization",
    reader: {
      type: "authorization block",
      read: (value, site) => readLinkAuthorization("Gateway", value, site),
      spell: spellLinkAuthorization,
    },
    default: undefined,
    reload: fixed('field "Authorization"'),
    doc: "The single user that gateways log in with: user, password and timeout.",
  }),
  tls: option<TlsOptions | undefined>({
    key: "tls",
    reader: tls("link"),
    default: undefined,
    reload: liveAs(() => undefined),
    doc: "TLS between gateways; both ends verify.",
  }),
  advertise: option<string | undefined>({
    key: "advertise",
    reader: string,
    default: undefined,
    reload: fixed('field "Advertise"'),
    doc: "host:port that other clusters should use to reach this one.",
  }),
  connectRetries: option({
    key: "connect_retries",
    reader: integer(),
    default: 0,
    reload: fixed('field "ConnectRetries"'),
    doc: "Attempts for gateways learned from others.",
  }),
  connectBackoff: option({
    key: "connect_backoff",
    reader: bool,
    default: false,
    reload: fixed('field "ConnectBackoff"'),
    doc: "Waits longer after each failed attempt.",
  }),
  gateways: option<readonly RemoteGatewayOptions[]>({
    key: "gateways",
    reader: arrayOf(blockReader(REMOTE_BLOCK)),
    default: [],
    reload: { kind: "compared", compare: compareRemotes },
    doc: "Clusters to connect to.",
  }),
  rejectUnknownCluster: option({
    key: "reject_unknown_cluster",
    aliases: ["reject_unknown"],
    reader: bool,
    default: false,
    reload: fixed('field "RejectUnknown"'),
    doc: "Refuses clusters that are not listed.",
  }),
  writeDeadlineMs: writeDeadlineOption(fixed('field "WriteDeadline"')),
  writeTimeout: writeTimeoutOption("gateways", fixed('field "WriteTimeout"')),
};

export type GatewayOptions = OptionsOf<typeof GATEWAY_TABLE>;

export const gateway = blockReader(block("gateway", GATEWAY_TABLE, { sharedKeys: [listenKey] }));

export const GATEWAY_DEFAULTS: GatewayOptions = defaultsOf(GATEWAY_TABLE);

export const gatewayReload = nestedListener("gateway", "Gateway: ", GATEWAY_TABLE);

/** Only the TLS of a remote may change. */
function compareRemotes(
  before: readonly RemoteGatewayOptions[],
  after: readonly RemoteGatewayOptions[],
): readonly ReloadStep[] {
  if (isEqual(before, after)) return [];
  const withoutTls = (remotes: readonly RemoteGatewayOptions[]) =>
    remotes.map((remote) => ({ ...remote, tls: undefined }));
  if (isEqual(withoutTls(before), withoutTls(after)))
    return [{ kind: "change", key: "gateways", old: before, new: after }];
  const names = (remotes: readonly RemoteGatewayOptions[]) =>
    `[${remotes.map(({ name }) => name).join(" ")}]`;
  return [{ kind: "refusal", name: 'field "Gateways"', old: names(before), new: names(after) }];
}
