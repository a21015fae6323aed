/**
 * Requests that cross into another account, and their answers back. A request on an imported subject is delivered in
 * the exporting account under the subject there, with a reply subject made by this server; what is published to that
 * one goes to the requestor. The requestor's shard remembers the request: an answer published on another shard is sent
 * to it.
 *
 * Subjects are byte strings. Source: nats-server `processServiceImport`, `addRespServiceImport`.
 */
import type { AppliedServiceImport } from "../../account/applied_imports.ts";
import type { ClientInfo } from "../../account/client_info.ts";
import type { ServiceImport } from "../../account/definition.ts";
import { RESPONSE_THRESHOLD_MS_DEFAULT } from "../../account/exports.ts";
import type { LatencyFailure, LatencySample } from "../../account/latency.ts";
import { isReplyKept } from "../../account/reply_subject.ts";
import { REQUEST_INFO_HEADER, type RequestInfo } from "../../account/request_info.ts";
import { FABRIC_SLOT, HeldMessage, messageBytes } from "../../fabric/held_message.ts";
import { MatchResult } from "../../interest/match_result.ts";
import { CONTEXT_ACCOUNTS, CONTEXT_IS_RESPONSE, CONTEXT_IS_STREAMLESS } from "../../memory/layout.ts";
import { dropHeader, withBlock, withHeader } from "../../protocol/set_header.ts";
import type { MessageTrace } from "../../protocol/tracing/message_trace.ts";
import { TRACE_DISABLED } from "../../protocol/tracing/trace_request.ts";
import { byteStringOf, byteStringOfText, bytesOf, textOf } from "../../subject/byte_string.ts";
import { orLost, type ShardAccount } from "../accounts.ts";
import type { Connection } from "../connection.ts";
import type { ShardContext } from "../context.ts";
import type { Publishing } from "../publishing.ts";
import type { Rings } from "../rings.ts";
import type { ShardControl, UntakenMessage } from "../shard_messages.ts";
import { TIMER_SERVICES } from "../timers.ts";
import type { Tracing } from "../tracing/tracing.ts";
import type { ResponseRecord } from "../watch/records.ts";
import { Disclosures } from "./disclosures.ts";
import { disclosureKind, type ForwardedRequest, ForwardedRequests } from "./forwarded_requests.ts";
import { Latencies } from "./latencies.ts";
import { OpenWays } from "./open_ways.ts";
import { type Measurement, type PendingRequest, PendingRequests } from "./pending_requests.ts";
import type { ReplySubjects } from "./reply_subjects.ts";

/** Interval at which requests that are too old are looked for. */
const EXPIRY_LOOK_MS = 50;
/** Most accounts that a request crosses on its way. */
const HOPS_MAX = 32;

const NO_QUEUES = new Int32Array(0);
/** For requests whose latency is not measured and of which nobody is told if they have no taker. */
const UNWATCHED = { measurement: null, ways: null, askedBy: null };

type OwnRequest = Extract<ShardControl, { type: "request" }>;
type Responder = Extract<ShardControl, { type: "responder" }>;
/** Says who gave an answer; the answers of few requests are asked for it. */
type FindResponder = () => ClientInfo;

/** A request on its way: who asks, and the imports that it has passed. */
interface Journey {
  /** The connection that asks; null if it is the server itself. */
  readonly connection: Connection | null;
  readonly passed: readonly AppliedServiceImport[];
  readonly info: RequestInfo | null;
  /** Whether the latency of one of those is measured. */
  readonly isMeasured: boolean;
  /** The ways of the request so far; null if nobody needs to know that it has no taker. */
  readonly ways: OpenWays | null;
  /** The subject on which servers further on publish their traces of the request. */
  readonly traceDestination: string;
}

export class Services {
  readonly #shard: ShardContext;
  readonly #publishing: Publishing;
  readonly #rings: Rings;
  readonly #replies: ReplySubjects;
  #tracing: Tracing | null = null;
  readonly #match = new MatchResult();
  readonly #disclosures: Disclosures;
  readonly #latencies: Latencies;
  readonly #forwarded: ForwardedRequests;
  readonly #pending: PendingRequests;
  /** Whether the timer is set that looks for requests that are too old. */
  #isWatching = false;
  /** Answers of other nodes, put aside until doWork(). */
  #answers: HeldMessage[] = [];
  /** Requests of the server itself, put aside until doWork(). */
  #ownRequests: HeldMessage[] = [];
  /**
   * Subscriptions removed while requests wait for answers. They are looked at in doWork(), since a message of this
   * shard may be under way when they go.
   */
  #removed: { readonly account: number; readonly subject: Uint8Array }[] = [];

  constructor(shard: ShardContext, publishing: Publishing, rings: Rings) {
    this.#shard = shard;
    this.#publishing = publishing;
    this.#rings = rings;
    this.#replies = shard.replySubjects;
    this.#disclosures = new Disclosures(shard);
    this.#latencies = new Latencies(shard, (message) => publishing.deliver(message));
    this.#forwarded = new ForwardedRequests(shard.shared, shard.engine, shard.node);
    this.#pending = new PendingRequests(this.#forwarded, (request) => this.#adopt(request));
    shard.interest.removals = this;
  }

  /** Set once, right after both are made: traces and services need each other. */
  set tracing(tracing: Tracing) {
    this.#tracing = tracing;
  }

  startTurn(): void {
    this.#forwarded.nowMs = this.#shard.nowMs;
  }

  /**
   * If requests wait, sets the timer that looks at them. A timer that is already set stays: otherwise a client that
   * sends often enough would put it off for ever.
   */
  watch(): void {
    if (this.#isWatching || this.#pending.size + this.#latencies.size === 0) return;
    const { timers, nowMs } = this.#shard;
    this.#isWatching = true;
    timers.set(TIMER_SERVICES, nowMs + EXPIRY_LOOK_MS);
  }

  /** Whether requests wait, so that removed subscriptions matter. */
  get isWaiting(): boolean {
    return this.#pending.size > 0;
  }

  /** Notes that a subscription was removed. */
  removed(account: number, subject: Uint8Array): void {
    this.#removed.push({ account, subject });
  }

  /**
   * Forwards a client's request, which was published on `subject` of its account; each import is one of the request's
   * ways.
   */
  request(
    connection: Connection,
    service: AppliedServiceImport,
    subject: string,
    message: HeldMessage,
    ways: OpenWays | null,
  ): void {
    const { trace } = message;
    const traceDestination = trace === null ? "" : this.#tracing!.destinationOf(trace);
    const journey = { connection, passed: [], info: null, isMeasured: false, ways, traceDestination };
    this.#forward(journey, connection.account, service, subject, message);
  }

  /**
   * Another node was the only one that could take a message of a client, and it did not. If an import forwarded the
   * message, or others were forwarded from it, one way of the request is closed; otherwise the client is told that
   * there are no responders.
   */
  untaken({ slot, account, subject, reply }: UntakenMessage): void {
    const forwarded = this.#pending.get(this.#replies.tokenOf(account, reply));
    if (forwarded !== undefined) {
      forwarded.ways?.close();
      return;
    }
    // Several requests may wait for answers on one subject: the last of them is the likely one.
    let ways: OpenWays | null = null;
    for (const { requestor, reply: answered, askedBy } of this.#pending.answeredTo(account, reply)) {
      if (requestor === account && answered === reply && askedBy?.slot === slot) ways = askedBy;
    }
    if (ways !== null) ways.close();
    else this.#publishing.tellNoResponders(slot, subject, reply);
  }

  /**
   * Takes a message that a client published on a reply subject of this server. Returns 1 if it answers a request, as
   * far as this shard knows. Of one that comes from a leaf node, the responder's server tells who gave it.
   */
  answer(account: ShardAccount, message: HeldMessage, responder: Connection): number {
    const findResponder = () => this.#disclosures.responder(responder);
    return this.#passOn(account, message, responder.isLink ? undefined : findResponder);
  }

  /** Hands an answer to the shard that remembers the request. The responder is named in the request's latency. */
  #passOn(account: ShardAccount, message: HeldMessage, findResponder: FindResponder | undefined): number {
    const subject = byteStringOf(message.subject);
    const node = this.#replies.nodeOf(account.id, subject);
    if (node === this.#shard.node) {
      if (message.trace === null) return this.#answerHere(account.id, subject, message, findResponder);
      // The answer itself comes later, and without its connection.
      if (findResponder !== undefined)
        this.setResponder(this.#replies.tokenOf(account.id, subject), findResponder());
      this.takeTracedAnswer(message, message.trace);
      return 1;
    }
    const isNamed = this.#replies.isNaming(account.id, subject);
    const named = isNamed && findResponder !== undefined ? findResponder() : null;
    if (node < 0) {
      const { linksNode } = this.#shard.shared.map;
      if (named !== null && linksNode !== 0)
        this.#rings.sendControl(linksNode, { type: "responder", token: subject, info: named });
      return 0;
    }
    const answer = message.under(account.id | CONTEXT_IS_RESPONSE, message.subject);
    if (named === null) return this.#send(node, answer, null);
    const token = this.#replies.tokenOf(account.id, subject);
    return this.#send(node, answer, { type: "responder", token, info: named });
  }

  /** See `LinkShard`. */
  sendAnswer(node: number, answer: HeldMessage): void {
    if (node === this.#shard.node) this.takeAnswer(answer);
    else this.#send(node, answer, null);
  }

  /**
   * Sends an answer to another shard, preceded by who gives it. Returns 0 if there is no such shard: subjects can be
   * made up.
   */
  #send(node: number, answer: HeldMessage, responder: Responder | null): number {
    if (!this.#shard.shared.map.hasConnections(node)) return 0;
    if (responder !== null) this.#rings.sendControl(node, responder);
    this.#tracing!.send(node, { message: answer, isPlain: true, queues: NO_QUEUES, wantsTaker: false });
    return 1;
  }

  /** Another shard tells who is about to answer a request whose latency is measured. */
  setResponder(token: string, info: ClientInfo): void {
    const pending = this.#pending.get(token);
    if (pending !== undefined) pending.responder = info;
  }

  /** Takes what the responder's server has measured of a request; `subject` is the request's reply subject. */
  takeRemoteLatency(exporter: number, subject: string, sample: LatencySample): void {
    const token = this.#replies.tokenOf(exporter, subject);
    if (this.#latencies.complete(token, sample)) return;
    const pending = this.#pending.get(token);
    if (pending !== undefined) pending.remote = sample;
  }

  /** Puts an answer of another node aside, since a message of this shard may be under way. */
  takeAnswer(message: HeldMessage): void {
    this.#answers.push(message);
    this.#forwarded.hasAside = true;
  }

  /** Puts a traced answer aside, after tracing its way to the account that waits for it. */
  takeTracedAnswer(message: HeldMessage, trace: MessageTrace): void {
    const exporter = message.context & (CONTEXT_ACCOUNTS - 1);
    const subject = byteStringOf(message.subject);
    const pending = this.#pending.get(this.#replies.tokenOf(exporter, subject));
    if (pending === undefined) return;
    const requestor = this.#shard.accounts.byId(pending.requestor);
    const to = requestor?.constantMapping(pending.reply) ?? pending.reply;
    trace.serviceImported(requestor?.name ?? "", textOf(subject), textOf(to));
    if (trace.isOnly) this.#fail(pending, "service unavailable");
    else this.takeAnswer(message.withTrace(TRACE_DISABLED, null));
  }

  /** Puts a request of the server itself aside. It is for the services that its account imports. */
  takeRequest({ account, subject, reply, headers, payload }: OwnRequest): void {
    const content = messageBytes(Uint8Array.fromBase64(payload), Uint8Array.fromBase64(headers));
    const name = bytesOf(byteStringOfText(subject));
    this.#ownRequests.push(HeldMessage.of(account, FABRIC_SLOT, name, byteStringOfText(reply), content));
  }

  /** Whether something is put aside for doWork(). */
  get hasWork(): boolean {
    return this.#answers.length > 0 || this.#removed.length > 0 || this.#ownRequests.length > 0;
  }

  /**
   * Does what was put aside: sends requests of the server itself, delivers answers, and gives up requests whose answers
   * nobody is left to take. Every turn asks for this, so it must allocate nothing if there is nothing to do.
   */
  doWork(): void {
    if (!this.hasWork) return;
    for (const message of this.#ownRequests.splice(0)) this.#requestOwn(message);
    if (this.#removed.length > 0) this.#giveUpUnheard(this.#removed.splice(0));
    while (this.#answers.length > 0) {
      const answers = this.#answers;
      this.#answers = [];
      for (const message of answers) {
        const account = message.context & (CONTEXT_ACCOUNTS - 1);
        this.#answerHere(account, byteStringOf(message.subject), message, undefined);
      }
      this.#forwarded.hasAside = this.#answers.length > 0;
    }
  }

  #requestOwn(message: HeldMessage): void {
    const account = this.#shard.accounts.byId(message.context);
    if (account === undefined) return;
    const subject = byteStringOf(message.subject);
    for (const service of account.servicesFor(subject)) {
      const journey = {
        connection: null,
        passed: [],
        info: null,
        isMeasured: false,
        ways: null,
        traceDestination: "",
      };
      this.#forward(journey, account, service, subject, message);
    }
  }

  /** The answers that an account's services owe, as monitoring shows them. */
  responsesOf(exporter: number): ResponseRecord[] {
    const decoder = new TextDecoder();
    const text = (subject: string) => decoder.decode(bytesOf(subject));
    return this.#pending
      .all()
      .filter((pending) => pending.exporter === exporter)
      .map((pending) => ({
        subject: text(this.#replies.subjectOf(exporter, pending)),
        account: this.#shard.accounts.byId(pending.requestor)?.name ?? "",
        reply: text(pending.reply),
        isShared: pending.isShared,
        latency: pending.measurement?.latency ?? null,
      }));
  }

  /** Gives up requests that have waited too long. */
  expire(): void {
    const { nowMs } = this.#shard;
    this.#isWatching = false;
    for (const pending of this.#pending.overdue(nowMs)) this.#fail(pending, "service timeout");
    this.#latencies.expire();
    this.watch();
  }

  #forward(
    journey: Journey,
    importer: ShardAccount,
    service: AppliedServiceImport,
    subject: string,
    message: HeldMessage,
  ): void {
    const { connection, passed, ways: askedBy } = journey;
    const { accounts } = this.#shard;
    const exporter = accounts.byId(service.definition.exporter);
    // What comes back to an export that it has passed goes no further.
    const hasPassed = passed.some(({ definition }) => isSameExport(definition, service.definition));
    if (exporter === undefined || hasPassed || passed.length > HOPS_MAX) return;
    const remote = service.remoteSubject(subject);
    const mapped = orLost(remote.text) === null ? null : exporter.map(remote.text);
    if (mapped === null) return;
    const { trace } = message;
    trace?.serviceImported(exporter.name, textOf(subject), textOf(mapped));
    const measurement = this.#latencies.measure(service, exporter, message, () =>
      connection === null ? undefined : this.#disclosures.requestor(connection, service),
    );
    if (trace?.isOnly && !service.definition.allowTrace) {
      this.#latencies.fail(measurement, message.replyLength === 0 ? "bad request" : "service unavailable");
      return;
    }

    const told = this.#disclosures.of(connection, importer, service, journey.info);
    if (connection !== null && passed.length === 0)
      this.#forwarded.prepare(connection, disclosureKind(service.definition), told.block);
    const ways = new OpenWays(message.origin, () => {
      if (pending !== null) this.#fail(pending, "service unavailable");
      askedBy?.close();
    });
    const watch = { ways, askedBy, isNaming: journey.isMeasured };
    const pending = this.#remember(importer, exporter, service, message, measurement, watch);
    const content =
      message.headerLength < 0
        ? withBlock(message.bytes, told.block)
        : withHeader(message.content, REQUEST_INFO_HEADER, told.header);
    const plain = HeldMessage.of(
      exporter.id | CONTEXT_IS_STREAMLESS,
      message.origin,
      mapped === remote.text ? remote.bytes : bytesOf(mapped),
      pending === null ? message.replyText : this.#replies.subjectOf(exporter.id, pending),
      content,
    );
    const traced = trace === null ? null : this.#traceFurther(journey, importer, exporter, service, trace);
    const forwarded = traced === null ? plain : plain.withTrace(traced.destination, traced.trace);
    askedBy?.open();
    this.#publishing.deliverAsWay(forwarded, pending !== null, ways);
    for (const next of exporter.hasServices ? exporter.servicesFor(mapped) : []) {
      const onward = {
        connection,
        passed: [...passed, service],
        info: told.info,
        isMeasured: journey.isMeasured || measurement !== null,
        ways,
        traceDestination: traced?.destination ?? "",
      };
      this.#forward(onward, exporter, next, mapped, forwarded);
    }
    ways.close();
    if (pending === null) this.#latencies.fail(measurement, "bad request");
    else if (trace?.isOnly) this.#pending.remove(pending); // Nobody received a request to answer.
  }

  /**
   * How a trace goes on in the exporter's account, if the import allows that. Traces of servers further on then come
   * back on a reply subject of this server, as answers do, and are published in the importer's account.
   */
  #traceFurther(
    { traceDestination }: Journey,
    importer: ShardAccount,
    exporter: ShardAccount,
    { definition: { allowTrace, share } }: AppliedServiceImport,
    trace: MessageTrace,
  ): { readonly destination: string; readonly trace: MessageTrace | null } {
    if (!allowTrace) return { destination: TRACE_DISABLED, trace: null };
    const way = this.#add({
      exporter: exporter.id,
      requestor: importer.id,
      reply: byteStringOfText(traceDestination),
      isShared: share,
      responseType: "stream",
      thresholdMs: RESPONSE_THRESHOLD_MS_DEFAULT,
      ...UNWATCHED,
    });
    this.#tracing!.afterwards(trace, (hops) => {
      if (hops === 0) this.#pending.remove(way);
    });
    return { destination: textOf(this.#replies.subjectOf(exporter.id, way)), trace };
  }

  /** Remembers a request, so that answers find their way. Returns null if the request can have no answer. */
  #remember(
    importer: ShardAccount,
    exporter: ShardAccount,
    service: AppliedServiceImport,
    message: HeldMessage,
    measurement: Measurement | null,
    { isNaming, ...of }: Pick<PendingRequest, "ways" | "askedBy"> & { readonly isNaming: boolean },
  ): PendingRequest | null {
    if (message.replyLength === 0) return null;
    const reply = message.replyText;
    if (isReplyKept(reply)) return null;
    const { share, responseType, responseThresholdMs } = service.definition;
    const request = {
      exporter: exporter.id,
      requestor: importer.id,
      reply,
      isShared: share,
      responseType,
      thresholdMs: responseThresholdMs,
      measurement,
      ...of,
    };
    return this.#add(request, isNaming);
  }

  #add(
    request: Omit<PendingRequest, "token" | "deadlineMs" | "responder" | "remote">,
    isNaming = false,
  ): PendingRequest {
    for (const surplus of this.#pending.surplus()) this.#fail(surplus, "service timeout");
    const token = this.#replies.newToken((taken) => this.#pending.has(taken), isNaming);
    const deadlineMs = this.#shard.nowMs + request.thresholdMs;
    const pending: PendingRequest = { ...request, token, deadlineMs, responder: undefined, remote: null };
    this.#pending.add(pending);
    return pending;
  }

  /** Makes a pending request of one that the engine remembered. */
  #adopt({ asker, subject, entry: _, ...request }: ForwardedRequest): PendingRequest {
    const ways = new OpenWays(asker, () => {
      this.#fail(pending, "service unavailable");
      if (asker !== 0) this.#publishing.tellNoResponders(asker, subject, request.reply);
    });
    const pending: PendingRequest = {
      ...request,
      responseType: "singleton",
      ...UNWATCHED,
      ways,
      responder: undefined,
      remote: null,
    };
    return pending;
  }

  /** Gives up a request, which will get no answer any more. */
  #fail(pending: PendingRequest, failure: LatencyFailure): void {
    this.#pending.remove(pending);
    this.#latencies.fail(pending.measurement, failure);
  }

  #answerHere(
    exporter: number,
    subject: string,
    message: HeldMessage,
    findResponder: FindResponder | undefined,
  ): number {
    const pending = this.#pending.get(this.#replies.tokenOf(exporter, subject));
    if (pending === undefined || pending.exporter !== exporter) return 0;
    const answeredAtMs = this.#shard.wallMs();
    const { requestor, reply, isShared, responseType, thresholdMs } = pending;
    // An empty message ends a stream of answers.
    if (responseType === "singleton" || message.payloadLength === 0) this.#pending.remove(pending);
    // Each answer of a stream gives the next one as much time as the first had.
    else this.#pending.renew(pending, this.#shard.nowMs);
    const account = this.#shard.accounts.byId(requestor);
    if (account === undefined) return 0;

    // The answer may have a reply subject itself: answers to it go the other way.
    let back = "";
    if (message.replyLength > 0) {
      const reverse = this.#add({
        exporter: requestor,
        requestor: exporter,
        reply: message.replyText,
        isShared,
        responseType: "singleton",
        thresholdMs,
        ...UNWATCHED,
      });
      back = this.#replies.subjectOf(requestor, reverse);
    }
    const named = pending.responder;
    const findWho = findResponder ?? (named === undefined ? undefined : () => named);
    const to = account.map(reply);
    let delivered = 0;
    if (to !== null) {
      const answer = HeldMessage.of(
        requestor | CONTEXT_IS_STREAMLESS,
        message.origin,
        bytesOf(to),
        back,
        dropHeader(message.content, REQUEST_INFO_HEADER),
      );
      delivered = this.#publishing.deliver(answer) + this.#passOn(account, answer, findWho);
    }
    // An answer that nobody takes is the last one, but it was given.
    if (delivered === 0) this.#pending.remove(pending);
    this.#latencies.answered(pending, findWho, answeredAtMs);
    return 1;
  }

  /** Subscriptions were removed: gives up requests whose answers nobody is left to take. */
  #giveUpUnheard(removed: readonly { readonly account: number; readonly subject: Uint8Array }[]): void {
    // A subject is looked at once, however many of its subscriptions were removed.
    const names = new Map(
      removed.map(({ account, subject }) => {
        const name = byteStringOf(subject);
        return [`${account} ${name}`, { account, name }];
      }),
    );
    for (const { account, name } of names.values()) {
      for (const pending of this.#pending.answeredTo(account, name)) {
        const reply = bytesOf(pending.reply);
        this.#shard.index.match(account, reply, 0, reply.length, this.#match);
        if (this.#match.entryCount === 0) this.#fail(pending, "request timeout");
      }
    }
  }
}

function isSameExport(a: ServiceImport, b: ServiceImport): boolean {
  return a.exporter === b.exporter && a.exported === b.exported;
}
