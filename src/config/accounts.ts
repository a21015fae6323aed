import { isLiteralText, isValidSubscriptionText } from "../subject/text.ts";
import { GLOBAL_ACCOUNT } from "./account_names.ts";
import { publicKey, type UserOptions, users, withDefaultPermissions } from "./authorization.ts";
import type { ConfigMap, ConfigValue } from "./config_tree.ts";
import { type MappingOptions, mappings } from "./mappings.ts";
import {
  block,
  type Option,
  type OptionsOf,
  option,
  type Reader,
  readBlock,
  type SharedKey,
  type Site,
  wrongType,
} from "./option.ts";
import { type Permissions, permissions } from "./permissions.ts";
import { arrayOf, bool, durationText, integer, string } from "./readers.ts";

/** `accounts { … }`: isolated subject spaces, and what they share with one another. */

const LIMITS_BLOCK = block(
  "account limits",
  {
    maxConnections: option({
      key: "max_connections",
      aliases: ["max_conn"],
      reader: integer(),
      default: -1,
      doc: "Clients and leafs on all servers; -1 for any number.",
    }),
    maxSubscriptions: option({
      key: "max_subscriptions",
      aliases: ["max_subs"],
      reader: integer(),
      default: -1,
      doc: "Subscriptions of each connection; -1 for any number.",
    }),
    maxPayloadBytes: option({
      key: "max_payload",
      aliases: ["max_pay"],
      reader: integer(),
      default: -1,
      doc: "Bytes of one message; -1 for the server's limit.",
    }),
    maxLeafnodes: option({
      key: "max_leafnodes",
      aliases: ["max_leafs"],
      reader: integer(),
      default: -1,
      doc: "Leafs on all servers; -1 for any number.",
    }),
  },
  { unknownKey: (key) => `Unknown field "${key}" parsing account limits` },
);

export type AccountLimits = OptionsOf<typeof LIMITS_BLOCK.table>;

const NO_LIMITS: AccountLimits = {
  maxConnections: -1,
  maxSubscriptions: -1,
  maxPayloadBytes: -1,
  maxLeafnodes: -1,
};

/** Where traces of messages go that carry no destination of their own. */
export interface MessageTraceOptions {
  readonly destination: string;
  /** Percent of messages, 1 to 100. */
  readonly sampling: number;
}

/** What an account offers to others. */
export interface ExportOptions {
  readonly kind: "stream" | "service";
  readonly subject: string;
  /** The only accounts that may import it; everyone if empty. */
  readonly accounts: readonly string[];
  /** The token, from 1, that must be the importer's name; 0 for none. */
  readonly accountTokenPosition: number;
  readonly responseType: "singleton" | "stream" | "chunked";
  /** How long a service may take to answer; undefined for the default of two minutes. */
  readonly responseThresholdMs: number | undefined;
  readonly latency: LatencyOptions | undefined;
  readonly allowTrace: boolean;
}

/** Where a service's latency is published, and for how many requests. */
export interface LatencyOptions {
  readonly subject: string;
  /** Percent of requests, or `headers` to let each request decide. */
  readonly sampling: number | "headers";
}

/** What an account takes from another. */
export interface ImportOptions {
  readonly kind: "stream" | "service";
  /** The exporting account. */
  readonly account: string;
  /** The subject as the exporting account knows it. */
  readonly subject: string;
  /** The local subject; for a service the same as `subject` unless given. */
  readonly to: string | undefined;
  /** Streams only: put before the subject. */
  readonly prefix: string | undefined;
  /** Services only: tells the exporter who asks. */
  readonly share: boolean;
  /** Streams only. */
  readonly allowTrace: boolean;
}

export interface AccountOptions {
  readonly name: string;
  readonly nkey: string | undefined;
  /** With the account's default permissions where they have none of their own. */
  readonly users: readonly UserOptions[];
  readonly defaultPermissions: Permissions | undefined;
  readonly imports: readonly ImportOptions[];
  readonly exports: readonly ExportOptions[];
  readonly mappings: readonly MappingOptions[];
  readonly limits: AccountLimits;
  readonly messageTrace: MessageTraceOptions | undefined;
}

/** A JetStream key: only the ways to say "off" are accepted. */
export function jetStreamKey(key: string, aliases: readonly string[] = []): SharedKey<object> {
  return {
    key,
    aliases,
    doc: "Belongs to JetStream, which Midge does not have.",
    read: (value, site) => {
      const isOff =
        (value.kind === "bool" && !value.value) ||
        (value.kind === "string" && value.value.toLowerCase() === "disabled");
      if (!isOff) site.error(`${site.key}: JetStream is not supported by Midge; remove the key`);
    },
  };
}

const LATENCY_KEYS = new Set(["sampling", "subject"]);

function readLatency(value: ConfigValue, site: Site): LatencyOptions | undefined {
  if (value.kind === "string") return { subject: value.value, sampling: 100 };
  if (value.kind !== "map") return wrongType(value, site, "latency to be a subject or a map");
  const entries = [...value.entries.values()].filter(({ key }) => LATENCY_KEYS.has(key));
  const samplingEntry = entries.find(({ key }) => key === "sampling");
  const sampling =
    samplingEntry === undefined ? 100 : readSampling(samplingEntry.value, site.entry(samplingEntry));
  const subjectEntry = entries.find(({ key }) => key === "subject");
  if (subjectEntry === undefined) return site.error("Latency subject required, but missing");
  const subject = string.read(subjectEntry.value, site.entry(subjectEntry));
  return sampling === undefined || subject === undefined ? undefined : { subject, sampling };
}

function readSampling(value: ConfigValue, site: Site): number | "headers" | undefined {
  if (value.kind === "string" && value.value.trim().toLowerCase() === "headers") return "headers";
  const percent = readPercent(value, site, `Failed to parse latency sample`);
  if (percent === undefined || (percent >= 1 && percent <= 100)) return percent;
  return site.error("bad sampling percentage, should be 1-100");
}

/** `50`, `"50"` or `"50%"`. */
function readPercent(value: ConfigValue, site: Site, problem: string): number | undefined {
  if (value.kind === "integer") return Number(value.value);
  if (value.kind !== "string") return wrongType(value, site, "an integer or a percentage");
  const text = value.value.replace(/%$/, "");
  return /^[+-]?\d+$/.test(text) ? Number(text) : site.error(`${problem} "${value.value}"`);
}

const responseType: Reader<ExportOptions["responseType"]> = {
  type: "single | stream | chunked",
  read: (value, site) => {
    const word = string.read(value, site)?.toLowerCase();
    if (word === undefined) return undefined;
    if (word === "single" || word === "singleton") return "singleton";
    if (word === "chunk" || word === "chunked") return "chunked";
    return word === "stream" ? "stream" : site.error(`Unknown response type: "${word}"`);
  },
};

const EXPORT_BLOCK = block("export", {
  stream: option<string | undefined>({
    key: "stream",
    reader: string,
    default: undefined,
    doc: "The subject whose messages others may receive.",
  }),
  service: option<string | undefined>({
    key: "service",
    reader: string,
    default: undefined,
    doc: "The subject others may send requests to.",
  }),
  accounts: option<readonly string[]>({
    key: "accounts",
    reader: arrayOf(string),
    default: [],
    doc: "The only accounts that may import it; everyone if empty.",
  }),
  accountTokenPosition: option({
    key: "account_token_position",
    reader: integer(0),
    default: 0,
    doc: "The token that must be the importer's name.",
  }),
  responseType: option<ExportOptions["responseType"] | undefined>({
    key: "response",
    aliases: ["response_type"],
    reader: responseType,
    default: undefined,
    doc: "How many answers a request gets.",
  }),
  responseThresholdMs: option<number | undefined>({
    key: "threshold",
    aliases: ["response_threshold", "response_max_time", "response_time"],
    reader: durationText,
    default: undefined,
    doc: "How long a service may take to answer.",
  }),
  latency: option<LatencyOptions | undefined>({
    key: "latency",
    reader: { type: "latency block", read: readLatency },
    default: undefined,
    doc: "Where latency is published.",
  }),
  allowTrace: option<boolean | undefined>({
    key: "allow_trace",
    reader: bool,
    default: undefined,
    doc: "Lets traces of importers go on in this account.",
  }),
});

const exportItem: Reader<ExportOptions> = {
  type: "export",
  blocks: [EXPORT_BLOCK],
  read: (value, site) => {
    if (value.kind !== "map") return wrongType(value, site, "an export to be a map with a stream or service");
    refuseRepeats(value, site, EXPORT_BLOCK.table.responseType, "Duplicate response type definition");
    refuseRepeats(
      value,
      site,
      EXPORT_BLOCK.table.responseThresholdMs,
      "Duplicate response threshold detected",
    );
    const { stream, service, accounts: importers, ...read } = readBlock(EXPORT_BLOCK, value, site);
    if (stream !== undefined && service !== undefined) {
      return site.error(`Detected stream ${JSON.stringify(stream)} but already saw a service`);
    }
    if (stream !== undefined) {
      const directive =
        read.responseType !== undefined || read.responseThresholdMs !== undefined
          ? "response"
          : read.latency !== undefined
            ? "latency"
            : read.allowTrace !== undefined
              ? "allow_trace"
              : undefined;
      if (directive !== undefined) return site.error(`Detected ${directive} directive on non-service`);
    }
    const exported = stream ?? service;
    if (exported === undefined) return undefined;
    const problem = checkExport(exported, read.accountTokenPosition);
    if (problem !== undefined) {
      const kind = stream === undefined ? "service" : "stream";
      return site.error(`Error adding ${kind} export ${JSON.stringify(exported)}: ${problem}`);
    }
    return site.place<ExportOptions>({
      ...read,
      kind: stream === undefined ? "service" : "stream",
      subject: exported,
      accounts: importers,
      responseType: read.responseType ?? "singleton",
      allowTrace: read.allowTrace ?? false,
    });
  },
};

/** The token at `accountTokenPosition`, from 1, is where the importer's name goes, so it must be a wildcard. */
function checkExport(subject: string, accountTokenPosition: number): string | undefined {
  if (!isValidSubscriptionText(subject)) return "invalid subject";
  const isSound = accountTokenPosition === 0 || subject.split(".")[accountTokenPosition - 1] === "*";
  return isSound ? undefined : "sublist: invalid subject";
}

/** Reports keys that say the same thing under two names. */
function refuseRepeats(map: ConfigMap, site: Site, { key, aliases }: Option<unknown>, text: string): void {
  const found = [...map.entries.values()].filter((entry) =>
    [key, ...aliases].includes(entry.key.toLowerCase()),
  );
  if (found[1] !== undefined) site.entry(found[1]).error(text);
}

const SOURCE_BLOCK = block("import source", {
  account: option({ key: "account", reader: string, default: "", doc: "The exporting account." }),
  subject: option({
    key: "subject",
    reader: string,
    default: "",
    doc: "The subject as that account knows it.",
  }),
});

type ImportSource = OptionsOf<typeof SOURCE_BLOCK.table>;

const importSource: Reader<ImportSource> = {
  type: "map of account and subject",
  blocks: [SOURCE_BLOCK],
  read: (value, site) => {
    if (value.kind !== "map") return wrongType(value, site, "a map of account and subject");
    const read = readBlock(SOURCE_BLOCK, value, site);
    if (read.account !== "" && read.subject !== "") return read;
    return site.error("Expect an account name and a subject");
  },
};

const IMPORT_BLOCK = block("import", {
  stream: option<ImportSource | undefined>({
    key: "stream",
    reader: importSource,
    default: undefined,
    doc: "The stream that is taken.",
  }),
  service: option<ImportSource | undefined>({
    key: "service",
    reader: importSource,
    default: undefined,
    doc: "The service that is used.",
  }),
  prefix: option<string | undefined>({
    key: "prefix",
    reader: string,
    default: undefined,
    doc: "Put before a stream's subject.",
  }),
  to: option<string | undefined>({
    key: "to",
    reader: string,
    default: undefined,
    doc: "The local subject.",
  }),
  share: option({ key: "share", reader: bool, default: false, doc: "Tells a service who asks." }),
  allowTrace: option<boolean | undefined>({
    key: "allow_trace",
    reader: bool,
    default: undefined,
    doc: "Lets traces of a stream go on in this account.",
  }),
});

const importItem: Reader<ImportOptions> = {
  type: "import",
  blocks: [IMPORT_BLOCK],
  read: (value, site) => {
    if (value.kind !== "map") return wrongType(value, site, "an import to be a map with a stream or service");
    const { stream, service, ...read } = readBlock(IMPORT_BLOCK, value, site);
    if (stream !== undefined && service !== undefined)
      return site.error("Detected stream but already saw a service");
    if (stream !== undefined && read.prefix && read.to) {
      return site.error("Stream import can not have a 'prefix' and a 'to' property");
    }
    if (service !== undefined && read.allowTrace !== undefined) {
      return site.error("Detected allow_trace directive on a non-stream");
    }
    const source = stream ?? service;
    if (source === undefined) return undefined;
    return site.place<ImportOptions>({
      ...read,
      ...source,
      kind: stream === undefined ? "service" : "stream",
      allowTrace: read.allowTrace ?? false,
    });
  },
};

const imports: Reader<readonly ImportOptions[]> = {
  type: "array of imports",
  blocks: [IMPORT_BLOCK],
  read: (value, site) => {
    if (value.kind !== "array") return wrongType(value, site, "imports to be an array");
    const read: ImportOptions[] = [];
    for (const item of value.items) {
      const next = importItem.read(item, site.item(item));
      if (next === undefined) continue;
      const local = next.to ?? next.subject;
      const same = read.find(
        (other) =>
          next.kind === "service" &&
          other.kind === "service" &&
          other.account === next.account &&
          (other.to ?? other.subject) === local,
      );
      if (same === undefined) read.push(next);
      else {
        site
          .item(item)
          .error(
            `Duplicate service import subject "${local}", previously used in import for account "${same.account}", subject "${same.subject}"`,
          );
      }
    }
    return read;
  },
};

const TRACE_BLOCK = block(
  "account message trace",
  {
    destination: option<string | undefined>({
      key: "dest",
      reader: { type: "subject", read: readTraceDestination },
      default: undefined,
      doc: "Where traces are published.",
    }),
    sampling: option({
      key: "sampling",
      reader: { type: "percent", read: readTraceSampling },
      default: 100,
      doc: "The share of messages traced.",
    }),
  },
  { unknownKey: (key) => `Unknown field "${key}" parsing account message trace` },
);

function readTraceDestination(value: ConfigValue, site: Site): string | undefined {
  const text = string.read(value, site);
  if (text === undefined || (isValidSubscriptionText(text) && isLiteralText(text))) return text;
  return site.error(`Trace destination ${JSON.stringify(text)} is not valid`);
}

function readTraceSampling(value: ConfigValue, site: Site): number | undefined {
  const percent = readPercent(value, site, "Invalid trace destination sampling value");
  if (percent === undefined || (percent >= 1 && percent <= 100)) return percent;
  return site.error(`Trace destination sampling value ${percent} is invalid, needs to be [1..100]`);
}

function readMessageTrace(value: ConfigValue, site: Site): MessageTraceOptions | undefined {
  if (value.kind === "string") {
    const destination = readTraceDestination(value, site);
    return destination === undefined ? undefined : { destination, sampling: 100 };
  }
  if (value.kind !== "map") return wrongType(value, site, "a subject or a map of dest and sampling");
  const errorsBefore = site.errorCount;
  const { destination, sampling } = readBlock(TRACE_BLOCK, value, site);
  if (destination !== undefined) return { destination, sampling };
  if (site.errorCount === errorsBefore && value.entries.size > 0) {
    site.warn("Trace destination sampling ignored since no destination was set");
  }
  return undefined;
}

const ACCOUNT_BLOCK = block(
  "account",
  {
    nkey: option<string | undefined>({
      key: "nkey",
      reader: publicKey(
        "account",
        (text) => `Not a valid public nkey for an account: ${JSON.stringify(text)}`,
      ),
      default: undefined,
      doc: "The account's public key.",
    }),
    users: option<readonly UserOptions[]>({
      key: "users",
      reader: users,
      default: [],
      doc: "Who may log in to the account.",
    }),
    defaultPermissions: option<Permissions | undefined>({
      key: "default_permissions",
      reader: permissions,
      default: undefined,
      doc: "For users without permissions of their own.",
    }),
    imports: option<readonly ImportOptions[]>({
      key: "imports",
      reader: imports,
      default: [],
      doc: "What it takes from other accounts.",
    }),
    exports: option<readonly ExportOptions[]>({
      key: "exports",
      reader: arrayOf(exportItem),
      default: [],
      doc: "What it offers to other accounts.",
    }),
    mappings: option<readonly MappingOptions[]>({
      key: "mappings",
      aliases: ["maps"],
      reader: mappings,
      default: [],
      doc: "What published subjects are turned into.",
    }),
    limits: option<AccountLimits>({
      key: "limits",
      reader: {
        type: "limits block",
        blocks: [LIMITS_BLOCK],
        read: (value, site) =>
          value.kind === "map"
            ? readBlock(LIMITS_BLOCK, value, site)
            : wrongType(value, site, "account limits to be a map"),
      },
      default: NO_LIMITS,
      doc: "What the account may use.",
    }),
    messageTrace: option<MessageTraceOptions | undefined>({
      key: "msg_trace",
      aliases: ["trace_dest"],
      reader: { type: "subject or trace block", blocks: [TRACE_BLOCK], read: readMessageTrace },
      default: undefined,
      doc: "Where traces of its messages go.",
    }),
  },
  { sharedKeys: [jetStreamKey("jetstream")] },
);

export const accounts: Reader<readonly AccountOptions[]> = {
  type: "accounts",
  blocks: [ACCOUNT_BLOCK],
  read: (value, site) => {
    if (value.kind === "array") return readNames(value.items, site);
    if (value.kind !== "map") return wrongType(value, site, "accounts to be a map or an array of names");
    const errorsBefore = site.errorCount;
    const read = [...value.entries.values()].flatMap((entry) => {
      const at = site.entry(entry);
      if (entry.isUsedAsVariable) return [];
      if (entry.value.kind !== "map") return at.error("Expected map entries for accounts") ?? [];
      if (entry.key === GLOBAL_ACCOUNT) return at.error(`"${GLOBAL_ACCOUNT}" is a Reserved Account`) ?? [];
      const { users: own, ...account } = readBlock(ACCOUNT_BLOCK, entry.value, at);
      return [
        { name: entry.key, ...account, users: withDefaultPermissions(own, account.defaultPermissions) },
      ];
    });
    if (site.errorCount === errorsBefore) refuseUnknownAccounts(read, site);
    return site.place(read);
  },
};

function readNames(items: readonly ConfigValue[], site: Site): readonly AccountOptions[] {
  const names = new Set<string>();
  for (const item of items) {
    const at = site.item(item);
    const name = string.read(item, at);
    if (name === undefined) continue;
    if (name === GLOBAL_ACCOUNT) at.error(`"${GLOBAL_ACCOUNT}" is a Reserved Account`);
    else if (names.has(name)) at.error(`Duplicate Account Entry: ${name}`);
    else names.add(name);
  }
  return [...names].map((name) => ({ ...emptyAccount, name }));
}

const emptyAccount = {
  nkey: undefined,
  users: [],
  defaultPermissions: undefined,
  imports: [],
  exports: [],
  mappings: [],
  limits: NO_LIMITS,
  messageTrace: undefined,
};

/** Exports and imports name accounts of the same file; whether an import is allowed is for the account room. */
function refuseUnknownAccounts(read: readonly AccountOptions[], site: Site): void {
  const names = new Set(read.map(({ name }) => name));
  for (const account of read) {
    for (const { kind, accounts: importers } of account.exports) {
      for (const name of importers)
        if (!names.has(name)) site.error(`"${name}" account not defined for ${kind} export`);
    }
    for (const { kind, account: name } of account.imports) {
      if (!names.has(name)) site.error(`"${name}" account not defined for ${kind} import`);
    }
  }
}
