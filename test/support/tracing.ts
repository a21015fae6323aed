/** Messages that ask to be traced, and the traces that come of them. */
import { readMessage } from "./message.ts";
import type { RawClient } from "./raw_client.ts";

/** One of a trace's `events`, without its time. */
export type TraceEvent = Readonly<Record<string, unknown>>;

/** A trace as a server publishes it. */
export interface Trace {
  readonly server: Readonly<Record<string, unknown>>;
  readonly request: { readonly header: Record<string, readonly string[]>; readonly msgsize?: number };
  readonly hops?: number;
  readonly events: readonly TraceEvent[];
}

/** An HPUB with these header lines; `line` is what stands before the sizes: a subject, and a reply. */
export function headed(line: string, headers: readonly string[], payload = "hi"): string {
  const block = `NATS/1.0\r\n${headers.map((header) => `${header}\r\n`).join("")}\r\n`;
  return `HPUB ${line} ${block.length} ${block.length + payload.length}\r\n${block}${payload}\r\n`;
}

/** Takes one trace. */
export async function readTrace(client: RawClient): Promise<Trace> {
  const { payload } = await readMessage(client);
  const trace = JSON.parse(payload) as Trace;
  return { ...trace, events: trace.events.map(({ ts: _, ...event }) => event) };
}

/** What happened after the message came in, in an order of its own: servers deliver in any. */
export function sortedEvents({ events }: Trace): readonly TraceEvent[] {
  const keyOf = (event: TraceEvent) => JSON.stringify(event);
  return [events[0]!, ...events.slice(1).toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))];
}

/** Drops `ts` and orders events alike on both sides of a comparison. */
export function inOrder(...events: readonly TraceEvent[]): readonly TraceEvent[] {
  return sortedEvents({ server: {}, request: { header: {} }, events });
}
