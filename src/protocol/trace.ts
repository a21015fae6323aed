// The texts of trace log lines. Cold: written only where `trace` is on for the connection.

import { goQuote } from "./go_quote.ts";
import { decodeJson, jsonMembers } from "./json_members.ts";

/** `in` from the peer, `out` to the peer, `internal` neither. */
export type TraceDirection = "in" | "out" | "internal";

const ARROWS: Readonly<Record<TraceDirection, string>> = { in: "<<-", out: "->>", internal: "<->" };

const CR_LF_BYTES = 2;

/**
 * An operation other than CONNECT, as the protocol spells it, with its arguments as they stand in the
 * control line: `<<- [SUB foo 1]`, `->> [PONG]`, `<-> [DELSUB 1]`. `-ERR` and `OK` are traced when they
 * are sent; nats-server does not trace INFO, +OK and -ERR that come from a client.
 */
export function traceOperation(
  direction: TraceDirection,
  operation: string,
  argument?: Uint8Array | string,
): string {
  if (argument === undefined) return `${ARROWS[direction]} [${operation}]`;
  // slice, because TextDecoder refuses shared memory.
  const text = typeof argument === "string" ? argument : new TextDecoder().decode(argument.slice());
  return `${ARROWS[direction]} [${operation} ${text}]`;
}

/** A CONNECT that came in, its secrets replaced. `bytes[start, end)` is the document. */
export function traceConnect(bytes: Uint8Array, start: number, end: number): string {
  return traceOperation("in", "CONNECT", redactSecrets(decodeJson(bytes, start, end)));
}

/** `<<- [MAPPING a -> b]`: the subject of a publication was replaced. */
export function traceMapping(from: string, to: string): string {
  return traceOperation("in", "MAPPING", `${from} -> ${to}`);
}

export interface PayloadTraceOptions {
  /** Bytes shown at most (`max_traced_msg_len`), 0 for all. */
  readonly maxTracedBytes: number;
  /** Show the header block alone (`trace_headers`). */
  readonly headersOnly: boolean;
}

/**
 * `<<- MSG_PAYLOAD: ["hello"]`, or null where there is nothing to show. `message` is headers and
 * payload without the final CR LF; its first `headerBytes` bytes are the header block.
 */
export function tracePayload(
  direction: TraceDirection,
  message: Uint8Array,
  headerBytes: number,
  options: PayloadTraceOptions,
): string | null {
  // The header block ends with CR LF CR LF, which is not shown.
  const end = options.headersOnly ? headerBytes - 2 * CR_LF_BYTES : message.length;
  if (end <= 0) return null;
  const isCut = options.maxTracedBytes > 0 && end > options.maxTracedBytes;
  const quoted = goQuote(message, 0, isCut ? options.maxTracedBytes : end);
  return `${ARROWS[direction]} MSG_PAYLOAD: [${isCut ? `${quoted.slice(0, -1)}..."` : quoted}]`;
}

/** Keys whose values the log must not hold. */
const SECRET_KEY = /^(?:pass.*|auth_token.*|sig|proxy_sig|nkey)$/i;
/**
 * A JWT is shown without its signature. nats-server shows that too, but then anybody who reads the log could log in
 * with a bearer token.
 */
const JWT_KEY = /^jwt$/i;
const SIGNED_PART = /^"[\w-]+\.[\w-]+\./;

/**
 * Replaces the values of secret fields by `[REDACTED]`. Where nats-server searches the text for what
 * looks like such a field, this reads the JSON, so that no way of writing a key or a value gets past
 * it; a document that is no JSON object is not shown at all.
 */
function redactSecrets(document: string): string {
  const members = jsonMembers(document);
  if (members === null) return `[REDACTED: ${document.length} characters that are no JSON object]`;
  let shown = "";
  let shownTo = 0;
  for (const { key, json, jsonStart } of members) {
    const isJwt = JWT_KEY.test(key);
    if (!isJwt && !SECRET_KEY.test(key)) continue;
    const quote = json.startsWith('"') ? '"' : "";
    const kept = (isJwt && SIGNED_PART.exec(json)?.[0]) || quote;
    shown += `${document.slice(shownTo, jsonStart)}${kept}[REDACTED]${quote}`;
    shownTo = jsonStart + json.length;
  }
  return shown + document.slice(shownTo);
}
