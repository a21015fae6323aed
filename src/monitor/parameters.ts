import { parseInt64 } from "../base/int64.ts";
import { goQuoteText } from "../protocol/go_quote.ts";
import type { Integer } from "./go_json.ts";

/** How many of a connection's or route's subscriptions a report shows. */
export type SubscriptionListing = "none" | "subjects" | "detail";

/** `none` is for a number in a request that stands for no state. */
export type ConnectionState = "open" | "closed" | "all" | "none";

/**
 * The decoded query of one monitoring request.
 *
 * A value that cannot be read yields the default and sets `error` to the body of the 400 answer;
 * the first error stays. Absent and empty are the same, names are case-sensitive, and the first of
 * several values wins. Source: nats-server `decodeBool`, `decodeInt`, `decodeUint64`, `decodeState`.
 */
export class Parameters {
  error: string | null = null;
  readonly #values: ReadonlyMap<string, string>;

  /** `query` is the raw text after the `?`. */
  constructor(query: string) {
    this.#values = decodeQuery(query);
  }

  text(name: string): string {
    return this.#values.get(name) ?? "";
  }

  boolean(name: string): boolean {
    const value = this.text(name);
    if (value === "" || FALSE_WORDS.has(value)) return false;
    if (TRUE_WORDS.has(value)) return true;
    this.#fail(`Error decoding boolean for '${name}': ${numberError("ParseBool", value, "invalid syntax")}`);
    return false;
  }

  /** A signed 64-bit integer. */
  integer(name: string): Integer {
    return this.#integer(name, "int", "Atoi", /^[+-]?[0-9]+$/, false);
  }

  /** An unsigned 64-bit integer. */
  unsigned(name: string): Integer {
    return this.#integer(name, "uint64", "ParseUint", /^[0-9]+$/, true);
  }

  /** `state`: which connections, any case; `any` is `all`. */
  connectionState(): ConnectionState {
    const value = this.text("state");
    switch (value.toLowerCase()) {
      case "":
      case "open":
        return "open";
      case "closed":
        return "closed";
      case "any":
      case "all":
        return "all";
      default:
        this.#fail(`Error decoding state for ${value}`);
        return "open";
    }
  }

  /** `subs` where it may also be the word `detail`, any case. */
  subscriptionListing(): SubscriptionListing {
    if (this.text("subs").toLowerCase() === "detail") return "detail";
    return this.boolean("subs") ? "subjects" : "none";
  }

  #integer(name: string, type: string, parser: string, form: RegExp, isUnsigned: boolean): Integer {
    const value = this.text(name);
    if (value === "") return 0;
    if (!form.test(value)) {
      this.#fail(`Error decoding ${type} for '${name}': ${numberError(parser, value, "invalid syntax")}`);
      return 0;
    }
    const parsed = parseInt64(value, isUnsigned);
    if (parsed === undefined) {
      this.#fail(`Error decoding ${type} for '${name}': ${numberError(parser, value, "value out of range")}`);
      return 0;
    }
    const number = Number(parsed);
    return Number.isSafeInteger(number) ? number : parsed;
  }

  #fail(message: string): void {
    this.error ??= message;
  }
}

const TRUE_WORDS = new Set(["1", "t", "T", "TRUE", "true", "True"]);
const FALSE_WORDS = new Set(["0", "f", "F", "FALSE", "false", "False"]);

function numberError(parser: string, value: string, problem: string): string {
  return `strconv.${parser}: parsing ${goQuoteText(value)}: ${problem}`;
}

/**
 * First value of each name. A pair with a semicolon or a broken percent escape is dropped, the others
 * stay, as Go's `URL.Query` does. (`URLSearchParams` would keep both kinds.)
 */
function decodeQuery(query: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const pair of query.split("&")) {
    if (pair === "" || pair.includes(";")) continue;
    const equals = pair.indexOf("=");
    const name = unescapePercent((equals < 0 ? pair : pair.slice(0, equals)).replaceAll("+", " "));
    const value = unescapePercent(equals < 0 ? "" : pair.slice(equals + 1).replaceAll("+", " "));
    if (name !== null && value !== null && !values.has(name)) values.set(name, value);
  }
  return values;
}

/** Decodes percent escapes, `null` if one is broken. Bytes that are no UTF-8 become U+FFFD. */
export function unescapePercent(text: string): string | null {
  if (!text.includes("%")) return text;
  if (/%(?![0-9a-fA-F]{2})/.test(text)) return null;
  const bytes = text
    .match(/%[0-9a-fA-F]{2}|[^%]+/g)!
    .flatMap((piece) =>
      piece.startsWith("%") ? [Number.parseInt(piece.slice(1), 16)] : [...new TextEncoder().encode(piece)],
    );
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(bytes));
}
