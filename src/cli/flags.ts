import { withoutUser } from "../base/redacted_url.ts";
import { AUTHORIZATION_DEFAULTS } from "../config/authorization.ts";
import { DEFAULT_HOST } from "../config/listener.ts";
import { SHARDS_MAX, type Transport } from "../config/midge.ts";
import { DEFAULT_PORT, type Options } from "../config/option_table.ts";
import { splitHostPort } from "../config/readers.ts";
import { TLS_DEFAULTS } from "../config/tls.ts";
import { urlProblem } from "../config/url_syntax.ts";

/**
 * The command line of nats-server, and the few flags that are Midge's own. Parsing has no effects: it says what is
 * to be done. Source: nats-server ConfigureOptions; flag syntax as in Go's package flag.
 */

/** What the flags say; a field is present exactly if its flag was given. */
export interface Flags {
  readonly configFile?: string;
  readonly host?: string;
  readonly port?: number;
  readonly serverName?: string;
  readonly clientAdvertise?: string;
  readonly pidFile?: string;
  readonly portsFileDir?: string;
  readonly httpPort?: number;
  readonly httpsPort?: number;
  readonly profilingPort?: number;
  readonly logFile?: string;
  readonly logSizeLimitBytes?: number;
  readonly logTime?: boolean;
  readonly logTimeUtc?: boolean;
  readonly syslog?: boolean;
  readonly remoteSyslog?: string;
  readonly debug?: boolean;
  readonly trace?: boolean;
  readonly traceVerbose?: boolean;
  readonly maxTracedMessageBytes?: number;
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
  readonly tls?: boolean;
  readonly tlsCertFile?: string;
  readonly tlsKeyFile?: string;
  readonly tlsCaFile?: string;
  readonly tlsVerify?: boolean;
  readonly routes?: string;
  readonly clusterListen?: string;
  readonly clusterName?: string;
  readonly clusterAdvertise?: string;
  readonly noAdvertise?: boolean;
  readonly connectRetries?: number;
  readonly jetStream?: boolean;
  readonly storeDir?: string;
  readonly shards?: number;
  readonly transport?: Transport;
}

/** What the command line asks for. */
export type CommandLine =
  | { readonly kind: "serve"; readonly flags: Flags }
  | { readonly kind: "help" | "tlsHelp" | "version" }
  | { readonly kind: "testConfig"; readonly configFile: string; readonly flags: Flags }
  /** `target` is a pid, the path of a pid file, or a prefix with `*`; absent to search for the process. */
  | { readonly kind: "signal"; readonly command: string; readonly target?: string }
  /** `showUsage` when a flag was misspelt, so that the usage helps. */
  | { readonly kind: "refused"; readonly text: string; readonly showUsage: boolean };

/** Flags that ask for something else than serving. */
interface Request {
  help?: boolean;
  version?: boolean;
  tlsHelp?: boolean;
  testConfig?: boolean;
  signal?: string;
}

type Draft = { -readonly [Field in keyof Flags]: Flags[Field] } & Request;

/** One flag, under any of its names. Its value goes to every field of `sets`. */
export interface Flag {
  /** All take one or two dashes. */
  readonly names: readonly string[];
  readonly kind: "bool" | "string" | "integer";
  readonly sets: readonly (keyof Draft)[];
  /** The name of the value in the usage; bools have none. */
  readonly value: string;
  readonly doc: string;
  /** What the value must be, beyond its kind. */
  readonly check?: (value: string | number | boolean) => string | undefined;
}

/** The fields whose values are of a type, so that a flag cannot be put where it does not fit. */
type FieldOf<Value> = {
  [Field in keyof Draft]-?: Value extends Required<Draft>[Field] ? Field : never;
}[keyof Draft];

function text(names: string, field: FieldOf<string>, value: string, doc: string): Flag {
  return { names: names.split(" "), kind: "string", sets: [field], value, doc };
}

function integer(names: string, field: FieldOf<number>, value: string, doc: string): Flag {
  return { names: names.split(" "), kind: "integer", sets: [field], value, doc };
}

function bool(names: string, fields: FieldOf<boolean> | readonly FieldOf<boolean>[], doc: string): Flag {
  return { names: names.split(" "), kind: "bool", sets: [fields].flat(), value: "", doc };
}

const TRANSPORTS: readonly Transport[] = ["auto", "epoll", "runtime"];

const shards: Flag = {
  ...integer("shards", "shards", "N", "threads that serve clients, at most 16; 0 is one (Midge only)"),
  check: (count) =>
    Number(count) >= 0 && Number(count) <= SHARDS_MAX ? undefined : `use 0 to ${SHARDS_MAX}`,
};

const transport: Flag = {
  names: ["transport"],
  kind: "string",
  sets: ["transport"],
  value: "KIND",
  doc: "auto, epoll or runtime: how sockets are served (Midge only)",
  check: (word) => (TRANSPORTS.some((known) => known === word) ? undefined : `use ${TRANSPORTS.join(", ")}`),
};

/** Every flag, in the sections and the order of the usage. */
export const FLAG_SECTIONS: Readonly<Record<string, readonly Flag[]>> = {
  Server: [
    text("a addr net", "host", "HOST", "interface to listen on for clients (default 0.0.0.0)"),
    integer("p port", "port", "PORT", "port for clients; -1 for a random one (default 4222)"),
    text("n name server_name", "serverName", "NAME", "name of the server (default: its id)"),
    text("c config", "configFile", "FILE", "configuration file"),
    bool("t", "testConfig", "check the configuration file and exit"),
    text("client_advertise", "clientAdvertise", "HOST:PORT", "address that clients are told to use"),
    text("P pid", "pidFile", "FILE", "write the process id to this file"),
    text("ports_file_dir", "portsFileDir", "DIR", "write the listen addresses to a file in this folder"),
    text("sl signal", "signal", "CMD[=PID]", "signal a running server; PID may be a pid file"),
    shards,
    transport,
    bool("js jetstream", "jetStream", "refused: Midge has no JetStream"),
    text("sd store_dir", "storeDir", "DIR", "accepted and ignored: Midge stores no messages"),
    integer("profile", "profilingPort", "PORT", "accepted for compatibility"),
  ],
  Monitoring: [
    integer("m http_port", "httpPort", "PORT", "monitoring over HTTP"),
    integer("ms https_port", "httpsPort", "PORT", "monitoring over HTTPS"),
  ],
  Logging: [
    text("l log", "logFile", "FILE", "log to this file instead of stderr"),
    integer("log_size_limit", "logSizeLimitBytes", "BYTES", "start a new log file beyond this size"),
    bool("T logtime", "logTime", "start log lines with the time (default true)"),
    bool("logtime_utc", "logTimeUtc", "that time in UTC"),
    bool("s syslog", "syslog", "log to the system log"),
    text("r remote_syslog", "remoteSyslog", "URL", "log to a syslog server, such as udp://localhost:514"),
    bool("D debug", "debug", "log at debug level"),
    bool("V trace", "trace", "log every protocol line"),
    bool("VV", ["trace", "traceVerbose"], "the same for the system account too"),
    bool("DV", ["debug", "trace"], "-D and -V"),
    bool("DVV", ["debug", "trace", "traceVerbose"], "-D and -VV"),
    integer(
      "max_traced_msg_len",
      "maxTracedMessageBytes",
      "BYTES",
      "how much of a payload is traced (default all)",
    ),
  ],
  Credentials: [
    text("user", "user", "NAME", "user that clients must log in with"),
    text("pass", "password", "PASSWORD", "password of that user"),
    text("auth", "token", "TOKEN", "token that clients must send"),
  ],
  TLS: [
    bool("tls", "tls", "TLS for clients; needs --tlscert and --tlskey"),
    text("tlscert", "tlsCertFile", "FILE", "server certificate, PEM"),
    text("tlskey", "tlsKeyFile", "FILE", "its private key, PEM"),
    bool("tlsverify", "tlsVerify", "require and verify client certificates"),
    text("tlscacert", "tlsCaFile", "FILE", "authorities to verify them against, PEM"),
  ],
  Cluster: [
    text("routes", "routes", "URL,URL", "members of the cluster to connect to"),
    text(
      "cluster cluster_listen",
      "clusterListen",
      "URL",
      "where to listen for members: nats://[user:password@]host:port",
    ),
    text("cluster_name", "clusterName", "NAME", "name of the cluster (default: generated)"),
    text("cluster_advertise", "clusterAdvertise", "HOST:PORT", "address that members are told to use"),
    bool("no_advertise", "noAdvertise", "keep client addresses from other members"),
    integer("connect_retries", "connectRetries", "N", "attempts for members learned from others"),
  ],
  Other: [
    bool("h help", "help", "show this and exit"),
    bool("v version", "version", "show the version and exit"),
    bool("help_tls", "tlsHelp", "show how to configure TLS and exit"),
  ],
};

const FLAG_BY_NAME: ReadonlyMap<string, Flag> = new Map(
  Object.values(FLAG_SECTIONS).flatMap((flags) =>
    flags.flatMap((flag) => flag.names.map((name) => [name, flag])),
  ),
);

/** Says what the arguments after the program's name ask for. */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const draft: Draft = {};
  const words = readFlags(args, draft);
  if (typeof words === "string") return { kind: "refused", text: words, showUsage: true };

  const { help, version, tlsHelp, testConfig, signal, ...flags } = draft;
  if (version) return { kind: "version" };
  if (help) return { kind: "help" };
  if (tlsHelp) return { kind: "tlsHelp" };
  for (const word of words) {
    const lower = word.toLowerCase();
    if (lower === "version" || lower === "help") return { kind: lower };
    return { kind: "refused", text: `unrecognized command: ${JSON.stringify(word)}`, showUsage: false };
  }
  if (signal !== undefined && signal !== "") return parseSignal(signal);
  if (!testConfig) return { kind: "serve", flags };
  const { configFile } = flags;
  if (configFile) return { kind: "testConfig", configFile, flags };
  const text = "must specify [-c, --config] option to check configuration file syntax";
  return { kind: "refused", text, showUsage: false };
}

/** Fills `draft`; returns the words after the flags, or what is wrong. The first word ends the flags. */
function readFlags(args: readonly string[], draft: Draft): readonly string[] | string {
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (arg === "--") return args.slice(i + 1);
    if (!arg.startsWith("-") || arg === "-") return args.slice(i);
    const match = /^--?([^-=][^=]*)(?:=(.*))?$/s.exec(arg);
    if (match === null) return `bad flag syntax: ${arg}`;
    const [, name = "", attached] = match;
    const flag = FLAG_BY_NAME.get(name);
    if (flag === undefined) return `flag provided but not defined: -${name}`;
    const text = attached ?? (flag.kind === "bool" ? "true" : args[++i]);
    if (text === undefined) return `flag needs an argument: -${name}`;
    const problem = setFlag(flag, draft, text);
    if (problem !== undefined) return `invalid value ${JSON.stringify(text)} for flag -${name}: ${problem}`;
  }
  return [];
}

/** Returns what is wrong with the value, undefined for nothing. */
function setFlag({ kind, sets, check }: Flag, draft: Draft, written: string): string | undefined {
  let value: string | number | boolean = written;
  if (kind === "bool") {
    if (!/^(1|0|t|f|T|F|true|false|TRUE|FALSE|True|False)$/.test(written))
      return "parse error: use true or false";
    value = /^[1t]/i.test(written);
  } else if (kind === "integer") {
    if (!/^[+-]?\d{1,15}$/.test(written)) return "parse error: use a whole number";
    value = Number(written);
  }
  const problem = check?.(value);
  if (problem === undefined) for (const field of sets) Object.assign(draft, { [field]: value });
  return problem;
}

/** `command`, or `command=target`. */
function parseSignal(text: string): CommandLine {
  const [command = "", target, ...rest] = text.split("=");
  if (rest.length > 0)
    return { kind: "refused", text: `invalid signal parameters: [${rest.join(" ")}]`, showUsage: false };
  return target === undefined ? { kind: "signal", command } : { kind: "signal", command, target };
}

export type AppliedFlags =
  | { readonly ok: true; readonly options: Options }
  | { readonly ok: false; readonly text: string };

/**
 * Puts the flags over options: those of the file, or the defaults. Every flag given wins, whatever its value, and
 * does so again on each reload.
 */
export function applyFlags(options: Options, flags: Flags): AppliedFlags {
  if (flags.jetStream) {
    return { ok: false, text: "JetStream is not supported by Midge; remove -js" };
  }
  const tls = applyTls(options, flags);
  if (typeof tls === "string") return { ok: false, text: tls };
  const cluster = applyCluster(options.cluster, flags);
  if (typeof cluster === "string") return { ok: false, text: cluster };
  const badPort = (
    [
      ["-p", flags.port],
      ["-m", flags.httpPort],
      ["-ms", flags.httpsPort],
      ["--profile", flags.profilingPort],
    ] as const
  ).find(([, port]) => port !== undefined && (port < -1 || port > 65_535));
  if (badPort !== undefined)
    return {
      ok: false,
      text: `${badPort[0]} ${badPort[1]}: port is out of range; use 0 to 65535, or -1 for a random one`,
    };

  const { host, port, shards, transport } = flags;
  const simple = present({
    serverName: flags.serverName,
    clientAdvertise: flags.clientAdvertise,
    pidFile: flags.pidFile,
    portsFileDir: flags.portsFileDir,
    httpPort: flags.httpPort,
    httpsPort: flags.httpsPort,
    profilingPort: flags.profilingPort,
    logFile: flags.logFile,
    logSizeLimitBytes: flags.logSizeLimitBytes,
    logTime: flags.logTime,
    logTimeUtc: flags.logTimeUtc,
    syslog: flags.syslog,
    remoteSyslog: flags.remoteSyslog,
    debug: flags.debug,
    trace: flags.trace,
    traceVerbose: flags.traceVerbose,
    maxTracedMessageBytes: flags.maxTracedMessageBytes,
    host: host === "" ? DEFAULT_HOST : host,
    port: port === 0 ? DEFAULT_PORT : port,
  });
  const midge = { ...options.midge, ...present({ shards, transport }) };
  const hasUsers = options.accounts.some(({ users }) => users.length > 0);
  if (hasUsers && (flags.user || flags.token))
    return {
      ok: false,
      text: `Can not have a ${flags.user ? "single user/pass" : "token"} and accounts; leave out --${flags.user ? "user" : "auth"}`,
    };
  const credentials = present({ user: flags.user, password: flags.password, token: flags.token });
  const authorization =
    Object.keys(credentials).length === 0
      ? options.authorization
      : { ...(options.authorization ?? AUTHORIZATION_DEFAULTS), ...credentials };
  return { ok: true, options: { ...options, ...simple, authorization, tls, cluster, midge } };
}

/** The fields that are there. */
function present<Fields extends object>(
  fields: Fields,
): { [Field in keyof Fields]?: Exclude<Fields[Field], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as ReturnType<
    typeof present<Fields>
  >;
}

/** Any TLS flag turns TLS on, with what the flags say alone; `--tls=false` turns off that of the file. */
function applyTls({ tls }: Options, flags: Flags): Options["tls"] | string {
  const { tlsCertFile, tlsKeyFile, tlsCaFile, tlsVerify } = flags;
  if (flags.tls === false) return undefined;
  if ([flags.tls, tlsCertFile, tlsKeyFile, tlsCaFile, tlsVerify].every((flag) => flag === undefined))
    return tls;
  if (!tlsCertFile) return "TLS Server certificate must be present and valid; give --tlscert";
  if (!tlsKeyFile) return "TLS Server private key must be present and valid; give --tlskey";
  return {
    ...TLS_DEFAULTS,
    certFile: tlsCertFile,
    keyFile: tlsKeyFile,
    caFile: tlsCaFile || undefined,
    verify: tlsVerify ?? false,
  };
}

function applyCluster(cluster: Options["cluster"], flags: Flags): Options["cluster"] | string {
  const listen = flags.clusterListen === undefined ? {} : readClusterListen(flags.clusterListen, cluster);
  if (typeof listen === "string") return listen;
  const routes =
    flags.routes === undefined
      ? undefined
      : flags.routes
          .split(",")
          .map((url) => url.trim())
          .filter((url) => url !== "");
  for (const url of routes ?? []) {
    const problem = urlProblem(url);
    if (problem !== null) return `--routes: no valid URL (not shown, it may hold a password): ${problem}`;
  }
  const merged = {
    ...cluster,
    ...listen,
    ...present({
      routes,
      name: flags.clusterName,
      advertise: flags.clusterAdvertise,
      noAdvertise: flags.noAdvertise,
      connectRetries: flags.connectRetries,
    }),
  };
  if (routes !== undefined && routes.length > 0 && merged.port === 0) {
    return "solicited routes require cluster capabilities, e.g. --cluster";
  }
  return merged;
}

/** `nats://[user:password@]host:port`; empty turns routes off. Without credentials those of the file do not hold. */
function readClusterListen(text: string, cluster: Options["cluster"]): Partial<Options["cluster"]> | string {
  if (text === "") return { port: 0 };
  const match = /^[a-z][a-z\d+.-]*:\/\/(?:([^@/]*)@)?([^/@]*)\/?$/i.exec(text.trim());
  const parts = match === null ? undefined : splitHostPort(match[2] ?? "");
  if (
    match === null ||
    parts === undefined ||
    !/^(-1|\d{1,5})$/.test(parts.port) ||
    Number(parts.port) > 65_535
  ) {
    return "--cluster: expected a URL such as nats://host:6222; the port may be -1 for a random one";
  }
  const where = { host: parts.host === "" ? DEFAULT_HOST : parts.host, port: Number(parts.port) };
  const timeoutMs = cluster.authorization?.timeoutMs;
  if (match[1] === undefined) {
    const authorization = { user: undefined, password: undefined, timeoutMs, permissions: undefined };
    return { ...where, authorization: cluster.authorization === undefined ? undefined : authorization };
  }
  const colon = match[1].indexOf(":");
  if (colon < 0) return "expected cluster password to be set";
  const [user, password] = [match[1].slice(0, colon), match[1].slice(colon + 1)].map(decode) as [
    string,
    string,
  ];
  return { ...where, authorization: { user, password, timeoutMs, permissions: undefined } };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const SECRET_FLAGS = ["user", "pass", "auth"];
const URL_FLAGS = ["routes", "cluster", "cluster_listen"];

/** The arguments as they may be shown: without user, password and token, and without the users in URLs. */
export function redactArguments(args: readonly string[]): string[] {
  const shown = [...args];
  for (let i = 0; i < shown.length; i++) {
    const match = /^(--?([^-=][^=]*))(?:=(.*))?$/s.exec(shown[i]!);
    const [, flag = "", name = "", attached] = match ?? [];
    if (!SECRET_FLAGS.includes(name) && !URL_FLAGS.includes(name)) continue;
    const redact = SECRET_FLAGS.includes(name) ? () => "[REDACTED]" : redactUrls;
    if (attached !== undefined) shown[i] = `${flag}=${redact(attached)}`;
    else if (i + 1 < shown.length) shown[i + 1] = redact(shown[++i]!);
  }
  return shown;
}

function redactUrls(list: string): string {
  return list.split(",").map(withoutUser).join(",");
}
