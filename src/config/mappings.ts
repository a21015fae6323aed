import { isValidSubscriptionText } from "../subject/text.ts";
import type { ConfigValue } from "./config_tree.ts";
import { block, option, type Reader, readBlock, type Site, wrongType } from "./option.ts";
import { string } from "./readers.ts";

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
};

function readMapping(source: string, value: ConfigValue, site: Site): MappingOptions | undefined {
  if (!isValidSubscriptionText(source))
    return site.error(`Subject ${JSON.stringify(source)} is not a valid subject`);
  if (value.kind === "string")
    return { source, destinations: [{ subject: value.value, weight: 100, cluster: undefined }] };
  const errorsBefore = site.errorCount;
  const items = value.kind === "array" ? value.items : [value];
  const destinations = items.flatMap(
    (item) => readDestination(item, value.kind === "array" ? site.item(item) : site) ?? [],
  );
  if (site.errorCount > errorsBefore) return undefined;
  const problem = checkWeights(destinations);
  if (problem !== undefined)
    return site.error(`Error adding mapping for ${JSON.stringify(source)} : ${problem}`);
  return { source, destinations };
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

/** Destinations of one cluster share 100 percent and are listed once each. */
function checkWeights(destinations: readonly MappingDestination[]): string | undefined {
  const total = new Map<string | undefined, number>();
  const seen = new Set<string>();
  for (const { subject, weight, cluster } of destinations) {
    const id = JSON.stringify([cluster, subject]);
    if (seen.has(id)) return `duplicate entry for ${JSON.stringify(subject)}`;
    seen.add(id);
    const sum = (total.get(cluster) ?? 0) + weight;
    if (sum > 100) return "total weight needs to be <= 100";
    total.set(cluster, sum);
  }
  return undefined;
}
