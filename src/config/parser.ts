import { dirname, join } from "node:path";
import { errorText } from "../base/error_text.ts";
import {
  type ConfigEntry,
  ConfigError,
  type ConfigMap,
  type ConfigValue,
  formatPosition,
  type Position,
} from "./config_tree.ts";
import { isLineEnd, Lexer } from "./lexer.ts";

/** What the parser may ask of the world outside the text. */
export interface ParseSurroundings {
  /** The content of an included file; throws an `Error` whose message names the cause. */
  readonly readFile: (path: string) => string;
  /** Looked up for `$NAME` once no key above the reference has that name. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Maps, arrays, included files and variables inside one another; bounds the stack a hostile file can use. */
const NESTING_MAX = 250;

/**
 * Parses the text of a configuration file into its tree, with includes and variables resolved.
 *
 * `file` is the path shown in positions; included paths are relative to its folder. Throws a `ConfigError`
 * at the first thing that is not the NATS configuration language. Source: nats-server conf/parse.go.
 */
export function parseConfig(text: string, file: string, surroundings: ParseSurroundings): ConfigMap {
  return new Parser(text, file, { surroundings, filesOpen: [file], variablesOpen: [], depth: 0 }).parseFile();
}

/** What a parser passes on to the parsers of its included files and environment variables. */
interface Nesting {
  readonly surroundings: ParseSurroundings;
  readonly filesOpen: readonly string[];
  readonly variablesOpen: readonly string[];
  readonly depth: number;
}

type Entries = Map<string, ConfigEntry>;

class Parser {
  readonly #lexer: Lexer;
  readonly #nesting: Nesting;
  /** The maps that enclose the cursor, outermost first: where a variable is looked up. */
  readonly #scopes: Entries[] = [];
  #depth: number;

  constructor(text: string, file: string, nesting: Nesting) {
    this.#lexer = new Lexer(text, file);
    this.#nesting = nesting;
    this.#depth = nesting.depth;
  }

  parseFile(): ConfigMap {
    const at = this.#lexer.position(0);
    const entries: Entries = new Map();
    this.#scopes.push(entries);
    this.#parseTopLevel(entries);
    return { kind: "map", entries, at };
  }

  /** The text of an environment variable, read as the value of a key. */
  parseValueOfVariable(): ConfigValue {
    this.#lexer.skipBlanks();
    const value = this.#parseValue();
    this.#lexer.skipSpaceAndComments();
    if (this.#lexer.peek() !== "")
      this.#lexer.fail(`expected one value, got ${this.#lexer.describeNext()} after it`);
    return value;
  }

  #parseTopLevel(entries: Entries): void {
    const lexer = this.#lexer;
    let bracesOpen = 0;
    for (;;) {
      lexer.skipSpaceAndComments();
      const start = lexer.offset;
      if (lexer.peek() === "") {
        if (bracesOpen > 0) lexer.fail(`expected ${bracesOpen} more "}" before the end of the file`);
        return;
      }
      if (lexer.take("{")) {
        bracesOpen++;
        continue;
      }
      if (lexer.take("}")) {
        if (bracesOpen > 0) bracesOpen--;
        else {
          // A single stray brace at the very end is accepted: files with outer braces half removed exist.
          lexer.skipSpaceAndComments();
          if (lexer.peek() !== "") lexer.fail('"}" closes nothing', start);
        }
        continue;
      }
      this.#parseEntry(entries, false);
      // Outside braces a leftover as in `port: 4222 }` is accepted, as in nats-server.
      this.#endOfValue(bracesOpen > 0 ? ";," : ";,}", bracesOpen > 0);
    }
  }

  /** `{` is already taken. */
  #parseMap(at: Position): ConfigMap {
    const lexer = this.#lexer;
    const entries: Entries = new Map();
    this.#scopes.push(entries);
    for (;;) {
      lexer.skipSpaceAndComments();
      if (lexer.take("}")) break;
      if (lexer.peek() === "") lexer.fail(`map opened at ${formatPosition(at)} has no closing "}"`);
      if (lexer.peek() === "]") lexer.fail('expected a key or "}", got "]"');
      this.#parseEntry(entries, true);
      this.#endOfValue(";,", true);
    }
    this.#scopes.pop();
    return { kind: "map", entries, at };
  }

  /** `[` is already taken. */
  #parseArray(at: Position): ConfigValue {
    const lexer = this.#lexer;
    const items: ConfigValue[] = [];
    for (;;) {
      lexer.skipSpaceAndComments();
      if (lexer.take("]")) break;
      if (lexer.peek() === "") lexer.fail(`array opened at ${formatPosition(at)} has no closing "]"`);
      if (lexer.peek() === ",") lexer.fail('expected an array element, got ","');
      items.push(this.#parseValue());
      lexer.skipBlanks();
      lexer.skipComment();
      const next = lexer.peek();
      if (next === "," || isLineEnd(next)) lexer.take(next);
      else if (next !== "]")
        lexer.fail(`expected "," or "]" after an array element, got ${lexer.describeNext()}`);
    }
    return { kind: "array", items, at };
  }

  #parseEntry(entries: Entries, isInMap: boolean): void {
    const lexer = this.#lexer;
    const { key, at, isQuoted } = lexer.readKey();
    const separator = lexer.peek();
    if (
      !isQuoted &&
      key.toLowerCase() === "include" &&
      separator !== "=" &&
      separator !== ":" &&
      separator !== ""
    ) {
      this.#include(entries, at);
      return;
    }
    lexer.skipSpace();
    if (lexer.take("=") || lexer.take(":")) {
      if (isInMap) lexer.skipSpace();
      else lexer.skipBlanks();
      if (isLineEnd(lexer.peek())) lexer.fail(`key "${key}" has no value on its line`);
    } else if (lexer.peek() === "") {
      lexer.fail(`config is invalid: key "${key}" has no value`);
    }
    if (isInMap && (lexer.peek() === "}" || lexer.peek() === "," || lexer.peek() === "")) {
      lexer.fail(`key "${key}" has no value`);
    }
    const value = this.#parseValue();
    setEntry(entries, { key, at, value, isUsedAsVariable: false });
  }

  #parseValue(): ConfigValue {
    const lexer = this.#lexer;
    if (++this.#depth > NESTING_MAX) lexer.fail(`nested deeper than ${NESTING_MAX} levels`);
    try {
      const at = lexer.position();
      if (lexer.take("{")) return this.#parseMap(at);
      if (lexer.take("[")) return this.#parseArray(at);
      const scalar = lexer.readScalar();
      return scalar.kind === "variable" ? this.#resolveVariable(scalar.name, scalar.at) : scalar;
    } finally {
      this.#depth--;
    }
  }

  /** After a value: blanks, a comment, then a line end, one of `separators`, or what closes the enclosing map. */
  #endOfValue(separators: string, isClosedByBrace: boolean): void {
    const lexer = this.#lexer;
    lexer.skipBlanks();
    lexer.skipComment();
    const next = lexer.peek();
    if (next === "" || isLineEnd(next) || (isClosedByBrace && next === "}")) return;
    if (separators.includes(next)) {
      lexer.take(next);
      return;
    }
    lexer.fail(`expected a line end, "," or ";" after a value, got ${lexer.describeNext()}`);
  }

  /** Merges the entries of another file into `entries`; the path is always relative to this file's folder. */
  #include(entries: Entries, at: Position): void {
    const written = this.#lexer.readIncludePath();
    const { surroundings, filesOpen } = this.#nesting;
    const path = join(dirname(this.#lexer.file), written);
    if (filesOpen.includes(path)) {
      throw new ConfigError(
        at,
        `error parsing include file '${written}', it includes itself: ${[...filesOpen, path].join(" -> ")}`,
      );
    }
    if (this.#depth + 1 > NESTING_MAX) throw new ConfigError(at, `nested deeper than ${NESTING_MAX} levels`);
    let text: string;
    try {
      text = surroundings.readFile(path);
    } catch (error) {
      throw new ConfigError(at, `error parsing include file '${written}', ${errorText(error)}`);
    }
    const nesting = { ...this.#nesting, filesOpen: [...filesOpen, path], depth: this.#depth + 1 };
    for (const entry of new Parser(text, path, nesting).parseFile().entries.values())
      setEntry(entries, entry);
  }

  /** bcrypt text, then the keys above in the enclosing maps, innermost first, then the environment. */
  #resolveVariable(name: string, at: Position): ConfigValue {
    // A bcrypt hash need not be quoted; only this spelling of its prefix is recognised.
    if (name.startsWith("2a$")) return { kind: "string", value: `$${name}`, at };
    for (let i = this.#scopes.length - 1; i >= 0; i--) {
      const entry = this.#scopes[i]!.get(name);
      if (entry === undefined) continue;
      entry.isUsedAsVariable = true;
      return { ...entry.value, at };
    }
    return this.#resolveFromEnvironment(name, at);
  }

  #resolveFromEnvironment(name: string, at: Position): ConfigValue {
    const { surroundings, variablesOpen } = this.#nesting;
    if (variablesOpen.includes(name)) throw new ConfigError(at, `variable reference cycle for '${name}'`);
    const text = Object.hasOwn(surroundings.environment, name) ? surroundings.environment[name] : undefined;
    if (text === undefined) {
      throw new ConfigError(at, `variable reference for '${name}' on line ${at.line} can not be found`);
    }
    const nesting = { ...this.#nesting, variablesOpen: [...variablesOpen, name], depth: this.#depth };
    try {
      return { ...new Parser(text, `$${name}`, nesting).parseValueOfVariable(), at };
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      throw new ConfigError(
        at,
        `variable reference for '${name}' on line ${at.line} could not be parsed: ${error.text}`,
      );
    }
  }
}

/** The last entry of a name wins and stands last. */
function setEntry(entries: Entries, entry: ConfigEntry): void {
  entries.delete(entry.key);
  entries.set(entry.key, entry);
}
