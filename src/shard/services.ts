/**
 * Requests that cross into another account, and their answers back. A request on an imported subject is delivered in
 * the exporting account under the subject there, with a reply subject of ours; what is published to that one goes to
 * the requestor. The shard of the requestor remembers the request: an answer published on another one is sent to it.
 *
 * Subjects are byte strings. Source: nats-server `processServiceImport`, `addRespServiceImport`.
 */
import type { AppliedServiceImport } from "../account/applied_imports.ts";
import type { ClientInfo, ServerPlace } from "../account/client_info.ts";
import type { ResponseType, ServiceLatency } from "../account/definition.ts";
import {
  answeredSample,
  encodeLatency,
  failedSample,
  type LatencyFailure,
  type LatencySample,
  type MeasuredRequest,
  withResponder,
} from "../account/latency.ts";
import { sampleRequest } from "../account/latency_sampling.ts";
import { isMeasuredReply, isReplyKept } from "../account/reply_subject.ts";
import {
  encodeRequestInfo,
  firstHop,
  nextHop,
  REQUEST_INFO_HEADER,
  type RequestInfo,
} from "../account/request_info.ts";
import { newNuid } from "../base/nuid.ts";
import { HeldMessage, messageBytes } from "../fabric/held_message.ts";
import { MatchResult } from "../interest/match_result.ts";
import { CONTEXT_ACCOUNTS, CONTEXT_IS_RESPONSE, CONTEXT_IS_STREAMLESS } from "../memory/layout.ts";
import { readMimeHeaders } from "../protocol/mime_headers.ts";
import { dropHeader, headerBlock, withBlock, withHeader } from "../protocol/set_header.ts";
import { byteStringOf, byteStringOfText, bytesOf } from "../subject/byte_string.ts";
import { isSubset } from "../subject/subset.ts";
import { isLiteral } from "../subject/tokens.ts";
import { orLost, randomBelow, type ShardAccount } from "./accounts.ts";
import { detailsForServices } from "./client_details.ts";
import type { Connection } from "./connection.ts";
import type { ShardContext } from "./context.ts";
import type { Publishing } from "./publishing.ts";
import { ReplySubjects } from "./reply_subjects.ts";
import type { Rings } from "./rings.ts";
import type { ResponseRecord } from "./shard_options.ts";
import { TIMER_SERVICES } from "./timers.ts";

/** How often requests that are too old are looked for. */
const EXPIRY_LOOK_MS = 50;
/** How long the responder's server may take to tell what it has measured. */
const HALF_MS_MAX = 10_000;
/** Accounts a request crosses on its way at most. */
const HOPS_MAX = 32;

const NO_QUEUES = new Int32Array(0);

/** A request whose latency is published. */
interface Measurement {
  readonly request: MeasuredRequest;
  readonly latency: ServiceLatency;
  /** Where it is published. */
  readonly exporter: number;
}

/** An answered request whose responder's server has not told yet what it has measured. */
interface HalfMeasured {
  readonly measurement: Measurement;
  readonly sample: LatencySample;
  readonly deadlineMs: number;
}

/** A request that may be answered. */
interface Pending {
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
  /** Who answers, told by the shard that it is on. */
  responder: ClientInfo | undefined;
  /** What the responder's server has measured, if it is another one and has told already. */
  remote: LatencySample | null;
}

/** What a request carries of its requestor. */
interface Told {
  readonly info: RequestInfo;
  readonly header: string;
  /** The header block of a request that has no other headers. */
  readonly block: Uint8Array;
}

/** The same at the first hop, while the client is who it was. */
interface ToldOfClient extends Told {
  readonly login: Connection["login"];
  readonly rttMs: number;
}

/** A request on its way: who asks, and the imports it came through. */
interface Journey {
  readonly connection: Connection;
  readonly passed: readonly AppliedServiceImport[];
  readonly info: RequestInfo | null;
}

export class Services {
  readonly #shard: ShardContext;
  readonly #publishing: Publishing;
  readonly #rings: Rings;
  readonly #replies: ReplySubjects;
  readonly #match = new MatchResult();
  readonly #told = new WeakMap<AppliedServiceImport, WeakMap<Connection, ToldOfClient>>();
  readonly #pending = new Map<string, Pending>();
  /** By token. */
  readonly #halves = new Map<string, HalfMeasured>();
  /** By requestor's account and reply: whoever unsubscribes need not look at everybody's. */
  readonly #byReply = new Map<string, Set<Pending>>();
  /** By how long they wait at most, each in the order in which their time ends. */
  readonly #byThreshold = new Map<number, Map<string, Pending>>();
  /** Answers that other nodes sent, until the turn comes to them. */
  #answers: HeldMessage[] = [];
  /** Subscriptions that went while requests wait, until the turn comes to them: a message of ours may be under way. */
  #removed: { readonly account: number; readonly subject: Uint8Array }[] = [];

  constructor(shard: ShardContext, publishing: Publishing, rings: Rings) {
    this.#shard = shard;
    this.#publishing = publishing;
    this.#rings = rings;
    const { replySecret, serverHash } = shard.options;
    this.#replies = new ReplySubjects(replySecret, serverHash, shard.node);
  }

  /** Forwards a client's request, published on `subject` of its account; returns how many took it. */
  request(
    connection: Connection,
    service: AppliedServiceImport,
    subject: string,
    message: HeldMessage,
  ): number {
    return this.#forward(
      { connection, passed: [], info: null },
      connection.account,
      service,
      subject,
      message,
    );
  }

  /**
   * Takes what a client published to a reply subject of ours. Returns 1 when it answers a request, as far as is known
   * here.
   */
  answer(account: ShardAccount, message: HeldMessage, responder: Connection): number {
    const isMeasured = isMeasuredReply(byteStringOf(message.subject));
    return this.#passOn(
      account,
      message,
      isMeasured ? detailsForServices(responder, this.#shard.info.serverName) : undefined,
    );
  }

  /** Hands an answer to the shard that remembers the request; `responder` is whoever is to be named in its latency. */
  #passOn(account: ShardAccount, message: HeldMessage, responder: ClientInfo | undefined): number {
    const subject = byteStringOf(message.subject);
    const node = this.#replies.nodeOf(account.id, subject);
    if (node < 0 && responder !== undefined && isMeasuredReply(subject)) {
      const { linksNode } = this.#shard.shared.map;
      if (linksNode !== 0)
        this.#rings.sendControl(linksNode, { type: "responder", token: subject, info: responder });
      return 0;
    }
    if (node === this.#shard.node) return this.#answerHere(account.id, subject, message, responder);
    if (!this.#shard.shared.map.hasConnections(node)) return 0;
    if (responder !== undefined && isMeasuredReply(subject)) {
      const token = this.#replies.tokenOf(account.id, subject);
      this.#rings.sendControl(node, { type: "responder", token, info: responder });
    }
    const answer = message.under(account.id | CONTEXT_IS_RESPONSE, message.subject);
    this.#rings.send(node, { message: answer, isPlain: true, queues: NO_QUEUES });
    return 1;
  }

  /** The shard that waits for an answer on this subject of an account, below 0 for none. */
  nodeOfReply(account: number, subject: string): number {
    return this.#replies.nodeOf(account, subject);
  }

  /** See `LinkShard`. */
  replyPattern(account: number): string {
    return this.#replies.patternOf(account);
  }

  /** Another shard tells who is about to answer a request that is measured. */
  setResponder(token: string, info: ClientInfo): void {
    const pending = this.#pending.get(token);
    if (pending !== undefined) pending.responder = info;
  }

  /** The responder's server has measured its part of a request whose reply this is. */
  takeRemoteLatency(exporter: number, subject: string, sample: LatencySample): void {
    const token = this.#replies.tokenOf(exporter, subject);
    const half = this.#halves.get(token);
    if (half !== undefined) {
      this.#halves.delete(token);
      this.#publish(half.measurement, withResponder(half.sample, sample));
      return;
    }
    const pending = this.#pending.get(token);
    if (pending !== undefined) pending.remote = sample;
  }

  /** Puts an answer aside that another node sent: a message of ours may be under way. */
  takeAnswer(message: HeldMessage): void {
    this.#answers.push(message);
  }

  /** Whether something is put aside for the start of a turn. */
  get hasWork(): boolean {
    return this.#answers.length > 0 || this.#removed.length > 0;
  }

  /** Does what was put aside: delivers answers, and gives up requests whose answers nobody is left to take. */
  doWork(): void {
    for (const { account, subject } of this.#removed.splice(0)) this.#onInterestRemoved(account, subject);
    while (this.#answers.length > 0) {
      const answers = this.#answers;
      this.#answers = [];
      for (const message of answers) {
        const account = message.context & (CONTEXT_ACCOUNTS - 1);
        this.#answerHere(account, byteStringOf(message.subject), message, undefined);
      }
    }
  }

  /** The answers that an account owes, as monitoring shows them. */
  responsesOf(exporter: number): ResponseRecord[] {
    const decoder = new TextDecoder();
    const text = (subject: string) => decoder.decode(bytesOf(subject));
    return [...this.#pending.values()]
      .filter((pending) => pending.exporter === exporter)
      .map((pending) => ({
        subject: text(this.#replies.subjectOf(exporter, pending)),
        account: this.#shard.accounts.byId(pending.requestor)?.name ?? "",
        reply: text(pending.reply),
        isShared: pending.isShared,
        latency: pending.measurement?.latency ?? null,
      }));
  }

  /** Forgets requests that waited too long. */
  expire(): void {
    const { nowMs } = this.#shard;
    for (const requests of this.#byThreshold.values()) {
      for (const pending of requests.values()) {
        if (pending.deadlineMs > nowMs) break;
        this.#fail(pending, "service timeout");
      }
    }
    for (const [token, { deadlineMs }] of this.#halves) if (deadlineMs <= nowMs) this.#halves.delete(token);
    if (this.#pending.size + this.#halves.size > 0) this.#watch();
  }

  #forward(
    journey: Journey,
    importer: ShardAccount,
    service: AppliedServiceImport,
    subject: string,
    message: HeldMessage,
  ): number {
    const { connection, passed } = journey;
    const { accounts } = this.#shard;
    const exporter = accounts.byId(service.definition.exporter);
    if (exporter === undefined || passed.includes(service) || passed.length > HOPS_MAX) return 0;
    const remote = service.remoteSubject(subject);
    const mapped = orLost(remote.text) === null ? null : exporter.map(remote.text);
    if (mapped === null) return 0;

    const told =
      journey.info === null
        ? this.#toldOf(connection, service)
        : toldBy(nextHop(journey.info, importer.name, this.#place(), service.definition));
    const measurement = this.#measure(service, exporter, told.info, message);
    const pending = this.#remember(importer, exporter, service, message, measurement);
    const content =
      message.headerLength < 0
        ? withBlock(message.bytes, told.block)
        : withHeader(message.content, REQUEST_INFO_HEADER, told.header);
    const forwarded = HeldMessage.of(
      exporter.id | CONTEXT_IS_STREAMLESS,
      message.origin,
      mapped === remote.text ? remote.bytes : bytesOf(mapped),
      pending === null ? message.replyText : this.#replies.subjectOf(exporter.id, pending),
      content,
    );
    let delivered = this.#publishing.deliver(forwarded);
    for (const next of exporter.hasServices ? exporter.servicesFor(mapped) : []) {
      const onward = { connection, passed: [...passed, service], info: told.info };
      delivered += this.#forward(onward, exporter, next, mapped, forwarded);
    }
    if (pending === null) {
      if (measurement !== null) this.#publish(measurement, failedSample(measurement.request, "bad request"));
    } else if (delivered === 0) this.#fail(pending, "service unavailable");
    return delivered;
  }

  /** What a service is told of a client that asks it. */
  #toldOf(connection: Connection, service: AppliedServiceImport): Told {
    const byConnection = this.#told.getOrInsertComputed(service, () => new WeakMap());
    const known = byConnection.get(connection);
    const { login, rttMs } = connection;
    if (known !== undefined && known.login === login && known.rttMs === rttMs) return known;
    const details = detailsForServices(connection, this.#shard.info.serverName);
    const told = { ...toldBy(firstHop(details, this.#place(), service.definition)), login, rttMs };
    byConnection.set(connection, told);
    return told;
  }

  #place(): ServerPlace {
    const { info, options } = this.#shard;
    const { clusterName } = options;
    return { server: info.serverName, ...(clusterName === undefined ? {} : { cluster: clusterName }) };
  }

  /** Null for a request whose latency is nobody's business. */
  #measure(
    { definition: { latency } }: AppliedServiceImport,
    exporter: ShardAccount,
    { client }: RequestInfo,
    { bytes, headerLength }: HeldMessage,
  ): Measurement | null {
    if (latency === undefined) return null;
    const readHeaders = () => (headerLength > 0 ? readMimeHeaders(bytes, 0, headerLength) : null);
    const { isSampled, header } = sampleRequest(latency, readHeaders, randomBelow);
    if (!isSampled) return null;
    const receivedAtMs = this.#shard.wallMs();
    const request = { requestor: client, receivedAtMs, ...(header === undefined ? {} : { header }) };
    return { request, latency, exporter: exporter.id };
  }

  /** Notes what becomes of answers; null where there can be none. */
  #remember(
    importer: ShardAccount,
    exporter: ShardAccount,
    service: AppliedServiceImport,
    message: HeldMessage,
    measurement: Measurement | null,
  ): Pending | null {
    if (message.replyLength === 0) return null;
    const reply = message.replyText;
    if (isReplyKept(reply)) return null;
    const { share, responseType, responseThresholdMs } = service.definition;
    return this.#add({
      exporter: exporter.id,
      requestor: importer.id,
      reply,
      isShared: share,
      responseType,
      thresholdMs: responseThresholdMs,
      measurement,
    });
  }

  #add(request: Omit<Pending, "token" | "deadlineMs" | "responder" | "remote">): Pending {
    const { exporter, requestor, reply, isShared, responseType, thresholdMs, measurement } = request;
    const token = this.#replies.newToken((taken) => this.#pending.has(taken));
    const deadlineMs = this.#shard.nowMs + thresholdMs;
    const pending: Pending = {
      token,
      exporter,
      requestor,
      reply,
      isShared,
      responseType,
      thresholdMs,
      deadlineMs,
      measurement,
      responder: undefined,
      remote: null,
    };
    this.#pending.set(token, pending);
    this.#byReply.getOrInsertComputed(replyKey(requestor, reply), () => new Set()).add(pending);
    this.#byThreshold.getOrInsertComputed(thresholdMs, () => new Map()).set(token, pending);
    if (this.#pending.size === 1) {
      this.#watch();
      this.#shard.interest.onRemoved = (account, subject) => this.#removed.push({ account, subject });
    }
    return pending;
  }

  /** A request that gets no answer any more. */
  #fail(pending: Pending, failure: LatencyFailure): void {
    this.#forget(pending);
    const { measurement } = pending;
    if (measurement !== null) this.#publish(measurement, failedSample(measurement.request, failure));
  }

  #forget(pending: Pending): void {
    const { token, thresholdMs, requestor, reply } = pending;
    this.#pending.delete(token);
    const key = replyKey(requestor, reply);
    const others = this.#byReply.get(key);
    others?.delete(pending);
    if (others?.size === 0) this.#byReply.delete(key);
    const requests = this.#byThreshold.get(thresholdMs);
    requests?.delete(token);
    if (requests?.size === 0) this.#byThreshold.delete(thresholdMs);
    if (this.#pending.size === 0) this.#shard.interest.onRemoved = null;
  }

  #watch(): void {
    const { timers, nowMs } = this.#shard;
    timers.set(TIMER_SERVICES, nowMs + EXPIRY_LOOK_MS);
  }

  #answerHere(
    exporter: number,
    subject: string,
    message: HeldMessage,
    responder: ClientInfo | undefined,
  ): number {
    const pending = this.#pending.get(this.#replies.tokenOf(exporter, subject));
    if (pending === undefined) return 0;
    const answeredAtMs = this.#shard.wallMs();
    const { requestor, reply, isShared, responseType, thresholdMs, measurement } = pending;
    // A streamed answer ends with one that is empty.
    if (responseType === "singleton" || message.payloadLength === 0) this.#forget(pending);
    else this.#renew(pending);
    const account = this.#shard.accounts.byId(requestor);
    if (account === undefined) return 0;

    // Whoever answers may want an answer itself, which goes the other way.
    let back = "";
    if (message.replyLength > 0) {
      const reverse = this.#add({
        exporter: requestor,
        requestor: exporter,
        reply: message.replyText,
        isShared,
        responseType: "singleton",
        thresholdMs,
        measurement: null,
      });
      back = this.#replies.subjectOf(requestor, reverse);
    }
    const answer = HeldMessage.of(
      requestor | CONTEXT_IS_STREAMLESS,
      message.origin,
      bytesOf(reply),
      back,
      dropHeader(message.content, REQUEST_INFO_HEADER),
    );
    const who = responder ?? pending.responder;
    const delivered = this.#publishing.deliver(answer) + this.#passOn(account, answer, who);
    if (delivered === 0) this.#fail(pending, "service unavailable");
    else if (measurement !== null) {
      this.#publishAnswered(
        pending,
        measurement,
        answeredSample(measurement.request, who, answeredAtMs, this.#shard.wallMs()),
      );
    }
    return 1;
  }

  /** One whose responder is on another server waits for what that one has measured. */
  #publishAnswered({ token, remote }: Pending, measurement: Measurement, sample: LatencySample): void {
    if (sample.responder !== undefined) this.#publish(measurement, sample);
    else if (remote !== null) this.#publish(measurement, withResponder(sample, remote));
    else {
      this.#halves.set(token, { measurement, sample, deadlineMs: this.#shard.nowMs + HALF_MS_MAX });
      this.#watch();
    }
  }

  /** Publishes the latency of a request in the account that offers the service. */
  #publish({ latency, exporter }: Measurement, sample: LatencySample): void {
    const json = new TextEncoder().encode(encodeLatency(sample, newNuid(), this.#shard.wallMs()));
    const subject = bytesOf(byteStringOfText(latency.subject));
    this.#publishing.deliver(HeldMessage.fromServer(exporter, subject, messageBytes(json)));
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
    const isLiteralName = isLiteral(subject, 0, subject.length);
    const pendings = isLiteralName
      ? (this.#byReply.get(replyKey(account, name)) ?? [])
      : this.#pending.values();
    for (const pending of pendings) {
      if (pending.requestor !== account || !isSubset(pending.reply, name)) continue;
      const reply = bytesOf(pending.reply);
      this.#shard.index.match(account, reply, 0, reply.length, this.#match);
      if (this.#match.entryCount === 0) this.#fail(pending, "request timeout");
    }
  }
}

function replyKey(requestor: number, reply: string): string {
  return `${requestor} ${reply}`;
}

function toldBy(info: RequestInfo): Told {
  const header = encodeRequestInfo(info);
  return { info, header, block: headerBlock(REQUEST_INFO_HEADER, header) };
}
