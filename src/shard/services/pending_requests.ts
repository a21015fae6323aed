/**
 * The requests that may still be answered. They are found by token, by how long they have waited, and by where their
 * answers go. A client that unsubscribes causes a look only at requests of its account whose reply subjects begin like
 * the subject it gave up; for a client with an inbox of its own (`_INBOX.<name>.*`) those are its own. Requests that
 * the engine remembers are among them: one that is found becomes the host's. Subjects are byte strings.
 */
import type { ClientInfo } from "../../account/client_info.ts";
import type { ResponseType, ServiceLatency } from "../../account/definition.ts";
import type { LatencySample, MeasuredRequest } from "../../account/latency.ts";
import { isSubset } from "../../subject/subset.ts";
import type { ForwardedRequest, ForwardedRequests } from "./forwarded_requests.ts";
import type { OpenWays } from "./open_ways.ts";

/** A request whose latency is published. */
export interface Measurement {
  readonly request: MeasuredRequest;
  readonly latency: ServiceLatency;
  /** The account in which the latency is published. */
  readonly exporter: number;
}

/** A request that may be answered. */
export interface PendingRequest {
  readonly token: string;
  /** The account in which the reply subject stands for the request. */
  readonly exporter: number;
  /** Where the answer is delivered: the requestor's account and the reply subject of its request. */
  readonly requestor: number;
  readonly reply: string;
  /** Whether the exporter was told who asks. */
  readonly isShared: boolean;
  readonly responseType: ResponseType;
  readonly thresholdMs: number;
  deadlineMs: number;
  readonly measurement: Measurement | null;
  /** The ways that the request goes on from here; null if they are not watched. */
  readonly ways: OpenWays | null;
  /** The ways of the request that this one was forwarded from; null if they are not watched. */
  readonly askedBy: OpenWays | null;
  /** The responder, as told by the shard that it is on; undefined before that. */
  responder: ClientInfo | undefined;
  /** What the responder's server has measured, if that is another one and has told it already. */
  remote: LatencySample | null;
}

/** Most requests kept besides those that the engine remembers; they take some 400 MB. */
const REQUESTS_MAX = 262_144;
const SURPLUS_SHARE = 1 / 16;

/** Requests by reply subject, which several may share. */
type ByReply = Map<string, Set<PendingRequest>>;

export class PendingRequests {
  readonly #forwarded: ForwardedRequests;
  readonly #adopt: (request: ForwardedRequest) => PendingRequest;
  readonly #requestsMax: number;
  readonly #byToken = new Map<string, PendingRequest>();
  /** By the requestor's account, then by the first tokens of the reply subject. */
  readonly #byHead = new Map<number, Map<string, ByReply>>();
  /** By threshold, each in the order in which the requests' time ends. */
  readonly #byThreshold = new Map<number, Map<string, PendingRequest>>();

  /** `adopt` makes a request of the host's from one that the engine remembered. */
  constructor(
    forwarded: ForwardedRequests,
    adopt: (request: ForwardedRequest) => PendingRequest,
    requestsMax = REQUESTS_MAX,
  ) {
    this.#forwarded = forwarded;
    this.#adopt = adopt;
    this.#requestsMax = requestsMax;
  }

  get size(): number {
    return this.#byToken.size + this.#forwarded.size;
  }

  /** Whether the host remembers a request with this token. */
  has(token: string): boolean {
    return this.#byToken.has(token);
  }

  get(token: string): PendingRequest | undefined {
    const known = this.#byToken.get(token);
    if (known !== undefined || token === "") return known;
    const request = this.#forwarded.take(token);
    return request === null ? undefined : this.#addAdopted(request);
  }

  /** All requests, including those that the engine goes on remembering. */
  all(): readonly PendingRequest[] {
    return [...this.#byToken.values(), ...this.#forwarded.all().map((request) => this.#adopt(request))];
  }

  #addAdopted(request: ForwardedRequest): PendingRequest {
    const pending = this.#adopt(request);
    this.add(pending);
    return pending;
  }

  add(pending: PendingRequest): void {
    const { token, requestor, reply, thresholdMs } = pending;
    this.#byToken.set(token, pending);
    this.#byHead
      .getOrInsertComputed(requestor, () => new Map<string, ByReply>())
      .getOrInsertComputed(headOf(reply), () => new Map())
      .getOrInsertComputed(reply, () => new Set())
      .add(pending);
    this.#byThreshold.getOrInsertComputed(thresholdMs, () => new Map()).set(token, pending);
  }

  remove(pending: PendingRequest): void {
    const { token, requestor, reply, thresholdMs } = pending;
    if (!this.#byToken.delete(token)) return;
    const head = headOf(reply);
    const heads = this.#byHead.get(requestor)!;
    const replies = heads.get(head)!;
    const same = replies.get(reply)!;
    same.delete(pending);
    if (same.size === 0) replies.delete(reply);
    if (replies.size === 0) heads.delete(head);
    if (heads.size === 0) this.#byHead.delete(requestor);
    const alike = this.#byThreshold.get(thresholdMs)!;
    alike.delete(token);
    if (alike.size === 0) this.#byThreshold.delete(thresholdMs);
  }

  /** Gives a request its whole threshold again, from now on. */
  renew(pending: PendingRequest, nowMs: number): void {
    pending.deadlineMs = nowMs + pending.thresholdMs;
    const alike = this.#byThreshold.get(pending.thresholdMs)!;
    alike.delete(pending.token);
    alike.set(pending.token, pending);
  }

  /**
   * If there is no room for another request, returns some for the caller to give up: the oldest of those with the
   * threshold that most requests have, so that the client that asks in vain most often pays for it. Giving up one at a
   * time would be slow: finding the first entry of a Map takes longer the more entries were removed before it.
   */
  surplus(): readonly PendingRequest[] {
    if (this.#byToken.size < this.#requestsMax) return [];
    let most: ReadonlyMap<string, PendingRequest> = new Map();
    for (const alike of this.#byThreshold.values()) if (alike.size > most.size) most = alike;
    return [...most.values().take(Math.ceil(this.#requestsMax * SURPLUS_SHARE))];
  }

  /** The requests whose time is over. They may be removed during the iteration. */
  *overdue(nowMs: number): Iterable<PendingRequest> {
    for (const request of this.#forwarded.takeOverdue(nowMs)) this.#addAdopted(request);
    for (const alike of this.#byThreshold.values()) {
      for (const pending of alike.values()) {
        if (pending.deadlineMs > nowMs) break;
        yield pending;
      }
    }
  }

  /**
   * The requests of an account whose answers a subscription to `subject` took. They may be removed during the
   * iteration.
   */
  *answeredTo(requestor: number, subject: string): Iterable<PendingRequest> {
    const head = headOf(subject);
    const forwarded = hasWildcard(subject)
      ? this.#forwarded.takeAnswered(requestor, hasWildcard(head) ? "" : head, (reply) =>
          isSubset(reply, subject),
        )
      : this.#forwarded.takeAnsweredOn(requestor, subject, head);
    for (const request of forwarded) this.#addAdopted(request);
    const heads = this.#byHead.get(requestor);
    if (heads === undefined) return;
    const groups = hasWildcard(head) ? heads.values() : present(heads.get(head));
    for (const replies of groups) {
      if (!hasWildcard(subject)) yield* replies.get(subject) ?? [];
      else for (const [reply, same] of replies) if (isSubset(reply, subject)) yield* same;
    }
  }
}

/** The first two tokens of a subject, or as many as there are. */
function headOf(subject: string): string {
  const second = subject.indexOf(".", subject.indexOf(".") + 1);
  return second < 0 ? subject : subject.slice(0, second);
}

/** Whether a subject may have a wildcard; also true for a literal with such a character within a token. */
function hasWildcard(subject: string): boolean {
  return subject.includes("*") || subject.includes(">");
}

function present<T>(value: T | undefined): readonly T[] {
  return value === undefined ? [] : [value];
}
