import { ConfigError, type ConfigValue, type Position } from "./config_tree.ts";

/** A key, a value without structure, or `$name`: what the lexer can tell without knowing where it stands. */
export type Scalar =
  | Exclude<ConfigValue, { kind: "array" } | { kind: "map" }>
  | { readonly kind: "variable"; readonly name: string; readonly at: Position };

/** What ends an unquoted value. A `'` ends one too and is swallowed, as in nats-server. */
const UNQUOTED_END = new Set(["", "\n", "\r", " ", "\t", ";", ",", "]", "}", "'"]);

/** Values that end where a comment starts; after other ones `#` and `//` are ordinary characters. */
const NUMBER_BEFORE_COMMENT = /^(?:-\d+|-?\d+\.\d+(?:\.[\d.:-]*)?|\d{4}-\d\d-\d\dT[\d:]{8}Z)(?=#|\/\/)/;

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

const SUFFIX_EXPONENT: Readonly<Record<string, bigint>> = { k: 1n, m: 2n, g: 3n, t: 4n, p: 5n, e: 6n };

/**
 * A cursor over the text of one configuration file that knows how keys, scalars, comments and include paths
 * are written. The parser above it knows how they fit together.
 *
 * Every failure is a `ConfigError` with a position. Source: nats-server conf/lex.go.
 */
export class Lexer {
  readonly file: string;
  readonly #text: string;
  readonly #lineStarts: number[] = [0];
  #offset = 0;

  constructor(text: string, file: string) {
    this.#text = text;
    this.file = file;
    for (let i = text.indexOf("\n"); i >= 0; i = text.indexOf("\n", i + 1)) this.#lineStarts.push(i + 1);
    if (text.startsWith("\uFEFF"))
      this.fail("starts with a byte order mark; save the file as UTF-8 without one", 0);
    const nul = text.indexOf("\0");
    if (nul >= 0) this.fail("contains a NUL byte; a configuration is text", nul);
  }

  /** The offset of the next character, for `position()` and `fail()`. */
  get offset(): number {
    return this.#offset;
  }

  /** The next character, or "" at the end of the text. */
  peek(ahead = 0): string {
    return this.#text.charAt(this.#offset + ahead);
  }

  /** Moves past `text` if it comes next. */
  take(text: string): boolean {
    if (!this.#text.startsWith(text, this.#offset)) return false;
    this.#offset += text.length;
    return true;
  }

  position(offset: number = this.#offset): Position {
    let low = 0;
    let high = this.#lineStarts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#lineStarts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    const column = offset - this.#lineStarts[low]! + (low === 0 ? 0 : 1);
    return { file: this.file, line: low + 1, column };
  }

  fail(text: string, offset: number = this.#offset): never {
    throw new ConfigError(this.position(offset), text);
  }

  /** What stands at the cursor, for an error message. */
  describeNext(): string {
    const code = this.#text.codePointAt(this.#offset);
    return code === undefined ? "the end of the file" : JSON.stringify(String.fromCodePoint(code));
  }

  /** Moves past spaces and tabs; never past a line end. */
  skipBlanks(): void {
    while (this.peek() === " " || this.peek() === "\t") this.#offset++;
  }

  /** Moves past white space of any kind, line ends included. */
  skipSpace(): void {
    while (isSpace(this.peek())) this.#offset++;
  }

  /** Moves past white space and comments. */
  skipSpaceAndComments(): void {
    do this.skipSpace();
    while (this.skipComment());
  }

  /** Moves past a comment, up to the line end that closes it; false if none comes next. */
  skipComment(): boolean {
    if (this.peek() !== "#" && !(this.peek() === "/" && this.peek(1) === "/")) return false;
    while (this.peek() !== "" && !isLineEnd(this.peek())) this.#offset++;
    return true;
  }

  /** Reads a key: unquoted up to white space, `=` or `:`, or between quotes without escapes. */
  readKey(): { key: string; at: Position; isQuoted: boolean } {
    const quote = this.peek();
    if (quote === "=" || quote === ":") this.fail(`expected a key, got the separator "${quote}"`);
    if (quote === ";" || quote === ",") this.fail(`expected a key, got "${quote}"`);
    const start = this.#offset;
    if (quote === '"' || quote === "'") {
      const end = this.#text.indexOf(quote, start + 1);
      if (end < 0) this.fail(`quoted key has no closing ${quote}`);
      this.#offset = end + 1;
      return { key: this.#text.slice(start + 1, end), at: this.position(start + 1), isQuoted: true };
    }
    this.#offset++;
    while (!isSpace(this.peek()) && !["=", ":", ""].includes(this.peek())) this.#offset++;
    return { key: this.#text.slice(start, this.#offset), at: this.position(start), isQuoted: false };
  }

  /** Reads the path after `include`. An unquoted one ends at white space, `;` or `}`, not at a comma. */
  readIncludePath(): string {
    this.skipBlanks();
    const first = this.peek();
    if (first === '"' || first === "'") return this.#readVerbatim(first, "include path");
    if (first === "" || isLineEnd(first)) this.fail("include has no path; write it on the same line");
    if (/[[{(\\\d-]/.test(first)) this.fail(`include path starts with "${first}"; quote it`);
    const start = this.#offset;
    while (!isSpace(this.peek()) && !["", ";", "}", "'"].includes(this.peek())) this.#offset++;
    const path = this.#text.slice(start, this.#offset);
    this.take("'");
    return path;
  }

  /** Reads a string, number, bool, datetime or variable; the cursor is at its first character. */
  readScalar(): Scalar {
    const start = this.#offset;
    const at = this.position(start);
    switch (this.peek()) {
      case "'":
        return { kind: "string", value: this.#readVerbatim("'", "string"), at };
      case '"':
        return { kind: "string", value: this.#readDoubleQuoted(), at };
      case "(":
        return { kind: "string", value: this.#readBlock(), at };
      default:
        return this.#readUnquoted(start, at);
    }
  }

  #readVerbatim(quote: string, what: string): string {
    const start = this.#offset + 1;
    const end = this.#text.indexOf(quote, start);
    if (end < 0) this.fail(`${what} has no closing ${quote}`);
    this.#offset = end + 1;
    return this.#text.slice(start, end);
  }

  #readDoubleQuoted(): string {
    const start = this.#offset;
    let end = start + 1;
    while (this.#text[end] !== '"') {
      if (end >= this.#text.length) this.fail('string has no closing "', start);
      end += this.#text[end] === "\\" ? 2 : 1;
    }
    this.#offset = end + 1;
    return this.#unescape(start + 1, end);
  }

  /** `( … )`: ends at a `)` alone on its line; keeps the line ends inside. */
  #readBlock(): string {
    const start = this.#offset;
    const end = /\n\)(?=\r?\n|$)/g;
    end.lastIndex = start + 1;
    const match = end.exec(this.#text);
    if (match === null) this.fail("block has no closing ) on a line of its own", start);
    this.#offset = match.index + 2;
    return this.#text.slice(start + 1, match.index + 1);
  }

  #readUnquoted(start: number, at: Position): Scalar {
    while (!UNQUOTED_END.has(this.peek())) this.#offset++;
    let word = this.#text.slice(start, this.#offset);
    const number = NUMBER_BEFORE_COMMENT.exec(word)?.[0];
    if (number !== undefined) {
      word = number;
      this.#offset = start + number.length;
    }
    if (this.take("'")) return { kind: "string", value: this.#unescape(start, start + word.length), at };
    if (/^(true|yes|on)$/i.test(word)) return { kind: "bool", value: true, at };
    if (/^(false|no|off)$/i.test(word)) return { kind: "bool", value: false, at };
    if (word.startsWith("$") && !word.includes("\\")) return { kind: "variable", name: word.slice(1), at };
    return (
      this.#readNumber(word, start, at) ?? { kind: "string", value: this.#unescape(start, this.#offset), at }
    );
  }

  /** A number or datetime, undefined for what is a string after all, or a failure for what is neither. */
  #readNumber(word: string, start: number, at: Position): Scalar | undefined {
    if (word.startsWith("."))
      this.fail(`${quote(word)} starts with a point; write 0${word} or quote it`, start);
    if (!/^-|^\d/.test(word)) return undefined;

    const integer = /^(-?\d+)(?:([kmgtpe])([bi]*))?$/i.exec(word);
    if (integer !== null) return { kind: "integer", value: this.#readInteger(integer, start), at };
    if (/^-?\d+\.\d+$/.test(word)) {
      const value = Number(word);
      if (!Number.isFinite(value)) this.fail(`float '${word}' is out of the range`, start);
      return { kind: "float", value, at };
    }
    if (/^-?\d+\.\d+\.[\d.:-]*$/.test(word)) return { kind: "string", value: word, at };
    if (/^-?\d+\./.test(word))
      this.fail(`${quote(word)} is neither a number nor an address; quote it`, start);
    if (/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(word)) {
      if (!isRealDatetime(word)) this.fail(`${quote(word)} is no date of the calendar; quote it`, start);
      return { kind: "datetime", value: word, at };
    }
    if (/^\d+-/.test(word))
      this.fail(`${quote(word)} is no datetime like 2016-05-04T18:53:41Z; quote it`, start);
    if (/^-\d+[kmgtpe]/i.test(word)) return undefined;
    if (word.startsWith("-")) this.fail(`${quote(word)} starts with "-" but is no number; quote it`, start);
    return undefined;
  }

  #readInteger(match: RegExpExecArray, start: number): bigint {
    const [word, digits = "", letter = "", unit = ""] = match;
    if (!/^(|b|i|ib)$/i.test(unit)) {
      this.fail(
        `${quote(word)} has the unknown unit "${letter}${unit}"; use k, kb, ki or kib (m, g, t, p, e alike)`,
        start,
      );
    }
    const base = unit === "" ? 1000n : 1024n;
    const value = BigInt(digits) * base ** (SUFFIX_EXPONENT[letter.toLowerCase()] ?? 0n);
    if (value < INT64_MIN || value > INT64_MAX) this.fail(`integer '${word}' is out of the range`, start);
    return value;
  }

  /** The text of `[start, end)` with `\t \n \r \" \\ \xHH` replaced. `\xHH` are bytes, together read as UTF-8. */
  #unescape(start: number, end: number): string {
    const text = this.#text.slice(start, end);
    if (!text.includes("\\")) return text;
    const bytes: number[] = [];
    for (let i = 0; i < text.length; ) {
      if (text[i] !== "\\") {
        const next = text.indexOf("\\", i);
        const plain = text.slice(i, next < 0 ? text.length : next);
        for (const byte of new TextEncoder().encode(plain)) bytes.push(byte);
        i += plain.length;
        continue;
      }
      const escaped = text[i + 1] ?? "";
      if (escaped === "x") {
        const hex = text.slice(i + 2, i + 4);
        if (!/^[\da-f]{2}$/i.test(hex)) this.fail("\\x needs two hexadecimal digits", start + i);
        bytes.push(Number.parseInt(hex, 16));
        i += 4;
        continue;
      }
      const at = 'tnr"\\'.indexOf(escaped);
      if (escaped === "" || at < 0) {
        this.fail(`unknown escape \\${escaped}; known are \\t \\n \\r \\" \\\\ \\xHH`, start + i);
      }
      bytes.push('\t\n\r"\\'.charCodeAt(at));
      i += 2;
    }
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(bytes));
  }
}

/** White space between entries, line ends included. */
function isSpace(character: string): boolean {
  return character !== "" && /^[\s\u0085]$/.test(character) && character !== "\uFEFF";
}

export function isLineEnd(character: string): boolean {
  return character === "\n" || character === "\r";
}

function quote(word: string): string {
  return JSON.stringify(word);
}

function isRealDatetime(word: string): boolean {
  const time = Date.parse(word);
  return !Number.isNaN(time) && new Date(time).toISOString().slice(0, 19) === word.slice(0, 19);
}
