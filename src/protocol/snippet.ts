import { goQuote } from "./go_quote.ts";

/** How much of an unknown operation is shown. Source: nats-server `PROTO_SNIPPET_SIZE`. */
const SNIPPET_BYTES = 32;
const BRACE = 0x7b;

/**
 * What the log shows of `bytes[start, end)`, which are not an operation: the first few in quotes, up to a brace,
 * because the password of a mistyped CONNECT may stand behind that.
 */
export function quotedSnippet(bytes: Uint8Array, start: number, end: number): string {
  const stop = Math.min(start + SNIPPET_BYTES, end);
  const brace = bytes.subarray(start, stop).indexOf(BRACE);
  return goQuote(bytes, start, brace < 0 ? stop : start + brace);
}
