/**
 * Collects what one server does with a traced message, as it happens. Each thread that takes part has a collector, and
 * the thread where the message came in puts them together (`shard/tracing/`).
 *
 * Entries are the `events` of the message that goes to the trace's destination. Source: NATS ADR-41; nats-server
 * `MsgTraceEvent`, `MsgTraceEgress` and their like.
 */
import { encodeGoJson, formatTime, omitEmpty, sortedRecord } from "../go_json.ts";
import type { ServerObject } from "../server_object.ts";
import type { TraceRequest } from "./trace_request.ts";

/** nats-server's numbers for the kinds of connections. */
export const TRACE_KIND = { client: 0, route: 1, gateway: 2, leaf: 4 } as const;

export type TraceKind = (typeof TRACE_KIND)[keyof typeof TRACE_KIND];

/** Why a receiver did not get the message, or why the server that did will not send a trace. */
export const TRACE_ERROR = {
  noEcho: "Not delivered because of no echo",
  subscriptionDenied: "Not delivered because subscription denies this subject",
  publishDenied: "Not delivered because publish denied for this subject",
  clientClosed: "Not delivered because client is closed",
  autoUnsubscribed: "Not delivered because auto-unsubscribe exceeded",
  slowConsumer: "Not delivered because fast producer not stalled and consumer is slow",
  onlyUnsupported: "Not delivered because remote does not support message tracing",
  unsupported:
    "Message delivered but remote does not support message tracing so no trace event generated from there",
} as const;

/** A connection that the message came by, or goes to. */
export interface TraceParty {
  readonly kind: TraceKind;
  readonly id: number;
  /** The name that a client gives itself; for a link, the name of the other server. */
  readonly name: string;
  readonly account: string;
}

export interface TraceEgress {
  readonly error?: string;
  /** Of a client: the pattern it subscribed to, and its queue group. */
  readonly subscription?: string;
  readonly queue?: string;
  readonly hop?: string;
}

/** One of the `events`; its members in nats-server's order. */
export type TraceEntry = Readonly<Record<string, unknown>>;

/** What a thread must know of a trace that began on another one. */
export interface TraceTerms {
  /** The account that the message came in by. */
  readonly account: string;
  readonly isOnly: boolean;
  /** Its hop so far, "" at its first server. */
  readonly hop: string;
}

export class MessageTrace {
  readonly terms: TraceTerms;
  /** The node the trace began on, and its number there, by which threads refer to it. */
  readonly node: number;
  readonly number: number;
  readonly entries: TraceEntry[] = [];
  /** How many links the message has left by, on this thread. */
  hops: number;
  /** Why it was turned away where it came in, "" where it was not. */
  error = "";
  readonly #wallMs: () => number;

  /** `hops`: how many links it had left by before, if this thread has seen it already. */
  constructor(terms: TraceTerms, node: number, number: number, wallMs: () => number, hops = 0) {
    this.terms = terms;
    this.node = node;
    this.number = number;
    this.hops = hops;
    this.#wallMs = wallMs;
  }

  /** Whether the message is only traced, and delivered to nobody but other servers. */
  get isOnly(): boolean {
    return this.terms.isOnly;
  }

  mapped(to: string): void {
    this.#add("sm", { to });
  }

  serviceImported(account: string, from: string, to: string): void {
    this.#add("si", { acc: account, from, to });
  }

  streamExported(account: string, to: string): void {
    this.#add("se", { acc: account, to });
  }

  /** Notes that somebody gets the message or, with an error, does not. */
  left({ kind, id, name, account }: TraceParty, { error, subscription, queue, hop }: TraceEgress = {}): void {
    const isShown =
      (kind === TRACE_KIND.client || kind === TRACE_KIND.leaf) && account !== this.terms.account;
    this.#add("eg", {
      kind,
      cid: id,
      name: omitEmpty(name),
      hop: omitEmpty(hop),
      acc: isShown ? account : undefined,
      sub: omitEmpty(subscription),
      queue: omitEmpty(queue),
      error: omitEmpty(error),
    });
  }

  /** The value of `Nats-Trace-Hop` for the next link it leaves by. */
  nextHop(): string {
    this.hops++;
    const { hop } = this.terms;
    return hop === "" ? `${this.hops}` : `${hop}.${this.hops}`;
  }

  /** The message did not leave by that link after all. */
  takeBackHop(): void {
    this.hops--;
  }

  #add(type: string, members: TraceEntry): void {
    this.entries.push({ type, ts: formatTime(this.#wallMs()), ...members });
  }
}

/** The first of the `events`: how the message came in. */
export function ingressEntry(
  { kind, id, name, account }: TraceParty,
  subject: string,
  atMs: number,
  error: string,
): TraceEntry {
  return {
    type: "in",
    ts: formatTime(atMs),
    kind,
    cid: id,
    name: omitEmpty(name),
    acc: account,
    subj: subject,
    error: omitEmpty(error),
  };
}

/** What a server reports of a message, except for the server itself. */
export interface TraceReport {
  readonly headers: TraceRequest["headers"];
  /** Of headers and payload. */
  readonly messageBytes: number;
  readonly hops: number;
  readonly entries: readonly TraceEntry[];
}

/** The message that goes to the trace's destination. */
export function encodeTrace(server: ServerObject, report: TraceReport): string {
  const { headers, messageBytes, hops, entries } = report;
  const request = { header: sortedRecord(headers), msgsize: omitEmpty(messageBytes) };
  return encodeGoJson({ server, request, hops: omitEmpty(hops), events: entries }, 0);
}
