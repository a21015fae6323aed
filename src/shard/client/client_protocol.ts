/**
 * The client protocol of one shard: parses the input of connections and carries out its operations. Plain messages go
 * to the engine; everything else comes here. Source: NATS client protocol; nats-server `parse`, `processConnect`,
 * `processSub`.
 */
import { greetsWithAuthRequired } from "../../auth/login_rules.ts";
import { HeldMessage, plainLine } from "../../fabric/held_message.ts";
import {
  CONNECTION_FLAGS,
  CONNECTION_HAS_NO_ECHO,
  CONNECTION_TAKES_HEADERS,
  CONNECTION_WANTS_NO_RESPONDERS,
  IN_PLACE_BYTES_MAX,
  MESSAGE_LINE_BYTES_MAX,
} from "../../memory/layout.ts";
import { READ_BYTES, RECEIVE_BYTES } from "../../memory/map.ts";
import { clientFault, payloadFault, plainFault } from "../../protocol/client_fault.ts";
import * as parse from "../../protocol/client_parser.ts";
import { CloseReason } from "../../protocol/close_reason.ts";
import {
  type ConnectOptions,
  DEFAULT_CONNECT_OPTIONS,
  parseConnectOptions,
} from "../../protocol/connect_options.ts";
import * as errors from "../../protocol/errors.ts";
import { infoLine, type ServerInfo } from "../../protocol/info.ts";
import { decodeJson, jsonMembers } from "../../protocol/json_members.ts";
import { errorLine, OK_LINE, PONG_LINE } from "../../protocol/messages.ts";
import { byteStringOf, textOf } from "../../subject/byte_string.ts";
import { isValidPublishSubject, isValidSubscription, tokenCount } from "../../subject/tokens.ts";
import { type Connection, STATE_CLOSING, STATE_CONNECTED, STATE_NEW, STATE_WAITING } from "../connection.ts";
import type { ShardContext } from "../context.ts";
import { NO_SUBSCRIPTION } from "../interest/subscription_table.ts";
import type { Publishing } from "../publishing.ts";
import type { Rings } from "../rings.ts";
import { TIMER_AUTHENTICATION, TIMER_PING, timerId } from "../timers.ts";
import type { Tracing } from "../tracing/tracing.ts";
import { Logins } from "./logins.ts";
import { Memberships } from "./memberships.ts";
import { noteDeliveries } from "./noted_deliveries.ts";
import { pingIntervalMs } from "./pings.ts";
import { RecentValues } from "./recent_values.ts";

const FIRST_PING_MS = 2000;
const FIRST_PING_JITTER = 0.2;
const PROTOCOL_MAX = 1;
const LINE_BREAK_BYTES = 2;
/** The longest line: together with the next read it fits the receive buffer, whatever the configuration says. */
const LINE_BYTES_MAX = RECEIVE_BYTES - 2 * READ_BYTES;
const RESERVED_QUEUE = new TextEncoder().encode("_sys_");

export class ClientProtocol {
  readonly #shard: ShardContext;
  readonly #publishing: Publishing;
  readonly #rings: Rings;
  readonly #tracing: Tracing;
  readonly #parser = new parse.ClientParser();
  readonly #bytes: Uint8Array;
  readonly #recentOptions = new RecentValues<ConnectOptions>();
  /** Whether everything has been taken that other shards had published when the bytes at hand were received. */
  #isCaughtUp = false;
  readonly memberships: Memberships;
  readonly logins: Logins;

  constructor(shard: ShardContext, publishing: Publishing, rings: Rings, tracing: Tracing) {
    this.#shard = shard;
    this.#publishing = publishing;
    this.#rings = rings;
    this.#tracing = tracing;
    this.#bytes = shard.shared.bytes;
    this.memberships = new Memberships(shard);
    this.logins = new Logins(shard, this.memberships, (connection, isIn) =>
      this.#onDecided(connection, isIn),
    );
  }

  /**
   * Carries out the operations in `[start, end)` of the shared memory, which follow everything taken before. Returns
   * the address of the first byte that was not taken; `end` if all was. That is the start of an operation that is
   * incomplete, or that must wait because the connection awaits a verdict or the turn is late.
   */
  receive(connection: Connection, start: number, end: number): number {
    this.#isCaughtUp = false;
    let at = start;
    while (at < end && connection.state < STATE_CLOSING) {
      if (connection.state === STATE_WAITING || (at !== start && this.#shard.outbound.isLate())) return at;
      if (connection.large !== null) {
        at += connection.large.fill(this.#bytes, at, end);
        if (connection.large.isComplete) this.#finishLarge(connection, start, at, end);
        continue;
      }
      if (connection.skipState === 0 && this.#isForEngine(connection)) {
        const from = at;
        at = this.#publishing.scan(connection, at, end);
        if (at !== from) this.#noteActivity(connection);
        if (at === end || connection.state >= STATE_CLOSING) break;
        if (at !== from && this.#shard.outbound.isLate()) return at;
      }
      const next = this.#receiveOne(connection, start, at, end);
      if (next < 0) return at;
      at = next;
    }
    return connection.state < STATE_CLOSING ? at : end;
  }

  /** Sends INFO to a fresh connection. `tellsAddress`: the address known is the client's own, so INFO tells it. */
  greet(connection: Connection, tellsAddress = true): void {
    const { info, outbound, options } = this.#shard;
    const listener = connection.webSocket === null ? "client" : "websocket";
    const authRequired = greetsWithAuthRequired(options.login.rules, listener);
    // A client that began with TLS is told that TLS is required, even if other clients may do without.
    const ofTls = connection.isTlsFirst ? { tlsRequired: true } : {};
    const told = { ...info, authRequired, ...ofTls, nonce: connection.nonce };
    outbound.append(connection, this.#infoFor(connection, told, tellsAddress));
  }

  /** Begins the protocol: sets the timers for the first PING and for a CONNECT that does not come. */
  begin(connection: Connection): void {
    const { nowMs, timers } = this.#shard;
    timers.set(timerId(connection, TIMER_PING), nowMs + pingIntervalMs(connection, this.#shard.options));
    if (this.logins.isRequired(connection)) {
      timers.set(timerId(connection, TIMER_AUTHENTICATION), nowMs + this.logins.timeoutMs(connection));
    }
  }

  /** Sends an INFO outside the greeting, if the client takes such ones. */
  sendInfo(connection: Connection, info: ServerInfo): void {
    if (takesInfo(connection)) this.#shard.outbound.append(connection, this.#infoFor(connection, info));
  }

  /**
   * Tells one client of lame duck mode, so that it leaves by itself. Returns false if the client takes no such INFO.
   */
  sendLameDuck(connection: Connection): boolean {
    this.sendInfo(connection, { ...this.#shard.info, lameDuckMode: true });
    return takesInfo(connection);
  }

  /**
   * Writes the options of CONNECT, as far as the server's options allow them, into the record that the engine reads.
   */
  applyOptions(connection: Connection): void {
    const { options } = connection;
    const { words } = this.#shard.shared;
    const word = (connection.address + CONNECTION_FLAGS) >> 2;
    const takesHeaders = this.#shard.options.supportsHeaders && options.headers;
    let flags = 0;
    if (!options.echo) flags |= CONNECTION_HAS_NO_ECHO;
    if (takesHeaders) flags |= CONNECTION_TAKES_HEADERS;
    if (takesHeaders && options.noResponders) flags |= CONNECTION_WANTS_NO_RESPONDERS;
    const own = CONNECTION_HAS_NO_ECHO | CONNECTION_TAKES_HEADERS | CONNECTION_WANTS_NO_RESPONDERS;
    words[word] = (words[word]! & ~own) | flags;
    noteDeliveries(this.#shard, connection);
  }

  /**
   * Whether the engine may take the connection's messages: verbose, pedantic and traced ones need more per message than
   * it does.
   */
  #isForEngine({ options, state }: Connection): boolean {
    if (options.verbose || options.pedantic || this.#shard.options.logsTrace) return false;
    return state === STATE_CONNECTED;
  }

  /**
   * Carries out one of the received operations. Returns where the next one begins, or −1 if this one is not complete.
   */
  #receiveOne(connection: Connection, received: number, start: number, end: number): number {
    const parser = this.#parser;
    const { options } = this.#shard;
    parser.maxControlLineBytes = Math.min(options.maxControlLineBytes, LINE_BYTES_MAX);
    parser.maxPayloadBytes = connection.maxPayloadBytes;
    parser.headersAllowed = options.supportsHeaders && connection.options.headers;
    parser.skipState = connection.skipState;
    const isFresh = connection.skipState === 0;
    let code = parser.parse(this.#bytes, start, end);
    connection.skipState = parser.skipState;
    const isForMessages = (code >= parse.PUB && code <= parse.UNSUB) || parser.lineComplete;
    if (isForMessages && parser.argEnd - parser.argStart > MESSAGE_LINE_BYTES_MAX) {
      code = errors.ERROR_MAXIMUM_CONTROL_LINE;
    }
    if (isFresh && connection.state === STATE_NEW && !this.#mayProceed(connection, start)) {
      return connection.state < STATE_CLOSING ? -1 : end;
    }
    switch (code) {
      case parse.NEED_MORE:
        return parser.lineComplete ? this.#startLarge(connection, end) : -1;
      case parse.SKIP:
        break;
      case parse.PUB:
      case parse.HPUB:
        this.#publish(connection, code);
        break;
      case parse.SUB:
        this.#subscribe(connection);
        break;
      case parse.UNSUB:
        this.#unsubscribe(connection);
        break;
      case parse.PING:
        this.#ping(connection);
        break;
      case parse.PONG:
        this.#pong(connection);
        break;
      case parse.CONNECT:
        this.#connect(connection);
        break;
      case parse.INFO:
        this.#info(connection);
        break;
      case parse.OK:
        break;
      case parse.ERR:
        this.#peerError(connection);
        break;
      default:
        if (code === errors.ERROR_MAXIMUM_PAYLOAD) {
          this.#complain(connection);
          this.#traceTooLarge(connection, end);
        }
        this.#shard.fail(connection, code, clientFault(parser, code, this.#bytes, start, received, end));
    }
    return parser.next;
  }

  /**
   * On a server with credentials the first byte before CONNECT decides. Anything but CONNECT is refused, or makes the
   * connection that of `no_auth_user`.
   */
  #mayProceed(connection: Connection, start: number): boolean {
    if (!this.logins.isRequired(connection)) return true;
    if ((this.#bytes[start]! | 0x20) === 0x63) return true;
    this.logins.decide(connection, true);
    return connection.state === STATE_CONNECTED;
  }

  #publish(connection: Connection, code: number): void {
    const parser = this.#parser;
    this.#noteActivity(connection);
    this.#complain(connection);
    connection.hasComplained = false;
    const headerLength = code === parse.HPUB ? parser.headerSize : -1;
    this.#traceLine(connection, code === parse.HPUB ? "HPUB" : "PUB");
    const { subjectStart, subjectEnd, replyStart, replyEnd } = parser;
    const bytes = this.#bytes;
    const message = HeldMessage.copy(
      connection.account.id,
      connection.slot,
      bytes.slice(subjectStart, subjectEnd),
      bytes.slice(replyStart, replyEnd),
      headerLength,
      bytes,
      parser.payloadStart,
      parser.totalSize,
    );
    this.#publishHeld(connection, message);
  }

  #publishHeld(connection: Connection, given: HeldMessage): void {
    const message = this.#tracing.begin(connection, given);
    if (message === null) return;
    this.#publishBegun(connection, message);
    this.#tracing.end(message.trace);
  }

  #publishBegun(connection: Connection, message: HeldMessage): void {
    const subject = byteStringOf(message.subject);
    const route = this.#shard.contexts.route(connection.context, subject);
    this.#shard.traceLog.tookMessage(connection, message, subject, route);
    if (route.subject !== subject) message.trace?.mapped(textOf(route.subject));
    if (!this.#publishing.admit(connection, message, route)) return;
    if (connection.options.verbose) this.#send(connection, OK_LINE, "OK");
    this.#publishing.publish(connection, message, route);
    // The payload of a message that was also a request, an answer or traced may have been put aside.
    const isDone = message.trace === null && route.services.length === 0 && !route.isResponse;
    if (isDone) this.#shard.outbound.payloads.release(message.bytes);
  }

  /** Sends the pedantic error about a subject that nobody could subscribe to literally; once per message. */
  #complain(connection: Connection): void {
    const parser = this.#parser;
    if (!connection.options.pedantic || connection.hasComplained || !parser.lineComplete) return;
    if (isValidPublishSubject(this.#bytes, parser.subjectStart, parser.subjectEnd)) return;
    connection.hasComplained = true;
    this.#sendError(connection, errors.errorEntry(errors.ERROR_INVALID_PUBLISH_SUBJECT).wireText!);
  }

  /** Traces a message that is too large, if its headers have come with the line and ask for a trace. */
  #traceTooLarge(connection: Connection, end: number): void {
    const { publishCode, headerSize, payloadStart, subjectStart, subjectEnd, totalSize } = this.#parser;
    if (publishCode !== parse.HPUB || headerSize <= 0) return;
    const headers = this.#bytes.slice(payloadStart, Math.min(end, payloadStart + headerSize));
    const subject = this.#bytes.slice(subjectStart, subjectEnd);
    this.#tracing.tellTooLarge(connection, subject, headers, totalSize);
  }

  /**
   * Begins a message whose line is complete and whose payload is not. Returns −1 for one that fits the receive buffer
   * and is waited for. A larger one is collected apart, beginning with what has arrived.
   */
  #startLarge(connection: Connection, end: number): number {
    const parser = this.#parser;
    this.#complain(connection);
    if (parser.totalSize <= IN_PLACE_BYTES_MAX) return -1;
    const bytes = this.#bytes;
    const isWithHeaders = parser.publishCode === parse.HPUB;
    this.#traceLine(connection, isWithHeaders ? "HPUB" : "PUB");
    const headerLength = isWithHeaders ? parser.headerSize : -1;
    const reply = bytes.slice(parser.replyStart, parser.replyEnd);
    connection.large = new HeldMessage(
      connection.account.id,
      connection.slot,
      bytes.slice(parser.subjectStart, parser.subjectEnd),
      plainLine(byteStringOf(reply), headerLength, parser.totalSize),
      reply.length,
      headerLength,
      parser.totalSize,
      this.#shard.outbound.payloads.take(parser.totalSize + LINE_BREAK_BYTES),
    );
    return parser.payloadStart + connection.large.fill(bytes, parser.payloadStart, end);
  }

  /** Publishes the large message, whose last byte lies before `at`. `received` is where the received bytes begin. */
  #finishLarge(connection: Connection, received: number, at: number, end: number): void {
    const large = connection.large!;
    connection.large = null;
    connection.hasComplained = false;
    if (!large.endsWithLineBreak()) {
      const fault = payloadFault(large.endsWithCr(), this.#bytes, at - LINE_BREAK_BYTES, received, end);
      this.#shard.fail(connection, errors.ERROR_UNKNOWN_OPERATION, fault);
      return;
    }
    this.#noteActivity(connection);
    this.#publishHeld(connection, large);
  }

  #subscribe(connection: Connection): void {
    this.#catchUp();
    const parser = this.#parser;
    const bytes = this.#bytes;
    const { interest, options, table } = this.#shard;
    const { subjectStart, subjectEnd, queueStart, queueEnd, sidStart, sidEnd } = parser;
    this.#noteActivity(connection);
    this.#traceLine(connection, "SUB");
    const filter = this.#filterForSubscription(connection);
    if (filter === null) return;
    const { maxSubscriptionTokens } = options;
    if (maxSubscriptionTokens > 0 && tokenCount(bytes, subjectStart, subjectEnd) > maxSubscriptionTokens) {
      const subject = bytes.slice(subjectStart, subjectEnd);
      this.#sendError(connection, errors.tooManyTokensText(subject));
      const text = errors.tooManyTokensLogText(subject, bytes.slice(sidStart, sidEnd));
      this.#shard.log("error", `${connection.label} - ${text}`);
      return;
    }
    if (connection.maxSubscriptions >= 0 && connection.subscriptionCount >= connection.maxSubscriptions) {
      this.#shard.fail(connection, errors.ERROR_MAXIMUM_SUBSCRIPTIONS);
      return;
    }
    // A sid that is in use keeps its subscription, even if the subject differs.
    if (table.find(connection.address, bytes, sidStart, sidEnd) === NO_SUBSCRIPTION) {
      if (!isValidSubscription(bytes, subjectStart, subjectEnd)) {
        this.#sendError(connection, errors.errorEntry(errors.ERROR_INVALID_SUBJECT).wireText!);
        return;
      }
      const record = interest.subscribe(
        connection,
        bytes,
        subjectStart,
        subjectEnd,
        queueStart,
        queueEnd,
        sidStart,
        sidEnd,
        filter,
      );
      if (record === NO_SUBSCRIPTION) {
        this.#sendError(connection, "maximum subscriptions of the server exceeded");
        return;
      }
    }
    if (connection.options.verbose) this.#send(connection, OK_LINE, "OK");
  }

  /**
   * The filter of the subscription just parsed: patterns of messages that it is not sent. null if the client may not
   * have the subscription; the client has been told so then.
   */
  #filterForSubscription(connection: Connection): string | null {
    const bytes = this.#bytes;
    const { subjectStart, subjectEnd, queueStart, queueEnd, sidStart, sidEnd } = this.#parser;
    const isForServers = isRange(bytes, queueStart, queueEnd, RESERVED_QUEUE);
    if (!isForServers) {
      const subject = byteStringOf(bytes, subjectStart, subjectEnd);
      const queue = byteStringOf(bytes, queueStart, queueEnd);
      const filter = this.memberships.filterFor(connection, subject, queue);
      if (filter !== null) return filter;
    }
    const subject = bytes.slice(subjectStart, subjectEnd);
    const queue = queueStart === queueEnd ? null : bytes.slice(queueStart, queueEnd);
    this.#sendError(connection, errors.subscribeViolationText(subject, queue));
    const text = errors.subscribeViolationLogText(subject, queue, bytes.slice(sidStart, sidEnd));
    this.#shard.log("error", `${connection.label} - ${text}`);
    return null;
  }

  #unsubscribe(connection: Connection): void {
    this.#catchUp();
    const parser = this.#parser;
    const { table } = this.#shard;
    this.#noteActivity(connection);
    this.#traceLine(connection, "UNSUB");
    const record = table.find(connection.address, this.#bytes, parser.sidStart, parser.sidEnd);
    if (record !== NO_SUBSCRIPTION) {
      if (parser.maxMessages > table.deliveredOf(record)) table.setMax(record, parser.maxMessages);
      else this.removeSubscription(connection, record);
    }
    if (connection.options.verbose) this.#send(connection, OK_LINE, "OK");
  }

  /**
   * Takes, once per read, what other shards had published: that comes before what the client says, even if another
   * shard's publisher has got its PONG and this shard is behind. A subscription that ends receives all of it, one that
   * begins nothing.
   */
  #catchUp(): void {
    if (this.#isCaughtUp) return;
    this.#isCaughtUp = true;
    this.#rings.catchUp();
  }

  /** Removes a subscription: because of an UNSUB, because it has reached its maximum, or because its client goes. */
  removeSubscription(connection: Connection, record: number): void {
    this.#shard.traceLog.removed(connection, record);
    this.#shard.interest.unsubscribe(connection, record);
  }

  #ping(connection: Connection): void {
    connection.lastInputMs = this.#shard.nowMs;
    this.#shard.traceLog.took(connection, "PING");
    // A PONG says that everything before it has been queued: what this shard has published must be visible to the other
    // shards, and what they have for this client must be queued before the PONG.
    this.#rings.publishAll();
    this.#catchUp();
    this.#send(connection, PONG_LINE, "PONG");
    if (connection.hasSentFirstPong || connection.state !== STATE_CONNECTED || !connection.hasConnected)
      return;
    connection.hasSentFirstPong = true;
    if (connection.options.protocol < 1) return;
    const { info } = this.#shard;
    this.#shard.outbound.append(
      connection,
      this.#infoFor(connection, {
        ...info,
        connectInfo: true,
        remoteAccount: connection.account.name,
        accountIsSystem: connection.account.definition.isSystem,
      }),
    );
  }

  #pong(connection: Connection): void {
    this.#shard.traceLog.took(connection, "PONG");
    connection.pingsOutstanding = 0;
    if (connection.pingSentMs === 0) return;
    connection.rttMs = performance.now() - connection.pingSentMs;
    this.memberships.forgetDisclosure(connection);
  }

  #connect(connection: Connection): void {
    const parser = this.#parser;
    const { timers, options, nowMs } = this.#shard;
    this.#noteActivity(connection);
    timers.clear(timerId(connection, TIMER_AUTHENTICATION));
    const firstPingMs =
      Math.min(pingIntervalMs(connection, options), FIRST_PING_MS) * (1 + Math.random() * FIRST_PING_JITTER);
    timers.set(timerId(connection, TIMER_PING), nowMs + firstPingMs);
    this.#shard.traceLog.tookConnect(connection, parser.argStart, parser.argEnd);
    // Until the first PONG, the round trip is taken to be the time between INFO and the answer to it.
    if (connection.rttMs === 0) connection.rttMs = Math.max(this.#shard.wallMs() - connection.startMs, 0.001);
    const result = parseConnectOptions(this.#bytes, parser.argStart, parser.argEnd, connection.options);
    if (!result.ok) {
      const statement = "CONNECT is not valid";
      const text = `${statement}: ${result.problem}`;
      this.#shard.fail(connection, errors.ERROR_JSON, { statement, text });
      return;
    }
    const given = connection.withCookies(result.options);
    // A JWT means something in operator mode alone.
    const isKept = given.jwt === "" || options.login.rules.isOperatorMode;
    connection.options = this.#recentOptions.share(isKept ? given : { ...given, jwt: "" });
    // A second CONNECT may lead to another account: the client begins anew, in the global account and without
    // subscriptions.
    if (connection.hasConnected) {
      this.#catchUp();
      this.memberships.dropSubscriptions(connection);
      this.memberships.begin(connection);
    }
    this.logins.decide(connection, false);
  }

  /**
   * The verdict on a login has come. The CONNECT of an accepted client may still ask for what the client cannot have.
   */
  #onDecided(connection: Connection, isIn: boolean): void {
    if (!isIn) return;
    const { options } = this.#shard;
    const connect = connection.options;
    // A client that is let in without CONNECT has the default options, and is sent no +OK.
    const hasAsked = connect !== DEFAULT_CONNECT_OPTIONS;
    if (hasAsked && !connection.hasConnected) connection.showInLogs();
    this.#shard.timers.clear(timerId(connection, TIMER_AUTHENTICATION));
    if (connect.protocol < 0 || connect.protocol > PROTOCOL_MAX) {
      this.#shard.fail(connection, errors.ERROR_INVALID_CLIENT_PROTOCOL);
      return;
    }
    if (connect.noResponders && !(connect.headers && options.supportsHeaders)) {
      this.#shard.fail(connection, errors.ERROR_NO_RESPONDERS_REQUIRES_HEADERS);
      return;
    }
    connection.state = STATE_CONNECTED;
    connection.hasConnected = true;
    this.applyOptions(connection);
    if (connect.verbose && hasAsked) this.#send(connection, OK_LINE, "OK");
  }

  #info(connection: Connection): void {
    const { argStart, argEnd } = this.#parser;
    if (jsonMembers(decodeJson(this.#bytes, argStart, argEnd)) === null) {
      this.#shard.fail(connection, errors.ERROR_JSON, plainFault("INFO is not valid: no JSON object"));
    }
  }

  #peerError(connection: Connection): void {
    const { argStart, argEnd } = this.#parser;
    const text = new TextDecoder().decode(this.#bytes.slice(argStart, argEnd));
    this.#shard.log("error", `${connection.label} - Client Error ${text}`);
    this.#shard.close(connection, CloseReason.ParseError);
  }

  #infoFor(connection: Connection, info: ServerInfo, tellsAddress = true): Uint8Array {
    const { webSocket } = this.#shard.options;
    return infoLine({
      ...info,
      ...(connection.webSocket === null
        ? {}
        : { ...webSocket?.info, connectUrls: info.webSocketConnectUrls ?? [] }),
      maxPayloadBytes: connection.maxPayloadBytes,
      clientId: connection.clientId,
      clientIp: tellsAddress ? connection.ip : "",
    });
  }

  #send(connection: Connection, line: Uint8Array, traced: string): void {
    this.#shard.traceLog.sent(connection, traced);
    this.#shard.outbound.append(connection, line);
  }

  #sendError(connection: Connection, text: string): void {
    this.#shard.traceLog.sent(connection, "-ERR", text);
    this.#shard.outbound.append(connection, errorLine(text));
  }

  #noteActivity(connection: Connection): void {
    connection.lastInputMs = this.#shard.nowMs;
    connection.lastActivityMs = this.#shard.wallMs();
  }

  #traceLine(connection: Connection, operation: string): void {
    this.#shard.traceLog.tookLine(connection, operation, this.#parser.argStart, this.#parser.argEnd);
  }
}

/** Whether a client takes INFO at any time, and not only as its greeting. */
function takesInfo({ options, hasSentFirstPong }: Connection): boolean {
  return options.protocol >= 1 && hasSentFirstPong;
}

function isRange(bytes: Uint8Array, start: number, end: number, wanted: Uint8Array): boolean {
  if (end - start !== wanted.length) return false;
  for (let i = 0; i < wanted.length; i++) if (bytes[start + i] !== wanted[i]) return false;
  return true;
}
