/** What an account offers to others. */
import { isValidSubscriptionText } from "../subject/text.ts";
import type { ConfigMap, ConfigValue } from "./config_tree.ts";
import { block, type Option, option, type Reader, readBlock, type Site, wrongType } from "./option.ts";
import { readPercent } from "./percent.ts";
import { arrayOf, bool, durationText, integer, string } from "./readers.ts";
import { isFields, refuseGiven, spellBlock } from "./spelling.ts";

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

export const exportItem: Reader<ExportOptions> = {
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
  spell: (value, site) => {
    if (
      !isFields(value) ||
      (value.kind !== "stream" && value.kind !== "service") ||
      value.subject === undefined
    )
      return refuseGiven(value, site, 'an object of the kind "stream" or "service" with a subject');
    const { kind, subject, responseType: response, allowTrace, ...fields } = value;
    // What stands there for a stream, too, the file refuses.
    const isStream = kind === "stream";
    const ofService = {
      responseType: isStream && response === "singleton" ? undefined : response,
      allowTrace: isStream && allowTrace === false ? undefined : allowTrace,
    };
    return spellBlock(EXPORT_BLOCK, { ...fields, ...ofService, [kind]: subject }, site);
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
