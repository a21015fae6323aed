/**
 * Requests that cross into another account, and their answers back. A request on an imported subject is delivered in
 * the exporting account under the subject there, with a reply subject of ours; what is published to that one goes to
 * the requestor. The shard of the requestor remembers the request: an answer published on another one is sent to it.
 *
 * Subjects are byte strings. Source: nats-server `processServiceImport`, `addRespServiceImport`.
 */
import type { ResponseType } from "../account/definition.ts";
import { withoutRequestInfo, withRequestInfo } from "../account/request_info.ts";
import { MatchResult } from "../interest/match_result.ts";
import { NODE_SHARD_FIRST } from "../memory/map.ts";
import { CONTEXT_ACCOUNTS, CONTEXT_IS_RESPONSE, CONTEXT_IS_STREAMLESS } from "../memory/layout.ts";
import { byteStringOf, bytesOf } from "../subject/byte_string.ts";
import { isSubset } from "../subject/subset.ts";
import type { Service, ShardAccount } from "./accounts.ts";
import type { Connection } from "./connection.ts";
import type { ShardContext } from "./context.ts";
import { HeldMessage, plainLine } from "./held_message.ts";
import type { Publishing } from "./publishing.ts";
import { ReplySubjects } from "./reply_subjects.ts";
import type { Rings } from "./rings.ts";
import { TIMER_SERVICES } from "./timers.ts";

/** How often requests that are too old are looked for. */
const EXPIRY_LOOK_MS = 50;
/** Accounts a request crosses on its way at most. */
const HOPS_MAX = 32;
/** Acknowledgements of JetStream mean what they say in every account. */
const JET_STREAM_ACK = "$JS.ACK.";

const NO_REPLY = new Uint8Array(0);

/** A request that may be answered. */
interface Pending {
  readonly token: string;
  /** Where the answer is delivered: the requestor's account and its reply subject. */
  readonly requestor: number;
  readonly reply: string;
  readonly responseType: ResponseType;
  readonly thresholdMs: number;
  deadlineMs: number;
}

export class Services {
  readonly #shard: ShardContext;
  readonly #publishing: Publishing;
  readonly #rings: Rings;
  readonly #replies: ReplySubjects;
  readonly #match = new MatchResult();
  readonly #pending = new Map<string, Pending>();
  /** By how long they wait at most, each in the order in which their time ends. */
  readonly #byThreshold = new Map<number, Map<string, Pending>>();
  /** Answers that other nodes sent, until the turn comes to them. */
  #answers: HeldMessage[] = [];

  constructor(shard: ShardContext, publishing: Publishing, rings: Rings) {
    this.#shard = shard;
    this.#publishing = publishing;
    this.#rings = rings;
    this.#replies = new ReplySubjects(shard.options.replySecret, shard.node);
  }

  /** Forwards a client's request, published on `subject` of its account; returns how many took it. */
  request(connection: Connection, service: Service, subject: string, message: HeldMessage): number {
    return this.#forward(connection, connection.account, service, subject, message, []);
  }

  /**
   * Takes what was published to a reply subject of ours; returns 1 when it answers a request, as far as is known here.
   */
  answer(account: ShardAccount, message: HeldMessage): number {
    const subject = byteStringOf(message.subject);
    const node = this.#replies.nodeOf(account.id, subject);
    if (node < 0) return 0;
    if (node === this.#shard.node) return this.#answerHere(account.id, subject, message);
    if (node < NODE_SHARD_FIRST || node >= this.#shard.shared.map.nodeCount) return 0;
    this.#rings.send(node, message.under(account.id | CONTEXT_IS_RESPONSE, message.subject));
    return 1;
  }

  /** Puts an answer aside that another node sent: a message of ours may be under way. */
  takeAnswer(message: HeldMessage): void {
    this.#answers.push(message);
  }

  /** Delivers the answers put aside. */
  deliverAnswers(): void {
    while (this.#answers.length > 0) {
      const answers = this.#answers;
      this.#answers = [];
      for (const message of answers) {
        this.#answerHere(message.context & (CONTEXT_ACCOUNTS - 1), byteStringOf(message.subject), message);
      }
    }
  }

  /** Forgets requests that waited too long. */
  expire(): void {
    const { nowMs } = this.#shard;
    for (const requests of this.#byThreshold.values()) {
      for (const pending of requests.values()) {
        if (pending.deadlineMs > nowMs) break;
        this.#forget(pending);
      }
    }
    if (this.#pending.size > 0) this.#watch();
  }

  #forward(
    connection: Connection,
    importer: ShardAccount,
    service: Service,
    subject: string,
    message: HeldMessage,
    passed: readonly Service[],
  ): number {
    const { accounts } = this.#shard;
    const exporter = accounts.byId(service.import.exporter);
    if (exporter === undefined || passed.includes(service) || passed.length > HOPS_MAX) return 0;
    const remote = service.apply(subject);
    const mapped = remote === null ? null : exporter.map(remote);
    if (mapped === null) return 0;

    const pending = this.#remember(importer, service, message);
    const reply = pending === null ? message.reply : bytesOf(this.#replies.subjectOf(exporter.id, pending.token));
    const body = withRequestInfo(message.headerLength, message.bytes, { acc: importer.name });
    const forwarded = new HeldMessage(
      exporter.id | CONTEXT_IS_STREAMLESS,
      message.origin,
      bytesOf(mapped),
      plainLine(reply, body.headerLength, body.bytes.length - 2),
      reply.length,
      body.headerLength,
      body.bytes.length - 2,
      body.bytes,
    );
    let delivered = this.#publishing.deliver(forwarded);
    for (const next of exporter.servicesFor(mapped)) {
      delivered += this.#forward(connection, exporter, next, mapped, forwarded, [...passed, service]);
    }
    if (delivered === 0 && pending !== null) this.#forget(pending);
    return delivered;
  }

  /** Notes what becomes of answers; null where there can be none. */
  #remember(importer: ShardAccount, service: Service, message: HeldMessage): Pending | null {
    if (message.replyLength === 0) return null;
    const reply = byteStringOf(message.reply);
    if (reply.startsWith(JET_STREAM_ACK)) return null;
    const { responseType, responseThresholdMs } = service.import;
    return this.#add(importer.id, reply, responseType, responseThresholdMs);
  }

  #add(requestor: number, reply: string, responseType: ResponseType, thresholdMs: number): Pending {
    const token = this.#replies.newToken((taken) => this.#pending.has(taken));
    const deadlineMs = this.#shard.nowMs + thresholdMs;
    const pending: Pending = { token, requestor, reply, responseType, thresholdMs, deadlineMs };
    this.#pending.set(token, pending);
    this.#byThreshold.getOrInsertComputed(thresholdMs, () => new Map()).set(token, pending);
    if (this.#pending.size === 1) {
      this.#watch();
      this.#shard.interest.onRemoved = (account, subject) => this.#onInterestRemoved(account, subject);
    }
    return pending;
  }

  #forget({ token, thresholdMs }: Pending): void {
    this.#pending.delete(token);
    const requests = this.#byThreshold.get(thresholdMs);
    requests?.delete(token);
    if (requests?.size === 0) this.#byThreshold.delete(thresholdMs);
    if (this.#pending.size === 0) this.#shard.interest.onRemoved = null;
  }

  #watch(): void {
    const { timers, nowMs } = this.#shard;
    timers.set(TIMER_SERVICES, nowMs + EXPIRY_LOOK_MS);
  }

  #answerHere(exporter: number, subject: string, message: HeldMessage): number {
    const pending = this.#pending.get(this.#replies.tokenOf(exporter, subject));
    if (pending === undefined) return 0;
    const { requestor, reply, responseType, thresholdMs } = pending;
    // A streamed answer ends with one that is empty.
    if (responseType === "singleton" || message.payloadLength === 0) this.#forget(pending);
    else this.#renew(pending);
    const account = this.#shard.accounts.byId(requestor);
    if (account === undefined) return 0;

    // Whoever answers may want an answer itself, which goes the other way.
    const back =
      message.replyLength === 0
        ? NO_REPLY
        : bytesOf(
            this.#replies.subjectOf(
              requestor,
              this.#add(exporter, byteStringOf(message.reply), "singleton", thresholdMs).token,
            ),
          );
    const body = withoutRequestInfo(message.headerLength, message.bytes);
    const answer = new HeldMessage(
      requestor | CONTEXT_IS_STREAMLESS,
      message.origin,
      bytesOf(reply),
      plainLine(back, body.headerLength, body.bytes.length - 2),
      back.length,
      body.headerLength,
      body.bytes.length - 2,
      body.bytes,
    );
    const delivered = this.#publishing.deliver(answer) + this.answer(account, answer);
    if (delivered === 0) this.#forget(pending);
    return 1;
  }

  /** Each answer of a stream gives the next one as long as the first had. */
  #renew(pending: Pending): void {
    pending.deadlineMs = this.#shard.nowMs + pending.thresholdMs;
    const requests = this.#byThreshold.get(pending.thresholdMs)!;
    requests.delete(pending.token);
    requests.set(pending.token, pending);
  }

  /** A subscription is gone: answers that nobody is left to take are not waited for. */
  #onInterestRemoved(account: number, subject: Uint8Array): void {
    const name = byteStringOf(subject);
    for (const pending of this.#pending.values()) {
      if (pending.requestor !== account || !isSubset(pending.reply, name)) continue;
      const reply = bytesOf(pending.reply);
      this.#shard.index.match(account, reply, 0, reply.length, this.#match);
      if (this.#match.entryCount === 0) this.#forget(pending);
    }
  }
}
