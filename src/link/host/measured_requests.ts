/**
 * Requests of other servers whose latency those measure: when they were delivered here, until a client answers.
 * Source: nats-server remoteLatency.
 */
import type { ClientInfo } from "../../account/client_info.ts";
import { type RemoteLatency, respondedSample } from "../../account/latency.ts";

/** As long as services have to answer, unless they say otherwise. */
const ANSWER_MS_MAX = 120_000;
/** The oldest are forgotten for newer ones: then the other server's measurement comes to nothing. */
const REQUESTS_MAX = 65_536;

export class MeasuredRequests {
  /** By reply subject, the oldest first. Times of day, in milliseconds. */
  readonly #requests = new Map<string, { readonly account: string; readonly deliveredAtMs: number }>();

  note(account: string, reply: string, nowMs: number): void {
    for (const [oldest, { deliveredAtMs }] of this.#requests) {
      if (this.#requests.size < REQUESTS_MAX && nowMs - deliveredAtMs < ANSWER_MS_MAX) break;
      this.#requests.delete(oldest);
    }
    this.#requests.delete(reply);
    this.#requests.set(reply, { account, deliveredAtMs: nowMs });
  }

  /** What the requestor's server is told of an answer; null for one to no such request, or not to the first one. */
  respond(reply: string, responder: ClientInfo, nowMs: number): RemoteLatency | null {
    const request = this.#requests.get(reply);
    if (request === undefined) return null;
    this.#requests.delete(reply);
    const { account, deliveredAtMs } = request;
    return { account, requestId: reply, sample: respondedSample(responder, deliveredAtMs, nowMs) };
  }
}
