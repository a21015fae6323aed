import { formatDuration } from "./duration.ts";
import { DEFAULT_HOST } from "./listener.ts";
import type { Option, OptionsOf, OptionTable, Reload, ReloadStep } from "./option.ts";

/** What a reload does with a changed option, and how it words it. Source: nats-server reload.go. */

/** Takes effect, logged as `Reloaded: <key> = <value>`. */
export function live<T>(): Reload<T> {
  return { kind: "applied", logLine: (value, key) => `Reloaded: ${key} = ${formatValue(value)}` };
}

/** Takes effect, logged as `Reloaded: <key> = <duration>`. */
export const liveDuration: Reload<number> = {
  kind: "applied",
  logLine: (value, key) => `Reloaded: ${key} = ${formatDuration(value)}`,
};

/** Takes effect, logged in words of its own; undefined logs nothing. */
export function liveAs<T>(logLine: (value: T) => string | undefined): Reload<T> {
  return { kind: "applied", logLine };
}

/** A change refuses the whole reload; `name` is what nats-server calls the option. */
export function fixed<T>(name: string): Reload<T> {
  return { kind: "refused", name };
}

/** A port: a change refuses the reload, except a change to -1, which keeps the port if there is one. */
export function fixedPort(name: string): Reload<number> {
  return {
    kind: "compared",
    isFixed: true,
    compare: (old, now) =>
      old === now || (now === -1 && old !== 0)
        ? []
        : [{ kind: "refusal", name, old: String(old), new: String(now) }],
  };
}

/** Names of files: what is in them is compared where it is read, and a change refuses the reload. */
export const fixedByContent: Reload<unknown> = { kind: "compared", isFixed: true, compare: () => [] };

/** A block of options: its own table decides; keys and refusals are named after the block. */
export function nested<Table extends OptionTable>(
  key: string,
  refusalPrefix: string,
  table: Table,
): Reload<OptionsOf<Table>> {
  return {
    kind: "compared",
    compare: (old, now) => withPrefix(key, refusalPrefix, compareOptions(table, old, now)),
  };
}

/** The same for a block with a listener. Refusals show no default host for a listener without a port. */
export function nestedListener<Table extends OptionTable>(
  key: string,
  refusalPrefix: string,
  table: Table,
): Reload<OptionsOf<Table> & { readonly host: string; readonly port: number }> {
  const shown = <T extends { readonly host: string; readonly port: number }>(block: T): T =>
    block.port === 0 && block.host === DEFAULT_HOST ? { ...block, host: "" } : block;
  return {
    kind: "compared",
    compare: (old, now) => withPrefix(key, refusalPrefix, compareOptions(table, shown(old), shown(now))),
  };
}

export function withPrefix(
  key: string,
  refusalPrefix: string,
  steps: readonly ReloadStep[],
): readonly ReloadStep[] {
  return steps.map((step) =>
    step.kind === "change"
      ? { ...step, key: `${key}.${step.key}` }
      : { ...step, name: `${refusalPrefix}${step.name}` },
  );
}

/** The steps from one set of options to another of the same table. */
export function compareOptions<Table extends OptionTable>(
  table: Table,
  before: OptionsOf<Table>,
  after: OptionsOf<Table>,
): readonly ReloadStep[] {
  return Object.entries(table).flatMap(([field, known]) =>
    stepsFor(known, before[field as keyof Table], after[field as keyof Table]),
  );
}

function stepsFor(known: Option<unknown>, old: unknown, now: unknown): readonly ReloadStep[] {
  const { key, reload, reader } = known;
  if (reload.kind === "compared") return reload.compare(old, now);
  if (reload.kind === "ignored" || isEqual(old, now)) return [];
  if (reload.kind === "applied") {
    const logLine = reload.logLine(now, key);
    return [{ kind: "change", key, old, new: now, ...(logLine === undefined ? {} : { logLine }) }];
  }
  return [
    {
      kind: "refusal",
      name: reload.name,
      old: formatFor(reader.type, old),
      new: formatFor(reader.type, now),
    },
  ];
}

function formatFor(type: string, value: unknown): string {
  if (type === "secret string") return "[REDACTED]";
  return type === "duration" && typeof value === "number" ? formatDuration(value) : formatValue(value);
}

/** As Go's `%v`, except that structures are not shown: they may hold passwords. */
export function formatValue(value: unknown): string {
  if (value === undefined) return "";
  if (Array.isArray(value))
    return value.every((item) => typeof item === "string") ? `[${value.join(" ")}]` : "[…]";
  return typeof value === "object" ? "{…}" : String(value);
}

/** Deep equality of options: plain objects, arrays, maps and scalars. */
export function isEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  if (a instanceof Map || b instanceof Map) {
    if (!(a instanceof Map && b instanceof Map) || a.size !== b.size) return false;
    return [...a].every(([key, value]) => b.has(key) && isEqual(value, b.get(key)));
  }
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every(
    (key) => Object.hasOwn(b, key) && isEqual(a[key as keyof typeof a], b[key as keyof typeof b]),
  );
}
