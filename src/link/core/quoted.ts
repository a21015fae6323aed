import { goQuote } from "../../protocol/go_quote.ts";
import { bytesOf } from "../../subject/byte_string.ts";

/** A byte string in quotes, as log lines and -ERR texts have names. */
export function quoted(name: string): string {
  return goQuote(bytesOf(name));
}
