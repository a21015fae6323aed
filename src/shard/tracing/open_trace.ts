/** A trace on the thread where its message came in, until every thread that got the message has told of it. */
import {
  ingressEntry,
  type MessageTrace,
  type TraceEntry,
  type TraceParty,
} from "../../protocol/tracing/message_trace.ts";
import type { TraceRequest } from "../../protocol/tracing/trace_request.ts";
import { textOf } from "../../subject/byte_string.ts";
import type { TraceResult } from "../shard_messages.ts";

/** What threads tell of a trace that began on another one. */
export interface TracePart {
  readonly entries: readonly TraceEntry[];
  /** Links that the message left by. */
  readonly hops: number;
  /** Subscribers and links that took it. */
  readonly taken: number;
}

/** The message as it came in. */
export interface TracedArrival {
  readonly party: TraceParty;
  readonly accountId: number;
  /** A byte string. */
  readonly subject: string;
  readonly request: TraceRequest;
  readonly destination: string;
  /** Of headers and payload. */
  readonly messageBytes: number;
}

export type TraceEnd = (hops: number, wasTaken: boolean) => void;

export class OpenTrace {
  readonly trace: MessageTrace;
  /** Steady milliseconds: what is not told by then is left out. */
  readonly deadlineMs: number;
  readonly #arrival: TracedArrival;
  readonly #atMs: number;
  readonly #parts: TracePart[] = [];
  readonly #afterwards: TraceEnd[] = [];
  /** Threads that have the message and have not told yet. */
  #waiting = 0;
  #hasEnded = false;
  #wasTakenHere = false;

  /** `atMs`: when the message came, since 1970. */
  constructor(trace: MessageTrace, arrival: TracedArrival, atMs: number, deadlineMs: number) {
    this.trace = trace;
    this.#arrival = arrival;
    this.#atMs = atMs;
    this.deadlineMs = deadlineMs;
  }

  get destination(): string {
    return this.#arrival.destination;
  }

  /** Everything has been done with the message here and all others have told. */
  get isComplete(): boolean {
    return this.#hasEnded && this.#waiting === 0;
  }

  /** Whether anybody has taken it, of those that have told. */
  get wasTaken(): boolean {
    return this.#wasTakenHere || this.#parts.some(({ taken }) => taken > 0);
  }

  noteTaken(): void {
    this.#wasTakenHere = true;
  }

  /** Another thread is sent the message, and will tell. */
  awaitPart(): void {
    this.#waiting++;
  }

  takePart(part: TracePart): void {
    this.#parts.push(part);
    this.#waiting--;
  }

  end(): void {
    this.#hasEnded = true;
  }

  /** Calls back once it is over: with the number of links that the message left by, and whether anybody took it. */
  afterwards(callback: TraceEnd): void {
    this.#afterwards.push(callback);
  }

  /** All that there is to tell; what waits for the end is called. */
  finish(): TraceResult {
    const { party, accountId, subject, request, destination, messageBytes } = this.#arrival;
    const hops = this.#parts.reduce((sum, part) => sum + part.hops, this.trace.hops);
    const ingress = ingressEntry(party, textOf(subject), this.#atMs, this.trace.error);
    const entries = [ingress, ...this.trace.entries, ...this.#parts.flatMap((part) => part.entries)];
    for (const callback of this.#afterwards) callback(hops, this.wasTaken);
    return {
      account: accountId,
      destination,
      acceptEncoding: request.acceptEncoding,
      report: { headers: request.headers, messageBytes, hops, entries },
    };
  }
}
