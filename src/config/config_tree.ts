/**
 * What a configuration file parses to: a tree of values in which each key and value knows where it stands.
 * A tree is never changed once it is parsed.
 */

/**
 * A place in a configuration file, as nats-server counts: lines from 1, columns from 0 on line 1 and from 1 below. Line
 * 0 stands for a place in the options that a program gives.
 */
export interface Position {
  /**
   * The path as it was given; for an included file, joined to the folder of the file that includes it. On line 0 the
   * option: `websocket.headers`.
   */
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export type ConfigValue =
  | { readonly kind: "string"; readonly value: string; readonly at: Position }
  /** An int64, unit suffix applied. */
  | { readonly kind: "integer"; readonly value: bigint; readonly at: Position }
  | { readonly kind: "float"; readonly value: number; readonly at: Position }
  | { readonly kind: "bool"; readonly value: boolean; readonly at: Position }
  /** `YYYY-MM-DDThh:mm:ssZ`, kept as text: no option uses it. */
  | { readonly kind: "datetime"; readonly value: string; readonly at: Position }
  | ConfigArray
  | ConfigMap;

export interface ConfigArray {
  readonly kind: "array";
  readonly items: readonly ConfigValue[];
  readonly at: Position;
}

export interface ConfigMap {
  readonly kind: "map";
  /** By key as written, case included; a repeated key keeps its last value. */
  readonly entries: ReadonlyMap<string, ConfigEntry>;
  readonly at: Position;
}

export interface ConfigEntry {
  readonly key: string;
  /**
   * For options that a program gives: the name of the field, by which the option is then looked up instead of by its
   * key.
   */
  readonly field?: string;
  /** The start of the key: where messages about this entry point. */
  readonly at: Position;
  readonly value: ConfigValue;
  /** Set while parsing, once a `$key` refers to this entry; such an entry may have a name no option knows. */
  isUsedAsVariable: boolean;
}

/** One thing wrong, or worth a warning, at one place of a configuration. */
export interface ConfigProblem {
  readonly severity: "error" | "warning";
  /** Absent for problems of the whole file or of the command line. */
  readonly at?: Position;
  readonly text: string;
}

/** The place of everything that a program gives. */
export const GIVEN: Position = { file: "", line: 0, column: 0 };

/** The place of a field in an object that a program gives. */
export function fieldPosition({ file }: Position, name: string): Position {
  return { ...GIVEN, file: file === "" ? name : `${file}.${name}` };
}

/** The place of an element in a list that a program gives. */
export function elementPosition({ file }: Position, index: number): Position {
  return { ...GIVEN, file: `${file}[${index}]` };
}

/** `file:line:column: text`, or the text alone where there is no place. */
export function formatProblem({
  text,
  at,
}: {
  readonly text: string;
  readonly at?: Position | undefined;
}): string {
  if (at === undefined) return text;
  return at.line === GIVEN.line ? formatGivenProblem(at.file, text) : `${formatPosition(at)}: ${text}`;
}

/** `websocket.port: text`, where the text does not begin with the name of the field by itself. */
function formatGivenProblem(path: string, text: string): string {
  const nameStart = path.lastIndexOf(".") + 1;
  const name = path.slice(nameStart);
  const isNamed = text.startsWith(name) && !/^\w/.test(text.slice(name.length));
  return isNamed ? path.slice(0, nameStart) + text : `${path}: ${text}`;
}

/** `file:line:column`. */
export function formatPosition(at: Position): string {
  return `${at.file}:${at.line}:${at.column}`;
}

/** Thrown for text that is not in the configuration language; its message is `file:line:column: text`. */
export class ConfigError extends Error {
  override name = "ConfigError";
  readonly at: Position;
  readonly text: string;

  constructor(at: Position, text: string) {
    super(formatProblem({ text, at }));
    this.at = at;
    this.text = text;
  }
}
