import { parseDuration } from "./duration.ts";
import { block, defaultsOf, type OptionsOf, option, type Reader, readBlock, wrongType } from "./option.ts";
import {
  arrayOf,
  bool,
  boolOr,
  duration,
  file,
  inAnyCase,
  integer,
  oneOf,
  string,
  strings,
  timeout,
  zeroMeans,
} from "./readers.ts";
import { isFields, spell, spellPlain } from "./spelling.ts";

/** `tls { … }`, in any block. Files are only named here; making the TLS context reads them. */

/** A certificate with its key, both PEM files. */
export interface CertificatePair {
  readonly certFile: string;
  readonly keyFile: string;
}

/** How clients that start TLS at once are told from those that wait for INFO. */
export interface HandshakeFirst {
  readonly enabled: boolean;
  /** How long to wait for a handshake before sending INFO in clear; 0 never sends it. */
  readonly fallbackDelayMs: number;
}

/** What `auto` waits for a handshake. */
const FALLBACK_DELAY_MS = 50;

const handshakeFirst: Reader<HandshakeFirst> = {
  ...boolOr((enabled) => ({ enabled, fallbackDelayMs: 0 }), {
    type: "auto or duration",
    read: (value, site) => {
      if (value.kind !== "string") return wrongType(value, site, "true, false, auto or a duration");
      const word = value.value.toLowerCase();
      if (word === "true" || word === "on") return { enabled: true, fallbackDelayMs: 0 };
      if (word === "false" || word === "off") return { enabled: false, fallbackDelayMs: 0 };
      if (word === "auto" || word === "auto_fallback")
        return { enabled: true, fallbackDelayMs: FALLBACK_DELAY_MS };
      const delayMs = parseDuration(value.value);
      if (typeof delayMs === "number") return { enabled: true, fallbackDelayMs: delayMs };
      return site.error(
        `field "${site.key}"'s value "${value.value}" is invalid; use true, false, auto or a duration`,
      );
    },
  }),
  spell: (value, site) => {
    if (!isFields(value)) return spellPlain(value, site, "enabled and fallbackDelayMs");
    const { enabled, fallbackDelayMs = 0 } = value;
    const delay = spell(duration, fallbackDelayMs, site.field("fallbackDelayMs"));
    return enabled === true && fallbackDelayMs !== 0
      ? delay
      : spellPlain(enabled, site.field("enabled"), "true or false");
  },
};

/** TLS 1.2 and 1.3 suites by their IANA names. */
const CIPHER_SUITES = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
  "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
  "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
  "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
  "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
  "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
  "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
  "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
  "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
  "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
] as const;

/** Known, but refused unless `allow_insecure_cipher_suites` is set. */
const INSECURE_CIPHER_SUITES = [
  "TLS_RSA_WITH_RC4_128_SHA",
  "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
  "TLS_RSA_WITH_AES_128_CBC_SHA",
  "TLS_RSA_WITH_AES_256_CBC_SHA",
  "TLS_RSA_WITH_AES_128_CBC_SHA256",
  "TLS_RSA_WITH_AES_128_GCM_SHA256",
  "TLS_RSA_WITH_AES_256_GCM_SHA384",
  "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
  "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
  "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
  "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
  "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
] as const;

const CURVES = [
  "X25519",
  "CurveP256",
  "CurveP384",
  "CurveP521",
  "X25519MLKEM768",
  "SecP256r1MLKEM768",
  "SecP384r1MLKEM1024",
] as const;

/** An array of known names; an empty one would leave nothing to negotiate. */
function namesFrom(known: readonly string[], what: string): Reader<readonly string[]> {
  return {
    type: `array of ${what}`,
    read: (value, site) => {
      const names = arrayOf(string).read(value, site);
      if (names?.length === 0) return site.error(`error parsing tls config, '${site.key}' cannot be empty`);
      const unknown = names?.find((name) => !known.includes(name));
      return unknown === undefined ? names : site.error(`unrecognized ${what} ${unknown}`);
    },
  };
}

const pinnedCerts: Reader<readonly string[]> = {
  type: "array of hex SHA-256",
  read: (value, site) => {
    const pins = arrayOf(string)
      .read(value, site)
      ?.map((pin) => pin.toLowerCase());
    const bad = pins?.find((pin) => !/^[\da-f]{64}$/.test(pin));
    if (bad === undefined) return pins;
    return site.error(
      `'pinned_certs' key ${bad} does not look like hex-encoded sha256 of DER encoded SubjectPublicKeyInfo`,
    );
  },
};

const CERTIFICATE_BLOCK = block(
  "certificate",
  {
    certFile: option({ key: "cert_file", reader: file, default: "", doc: "The certificate, a PEM file." }),
    keyFile: option({ key: "key_file", reader: file, default: "", doc: "Its private key, a PEM file." }),
  },
  { unknownKey: (key) => `error parsing tls certs config, unknown field "${key}"` },
);

const certs: Reader<readonly CertificatePair[]> = arrayOf({
  type: "map of cert_file and key_file",
  blocks: [CERTIFICATE_BLOCK],
  read: (value, site) => {
    if (value.kind !== "map") return wrongType(value, site, "a map of cert_file and key_file");
    const { certFile, keyFile } = readBlock(CERTIFICATE_BLOCK, value, site);
    if (certFile !== "" && keyFile !== "") return { certFile, keyFile };
    return site.error(
      "error parsing certificates config: both 'cert_file' and 'key_file' options are required",
    );
  },
});

/** Only 1.2 and 1.3 are safe; older names are known so that the message can say so. */
const minVersion: Reader<"1.2" | "1.3"> = {
  type: "1.2 | 1.3",
  read: (value, site) => {
    if (value.kind !== "string") return wrongType(value, site, 'a version such as "1.2"');
    if (value.value === "1.2" || value.value === "1.3") return value.value;
    if (value.value === "1.0" || value.value === "1.1")
      return site.error(`unsupported TLS version: TLS ${value.value}`);
    return site.error(`unknown TLS version "${value.value}"; use "1.2" or "1.3"`);
  },
};

const OCSP_PEER_BLOCK = block("ocsp_peer", {
  verify: option({ key: "verify", reader: bool, default: false, doc: "Whether peers are checked at all." }),
  caTimeoutMs: option({
    key: "ca_timeout",
    reader: timeout,
    default: 2000,
    doc: "How long a responder may take.",
  }),
  allowedClockSkewMs: option({
    key: "allowed_clockskew",
    reader: timeout,
    default: 30_000,
    doc: "Tolerance for response times.",
  }),
  warnOnly: option({ key: "warn_only", reader: bool, default: false, doc: "Logs instead of refusing." }),
  unknownIsGood: option({
    key: "unknown_is_good",
    reader: bool,
    default: false,
    doc: "Takes the status unknown for good.",
  }),
  allowWhenCaUnreachable: option({
    key: "allow_when_ca_unreachable",
    reader: bool,
    default: false,
    doc: "Accepts peers whose responder cannot be reached, unless a cached response says revoked.",
  }),
  cacheTtlMs: option({
    key: "cache_ttl_when_next_update_unset",
    reader: timeout,
    default: 3_600_000,
    doc: "How long a response without a next update is kept.",
  }),
});

export type OcspPeerOptions = OptionsOf<typeof OCSP_PEER_BLOCK.table>;

const ocspPeer: Reader<OcspPeerOptions> = boolOr<OcspPeerOptions>(
  (verify) => ({ ...defaultsOf(OCSP_PEER_BLOCK.table), verify }),
  {
    type: "ocsp_peer block",
    blocks: [OCSP_PEER_BLOCK],
    read: (value, site) =>
      value.kind === "map"
        ? readBlock(OCSP_PEER_BLOCK, value, site)
        : wrongType(value, site, "a bool or a map"),
  },
);

/** Known only so that the message can say why it is refused: certificates come from files here. */
const certStore: Reader<string> = {
  type: "certificate store",
  read: (_value, site) => site.error("cert_store not compatible with current operating system"),
};

const TLS_TABLE = {
  certFile: option<string | undefined>({
    key: "cert_file",
    reader: file,
    default: undefined,
    doc: "The server certificate, a PEM file.",
  }),
  keyFile: option<string | undefined>({
    key: "key_file",
    reader: file,
    default: undefined,
    doc: "Its private key, a PEM file.",
  }),
  caFile: option<string | undefined>({
    key: "ca_file",
    reader: file,
    default: undefined,
    doc: "The authorities that peers are verified against, a PEM file.",
  }),
  certs: option<readonly CertificatePair[]>({
    key: "certs",
    aliases: ["certificates"],
    reader: certs,
    default: [],
    doc: "Several certificates, instead of cert_file and key_file.",
  }),
  verify: option({
    key: "verify",
    reader: bool,
    default: false,
    doc: "Requires and verifies a certificate of the peer.",
  }),
  verifyAndMap: option({
    key: "verify_and_map",
    reader: bool,
    default: false,
    doc: "Verifies, and takes the user from the certificate.",
  }),
  verifyAndCheckKnownUrls: option({
    key: "verify_cert_and_check_known_urls",
    reader: bool,
    default: false,
    doc: "Verifies, and wants a name in the certificate that a configured route or gateway has.",
  }),
  insecure: option({
    key: "insecure",
    reader: bool,
    default: false,
    doc: "As a dialler, does not verify the server.",
  }),
  timeoutMs: option({
    key: "timeout",
    reader: zeroMeans(2000, timeout),
    default: 2000,
    doc: "How long a handshake may take.",
  }),
  handshakeFirst: option<HandshakeFirst>({
    key: "handshake_first",
    aliases: ["first", "immediate"],
    reader: handshakeFirst,
    default: { enabled: false, fallbackDelayMs: 0 },
    doc: "Starts TLS before INFO is sent.",
  }),
  cipherSuites: option<readonly string[]>({
    key: "cipher_suites",
    reader: namesFrom([...CIPHER_SUITES, ...INSECURE_CIPHER_SUITES], "cipher"),
    default: [],
    doc: "The TLS 1.2 suites allowed; Go's defaults if empty.",
  }),
  curvePreferences: option<readonly string[]>({
    key: "curve_preferences",
    reader: namesFrom(CURVES, "curve preference"),
    default: [],
    doc: "Key exchange groups in order of preference; the library's choice if empty.",
  }),
  minVersion: option<"1.2" | "1.3">({
    key: "min_version",
    reader: minVersion,
    default: "1.2",
    doc: "The oldest protocol version accepted.",
  }),
  allowInsecureCipherSuites: option({
    key: "allow_insecure_cipher_suites",
    reader: bool,
    default: false,
    doc: "Permits suites known to be weak.",
  }),
  pinnedCerts: option<readonly string[]>({
    key: "pinned_certs",
    reader: pinnedCerts,
    default: [],
    doc: "Peers whose public key has another SHA-256 are refused; any if empty.",
  }),
  connectionRateLimit: option({
    key: "connection_rate_limit",
    reader: integer(),
    default: 0,
    doc: "Handshakes a second; 0 for any number.",
  }),
  ocspPeer: option<OcspPeerOptions | undefined>({
    key: "ocsp_peer",
    reader: ocspPeer,
    default: undefined,
    doc: "Checks peers against OCSP.",
  }),
  certStore: option<string | undefined>({
    key: "cert_store",
    reader: certStore,
    default: undefined,
    doc: "A Windows certificate store; no other system has one.",
  }),
  certMatchBy: option<string | undefined>({
    key: "cert_match_by",
    reader: string,
    default: undefined,
    doc: "How cert_match is compared.",
  }),
  certMatch: option<string | undefined>({
    key: "cert_match",
    reader: string,
    default: undefined,
    doc: "Selects a certificate of the store.",
  }),
  caCertsMatch: option<readonly string[]>({
    key: "ca_certs_match",
    reader: strings,
    default: [],
    doc: "Selects authorities of the store.",
  }),
  certMatchSkipInvalid: option({
    key: "cert_match_skip_invalid",
    reader: bool,
    default: false,
    doc: "Skips expired certificates of the store.",
  }),
};

const TLS_BLOCK = block("tls", TLS_TABLE, {
  unknownKey: (key) => `error parsing tls config, unknown field "${key}"`,
});

export type TlsOptions = OptionsOf<typeof TLS_TABLE>;

/** The TLS options when a flag turns TLS on. */
export const TLS_DEFAULTS: TlsOptions = defaultsOf(TLS_TABLE);

/**
 * A `tls` block. Routes and gateways are `"link"`: both ends verify, always. Only listeners need a certificate,
 * and only once they exist, so a block without one is no error here unless half of the pair is missing.
 */
export function tls(role: "listener" | "link"): Reader<TlsOptions> {
  return {
    type: "tls block",
    blocks: [TLS_BLOCK],
    read: (value, site) => {
      if (value.kind !== "map") return wrongType(value, site, "a map to define tls");
      const errorsBefore = site.errorCount;
      const read = readBlock(TLS_BLOCK, value, site);
      if (site.errorCount > errorsBefore) return undefined;
      if (read.certs.length > 0 && read.certFile) {
        return site.error("error parsing tls config, cannot combine 'cert_file' option with 'certs' option");
      }
      if (read.certFile && !read.keyFile) return site.error("missing 'key_file' in TLS configuration");
      if (read.keyFile && !read.certFile) return site.error("missing 'cert_file' in TLS configuration");
      if (read.verifyAndCheckKnownUrls && role !== "link") {
        return site.error("verify_cert_and_check_known_urls not supported in this context");
      }
      const insecure = read.cipherSuites.filter((name) =>
        INSECURE_CIPHER_SUITES.some((weak) => weak === name),
      );
      if (insecure.length > 0 && !read.allowInsecureCipherSuites) {
        return site.error(
          `insecure cipher suites configured without 'allow_insecure_cipher_suites' option set: ${insecure.join(", ")}`,
        );
      }
      const verify = read.verify || read.verifyAndMap || read.verifyAndCheckKnownUrls || role === "link";
      return site.place({ ...read, verify });
    },
  };
}

const OCSP_BLOCK = block("ocsp", {
  mode: option<"auto" | "always" | "must" | "never">({
    key: "mode",
    reader: inAnyCase(oneOf("auto", "always", "must", "never")),
    default: "auto",
    doc: "When the server staples, and whether a revoked certificate stops it.",
  }),
  urls: option<readonly string[]>({
    key: "url",
    aliases: ["urls"],
    reader: strings,
    default: [],
    doc: "Responders to ask instead of those in the certificate.",
  }),
});

/** Stapling of the server's own certificates. */
export type OcspOptions = OptionsOf<typeof OCSP_BLOCK.table>;

export const ocsp: Reader<OcspOptions> = boolOr<OcspOptions>(
  (enabled) => ({ mode: enabled ? "auto" : "never", urls: [] }),
  {
    type: "ocsp block",
    blocks: [OCSP_BLOCK],
    read: (value, site) =>
      value.kind === "map" ? readBlock(OCSP_BLOCK, value, site) : wrongType(value, site, "a bool or a map"),
  },
);

const OCSP_CACHE_BLOCK = block("ocsp_cache", {
  type: option<"local" | "none">({
    key: "type",
    reader: inAnyCase(oneOf("local", "none")),
    default: "local",
    doc: "Whether responses are kept.",
  }),
  localStore: option({
    key: "local_store",
    reader: string,
    default: "_rc_",
    doc: "The folder they are kept in.",
  }),
  preserveRevoked: option({
    key: "preserve_revoked",
    reader: bool,
    default: false,
    doc: "Keeps revocations over newer good responses.",
  }),
  saveIntervalMs: option({
    key: "save_interval",
    reader: timeout,
    default: 300_000,
    doc: "How often the cache is written.",
  }),
});

/** Where responses about peers are kept. */
export type OcspCacheOptions = OptionsOf<typeof OCSP_CACHE_BLOCK.table>;

export const ocspCache: Reader<OcspCacheOptions> = boolOr<OcspCacheOptions>(
  (enabled) => ({ ...defaultsOf(OCSP_CACHE_BLOCK.table), type: enabled ? "local" : "none" }),
  {
    type: "ocsp_cache block",
    blocks: [OCSP_CACHE_BLOCK],
    read: (value, site) =>
      value.kind === "map"
        ? readBlock(OCSP_CACHE_BLOCK, value, site)
        : wrongType(value, site, "a bool or a map"),
  },
);
