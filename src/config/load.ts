import { readFileSync } from "node:fs";
import { errorText } from "../base/error_text.ts";
import { ConfigError, type ConfigProblem, formatProblem, type Position } from "./config_tree.ts";
import { configDigest } from "./digest.ts";
import type { NamedFile } from "./option.ts";
import type { GivenOptions, Options } from "./option_table.ts";
import { type ParseSurroundings, parseConfig } from "./parser.ts";
import { readOptions } from "./read_options.ts";

/** A configuration that can be used, with what should be said about it. */
export interface LoadedConfig {
  readonly options: Options;
  /** `sha256:<hex>`, as nats-server shows it. */
  readonly digest: string;
  /** Where `tls` blocks and operators stand, and the accounts with their exports and imports. */
  readonly places: ReadonlyMap<object, Position>;
  /** Lines for stderr; the server starts nevertheless, but `-t` fails. */
  readonly warnings: readonly string[];
}

export type LoadResult = ({ readonly ok: true } & LoadedConfig) | LoadFailure;

export interface LoadFailure {
  readonly ok: false;
  /** Every problem as a line, warnings first. */
  readonly lines: readonly string[];
  /** There is no configuration: the text is none, or could not be read. */
  readonly isUnreadable?: true;
}

/** Why a reload is refused, as the system account is told: what is wrong with entries ends with a line end, as of nats-server. */
export function reloadProblem({ lines, isUnreadable }: LoadFailure): string {
  const text = lines.join("\n");
  return isUnreadable ? text : `${text}\n`;
}

/**
 * Reads the text of a configuration; the options that a program gives win over it. Never throws: what is wrong comes back
 * as lines.
 */
export function loadConfigText(
  text: string,
  file: string,
  surroundings: ParseSurroundings,
  given: GivenOptions = {},
): LoadResult {
  try {
    const tree = parseConfig(text, file, surroundings);
    const { options, problems, places, files } = readOptions(tree, given);
    const missing = files.flatMap((named) => problemOfFile(named, surroundings.readFile));
    const lines = [...problems, ...missing].map(formatProblem);
    if (missing.length > 0 || problems.some(isError)) return { ok: false, lines };
    return { ok: true, options, digest: configDigest(tree), places, warnings: lines };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { ok: false, lines: [error.message], isUnreadable: true };
  }
}

/** Reads a configuration file and what it includes, with the environment of this process. */
export function loadConfigFile(
  file: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
  given: GivenOptions = {},
): LoadResult {
  let text: string;
  try {
    text = readText(file);
  } catch (error) {
    return { ok: false, lines: [errorText(error)], isUnreadable: true };
  }
  return loadConfigText(text, file, { readFile: readText, environment }, given);
}

/** A file that cannot be read is better found now than when the first client connects. */
function problemOfFile(
  { path, problem, at }: NamedFile,
  readFile: (path: string) => string,
): readonly ConfigProblem[] {
  try {
    readFile(path);
    return [];
  } catch (error) {
    const why = errorText(error);
    return [{ severity: "error", at, text: problem + why }];
  }
}

function isError({ severity }: ConfigProblem): boolean {
  return severity === "error";
}

const READ_PROBLEMS: Readonly<Record<string, string>> = {
  ENOENT: "no such file or directory",
  EACCES: "permission denied",
  EISDIR: "is a directory",
};

/** The text of a file as UTF-8; throws `open <path>: <cause>`. A byte order mark is kept, for the lexer to refuse. */
function readText(path: string): string {
  try {
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(readFileSync(path));
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    throw new Error(`open ${path}: ${READ_PROBLEMS[code] ?? (code || String(error))}`);
  }
}
