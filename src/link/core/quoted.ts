import { goQuote } from "../../protocol/go_quote.ts";
import { bytesOf } from "../../subject/byte_string.ts";

/** A byte string in quotes, as names appear in log lines and -ERR texts. */
export function quoted(name: string): string {
  return goQuote(bytesOf(name));
}
