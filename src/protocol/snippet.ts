import { goQuote } from "./go_quote.ts";

/** So much of what follows an unknown operation is shown. Source: nats-server `PROTO_SNIPPET_SIZE`. */
const SNIPPET_BYTES = 32;
const BRACE = 0x7b;

/**
 * What the log shows of `bytes[start, end)`, which are no operation: a few of them in quotes, up to a brace. Behind it may
 * stand the password of a CONNECT that was mistyped or came too early.
 */
export function quotedSnippet(bytes: Uint8Array, start: number, end: number): string {
  const stop = Math.min(start + SNIPPET_BYTES, end);
  const brace = bytes.subarray(start, stop).indexOf(BRACE);
  return goQuote(bytes, start, brace < 0 ? stop : start + brace);
}
