import { isValidSubscriptionText } from "../subject/text.ts";
import { mappingProblem } from "../subject/transform.ts";
import type { ConfigEntry, ConfigValue } from "./config_tree.ts";
import { block, option, type Reader, readBlock, type Site, wrongType } from "./option.ts";
import { string } from "./readers.ts";
import { isFields, refuseGiven, spellBlock, spellItems } from "./spelling.ts";

/** `mappings { … }`: what an account's published subjects are turned into. */
export interface MappingOptions {
  readonly source: string;
  /** Weighted choices; what is missing to 100 keeps the source subject. */
  readonly destinations: readonly MappingDestination[];
}

export interface MappingDestination {
  readonly subject: string;
  /** Percent, 0 to 100. */
  readonly weight: number;
  /** Only on servers of this cluster; destinations without one serve the others. */
  readonly cluster: string | undefined;
}

const DESTINATION_BLOCK = block(
  "mapping destination",
  {
    subject: option({
      key: "destination",
      aliases: ["dest"],
      reader: string,
      default: "",
      doc: "The subject mapped to, a transform.",
    }),
    weight: option<number | undefined>({
      key: "weight",
      reader: { type: "percent", read: readWeight },
      default: undefined,
      doc: 'Its share, 0 to 100 or "n%".',
    }),
    cluster: option<string | undefined>({
      key: "cluster",
      reader: string,
      default: undefined,
      doc: "The only cluster it holds in.",
    }),
  },
  { unknownKey: (key) => `Unknown field "${key}" for mapping destination` },
);

export const mappings: Reader<readonly MappingOptions[]> = {
  type: "mappings block",
  blocks: [DESTINATION_BLOCK],
  read: (value, site) => {
    if (value.kind !== "map") return wrongType(value, site, "a map of subject mappings");
    return [...value.entries.values()].flatMap(
      (entry) => readMapping(entry.key, entry.value, site.entry(entry)) ?? [],
    );
  },
  spell: spellMappings,
};

/** A program lists mappings; the file has a map of them by their sources. */
function spellMappings(value: unknown, site: Site): ConfigValue | undefined {
  if (!Array.isArray(value)) return refuseGiven(value, site, "an array of mappings");
  const entries = new Map<string, ConfigEntry>();
  for (const [index, item] of value.entries()) {
    const at = site.element(index);
    if (!isFields(item) || typeof item.source !== "string" || !Array.isArray(item.destinations)) {
      refuseGiven(item, at, "an object with a source and an array of destinations");
    } else if (entries.has(item.source)) {
      at.error(`the source ${JSON.stringify(item.source)} has a mapping already`);
    } else {
      const destinations = spellItems(item.destinations, at.field("destinations"), (each, place) =>
        isFields(each) ? spellBlock(DESTINATION_BLOCK, each, place) : refuseGiven(each, place, "an object"),
      );
      entries.set(item.source, { key: item.source, at: at.at, value: destinations, isUsedAsVariable: false });
    }
  }
  return { kind: "map", entries, at: site.at };
}

function readMapping(source: string, value: ConfigValue, site: Site): MappingOptions | undefined {
  if (!isValidSubscriptionText(source))
    return site.error(`Subject ${JSON.stringify(source)} is not a valid subject`);
  if (value.kind === "string") {
    const destinations = [{ subject: value.value, weight: 100, cluster: undefined }];
    const problem = findMappingProblem(source, destinations);
    if (problem === undefined) return { source, destinations };
    const both = `${JSON.stringify(source)} to ${JSON.stringify(value.value)}`;
    return site.error(`Error adding mapping for ${both} : ${problem.text}`);
  }
  const errorsBefore = site.errorCount;
  const items = value.kind === "array" ? value.items : [value];
  const destinations = items.flatMap(
    (item) => readDestination(item, value.kind === "array" ? site.item(item) : site) ?? [],
  );
  if (site.errorCount > errorsBefore) return undefined;
  const problem = findMappingProblem(source, destinations);
  if (problem === undefined) return { source, destinations };
  return site.error(`Error adding mapping for ${JSON.stringify(source)} : ${problem.text}`);
}

function readDestination(value: ConfigValue, site: Site): MappingDestination | undefined {
  if (value.kind !== "map") return site.error("Expected an entry for the mapping destination");
  const errorsBefore = site.errorCount;
  const { subject, weight, cluster } = readBlock(DESTINATION_BLOCK, value, site);
  if (site.errorCount > errorsBefore) return undefined;
  if (weight === undefined)
    return site.error(`Missing weight for mapping destination ${JSON.stringify(subject)}`);
  return { subject, weight, cluster };
}

function readWeight(value: ConfigValue, site: Site): number | undefined {
  const text =
    value.kind === "string"
      ? value.value.replace(/%$/, "")
      : value.kind === "integer"
        ? String(value.value)
        : "";
  if (value.kind !== "string" && value.kind !== "integer")
    return wrongType(value, site, "a weight such as 50 or 50%");
  if (!/^[+-]?\d+$/.test(text)) return site.error(`Invalid weight "${text}" for mapping destination`);
  const weight = Number(text);
  return weight >= 0 && weight <= 100
    ? weight
    : site.error(`Invalid weight ${weight} for mapping destination`);
}

export interface MappingProblem {
  /** The destination that is wrong by itself; absent where it is wrong beside the others. */
  readonly destination?: string;
  readonly text: string;
}

/**
 * The first thing wrong with the destinations of a mapping, undefined for nothing: destinations are listed once,
 * those of one cluster share 100 percent, and each must be a transform of the source.
 *
 * Source: nats-server AddWeightedMappings.
 */
export function findMappingProblem(
  source: string,
  destinations: readonly MappingDestination[],
): MappingProblem | undefined {
  const seen = new Set<string>();
  const totals = new Map<string | undefined, number>();
  for (const { subject, weight, cluster } of destinations) {
    if (seen.has(subject)) return { text: `duplicate entry for ${JSON.stringify(subject)}` };
    seen.add(subject);
    if (weight > 100) return { text: "individual weights need to be <= 100" };
    const total = (totals.get(cluster) ?? 0) + weight;
    if (total > 100) return { text: "total weight needs to be <= 100" };
    totals.set(cluster, total);
    const text = mappingProblem(source, subject);
    if (text !== undefined) return { destination: subject, text };
  }
  return undefined;
}
