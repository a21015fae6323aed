/**
 * Options that a program gives, spelled as a configuration file would say them, so that the same readers read both: one
 * set of rules, bounds and defaults. Fields of blocks go by their names in the tables; times are numbers of milliseconds.
 */
import type { ConfigEntry, ConfigMap, ConfigValue } from "./config_tree.ts";
import type { DescribedBlock, Reader, Site } from "./option.ts";

/** The value that `reader` is to read. Returns undefined after reporting a value to `site` that no file could spell. */
export function spell(reader: Reader<unknown>, value: unknown, site: Site): ConfigValue | undefined {
  if (reader.spell !== undefined) return reader.spell(value, site);
  const [block, ...others] = reader.blocks ?? [];
  if (block === undefined || others.length > 0) return spellPlain(value, site, reader.type);
  if (Array.isArray(value)) return spellItems(value, site, (item, at) => spell(reader, item, at));
  return isFields(value) ? spellBlock(block, value, site) : spellPlain(value, site, reader.type);
}

/**
 * A map with the keys of the options that the fields name. A field that has its default value is left out, because a
 * file cannot spell some of the defaults.
 */
export function spellBlock({ name, table }: DescribedBlock, fields: object, site: Site): ConfigMap {
  const entries = new Map<string, ConfigEntry>();
  for (const [field, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    const at = site.field(field);
    const option = Object.hasOwn(table, field) ? table[field] : undefined;
    if (option === undefined) {
      at.error(`${name} has no such option`);
      continue;
    }
    if (value === option.default) continue;
    const spelled = spell(option.reader, value, at);
    if (spelled === undefined) continue;
    const key = option.key || field;
    entries.set(key, { key, field, at: at.at, value: spelled, isUsedAsVariable: false });
  }
  return { kind: "map", entries, at: site.at };
}

export function spellItems(
  items: readonly unknown[],
  site: Site,
  spellItem: (item: unknown, site: Site) => ConfigValue | undefined,
): ConfigValue {
  // Not by map(), which leaves the holes of an array alone.
  const spelled = Array.from(items, (item, index) => spellItem(item, site.element(index)));
  return { kind: "array", items: spelled.filter((item) => item !== undefined), at: site.at };
}

/** The value of a file that means the same as a JavaScript value, if the kind of the value alone decides. */
export function spellPlain(value: unknown, site: Site, expected: string): ConfigValue | undefined {
  const { at } = site;
  if (typeof value === "string") return { kind: "string", value, at };
  if (typeof value === "boolean") return { kind: "bool", value, at };
  if (Number.isInteger(value)) return { kind: "integer", value: BigInt(value as number), at };
  if (typeof value === "number") return { kind: "float", value, at };
  if (Array.isArray(value)) return spellItems(value, site, (item, each) => spellPlain(item, each, expected));
  if (value instanceof Map) return spellEntries([...value], site, expected);
  if (isFields(value)) return spellEntries(Object.entries(value), site, expected);
  return refuseGiven(value, site, expected);
}

function spellEntries(
  given: readonly (readonly [unknown, unknown])[],
  site: Site,
  expected: string,
): ConfigMap {
  const entries = new Map<string, ConfigEntry>();
  for (const [name, each] of given) {
    const key = String(name);
    const at = site.field(key);
    const value = each === undefined ? undefined : spellPlain(each, at, expected);
    if (value !== undefined) entries.set(key, { key, at: at.at, value, isUsedAsVariable: false });
  }
  return { kind: "map", entries, at: site.at };
}

/** Reports a value that a program gave. The value itself is left out if it may be a password. */
export function refuseGiven(value: unknown, site: Site, expected: string): undefined {
  return site.error(`${site.key}: expected ${expected}, got ${describeGiven(value)}`);
}

function describeGiven(value: unknown): string {
  if (typeof value === "number" || value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** Whether the value is an object whose fields can be looked at, no list of any kind. */
export function isFields(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
