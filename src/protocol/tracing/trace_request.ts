/**
 * What a header block says of tracing: the headers by which a message asks to be followed on its way. Cold: the engine
 * has already picked out the messages that may ask. Source: NATS ADR-41; nats-server
 * `genHeaderMapIfTraceHeadersPresent`.
 */
import { byteStringOf, textOf } from "../../subject/byte_string.ts";

/** Where traces go; its value `TRACE_DISABLED` keeps servers from tracing. Names of headers are case-sensitive. */
export const TRACE_DESTINATION = "Nats-Trace-Dest";
export const TRACE_DISABLED = "trace disabled";
/** Numbers the links that a message leaves by: `1.2` is the second link that leaves the server behind link `1`. */
export const TRACE_HOP = "Nats-Trace-Hop";
/** Old servers wrote it; it is not trusted. */
export const TRACE_ORIGIN_ACCOUNT = "Nats-Trace-Origin-Account";
const TRACE_ONLY = "Nats-Trace-Only";
const ACCEPT_ENCODING = "Accept-Encoding";

const VERSION_LINE = "NATS/1.0\r\n";
const LINE_END = "\r\n";
/** Only blocks with one of these names are read further. */
const MAY_ASK = /\r\n(?:Nats-Trace-Dest:|traceparent:)/i;
/** `version-trace-parent-flags`, the last of which say whether the caller traces. */
const TRACEPARENT = /^[^-]*-[^-]*-[^-]*-([+0-9a-fA-F][0-9a-fA-F])$/;
const IS_SAMPLED = 1;
/** Flags are read as a signed byte. */
const FLAGS_MAX = 0x7f;

/** The headers of a message that asks to be traced. */
export interface TraceRequest {
  /** All of them, in the order they come; names as they are written, values without blanks around them. */
  readonly headers: ReadonlyMap<string, readonly string[]>;
  /** Where the trace is to go. Null for a `traceparent`: then the account decides. */
  readonly destination: string | null;
  /** Whether the message is only traced, and delivered to nobody. */
  readonly isOnly: boolean;
  /** "" where it comes from whoever published it. */
  readonly hop: string;
  readonly originAccount: string;
  /** The encodings that the trace may have; "" for none. */
  readonly acceptEncoding: string;
}

/** The request in a header block at the start of `bytes`, perhaps cut off; null for a block that asks for nothing. */
export function readTraceRequest(bytes: Uint8Array, headerBytes: number): TraceRequest | null {
  const block = byteStringOf(bytes, 0, headerBytes);
  if (!block.startsWith(VERSION_LINE) || !MAY_ASK.test(block)) return null;
  const headers = readHeaders(block);
  const first = (name: string) => headers.get(name)?.[0] ?? "";
  const destinations = headers.get(TRACE_DESTINATION) ?? [];
  if (destinations.includes(TRACE_DISABLED)) return null;
  const isExternal = destinations.length === 0;
  if (isExternal && !isSampledElsewhere(headers)) return null;
  return {
    headers,
    destination: isExternal ? null : destinations[0]!,
    isOnly: !isExternal && ["1", "true", "on"].includes(first(TRACE_ONLY).toLowerCase()),
    hop: first(TRACE_HOP),
    originAccount: first(TRACE_ORIGIN_ACCOUNT),
    acceptEncoding: first(ACCEPT_ENCODING),
  };
}

/** A name ends at the first colon, wherever that is, and a value at the next line's end; empty ones are left out. */
function readHeaders(block: string): Map<string, string[]> {
  const headers = new Map<string, string[]>();
  for (let at = VERSION_LINE.length; at < block.length; ) {
    const colon = block.indexOf(":", at);
    const end = colon < 0 ? -1 : block.indexOf(LINE_END, colon + 1);
    if (end < 0) break;
    const name = textOf(block.slice(at, colon));
    const value = textOf(block.slice(colon + 1, end).replace(/^[ \t]+|[ \t]+$/g, ""));
    if (name !== "" && value !== "") headers.getOrInsertComputed(name, () => []).push(value);
    at = end + LINE_END.length;
  }
  return headers;
}

function isSampledElsewhere(headers: ReadonlyMap<string, readonly string[]>): boolean {
  for (const [name, values] of headers) {
    if (name.toLowerCase() !== "traceparent") continue;
    for (const value of values) {
      const flags = Number.parseInt(TRACEPARENT.exec(value)?.[1] ?? "0", 16);
      if (flags <= FLAGS_MAX && (flags & IS_SAMPLED) !== 0) return true;
    }
  }
  return false;
}
