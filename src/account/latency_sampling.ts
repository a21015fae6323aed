import type { MimeHeaders } from "../protocol/mime_headers.ts";
import type { RandomBelow } from "../subject/transform.ts";
import type { ServiceLatency } from "./definition.ts";

/** Headers by canonical name, as the latency of a request shows them. */
export type TraceHeaders = Readonly<Record<string, readonly string[]>>;

export interface Sampling {
  readonly isSampled: boolean;
  /** The headers that asked for it; absent if it was drawn. */
  readonly header?: TraceHeaders;
}

const NOT_SAMPLED: Sampling = { isSampled: false };

/**
 * Whether the latency of a request is to be measured: by draw, and where that says no, by the headers that tracing
 * systems add. `readHeaders` takes the request's block apart; null if it has none.
 *
 * Source: nats-server shouldSample.
 */
export function sampleRequest(
  { sampling }: ServiceLatency,
  readHeaders: () => MimeHeaders | null,
  random: RandomBelow,
): Sampling {
  if (sampling !== "headers") {
    // nats-server compares with "or equal", so that 1 percent are two draws of a hundred.
    if (sampling >= 100 || random(100) <= sampling) return { isSampled: true };
  }
  const headers = readHeaders();
  return headers === null ? NOT_SAMPLED : sampleByHeaders(headers);
}

/** The first of the tracing systems that left a header decides. */
function sampleByHeaders(headers: MimeHeaders): Sampling {
  const uber = headers.get("Uber-Trace-Id");
  if (uber !== undefined) {
    const baggage = [...headers.keys()].filter((name) => name.startsWith("Uberctx-"));
    return isUberSampled(uber[0]!) ? sampledBy(headers, ["Uber-Trace-Id", ...baggage]) : NOT_SAMPLED;
  }
  const b3Sampled = headers.get("X-B3-Sampled")?.[0];
  if (b3Sampled === "0") return NOT_SAMPLED;
  if (b3Sampled === "1" || headers.has("X-B3-Traceid")) return sampledBy(headers, B3_HEADERS);
  const b3 = headers.get("B3");
  if (b3 !== undefined) return isB3Sampled(b3[0]!) ? sampledBy(headers, ["B3"]) : NOT_SAMPLED;
  const parent = headers.get("Traceparent");
  return parent !== undefined && isTraceContextSampled(parent[0]!)
    ? sampledBy(headers, ["Traceparent", "Tracestate"])
    : NOT_SAMPLED;
}

const B3_HEADERS = ["X-B3-Sampled", "X-B3-Traceid", "X-B3-Parentspanid", "X-B3-Spanid"];

/** `trace:span:parent:flags`; of two characters the first is not even looked at, as in nats-server. */
function isUberSampled(value: string): boolean {
  const [, , , flags = "", ...rest] = value.split(":");
  return rest.length === 0 && /^.?[13579bdf]$/i.test(flags);
}

/** `trace-span-state…`, or the state alone. */
function isB3Sampled(value: string): boolean {
  const parts = value.split("-");
  return parts[2] !== "0" && value !== "0";
}

/** `version-trace-parent-flags`. Flags are read as a signed byte, which 80 and above are not, but -1 is. */
function isTraceContextSampled(value: string): boolean {
  const [, , , flags = "", ...rest] = value.split("-");
  return rest.length === 0 && /^[0-7+][13579bdf]$/i.test(flags);
}

function sampledBy(headers: MimeHeaders, names: readonly string[]): Sampling {
  const present = names.filter((name) => headers.has(name)).sort();
  return {
    isSampled: true,
    header: Object.fromEntries(present.map((name) => [name, headers.get(name)!])),
  };
}
