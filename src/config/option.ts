import {
  type ConfigEntry,
  type ConfigMap,
  type ConfigProblem,
  type ConfigValue,
  elementPosition,
  fieldPosition,
  type Position,
} from "./config_tree.ts";

/**
 * One option, which is one key of the configuration: what it is called in the file, how its value is read, its default,
 * and what a reload does with a change. The tables of options in this folder are the only list of them: reading files,
 * the `Options` type, defaults and reload are all derived from them.
 */
export interface Option<T> {
  /** The key in the file, lower case, or `SET_BY_OTHERS`. */
  readonly key: string;
  readonly aliases: readonly string[];
  readonly reader: Reader<T>;
  readonly default: T;
  readonly reload: Reload<T>;
  /** One sentence for the reference. */
  readonly doc: string;
}

/** How a value of the file becomes the value of an option. */
export interface Reader<T> {
  /** What a user writes: `duration`, `size`, `bool` … */
  readonly type: string;
  /** The blocks whose keys such a value may have, for the reference; absent for plain values. */
  readonly blocks?: readonly DescribedBlock[];
  /** Returns undefined after reporting to `site` what is wrong; the option then keeps its default. */
  readonly read: (value: ConfigValue, site: Site) => T | undefined;
  /**
   * How a file would spell a value that a program gives. Absent if `spelling.ts` can tell from the kind of the value
   * and from `blocks`. Returns undefined after reporting to `site`.
   */
  readonly spell?: (value: unknown, site: Site) => ConfigValue | undefined;
}

/** What happens when a reload finds a new value. */
export type Reload<T> =
  /** Takes effect; `logLine` is what the log says, undefined for nothing. */
  | { readonly kind: "applied"; logLine(value: T, key: string): string | undefined }
  /** The whole reload is refused, naming the option as nats-server does. */
  | { readonly kind: "refused"; readonly name: string }
  /** The block decides, comparing its own options. */
  | {
      readonly kind: "compared";
      /** Any change that counts refuses the reload: for the reference. */
      readonly isFixed?: boolean;
      compare(before: T, after: T): readonly ReloadStep[];
    }
  /** Has no effect on a running server, or is of no interest to it. */
  | { readonly kind: "ignored" };

/** One difference between two configurations, as a reload sees it. */
export type ReloadStep =
  | {
      readonly kind: "change";
      readonly key: string;
      readonly old: unknown;
      readonly new: unknown;
      readonly logLine?: string;
    }
  /** `name` is the option as nats-server calls it; the values are already text fit to be shown. */
  | { readonly kind: "refusal"; readonly name: string; readonly old: string; readonly new: string };

/** A table holds options of any type; `OptionsOf` gives each back its own. */
export type OptionTable = Readonly<Record<string, Option<unknown>>>;

/** The type of the options a table describes: its field names with the types its readers give. */
export type OptionsOf<Table> = {
  readonly [Field in keyof Table]: Table[Field] extends Option<infer T> ? T : never;
};

export type Draft<T> = { -readonly [Field in keyof T]: T[Field] };

/** A key that is no option of its own: it sets several, as `listen` sets host and port. */
export interface SharedKey<Fields> {
  readonly key: string;
  readonly aliases: readonly string[];
  readonly doc: string;
  readonly read: (value: ConfigValue, site: Site, draft: Draft<Fields>) => void;
}

/** What the reference says of a block. */
export interface DescribedBlock {
  /** Names the block in messages: "cluster", "user". */
  readonly name: string;
  readonly table: OptionTable;
  readonly sharedKeys: readonly Pick<SharedKey<never>, "key" | "aliases" | "doc">[];
}

/** A map of the configuration whose keys are known. */
export interface Block<Table extends OptionTable> extends DescribedBlock {
  readonly table: Table;
  /** By key and alias, lower case: reads the value into the draft of the block's options. */
  readonly keys: ReadonlyMap<string, SharedKey<OptionsOf<Table>>["read"]>;
  /** The message for a key the block does not know. */
  readonly unknownKey: (key: string) => string;
}

/** The key of an option that only shared keys set, as `http` sets a host. */
export const SET_BY_OTHERS = "";

interface OptionInput<T> {
  readonly key: string;
  readonly aliases?: readonly string[];
  readonly reader: Reader<T>;
  readonly default: T;
  readonly reload?: Reload<NoInfer<T>>;
  readonly doc: string;
}

export function option<T>(input: OptionInput<T>): Option<T> {
  return { aliases: [], reload: { kind: "ignored" }, ...input };
}

export function block<Table extends OptionTable>(
  name: string,
  table: Table,
  {
    sharedKeys = [],
    unknownKey = (key) => `unknown field "${key}"`,
  }: {
    readonly sharedKeys?: readonly SharedKey<OptionsOf<Table>>[];
    readonly unknownKey?: (key: string) => string;
  } = {},
): Block<Table> {
  const keys = new Map<string, SharedKey<OptionsOf<Table>>["read"]>();
  for (const [field, { key, aliases }] of Object.entries(table)) {
    if (key === SET_BY_OTHERS) continue;
    const read = fieldReader(table, field);
    for (const spelling of [key, ...aliases]) keys.set(spelling, read);
  }
  for (const { key, aliases, read } of sharedKeys) {
    for (const spelling of [key, ...aliases]) keys.set(spelling, read);
  }
  return { name, table, sharedKeys, keys, unknownKey };
}

/** Reads a value into one field of the draft. */
function fieldReader<Table extends OptionTable>(
  table: Table,
  field: string,
): SharedKey<OptionsOf<Table>>["read"] {
  return (value, site, draft) => {
    const read = table[field]!.reader.read(value, site);
    if (read !== undefined) Object.assign(draft, { [field]: read });
  };
}

/** What holds when the configuration says nothing. */
export function defaultsOf<Table extends OptionTable>(table: Table): OptionsOf<Table> {
  return Object.fromEntries(
    Object.entries(table).map(([field, { default: value }]) => [field, value]),
  ) as OptionsOf<Table>;
}

/** What reading a configuration comes upon. */
export interface Findings {
  readonly problems: ConfigProblem[];
  /** Where parts stand of which more is found out once all is read. */
  readonly places: Map<object, Position>;
  /** Files that must be there for the configuration to be of use, such as certificates. */
  readonly files: NamedFile[];
}

export interface NamedFile {
  readonly path: string;
  readonly problem: string;
  readonly at: Position;
}

/** Where a value stands, and where what is found out about it goes. */
export class Site {
  readonly key: string;
  readonly at: Position;
  readonly #findings: Findings;

  constructor(key: string, at: Position, findings: Findings) {
    this.key = key;
    this.at = at;
    this.#findings = findings;
  }

  /** Reports an error here; returns undefined, so that a reader may return it. */
  error(text: string): undefined {
    this.#findings.problems.push({ severity: "error", at: this.at, text });
  }

  warn(reason: string): void {
    this.#findings.problems.push({
      severity: "warning",
      at: this.at,
      text: `invalid use of field "${this.key}": ${reason}`,
    });
  }

  /** Remembers where a part stands that was read here; returns it. */
  place<Part extends object>(part: Part): Part {
    this.#findings.places.set(part, this.at);
    return part;
  }

  /** Names a file that must be there; `problem` stands before what is said of one that is not. */
  needsFile(path: string, problem = ""): void {
    this.#findings.files.push({ path, problem, at: this.at });
  }

  /** The number of errors so far, to tell whether a part was read without any. */
  get errorCount(): number {
    return this.#findings.problems.filter((problem) => problem.severity === "error").length;
  }

  /** The site of an entry of a map that stands here. */
  entry(entry: ConfigEntry): Site {
    return new Site(entry.field ?? entry.key, entry.at, this.#findings);
  }

  /** The site of a field of an object that a program gives here. */
  field(name: string): Site {
    return new Site(name, fieldPosition(this.at, name), this.#findings);
  }

  /** The site of an element of an array that a program gives here. */
  element(index: number): Site {
    return new Site(this.key, elementPosition(this.at, index), this.#findings);
  }

  /** The site of an element of an array that stands here. */
  item(value: ConfigValue): Site {
    return new Site(this.key, value.at, this.#findings);
  }
}

/** Reports a value of the wrong type, without the value: it may be a password. */
export function wrongType(value: ConfigValue, site: Site, expected: string): undefined {
  const hint = expected === "a string" && value.kind !== "map" && value.kind !== "array" ? "; quote it" : "";
  return site.error(`${site.key}: expected ${expected}, got ${describe(value)}${hint}`);
}

function describe(value: ConfigValue): string {
  const { kind } = value;
  // No file holds such a number, but a program may give it.
  if (kind === "float" && !Number.isFinite(value.value)) return String(value.value);
  return kind === "integer" || kind === "array" ? `an ${kind}` : `a ${kind}`;
}

/** Reads the entries of a map into the options of a block, over what holds for those left unsaid; keys match in any case, unknown ones are errors. */
export function readBlock<Table extends OptionTable>(
  { table, keys, unknownKey }: Block<Table>,
  map: ConfigMap,
  site: Site,
  unsaid: OptionsOf<Table> = defaultsOf(table),
): OptionsOf<Table> {
  const draft: Draft<OptionsOf<Table>> = { ...unsaid };
  for (const entry of map.entries.values()) {
    const read =
      entry.field === undefined ? keys.get(entry.key.toLowerCase()) : fieldReader(table, entry.field);
    if (read !== undefined) read(entry.value, site.entry(entry), draft);
    else if (!entry.isUsedAsVariable) site.entry(entry).error(unknownKey(entry.key));
  }
  return draft;
}

/** A reader for a map with the keys of `known`. */
export function blockReader<Table extends OptionTable>(known: Block<Table>): Reader<OptionsOf<Table>> {
  return {
    type: `${known.name} block`,
    blocks: [known],
    read: (value, site) =>
      value.kind === "map"
        ? readBlock(known, value, site)
        : wrongType(value, site, `a map to define ${known.name}`),
  };
}
