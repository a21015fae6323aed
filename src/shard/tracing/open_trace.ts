/** A trace on the thread where its message came in, until every thread that received the message has reported. */
import {
  ingressEntry,
  type MessageTrace,
  type TraceEntry,
  type TraceParty,
} from "../../protocol/tracing/message_trace.ts";
import type { TraceRequest } from "../../protocol/tracing/trace_request.ts";
import { textOf } from "../../subject/byte_string.ts";
import type { TraceResult } from "../shard_messages.ts";

/** What a thread reports of a trace that began on another one. */
export interface TracePart {
  readonly entries: readonly TraceEntry[];
  /** Number of links that the message left by. */
  readonly hops: number;
  /** Number of subscribers and links that took the message. */
  readonly taken: number;
}

/** The message as it came in. */
export interface TracedArrival {
  readonly party: TraceParty;
  readonly accountId: number;
  /** The subject, a byte string. */
  readonly subject: string;
  readonly request: TraceRequest;
  readonly destination: string;
  /** Length of headers and payload. */
  readonly messageBytes: number;
}

export type TraceEnd = (hops: number, wasTaken: boolean) => void;

export class OpenTrace {
  readonly trace: MessageTrace;
  /** Steady-clock milliseconds: what is not reported by then is left out. */
  readonly deadlineMs: number;
  readonly #arrival: TracedArrival;
  readonly #atMs: number;
  readonly #parts: TracePart[] = [];
  readonly #afterwards: TraceEnd[] = [];
  /** Number of threads that have the message and have not reported yet. */
  #waiting = 0;
  #hasEnded = false;
  #wasTakenHere = false;

  /** `atMs`: when the message came, in milliseconds since 1970. */
  constructor(trace: MessageTrace, arrival: TracedArrival, atMs: number, deadlineMs: number) {
    this.trace = trace;
    this.#arrival = arrival;
    this.#atMs = atMs;
    this.deadlineMs = deadlineMs;
  }

  get destination(): string {
    return this.#arrival.destination;
  }

  /** Whether this thread is done with the message and all others have reported. */
  get isComplete(): boolean {
    return this.#hasEnded && this.#waiting === 0;
  }

  /** Whether anybody has taken the message, on this thread or those that have reported. */
  get wasTaken(): boolean {
    return this.#wasTakenHere || this.#parts.some(({ taken }) => taken > 0);
  }

  noteTaken(): void {
    this.#wasTakenHere = true;
  }

  /** Another thread is sent the message and will report. */
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

  /**
   * Calls back once the trace is over, with the number of links that the message left by and whether anybody took it.
   */
  afterwards(callback: TraceEnd): void {
    this.#afterwards.push(callback);
  }

  /** Returns the whole trace, and calls back those that wait for its end. */
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
