/**
 * Messages from this shard's clients to everyone: runs the engine over what was received and does what it hands back.
 * Hot: once per read, and once per cache miss.
 */

import { MatchResult } from "../interest/match_result.ts";
import {
  AREA_CONTEXT,
  AREA_FULL_NODE,
  AREA_HEADER_LENGTH,
  AREA_IN_BYTES,
  AREA_IN_MESSAGES,
  AREA_IS_STALLED,
  AREA_LINE_LENGTH,
  AREA_MESSAGE_END,
  AREA_REPLY,
  AREA_REPLY_LENGTH,
  AREA_REST,
  AREA_RESUME,
  AREA_SUBJECT,
  AREA_SUBJECT_HASH,
  AREA_SUBJECT_LENGTH,
  CONNECTION_CONTEXT,
  CONNECTION_FLAGS,
  CONNECTION_IN_BYTES,
  CONNECTION_IN_MESSAGES,
  CONNECTION_WANTS_NO_RESPONDERS,
  MESSAGE_LINE_BYTES_MAX,
  REASON_DONE,
  REASON_HOST_PLAN,
  REASON_MISS,
  REASON_NO_RESPONDERS,
  REASON_OTHER,
  REASON_RING_FULL,
} from "../memory/layout.ts";
import { publishViolationLogText, publishViolationText } from "../protocol/errors.ts";
import { errorLine, noRespondersMessage } from "../protocol/messages.ts";
import { type Connection, STATE_CLOSING } from "./connection.ts";
import type { ShardContext } from "./context.ts";
import { type HeldMessage, plainLine } from "./held_message.ts";
import { isReservedSubject } from "./reserved.ts";
import type { Rings } from "./rings.ts";
import { NO_SUBSCRIPTION } from "./subscription_table.ts";

/** Where a message taken apart by the host lies in the shard's scratch: its subject, then its line and payload. */
const SCRATCH_LINE = MESSAGE_LINE_BYTES_MAX + 64;
/** The same for a large message that another node sent: it may arrive while ours waits for a ring. */
const SCRATCH_INBOUND = 160 * 1024;

export class Publishing {
  readonly #shard: ShardContext;
  readonly #rings: Rings;
  readonly #words: Int32Array;
  /** Word index of the area header. */
  readonly #area: number;
  readonly #scratch: number;
  readonly #match = new MatchResult();
  /** The large message being delivered, for attach() and sendLarge(). */
  #large: HeldMessage | null = null;

  constructor(shard: ShardContext, rings: Rings) {
    this.#shard = shard;
    this.#rings = rings;
    this.#words = shard.shared.words;
    const regions = shard.shared.map.area(shard.node);
    this.#area = regions.area >> 2;
    this.#scratch = regions.scratch;
  }

  /**
   * Publishes the plain messages at the start of `[start, end)` of a connection's input. Returns the address of the
   * first byte that is something else, `end` if nothing is.
   */
  scan(connection: Connection, start: number, end: number): number {
    const { engine } = this.#shard;
    let at = start;
    for (;;) {
      const reason = engine.scan(connection.slot, at, end);
      at = this.#word(AREA_RESUME);
      this.#shard.removeExpired();
      switch (reason) {
        case REASON_DONE:
        case REASON_OTHER:
          return at;
        case REASON_MISS:
          at = this.#onMiss(connection, at);
          break;
        case REASON_HOST_PLAN:
          this.refuse(connection, this.#word(AREA_SUBJECT), this.#word(AREA_SUBJECT_LENGTH));
          at = this.#word(AREA_MESSAGE_END);
          this.#count(connection, at - 2 - this.#word(AREA_REST) - this.#word(AREA_LINE_LENGTH));
          break;
        case REASON_NO_RESPONDERS:
          this.#sendNoResponders(
            connection,
            this.#word(AREA_SUBJECT),
            this.#word(AREA_SUBJECT_LENGTH),
            this.#word(AREA_REPLY),
            this.#word(AREA_REPLY_LENGTH),
          );
          break;
        case REASON_RING_FULL:
          this.#rings.waitForRoom(this.#word(AREA_FULL_NODE));
          break;
      }
      if (connection.state >= STATE_CLOSING) return end;
    }
  }

  /** Whether the last messages went to a congested connection; asking forgets it. */
  takeStalled(): boolean {
    const word = this.#area + (AREA_IS_STALLED >> 2);
    const isStalled = this.#words[word] !== 0;
    this.#words[word] = 0;
    return isStalled;
  }

  /**
   * Publishes one message that the parser took apart; `bytes` is the shared memory or a private buffer.
   * The caller has checked limits and sent what verbose and pedantic clients want first.
   */
  publish(
    connection: Connection,
    bytes: Uint8Array,
    subjectStart: number,
    subjectEnd: number,
    replyStart: number,
    replyEnd: number,
    headerLength: number,
    payloadStart: number,
    payloadLength: number,
  ): void {
    const { outbound, shared } = this.#shard;
    if (outbound.hasGathered) outbound.flushAll();
    const subject = this.#scratch;
    shared.bytes.set(bytes.subarray(subjectStart, subjectEnd), subject);
    const line = plainLine(bytes.subarray(replyStart, replyEnd), headerLength, payloadLength);
    const rest = this.#scratch + SCRATCH_LINE;
    shared.bytes.set(line, rest);
    shared.bytes.set(bytes.subarray(payloadStart, payloadStart + payloadLength + 2), rest + line.length);
    this.#publishFromScratch(
      connection,
      subjectEnd - subjectStart,
      replyEnd - replyStart,
      line.length,
      headerLength,
      payloadLength,
    );
  }

  /** The same for a message whose payload was collected outside the shared memory. */
  publishLarge(connection: Connection, large: HeldMessage): void {
    const { outbound, shared } = this.#shard;
    if (outbound.hasGathered) outbound.flushAll();
    shared.bytes.set(large.subject, this.#scratch);
    shared.bytes.set(large.line, this.#scratch + SCRATCH_LINE);
    this.#large = large;
    this.#publishFromScratch(
      connection,
      large.subject.length,
      large.replyLength,
      large.line.length,
      large.headerLength,
      large.payloadLength,
    );
    this.#large = null;
  }

  /** Delivers a large message that another node sent. */
  deliverLarge(large: HeldMessage, isPlain: boolean, queues: Int32Array): void {
    const { engine, outbound, plans, shared } = this.#shard;
    if (outbound.hasGathered) outbound.flushAll();
    const fabric = shared.map.area(this.#shard.node).connections;
    const subject = this.#scratch + SCRATCH_INBOUND;
    const rest = subject + SCRATCH_LINE;
    shared.bytes.set(large.subject, subject);
    shared.bytes.set(large.line, rest);
    const queuesAt = (rest + large.line.length + 64) & ~15;
    shared.words.set(queues, queuesAt >> 2);
    const outer = this.#large;
    this.#large = large;
    const { account } = large;
    const { length } = large.subject;
    const hash = engine.hash(subject, length);
    let plan = plans.build(fabric, account, account, subject, length, hash, false);
    for (;;) {
      const { hasMore } = plans;
      engine.deliverOne(
        plan,
        isPlain,
        queuesAt,
        queues.length,
        rest,
        large.line.length,
        large.headerLength,
        large.payloadLength,
        true,
      );
      if (!hasMore) break;
      plan = plans.buildMore(account, account, subject, length, hash);
    }
    this.#large = outer;
  }

  /** Builds the plan that drain() missed; a plan too large for the cache is served here, record and all. */
  deliverMissed(isPlain: boolean, queues: number, queueCount: number, restLength: number): boolean {
    const { engine, plans, shared } = this.#shard;
    const fabric = shared.map.area(this.#shard.node).connections;
    const account = this.#word(AREA_CONTEXT);
    const subject = this.#word(AREA_SUBJECT);
    const length = this.#word(AREA_SUBJECT_LENGTH);
    const hash = this.#word(AREA_SUBJECT_HASH);
    let plan = plans.build(fabric, account, account, subject, length, hash, false);
    if (!plans.hasMore) return false;
    const lineLength = this.#word(AREA_LINE_LENGTH);
    for (;;) {
      const { hasMore } = plans;
      const rest = subject + length;
      const headerLength = this.#word(AREA_HEADER_LENGTH);
      engine.deliverOne(
        plan,
        isPlain,
        queues,
        queueCount,
        rest,
        lineLength,
        headerLength,
        restLength - lineLength - 2,
        false,
      );
      if (!hasMore) return true;
      plan = plans.buildMore(account, account, subject, length, hash);
    }
  }

  /** Engine → the large message at hand goes behind a connection's outbox. */
  attach(slot: number, skipped: number): void {
    const connection = this.#shard.connections[slot];
    const { bytes } = this.#large!;
    if (connection != null) this.#shard.outbound.attach(connection, bytes, skipped, bytes.length);
  }

  /** Engine → the large message at hand goes to another node. */
  sendLarge(node: number, isPlain: boolean, pickCount: number): void {
    this.#rings.addLarge(this.#large!, node, isPlain, pickCount);
  }

  /** Builds the plan that scan() missed; returns where to go on. */
  #onMiss(connection: Connection, at: number): number {
    const { plans, shared } = this.#shard;
    const subject = this.#word(AREA_SUBJECT);
    const length = this.#word(AREA_SUBJECT_LENGTH);
    const context = this.#word(AREA_CONTEXT);
    const hash = this.#word(AREA_SUBJECT_HASH);
    const isForHost = isReservedSubject(shared.bytes, subject, subject + length);
    const plan = plans.build(
      connection.address,
      context,
      connection.account,
      subject,
      length,
      hash,
      isForHost,
    );
    if (!plans.hasMore) return at;
    // Too many subscribers for one plan: deliver by parts, from where the message lies.
    const rest = this.#word(AREA_REST);
    const end = this.#word(AREA_MESSAGE_END);
    const lineLength = this.#word(AREA_LINE_LENGTH);
    const payloadLength = end - rest - lineLength - 2;
    this.#count(connection, payloadLength);
    const headerLength = this.#word(AREA_HEADER_LENGTH);
    this.#publishMessage(connection, plan, subject, length, rest, lineLength, headerLength, payloadLength);
    this.#shard.removeExpired();
    return end;
  }

  /** The caller has refused what is not for clients to publish. */
  #publishFromScratch(
    connection: Connection,
    length: number,
    replyLength: number,
    lineLength: number,
    headerLength: number,
    payloadLength: number,
  ): void {
    const subject = this.#scratch;
    const rest = this.#scratch + SCRATCH_LINE;
    this.#count(connection, payloadLength);
    const delivered = this.#publishMessage(
      connection,
      0,
      subject,
      length,
      rest,
      lineLength,
      headerLength,
      payloadLength,
    );
    this.#rings.sendLargeMessages();
    this.#shard.removeExpired();
    const flags = this.#words[(connection.address + CONNECTION_FLAGS) >> 2]!;
    if (delivered === 0 && replyLength !== 0 && (flags & CONNECTION_WANTS_NO_RESPONDERS) !== 0) {
      this.#sendNoResponders(connection, subject, length, rest, replyLength);
    }
  }

  /**
   * Publishes one message by `built`, the plan that was just built for its subject, or by the one that is found (0).
   * Returns how many took it.
   */
  #publishMessage(
    connection: Connection,
    built: number,
    subject: number,
    length: number,
    rest: number,
    lineLength: number,
    headerLength: number,
    payloadLength: number,
  ): number {
    const { engine, plans } = this.#shard;
    const { account, slot } = connection;
    const context = this.#words[(connection.address + CONNECTION_CONTEXT) >> 2]!;
    const hash = engine.hash(subject, length);
    const isLarge = this.#large !== null;
    const publish = (plan: number) =>
      engine.publishOne(slot, plan, rest, lineLength, headerLength, payloadLength, isLarge);
    let plan = built === 0 ? engine.findPlan(slot, context, subject, length) : built;
    let hasMore = built !== 0 && plans.hasMore;
    for (;;) {
      if (plan === 0) {
        plan = plans.build(connection.address, context, account, subject, length, hash, false);
        hasMore = plans.hasMore;
      }
      let delivered = publish(plan);
      if (delivered >= 0) {
        while (hasMore) {
          plan = plans.buildMore(context, account, subject, length, hash);
          hasMore = plans.hasMore;
          delivered += publish(plan);
        }
        return delivered;
      }
      // Nobody got it yet. What arrives while we wait may change who is to, and take the place of the plan.
      this.#rings.waitForRoom(this.#word(AREA_FULL_NODE));
      plan = engine.findPlan(slot, context, subject, length);
      hasMore = false;
    }
  }

  /** Tells a client that it may not publish to a subject of the shared memory. */
  refuse(connection: Connection, subject: number, length: number): void {
    const { outbound, shared } = this.#shard;
    const name = shared.bytes.slice(subject, subject + length);
    outbound.append(connection, errorLine(publishViolationText(name)));
    this.#shard.log("error", `${connection.label} - ${publishViolationLogText(name)}`);
  }

  /** Status 503 to the publisher's own subscription for the reply, if it has a plain one. */
  #sendNoResponders(
    connection: Connection,
    subject: number,
    subjectLength: number,
    reply: number,
    replyLength: number,
  ): void {
    const { index, outbound, shared, table } = this.#shard;
    const match = this.#match;
    index.match(connection.account, shared.bytes, reply, reply + replyLength, match);
    for (let i = 0; i < match.entryCount; i++) {
      let record = table.firstOfEntry(match.entryIds[i]!);
      for (; record !== NO_SUBSCRIPTION; record = table.nextOfEntry(record)) {
        if (table.connectionOf(record) !== connection.address || table.queueOf(record) !== 0) continue;
        outbound.append(
          connection,
          noRespondersMessage(
            shared.bytes.slice(reply, reply + replyLength),
            table.sidOf(record),
            shared.bytes.slice(subject, subject + subjectLength),
          ),
        );
        return;
      }
    }
  }

  #count(connection: Connection, payloadLength: number): void {
    this.#add(connection.address + CONNECTION_IN_MESSAGES, 1);
    this.#add(connection.address + CONNECTION_IN_BYTES, payloadLength);
    this.#add(this.#area * 4 + AREA_IN_MESSAGES, 1);
    this.#add(this.#area * 4 + AREA_IN_BYTES, payloadLength);
  }

  /** Adds to a u64 counter. */
  #add(address: number, amount: number): void {
    const words = this.#words;
    const low = (words[address >> 2]! >>> 0) + amount;
    words[address >> 2] = low;
    if (low >= 2 ** 32) words[(address >> 2) + 1]!++;
  }

  #word(offset: number): number {
    return this.#words[this.#area + (offset >> 2)]!;
  }
}
