/**
 * The requests that may still be answered, found by token, by how long they have waited, and by where their answers go:
 * whoever unsubscribes looks at none but those of its account that begin like what it gave up, which for a client with
 * an inbox of its own (`_INBOX.<name>.*`) are its own. Those that the engine remembers are among them: whatever is found
 * is the host's from then on. Subjects are byte strings.
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
  /** Where it is published. */
  readonly exporter: number;
}

/** A request that may be answered. */
export interface PendingRequest {
  readonly token: string;
  /** Where the reply subject stands for it. */
  readonly exporter: number;
  /** Where the answer is delivered: the requestor's account and its reply subject. */
  readonly requestor: number;
  readonly reply: string;
  /** Whether the exporter was told who asks. */
  readonly isShared: boolean;
  readonly responseType: ResponseType;
  readonly thresholdMs: number;
  deadlineMs: number;
  readonly measurement: Measurement | null;
  /** Where it goes from here; null where that is not watched. */
  readonly ways: OpenWays | null;
  /** Those of the request that came here; null likewise. */
  readonly askedBy: OpenWays | null;
  /** Who answers, told by the shard that it is on. */
  responder: ClientInfo | undefined;
  /** What the responder's server has measured, if it is another one and has told already. */
  remote: LatencySample | null;
}

/** Requests kept beside those that the engine remembers: some 400 MB of them. */
const REQUESTS_MAX = 262_144;
const SURPLUS_SHARE = 1 / 16;

/** By reply; several requests may share one. */
type ByReply = Map<string, Set<PendingRequest>>;

export class PendingRequests {
  readonly #forwarded: ForwardedRequests;
  readonly #adopt: (request: ForwardedRequest) => PendingRequest;
  readonly #requestsMax: number;
  readonly #byToken = new Map<string, PendingRequest>();
  /** By requestor's account, then by the first tokens of the reply. */
  readonly #byHead = new Map<number, Map<string, ByReply>>();
  /** By how long they wait at most, each in the order in which their time ends. */
  readonly #byThreshold = new Map<number, Map<string, PendingRequest>>();

  /** `adopt` makes the host's of one that the engine remembered. */
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

  /** Whether it is the host's. */
  has(token: string): boolean {
    return this.#byToken.has(token);
  }

  get(token: string): PendingRequest | undefined {
    const known = this.#byToken.get(token);
    if (known !== undefined || token === "") return known;
    const request = this.#forwarded.take(token);
    return request === null ? undefined : this.#addAdopted(request);
  }

  /** All, those that the engine goes on to remember among them. */
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

  /** Gives a request as long from now on as it had. */
  renew(pending: PendingRequest, nowMs: number): void {
    pending.deadlineMs = nowMs + pending.thresholdMs;
    const alike = this.#byThreshold.get(pending.thresholdMs)!;
    alike.delete(pending.token);
    alike.set(pending.token, pending);
  }

  /**
   * Where there is no room for one more: some for the caller to give up, the oldest of those with the threshold that most have,
   * so that who asks in vain more than all others pays for it. One at a time would be slow: to find the first one of a Map
   * whose first ones have been removed takes the longer the more they were.
   */
  surplus(): readonly PendingRequest[] {
    if (this.#byToken.size < this.#requestsMax) return [];
    let most: ReadonlyMap<string, PendingRequest> = new Map();
    for (const alike of this.#byThreshold.values()) if (alike.size > most.size) most = alike;
    return [...most.values().take(Math.ceil(this.#requestsMax * SURPLUS_SHARE))];
  }

  /** Those whose time is over; they may be removed meanwhile. */
  *overdue(nowMs: number): Iterable<PendingRequest> {
    for (const request of this.#forwarded.takeOverdue(nowMs)) this.#addAdopted(request);
    for (const alike of this.#byThreshold.values()) {
      for (const pending of alike.values()) {
        if (pending.deadlineMs > nowMs) break;
        yield pending;
      }
    }
  }

  /** Those of an account whose answers a subscription to `subject` took; they may be removed meanwhile. */
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

/** The first two tokens, or as many as there are. */
function headOf(subject: string): string {
  const second = subject.indexOf(".", subject.indexOf(".") + 1);
  return second < 0 ? subject : subject.slice(0, second);
}

/** May say so too often, of a literal that has such a character within a token. */
function hasWildcard(subject: string): boolean {
  return subject.includes("*") || subject.includes(">");
}

function present<T>(value: T | undefined): readonly T[] {
  return value === undefined ? [] : [value];
}
