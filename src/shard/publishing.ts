/**
 * Publishes the messages of this shard's clients: runs the engine over the received bytes and does what the engine
 * hands back. Hot: once per read, and once per cache miss.
 */
import { Buffer } from "node:buffer";
import type { MessagePlace } from "../engine/engine.ts";
import { FABRIC_SLOT, HeldMessage } from "../fabric/held_message.ts";
import { MatchResult } from "../interest/match_result.ts";
import {
  AREA_CONTEXT,
  AREA_CONTROL_LINE_MAX,
  AREA_FULL_NODE,
  AREA_HEADER_LENGTH,
  AREA_IN_MESSAGES,
  AREA_LINE_LENGTH,
  AREA_MESSAGE_END,
  AREA_REPLY,
  AREA_REPLY_LENGTH,
  AREA_REQUEST,
  AREA_REST,
  AREA_RESUME,
  AREA_SUBJECT,
  AREA_SUBJECT_HASH,
  AREA_SUBJECT_LENGTH,
  CONNECTION_BYTES,
  CONNECTION_FLAGS,
  CONNECTION_IN_MESSAGES,
  CONNECTION_WANTS_NO_RESPONDERS,
  CONTEXT_IS_STREAMLESS,
  MESSAGE_LINE_BYTES_MAX,
  PLAN_FLAGS,
  PLAN_IS_FOR_HOST,
  PLAN_IS_FORWARDED,
  REASON_ANSWER_MISS,
  REASON_DONE,
  REASON_HOST_PLAN,
  REASON_LOOK,
  REASON_MISS,
  REASON_NO_RESPONDERS,
  REASON_OTHER,
  REASON_RING_FULL,
  REQUEST_ACCOUNT_BYTES,
  REQUEST_REPLY_LENGTH,
  REQUEST_REQUESTOR,
  REQUEST_TEXT,
} from "../memory/layout.ts";
import { countMessage } from "../memory/shared_memory.ts";
import {
  publishViolationLogText,
  publishViolationText,
  replyViolationLogText,
  replyViolationText,
} from "../protocol/errors.ts";
import { errorLine, noRespondersMessage } from "../protocol/messages.ts";
import type { MessageTrace } from "../protocol/tracing/message_trace.ts";
import { bytesOf, textOf } from "../subject/byte_string.ts";
import { isReservedReply, isResponseSubject } from "./client/reserved.ts";
import { type Connection, STATE_CLOSING } from "./connection.ts";
import type { ShardContext } from "./context.ts";
import type { Route } from "./contexts.ts";
import { NO_SUBSCRIPTION } from "./interest/subscription_table.ts";
import type { LinkHost } from "./links/link_host.ts";
import type { Rings } from "./rings.ts";
import { OpenWays } from "./services/open_ways.ts";
import type { Services } from "./services/services.ts";
import type { Tracing } from "./tracing/tracing.ts";

const NO_BYTES = new Uint8Array(0);

/**
 * Layout of a message that the host publishes from the shard's scratch: its subject, and at this offset its line and
 * payload.
 */
const SCRATCH_LINE = MESSAGE_LINE_BYTES_MAX + 64;

/** A message that lies in the shared memory. */
export interface LyingMessage extends MessagePlace {
  readonly context: number;
  /** Slot of the connection that publishes it. */
  readonly slot: number;
  /** Address of the message's subject. */
  readonly subject: number;
  readonly subjectLength: number;
}

export class Publishing {
  readonly #shard: ShardContext;
  readonly #rings: Rings;
  readonly #words: Int32Array;
  /** Word index of the area header. */
  readonly #area: number;
  readonly #scratch: number;
  /** Address of the connection records. */
  readonly #connections: number;
  /** The shared memory, to decode texts from. */
  readonly #text: Buffer;
  readonly #match = new MatchResult();
  /** The large message that is being delivered, for attach() and sendLarge(). */
  #large: HeldMessage | null = null;
  #services: Services | null = null;
  #tracing: Tracing | null = null;
  /** Set once, in the links shard only: there only the host serves queue groups, so deliver() hands messages to it. */
  links: LinkHost | null = null;

  constructor(shard: ShardContext, rings: Rings) {
    this.#shard = shard;
    this.#rings = rings;
    this.#words = shard.shared.words;
    const regions = shard.shared.map.area(shard.node);
    this.#area = regions.area >> 2;
    this.#scratch = regions.scratch;
    this.#connections = regions.connections;
    this.#text = Buffer.from(shard.shared.bytes.buffer);
  }

  /** Set once, right after both are made: publishing and services need each other. */
  set services(services: Services) {
    this.#services = services;
  }

  /** Set once, for the same reason. */
  set tracing(tracing: Tracing) {
    this.#tracing = tracing;
  }

  /** Applies new options: tells the engine how long a line it may take. */
  configure(): void {
    const { maxControlLineBytes } = this.#shard.options;
    this.#words[this.#area + (AREA_CONTROL_LINE_MAX >> 2)] = Math.min(
      maxControlLineBytes,
      MESSAGE_LINE_BYTES_MAX,
    );
  }

  /**
   * Publishes the plain messages at the start of `[start, end)`, which is input of the connection. Returns the address
   * of the first byte that is something else, or `end` if there is none.
   */
  scan(connection: Connection, start: number, end: number): number {
    const { engine } = this.#shard;
    let at = start;
    for (;;) {
      const from = at;
      const reason = engine.scan(connection.slot, at, end);
      at = this.#word(AREA_RESUME);
      this.#shard.removeExpired();
      switch (reason) {
        case REASON_DONE:
        case REASON_OTHER:
          return at;
        case REASON_LOOK:
          break;
        case REASON_MISS:
          at = this.#onMiss(connection, at);
          break;
        case REASON_HOST_PLAN:
          at = this.#onHostPlan(connection);
          break;
        case REASON_ANSWER_MISS:
          at = this.#onAnswerMiss(connection, at);
          break;
        case REASON_NO_RESPONDERS:
          this.#onNoResponders(connection);
          break;
        case REASON_RING_FULL:
          this.#rings.waitForRoom(this.#word(AREA_FULL_NODE));
          break;
      }
      if (connection.state >= STATE_CLOSING) return end;
      if (at !== from && this.#shard.outbound.isLate()) return at;
    }
  }

  /** See `LinkShard`. */
  enter(connection: Connection, message: HeldMessage, subject: string): string | null {
    const route = this.#shard.contexts.route(connection.context, subject);
    // Reserved subjects are let through here: this message comes from a server.
    if (route.subject === "") return null;
    if (!route.isAllowed && !connection.permits?.use(route.subject, this.#shard.nowMs)) return null;
    if (route.subject !== subject) message.trace?.mapped(textOf(route.subject));
    const entered = message.under(connection.account.id, route.bytes);
    for (const service of route.services)
      this.#services!.request(connection, service, route.subject, entered, null);
    if (route.isResponse) this.#services!.answer(connection.account, entered, connection);
    return route.subject;
  }

  /**
   * Address of the record of a congested connection that one of the last messages was for, 0 if there is none. Reading
   * it resets it.
   */
  takeStalledBy(): number {
    const { stalledBy } = this.#rings;
    this.#rings.stalledBy = 0;
    return stalledBy;
  }

  /**
   * Whether a client may publish a message by this route; if not, the client is told so. Counts the message as received
   * either way.
   */
  admit(connection: Connection, message: HeldMessage, route: Route): boolean {
    this.#count(connection, message.payloadLength);
    const { isReserved, isAllowed, subject, bytes } = route;
    if (isReserved || (!isAllowed && !connection.permits?.use(subject, this.#shard.nowMs))) {
      this.#refuse(connection, bytes, message.trace);
      return false;
    }
    if (message.replyLength > 0 && isReservedReply(message.line, 0, message.replyLength)) {
      this.#refuseReply(connection, message.reply, message.trace);
      return false;
    }
    return true;
  }

  /** Publishes a client's message in its own account, and as a request or an answer in others. */
  publish(connection: Connection, message: HeldMessage, route: Route): void {
    const { subject, bytes, services, isResponse } = route;
    const { account } = connection;
    const flags = this.#words[(connection.address + CONNECTION_FLAGS) >> 2]!;
    const wantsTaker = message.replyLength !== 0 && (flags & CONNECTION_WANTS_NO_RESPONDERS) !== 0;
    const { reply } = message;
    const ways = wantsTaker
      ? new OpenWays(connection.slot, () => this.#sendNoResponders(connection, bytes, reply))
      : null;
    if (subject !== "") {
      const published = message.under(account.id, bytes);
      this.deliverAsWay(published, wantsTaker && !isResponse, ways);
      for (const service of services) this.#services!.request(connection, service, subject, published, ways);
      if (isResponse && this.#services!.answer(account, published, connection) > 0) ways?.open();
    }
    ways?.close();
  }

  /**
   * Delivers a message as one way of a request. The way is closed if nobody takes the message, or once it turns out
   * that nobody has.
   */
  deliverAsWay(message: HeldMessage, wantsTaker: boolean, ways: OpenWays | null): void {
    ways?.open();
    if (this.deliver(message, wantsTaker) === 0) ways?.close();
    else if (message.trace !== null && ways !== null) {
      this.#tracing!.afterwards(message.trace, (_hops, wasTaken) => {
        if (!wasTaken) ways.close();
      });
    }
  }

  /**
   * Delivers a message under its context to everyone with interest. Returns how many took it. `wantsTaker`: see the
   * engine's deliver().
   */
  deliver(message: HeldMessage, wantsTaker = false): number {
    if (this.links !== null) return this.links.publish(message);
    if (message.trace !== null) return this.#tracing!.deliver(message, message.trace);
    const lying = this.write(message, message.origin, this.#scratch);
    const delivered = this.withLarge(message.isLarge ? message : null, () =>
      this.#publishMessage(lying, 0, wantsTaker),
    );
    this.#rings.sendLargeMessages();
    this.#shard.removeExpired();
    return delivered;
  }

  /**
   * Delivers a message by a plan that the caller has written; the message's line lies at `rest`. Returns how many took
   * it.
   */
  deliverBy(plan: number, message: HeldMessage, rest: number): number {
    const { line, headerLength, payloadLength } = message;
    const lineLength = line.length;
    return this.withLarge(message, () => {
      this.describe(FABRIC_SLOT, { rest, lineLength, headerLength, payloadLength, isLarge: true });
      return this.#shard.engine.deliverHere(plan, true, 0, 0);
    });
  }

  /**
   * Writes a message of the connection in `slot` into the shared memory at `subject`. The payload of a large message is
   * not written.
   */
  write(message: HeldMessage, slot: number, subject: number): LyingMessage {
    const { outbound, shared } = this.#shard;
    // Outboxes may name bytes that the message would overwrite.
    if (outbound.hasGathered) outbound.flushAll();
    const { context, line, headerLength, payloadLength, isLarge } = message;
    const rest = subject + SCRATCH_LINE;
    shared.bytes.set(message.subject, subject);
    shared.bytes.set(line, rest);
    if (!isLarge) shared.bytes.set(message.bytes, rest + line.length);
    return {
      context,
      slot,
      subject,
      subjectLength: message.subject.length,
      rest,
      lineLength: line.length,
      headerLength,
      payloadLength,
      isLarge,
    };
  }

  /**
   * Describes to the engine the message, of the connection in `slot`, that its next call to publish or deliver one
   * message is about.
   */
  describe(slot: number, { rest, lineLength, headerLength, payloadLength, isLarge }: MessagePlace): void {
    const publisher = this.#connections + slot * CONNECTION_BYTES;
    this.#shard.engine.describe(publisher, rest, lineLength, headerLength, payloadLength, isLarge);
  }

  /** Runs `deliver` with `large` as the large message at hand; null for none. Calls may nest. */
  withLarge(large: HeldMessage | null, deliver: () => number): number {
    const outer = this.#large;
    this.#large = large;
    const taken = deliver();
    this.#large = outer;
    return taken;
  }

  /**
   * Called by the engine: queues the large message at hand behind a connection's outbox, without its first `skipped`
   * bytes.
   */
  attach(slot: number, skipped: number): void {
    const connection = this.#shard.connections[slot];
    const { bytes } = this.#large!;
    if (connection != null) this.#shard.outbound.attach(connection, bytes, skipped, bytes.length);
  }

  /** Called by the engine: sends the large message at hand to another node. `isPlain`: see RECORD_IS_PLAIN. */
  sendLarge(node: number, isPlain: number, pickCount: number, wantsTaker: boolean): void {
    this.#rings.addLarge(this.#large!, node, isPlain, pickCount, wantsTaker);
  }

  /** Builds the plan that scan() missed. Returns where the scan goes on. */
  #onMiss(connection: Connection, at: number): number {
    const { plans, shared } = this.#shard;
    const subject = this.#word(AREA_SUBJECT);
    const length = this.#word(AREA_SUBJECT_LENGTH);
    const isAnswer = isResponseSubject(shared.bytes, subject, subject + length);
    // Every answer has a subject of its own, so plans exist only for the prefix that the answers to an account have in
    // common.
    if (isAnswer && length !== REQUEST_ACCOUNT_BYTES) return this.#onHostPlan(connection);
    const context = this.#word(AREA_CONTEXT);
    const hash = this.#word(AREA_SUBJECT_HASH);
    const plan = plans.build(connection.address, context, subject, length, hash);
    const flags = this.#words[(plan + PLAN_FLAGS) >> 2]!;
    const isForHost =
      (flags & PLAN_IS_FOR_HOST) !== 0 || (plans.hasMore && (flags & PLAN_IS_FORWARDED) !== 0);
    if (isForHost && !isAnswer) return this.#onHostPlan(connection);
    if (!plans.hasMore) return at;
    // The subscribers do not fit in one plan: deliver the message part by part, from where it lies.
    const rest = this.#word(AREA_REST);
    const end = this.#word(AREA_MESSAGE_END);
    const lineLength = this.#word(AREA_LINE_LENGTH);
    const headerLength = this.#word(AREA_HEADER_LENGTH);
    const payloadLength = end - rest - lineLength - 2;
    this.#count(connection, payloadLength);
    const lying = {
      context,
      slot: connection.slot,
      subject,
      subjectLength: length,
      rest,
      lineLength,
      headerLength,
      payloadLength,
      isLarge: false,
    };
    // A plan of several parts has takers, so nobody needs to be told that there are none.
    this.#publishMessage(lying, plan, false);
    this.#shard.removeExpired();
    return end;
  }

  /**
   * scan() has found an answer to a request. Builds the plan for the request's reply subject. Returns where the scan
   * goes on.
   */
  #onAnswerMiss(connection: Connection, at: number): number {
    const { engine, plans } = this.#shard;
    const request = this.#word(AREA_REQUEST);
    const reply = request + REQUEST_TEXT;
    const length = this.#words[(request + REQUEST_REPLY_LENGTH) >> 2]!;
    const context = this.#words[(request + REQUEST_REQUESTOR) >> 2]! | CONTEXT_IS_STREAMLESS;
    plans.build(this.#connections, context, reply, length, engine.hash(reply, length));
    return plans.hasMore ? this.#onHostPlan(connection) : at;
  }

  /** Publishes a message that only the host can publish. Returns where the next one begins. */
  #onHostPlan(connection: Connection): number {
    const end = this.#word(AREA_MESSAGE_END);
    const rest = this.#word(AREA_REST);
    const lineLength = this.#word(AREA_LINE_LENGTH);
    const start = this.#word(AREA_SUBJECT);
    const subject = this.#text.toString("latin1", start, start + this.#word(AREA_SUBJECT_LENGTH));
    const message = HeldMessage.at(
      this.#shard.shared.bytes,
      connection.account.id,
      connection.slot,
      NO_BYTES, // publish() takes the subject from the route
      rest,
      lineLength,
      this.#word(AREA_HEADER_LENGTH),
      end - 2 - rest - lineLength,
    );
    const route = this.#shard.contexts.route(connection.context, subject);
    if (this.admit(connection, message, route)) this.publish(connection, message, route);
    return end;
  }

  /**
   * Publishes a message by the plan `built`, which was just built for its subject, or, if that is 0, by the plan found
   * for it. Returns how many took the message.
   */
  #publishMessage(lying: LyingMessage, built: number, wantsTaker: boolean): number {
    const { engine, plans } = this.#shard;
    const { slot, context, subject, subjectLength: length } = lying;
    const record = this.#connections + slot * CONNECTION_BYTES;
    const hash = engine.hash(subject, length);
    const publish = (plan: number) => {
      this.describe(slot, lying);
      return engine.publishOne(plan, wantsTaker);
    };
    let plan = built === 0 ? engine.findPlan(slot, context, subject, length) : built;
    let hasMore = built !== 0 && plans.hasMore;
    for (;;) {
      if (plan === 0) {
        plan = plans.build(record, context, subject, length, hash);
        hasMore = plans.hasMore;
      }
      let delivered = publish(plan);
      if (delivered >= 0) {
        while (hasMore) {
          plan = plans.buildMore(subject, length, hash);
          hasMore = plans.hasMore;
          delivered += publish(plan);
        }
        return delivered;
      }
      // Nobody has received the message yet. What arrives during the wait may change who is to receive it and may
      // replace the plan.
      this.#rings.waitForRoom(this.#word(AREA_FULL_NODE));
      plan = engine.findPlan(slot, context, subject, length);
      hasMore = false;
    }
  }

  /** Tells a client that it may not publish to a subject, and logs that. */
  #refuse(connection: Connection, subject: Uint8Array, trace: MessageTrace | null): void {
    const text = publishViolationText(subject);
    if (trace !== null) trace.error = text;
    this.#tell(connection, text);
    this.#shard.log("error", `${connection.label} - ${publishViolationLogText(subject)}`);
  }

  #refuseReply(connection: Connection, reply: Uint8Array, trace: MessageTrace | null): void {
    const text = replyViolationText(reply);
    if (trace !== null) trace.error = text;
    this.#tell(connection, text);
    this.#shard.log("error", `${connection.label} - ${replyViolationLogText(reply)}`);
  }

  #tell(connection: Connection, error: string): void {
    this.#shard.outbound.append(connection, errorLine(error));
    this.#shard.traceLog.sent(connection, "-ERR", error);
  }

  /** Tells the client in a slot that nobody took the message that it had published on `subject`. */
  tellNoResponders(slot: number, subject: string, reply: string): void {
    const connection = this.#shard.connections[slot];
    // If another client has the slot by now, it has no subscription to its predecessor's inbox.
    if (connection != null) this.#sendNoResponders(connection, bytesOf(subject), bytesOf(reply));
  }

  /** Tells a client that nobody took the message that the engine has just published. */
  #onNoResponders(connection: Connection): void {
    const { bytes } = this.#shard.shared;
    const subject = this.#word(AREA_SUBJECT);
    const reply = this.#word(AREA_REPLY);
    this.#sendNoResponders(
      connection,
      bytes.slice(subject, subject + this.#word(AREA_SUBJECT_LENGTH)),
      bytes.slice(reply, reply + this.#word(AREA_REPLY_LENGTH)),
    );
  }

  /** Sends status 503 to the publisher's own subscription for the reply subject, if it has one outside queue groups. */
  #sendNoResponders(connection: Connection, subject: Uint8Array, reply: Uint8Array): void {
    if (connection.state >= STATE_CLOSING) return;
    const { index, outbound, table } = this.#shard;
    const match = this.#match;
    index.match(connection.account.id, reply, 0, reply.length, match);
    for (let i = 0; i < match.entryCount; i++) {
      let record = table.firstOfEntry(match.entryIds[i]!);
      for (; record !== NO_SUBSCRIPTION; record = table.nextOfEntry(record)) {
        if (table.connectionOf(record) !== connection.address || table.queueOf(record) !== 0) continue;
        outbound.append(connection, noRespondersMessage(reply, table.sidOf(record), subject));
        return;
      }
    }
  }

  #count(connection: Connection, payloadLength: number): void {
    const words = this.#words;
    countMessage(words, connection.address + CONNECTION_IN_MESSAGES, payloadLength);
    countMessage(words, this.#area * 4 + AREA_IN_MESSAGES, payloadLength);
  }

  #word(offset: number): number {
    return this.#words[this.#area + (offset >> 2)]!;
  }
}
