import { goQuoteText } from "../../protocol/go_quote.ts";

/**
 * Describes what is wrong with text that is not JSON, in the words of Go's encoding/json, which operators see in logs
 * and tools in answers. Only called after JSON.parse() has refused the text.
 * Source: Go, encoding/json/scanner.go.
 */

type State =
  | "value"
  | "valueOrEnd"
  | "key"
  | "keyOrEnd"
  | "afterKey"
  | "afterMember"
  | "afterElement"
  | "afterAll"
  | "string"
  | "escape"
  | "hex"
  | "minus"
  | "integer"
  | "wholePart"
  | "point"
  | "fraction"
  | "exponent"
  | "exponentSign"
  | "exponentDigits"
  | "literal";

/** What was expected in each state, for a character that does not fit. */
const PLACE: Readonly<Record<State, string>> = {
  value: "looking for beginning of value",
  valueOrEnd: "looking for beginning of value",
  key: "looking for beginning of object key string",
  keyOrEnd: "looking for beginning of object key string",
  afterKey: "after object key",
  afterMember: "after object key:value pair",
  afterElement: "after array element",
  afterAll: "after top-level value",
  string: "in string literal",
  escape: "in string escape code",
  hex: "in \\u hexadecimal character escape",
  minus: "in numeric literal",
  integer: "",
  wholePart: "",
  point: "after decimal point in numeric literal",
  fraction: "",
  exponent: "in exponent of numeric literal",
  exponentSign: "in exponent of numeric literal",
  exponentDigits: "",
  literal: "in literal",
};

const LITERALS: Readonly<Record<string, string>> = { t: "true", f: "false", n: "null" };

/** The first fault of `bytes`, read as JSON. */
export function describeJsonFault(bytes: Uint8Array): string {
  const scan = new Scan();
  for (const byte of bytes) {
    const fault = scan.take(String.fromCharCode(byte));
    if (fault !== undefined) return fault;
  }
  // The end of the text counts as a blank.
  return scan.take(" ") ?? "unexpected end of JSON input";
}

class Scan {
  #state: State = "value";
  /** The open objects and arrays; an object is `key` while its key is read. */
  readonly #open: ("key" | "member" | "array")[] = [];
  /** The current literal, and how many of its characters have been read; in state `hex`, how many digits of a `\u`. */
  #literal = "";
  #readCount = 0;

  /** Takes the next byte. Returns what is wrong with it, or undefined. */
  take(byte: string): string | undefined {
    const next = this.#next(byte);
    if (next !== undefined) {
      this.#state = next;
      return undefined;
    }
    const expected = this.#literal[this.#readCount] ?? "";
    const place =
      this.#state === "literal"
        ? `in literal ${this.#literal} (expecting '${expected}')`
        : PLACE[this.#state];
    return `invalid character ${quoteByte(byte)} ${place}`;
  }

  /** The state after `byte`; undefined if it is out of place. */
  #next(byte: string): State | undefined {
    const isDigit = byte >= "0" && byte <= "9";
    switch (this.#state) {
      case "string":
        return byte === '"'
          ? this.#afterValue()
          : byte === "\\"
            ? "escape"
            : byte < " "
              ? undefined
              : "string";
      case "escape":
        this.#readCount = 0;
        return byte === "u" ? "hex" : 'bfnrt\\/"'.includes(byte) ? "string" : undefined;
      case "hex":
        if (!/[\da-f]/i.test(byte)) return undefined;
        return ++this.#readCount === 4 ? "string" : "hex";
      case "literal":
        if (byte !== this.#literal[this.#readCount]) return undefined;
        return ++this.#readCount === this.#literal.length ? this.#afterValue() : "literal";
      case "minus":
        return byte === "0" ? "wholePart" : isDigit ? "integer" : undefined;
      case "point":
        return isDigit ? "fraction" : undefined;
      case "exponent":
        return byte === "+" || byte === "-" ? "exponentSign" : isDigit ? "exponentDigits" : undefined;
      case "exponentSign":
        return isDigit ? "exponentDigits" : undefined;
      case "integer":
      case "wholePart":
      case "fraction":
      case "exponentDigits":
        return this.#inNumber(byte, isDigit);
      default:
        return /[ \t\r\n]/.test(byte) ? this.#state : this.#betweenValues(byte, isDigit);
    }
  }

  /**
   * The next state inside a number. The number goes on, or it ends before `byte`, which is then taken as what follows a
   * value.
   */
  #inNumber(byte: string, isDigit: boolean): State | undefined {
    if (isDigit && this.#state !== "wholePart") return this.#state;
    const isWhole = this.#state === "integer" || this.#state === "wholePart";
    if (byte === "." && isWhole) return "point";
    if (/e/i.test(byte) && this.#state !== "exponentDigits") return "exponent";
    this.#state = this.#afterValue();
    return this.#next(byte);
  }

  #betweenValues(byte: string, isDigit: boolean): State | undefined {
    switch (this.#state) {
      case "valueOrEnd":
        return byte === "]" ? this.#close() : this.#beginValue(byte, isDigit);
      case "value":
        return this.#beginValue(byte, isDigit);
      case "keyOrEnd":
        return byte === "}" ? this.#close() : byte === '"' ? "string" : undefined;
      case "key":
        return byte === '"' ? "string" : undefined;
      case "afterKey":
        if (byte !== ":") return undefined;
        this.#open[this.#open.length - 1] = "member";
        return "value";
      case "afterMember":
        if (byte !== ",") return byte === "}" ? this.#close() : undefined;
        this.#open[this.#open.length - 1] = "key";
        return "key";
      case "afterElement":
        return byte === "," ? "value" : byte === "]" ? this.#close() : undefined;
      default:
        return undefined;
    }
  }

  #beginValue(byte: string, isDigit: boolean): State | undefined {
    if (byte === "{") {
      this.#open.push("key");
      return "keyOrEnd";
    }
    if (byte === "[") {
      this.#open.push("array");
      return "valueOrEnd";
    }
    if (byte === '"') return "string";
    if (byte === "-") return "minus";
    if (isDigit) return byte === "0" ? "wholePart" : "integer";
    const literal = LITERALS[byte];
    if (literal === undefined) return undefined;
    this.#literal = literal;
    this.#readCount = 1;
    return "literal";
  }

  #close(): State {
    this.#open.pop();
    return this.#afterValue();
  }

  #afterValue(): State {
    const around = this.#open.at(-1);
    if (around === undefined) return "afterAll";
    return around === "array" ? "afterElement" : around === "key" ? "afterKey" : "afterMember";
  }
}

/** Quotes a byte as a character in single quotes, by itself even if it is part of a longer character. */
function quoteByte(byte: string): string {
  if (byte === "'") return `'\\''`;
  if (byte === '"') return `'"'`;
  return `'${goQuoteText(byte).slice(1, -1)}'`;
}
