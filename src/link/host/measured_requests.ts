/**
 * Requests from other servers that measure their latency. Notes when they were delivered here, until a client answers.
 * Source: nats-server remoteLatency.
 */
import type { ClientInfo } from "../../account/client_info.ts";
import { type RemoteLatency, respondedSample } from "../../account/latency.ts";

/** The default time that services have to answer. */
const ANSWER_MS_MAX = 120_000;
/** The limit of requests. The oldest is forgotten for a newer one; then the other server gets no measurement. */
const REQUESTS_MAX = 65_536;

export class MeasuredRequests {
  /** By reply subject, oldest first. Times are Unix time in milliseconds. */
  readonly #requests = new Map<string, { readonly account: string; readonly deliveredAtMs: number }>();

  note(account: string, reply: string, nowMs: number): void {
    for (const [oldest, { deliveredAtMs }] of this.#requests) {
      if (this.#requests.size < REQUESTS_MAX && nowMs - deliveredAtMs < ANSWER_MS_MAX) break;
      this.#requests.delete(oldest);
    }
    this.#requests.delete(reply);
    this.#requests.set(reply, { account, deliveredAtMs: nowMs });
  }

  /** What the requestor's server is told about an answer; null if the answer is not the first one to such a request. */
  respond(reply: string, responder: ClientInfo, nowMs: number): RemoteLatency | null {
    const request = this.#requests.get(reply);
    if (request === undefined) return null;
    this.#requests.delete(reply);
    const { account, deliveredAtMs } = request;
    return { account, requestId: reply, sample: respondedSample(responder, deliveredAtMs, nowMs) };
  }
}
