/** The HTTP proxy through which a remote is dialled, whatever the scheme of its URLs. */
import type { ConfigValue } from "./config_tree.ts";
import { block, type OptionsOf, option, type ReloadStep, readBlock, type Site, wrongType } from "./option.ts";
import { duration, secret, string } from "./readers.ts";
import { formatValue, isEqual } from "./reload.ts";
import { type TlsOptions, tls } from "./tls.ts";

export const PROXY_BLOCK = block("proxy", {
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

/** Whether the connection to a remote's proxy uses TLS. */
export function isHttps(proxy: LeafProxyOptions | undefined): boolean {
  return /^https:/i.test(proxy?.url ?? "");
}

/** Of a proxy only its TLS may change. */
export function compareProxies(
  old: LeafProxyOptions | undefined,
  now: LeafProxyOptions | undefined,
): readonly ReloadStep[] {
  if (isEqual(old, now)) return [];
  const plain = (proxy: LeafProxyOptions | undefined) => ({ ...proxy, tls: undefined });
  if (isEqual(plain(old), plain(now))) return [{ kind: "change", key: "proxy", old, new: now }];
  return [{ kind: "refusal", name: 'field "Proxy"', old: formatValue(old), new: formatValue(now) }];
}

export function readProxy(value: ConfigValue, site: Site): LeafProxyOptions | undefined {
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
