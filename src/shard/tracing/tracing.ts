/**
 * Traces of messages that ask for one. The thread where such a message comes in begins a trace, delivers the message to
 * its own subscribers one by one, and sends it to other threads, which are to report. Once all have reported, main gets
 * the whole trace and publishes it. Cold. Source: NATS ADR-41.
 *
 *   trace    this thread → another: the message, and whose trace it is
 *   traced   back: what became of it there
 */
import { FABRIC_SLOT, HeldMessage } from "../../fabric/held_message.ts";
import type { Delivery } from "../../fabric/message_record.ts";
import { AREA_HEARS_TRACEPARENT, CONTEXT_IS_RESPONSE } from "../../memory/layout.ts";
import { publishViolationLogText, publishViolationText } from "../../protocol/errors.ts";
import { errorLine } from "../../protocol/messages.ts";
import { MessageTrace, TRACE_KIND, type TraceParty } from "../../protocol/tracing/message_trace.ts";
import { admitTrace } from "../../protocol/tracing/trace_admission.ts";
import { readTraceRequest, TRACE_DISABLED, type TraceRequest } from "../../protocol/tracing/trace_request.ts";
import { byteStringOf, byteStringOfText, bytesOf } from "../../subject/byte_string.ts";
import { randomBelow, type ShardAccount } from "../accounts.ts";
import { isReservedSubject } from "../client/reserved.ts";
import type { Connection } from "../connection.ts";
import type { ShardContext } from "../context.ts";
import type { LinkHost } from "../links/link_host.ts";
import type { Rings } from "../rings.ts";
import type { ShardControl, TraceResult } from "../shard_messages.ts";
import { TIMER_TRACES } from "../timers.ts";
import { OpenTrace, type TracedArrival, type TraceEnd } from "./open_trace.ts";
import type { SingleDelivery } from "./single_delivery.ts";
import { TracedDelivery } from "./traced_delivery.ts";

/** How long other threads may take to report. A trace without their part is better than none. */
const PARTS_MS_MAX = 2000;
/** Traces for which the links shard remembers the number of hops. */
const HOPS_MAX = 1024;

type TraceOrder = Extract<ShardControl, { type: "trace" }>;
type TraceAnswer = Extract<ShardControl, { type: "traced" }>;

/** The client or link that brought a message, which may ask to be traced. */
export interface TraceBringer {
  readonly party: TraceParty;
  readonly account: ShardAccount;
  /** The bringer's name in log lines. */
  readonly label: string;
  /** Whether the bringer may publish to a destination, a byte string. */
  mayPublish(destination: string): boolean;
  /** Tells the bringer that it may not publish there. */
  refuse(destination: string): void;
}

/** How a message goes on: with its trace, untraced, or marked so that no further server traces it. */
export interface TraceStart {
  readonly trace: MessageTrace | null;
  readonly isDisabled: boolean;
}

const UNTRACED: TraceStart = { trace: null, isDisabled: false };

/** What traces need of the rest of the shard. */
export interface TracingHost {
  readonly rings: Rings;
  readonly single: SingleDelivery;
  /** The links, on the links shard only. */
  readonly links: LinkHost | null;
  /** A traced answer to a service's request has come to the shard that waits for it. */
  takeAnswer(message: HeldMessage, trace: MessageTrace): void;
  report(result: TraceResult): void;
}

export class Tracing {
  readonly #shard: ShardContext;
  readonly #host: TracingHost;
  readonly #delivery: TracedDelivery;
  readonly #open = new Map<number, OpenTrace>();
  #lastNumber = 0;
  #isWatched = false;
  /** Reports for other threads. Sending them from within a drain might wait for room, and drain again. */
  #answers: { readonly node: number; readonly answer: TraceAnswer }[] = [];
  /** Hops of traces of other threads, by node and number: the links that their messages have left by. */
  readonly #hops = new Map<string, number>();

  constructor(shard: ShardContext, host: TracingHost) {
    this.#shard = shard;
    this.#host = host;
    this.#delivery = new TracedDelivery(shard, host.single);
    this.accountsChanged();
  }

  /** Tells the engine whether any account listens to `traceparent`. */
  accountsChanged(): void {
    const { accounts, node, shared } = this.#shard;
    const hears = [...accounts.all()].some(({ definition }) => definition.messageTrace !== undefined);
    shared.words[(shared.map.area(node).area + AREA_HEARS_TRACEPARENT) >> 2] = hears ? 1 : 0;
  }

  /** Returns a client's message as it goes on; null if it does not. end() must be called once all is done with it. */
  begin(connection: Connection, message: HeldMessage): HeldMessage | null {
    const { bytes, headerLength, payloadLength, subject } = message;
    if (headerLength <= 0) return message;
    const start = this.start(bytes, headerLength, payloadLength, subject, this.#bringer(connection));
    if (start === null) return null;
    if (start.isDisabled) return message.withTrace(TRACE_DISABLED, null);
    return start.trace === null ? message : message.tracedBy(start.trace);
  }

  /**
   * Traces a message that is too large for its client, if it asks for that. `bytes` is the part of its headers that has
   * come.
   */
  tellTooLarge(connection: Connection, subject: Uint8Array, bytes: Uint8Array, messageBytes: number): void {
    const start = this.start(bytes, bytes.length, messageBytes, subject, this.#bringer(connection));
    if (start?.trace == null) return;
    start.trace.error = "maximum payload exceeded";
    this.end(start.trace);
  }

  /**
   * Reads whether a message asks to be traced, and begins a trace if that is allowed. Returns null if the message goes
   * nowhere.
   */
  start(
    bytes: Uint8Array,
    headerBytes: number,
    messageBytes: number,
    subject: Uint8Array,
    bringer: TraceBringer,
  ): TraceStart | null {
    const request = readTraceRequest(bytes, headerBytes);
    if (request === null) return UNTRACED;
    const { account, label, party } = bringer;
    const admission = admitTrace(request, {
      isClient: party.kind === TRACE_KIND.client,
      accountTrace: account.definition.messageTrace,
      mayPublish: (destination) => bringer.mayPublish(byteStringOfText(destination)),
      randomBelow,
    });
    if ("log" in admission) this.#shard.log("error", `${label} - ${admission.log}`);
    switch (admission.kind) {
      case "untraced":
        return UNTRACED;
      case "disabled":
        return { trace: null, isDisabled: true };
      case "dropped":
        return null;
      case "refused":
        bringer.refuse(byteStringOfText(admission.destination));
        return null;
      case "traced": {
        const { destination } = admission;
        const name = byteStringOf(subject);
        const arrival = { party, accountId: account.id, subject: name, request, destination, messageBytes };
        return { trace: this.#begin(request, arrival), isDisabled: false };
      }
    }
  }

  #begin({ isOnly, hop }: TraceRequest, arrival: TracedArrival): MessageTrace {
    const { node, nowMs } = this.#shard;
    const wallMs = () => this.#shard.wallMs();
    const number = ++this.#lastNumber;
    const { account, kind } = arrival.party;
    // A client's message has no hops, whatever its header says.
    const terms = { account, isOnly, hop: kind === TRACE_KIND.client ? "" : hop };
    const trace = new MessageTrace(terms, node, number, wallMs);
    this.#open.set(number, new OpenTrace(trace, arrival, wallMs(), nowMs + PARTS_MS_MAX));
    return trace;
  }

  /** This thread is done with a message. */
  end(trace: MessageTrace | null): void {
    const open = trace === null ? undefined : this.#openOf(trace);
    if (open === undefined) return;
    open.end();
    if (open.isComplete) this.#finish(open);
    else this.#watch();
  }

  /** The destination of a trace that began here. */
  destinationOf(trace: MessageTrace): string {
    return this.#openOf(trace)?.destination ?? "";
  }

  /** Calls back when a trace is over. */
  afterwards(trace: MessageTrace, callback: TraceEnd): void {
    this.#openOf(trace)?.afterwards(callback);
  }

  /** Delivers a traced message to everybody, here and on other threads. Returns how many take it. */
  deliver(message: HeldMessage, trace: MessageTrace): number {
    const { taken, elsewhere } = this.#delivery.deliver(message, trace);
    if (taken > 0) this.#openOf(trace)?.noteTaken();
    let all = taken;
    for (const { node, isPlain, queues, isWanted } of elsewhere) {
      this.send(node, { message, isPlain, queues, wantsTaker: false });
      if (isWanted) all += queues.length + (isPlain ? 1 : 0);
    }
    return all;
  }

  /** Sends a message to another thread, which is to report if the message is traced. */
  send(node: number, delivery: Delivery): void {
    const { message, isPlain, queues } = delivery;
    const { trace } = message;
    const { rings } = this.#host;
    // Main and the logins thread serve no connections: what is for the server itself is not reported.
    const open = trace === null ? undefined : this.#openOf(trace);
    if (open === undefined || !this.#shard.shared.map.hasConnections(node)) {
      open?.noteTaken();
      rings.send(node, delivery);
      return;
    }
    const { terms, number } = open.trace;
    const { context, subject, line, headerLength, payloadLength, bytes } = message;
    open.awaitPart();
    const isSent = rings.sendControl(node, {
      type: "trace",
      node: this.#shard.node,
      number,
      terms,
      message: {
        context,
        subject: byteStringOf(subject),
        line: byteStringOf(line),
        headerLength,
        payloadLength,
        content: bytes.toBase64(),
      },
      isPlain,
      queues: [...queues],
    });
    if (!isSent) open.takePart({ entries: [], hops: 0, taken: 0 });
  }

  /** Takes another thread's traced message, for the subscribers of this one. */
  take(order: TraceOrder): void {
    const { node, number, terms, isPlain, queues } = order;
    const { context, subject, line, headerLength, payloadLength, content } = order.message;
    const key = `${node} ${number}`;
    const before = this.#hops.get(key) ?? 0;
    const trace = new MessageTrace(terms, node, number, () => this.#shard.wallMs(), before);
    const message = HeldMessage.parse(
      context,
      bytesOf(subject),
      bytesOf(line),
      headerLength,
      payloadLength,
      FABRIC_SLOT,
      Uint8Array.fromBase64(content),
    ).tracedBy(trace);
    const delivery = { message, isPlain, queues: Int32Array.from(queues), wantsTaker: false };
    const taken = this.#takeHere(delivery, trace);
    if (trace.hops > before) this.#noteHops(key, trace.hops);
    const hops = trace.hops - before;
    this.#answers.push({ node, answer: { type: "traced", number, entries: trace.entries, hops, taken } });
  }

  #takeHere(delivery: Delivery, trace: MessageTrace): number {
    if ((delivery.message.context & CONTEXT_IS_RESPONSE) !== 0) {
      this.#host.takeAnswer(delivery.message, trace);
      return 1;
    }
    return this.#host.links?.takeMessage(delivery) ?? this.#delivery.deliverHere(delivery, trace);
  }

  takePart({ number, ...part }: TraceAnswer): void {
    const open = this.#open.get(number);
    if (open === undefined) return;
    open.takePart(part);
    if (open.isComplete) this.#finish(open);
  }

  get hasWork(): boolean {
    return this.#answers.length > 0;
  }

  /** Reports to other threads what became of their messages. Must not be called from within a drain. */
  doWork(): void {
    while (this.#answers.length > 0) {
      const { node, answer } = this.#answers.shift()!;
      this.#host.rings.sendControl(node, answer);
    }
  }

  /** Finishes traces whose missing reports have not come in time. */
  expire(): void {
    this.#isWatched = false;
    for (const open of this.#open.values()) if (open.deadlineMs <= this.#shard.nowMs) this.#finish(open);
    if (this.#open.size > 0) this.#watch();
  }

  #finish(open: OpenTrace): void {
    this.#open.delete(open.trace.number);
    this.#host.report(open.finish());
  }

  #watch(): void {
    if (this.#isWatched) return;
    this.#isWatched = true;
    const { nowMs, timers } = this.#shard;
    timers.set(TIMER_TRACES, nowMs + PARTS_MS_MAX);
  }

  /** The open trace, if it began here and is not over. */
  #openOf({ node, number }: MessageTrace): OpenTrace | undefined {
    return node === this.#shard.node ? this.#open.get(number) : undefined;
  }

  #noteHops(key: string, hops: number): void {
    if (this.#hops.size >= HOPS_MAX) this.#hops.clear();
    this.#hops.set(key, hops);
  }

  #bringer(connection: Connection): TraceBringer {
    const { account, clientId, options, label } = connection;
    return {
      party: { kind: TRACE_KIND.client, id: clientId, name: options.name, account: account.name },
      account,
      label,
      mayPublish: (destination) => this.#mayPublish(connection, destination),
      refuse: (destination) => this.#refuse(connection, bytesOf(destination)),
    };
  }

  #mayPublish({ context, account }: Connection, destination: string): boolean {
    const bytes = bytesOf(destination);
    if (isReservedSubject(bytes, 0, bytes.length, account.isSystem)) return false;
    return this.#shard.contexts.permissionsOf(context)?.canPublish(destination) ?? true;
  }

  #refuse(connection: Connection, destination: Uint8Array): void {
    this.#shard.outbound.append(connection, errorLine(publishViolationText(destination)));
    this.#shard.log("error", `${connection.label} - ${publishViolationLogText(destination)}`);
  }
}
