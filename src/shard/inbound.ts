/**
 * Messages of other nodes that the engine does not deliver by itself, because it found no plan, the message is large,
 * or nobody here serves its queue group any more.
 */
import { FABRIC_SLOT, HeldMessage } from "../fabric/held_message.ts";
import type { Delivery } from "../fabric/message_record.ts";
import {
  AREA_CONTEXT,
  AREA_HEADER_LENGTH,
  AREA_LINE_LENGTH,
  AREA_REST,
  AREA_SUBJECT,
  AREA_SUBJECT_HASH,
  AREA_SUBJECT_LENGTH,
  CONTEXT_IS_RESPONSE,
  GROUP_NODE_COUNT,
  GROUP_NODES,
  GROUP_QUEUE,
  GROUP_STRIDE,
  PLAN_FLAGS,
  PLAN_GROUP_COUNT,
  PLAN_GROUPS,
  PLAN_HEADED_REPLIES_ARE_FOR_HOST,
  PLAN_IS_FOR_HOST,
  PLAN_QUEUES_ARE_FOR_HOST,
  PLAN_REPLIES_ARE_FOR_HOST,
} from "../memory/layout.ts";
import type { ShardContext } from "./context.ts";
import type { LyingMessage, Publishing } from "./publishing.ts";
import type { Services } from "./services/services.ts";

/**
 * Offset of large messages of other nodes in the shard's scratch. One may arrive while a message of this shard, which
 * lies at the start of the scratch, waits for room in a ring.
 */
const SCRATCH_INBOUND = 160 * 1024;

/** What serveGroup() returns instead of a node. */
export const SERVED_HERE = -1;
export const SERVED_BY_NOBODY = -2;

/**
 * A message of another node. Its publisher is a connection of this shard if the message was passed on to this shard,
 * and otherwise the fabric.
 */
interface LyingDelivery extends LyingMessage {
  readonly isPlain: boolean;
  /** Address of the ids of the message's queue groups. The ids of groups that have been served become 0. */
  readonly queues: number;
  readonly queueCount: number;
}

export class Inbound {
  readonly #shard: ShardContext;
  readonly #publishing: Publishing;
  readonly #services: Services;
  readonly #words: Int32Array;
  /** Word index of the area header. */
  readonly #area: number;
  readonly #scratch: number;
  /** Address of the fabric's connection record. */
  readonly #fabric: number;

  constructor(shard: ShardContext, publishing: Publishing, services: Services) {
    this.#shard = shard;
    this.#publishing = publishing;
    this.#services = services;
    this.#words = shard.shared.words;
    const regions = shard.shared.map.area(shard.node);
    this.#area = regions.area >> 2;
    this.#scratch = regions.scratch;
    this.#fabric = regions.connections;
  }

  /**
   * Builds the plan that drain() missed. Returns true if that settles the record: a message whose plan is too large for
   * the cache is delivered here, and an answer to a service's request is put aside. Otherwise the engine takes the
   * record again.
   */
  deliverMissed(
    slot: number,
    isPlain: boolean,
    queues: number,
    queueCount: number,
    restLength: number,
  ): boolean {
    const { plans, shared } = this.#shard;
    const context = this.#word(AREA_CONTEXT);
    const subject = this.#word(AREA_SUBJECT);
    const length = this.#word(AREA_SUBJECT_LENGTH);
    const lineLength = this.#word(AREA_LINE_LENGTH);
    const headerLength = this.#word(AREA_HEADER_LENGTH);
    const rest = this.#word(AREA_REST);
    const payloadLength = restLength - lineLength - 2;
    if ((context & CONTEXT_IS_RESPONSE) !== 0) {
      const name = shared.bytes.slice(subject, subject + length);
      this.#services.takeAnswer(
        HeldMessage.at(
          shared.bytes,
          context,
          FABRIC_SLOT,
          name,
          rest,
          lineLength,
          headerLength,
          payloadLength,
        ),
      );
      return true;
    }
    const hash = this.#word(AREA_SUBJECT_HASH);
    const plan = plans.build(this.#fabric, context, subject, length, hash);
    if (!plans.hasMore) return false;
    this.#deliverByParts(plan, true, hash, {
      context,
      slot,
      subject,
      subjectLength: length,
      isPlain,
      queues,
      queueCount,
      rest,
      lineLength,
      headerLength,
      payloadLength,
      isLarge: false,
    });
    return true;
  }

  /**
   * Delivers a large message. Returns how many took it, or null if its plan leaves it to the host. `slot`, and what
   * becomes of `queues`: see the engine's deliverHere().
   */
  deliverLarge({ message, isPlain, goesBack, queues }: Delivery, slot: number): number | null {
    if (goesBack) return null;
    const { context } = message;
    if ((context & CONTEXT_IS_RESPONSE) !== 0) {
      this.#services.takeAnswer(message);
      return 1;
    }
    const { engine, plans, shared } = this.#shard;
    const lying = this.#publishing.write(message, slot, this.#scratch + SCRATCH_INBOUND);
    const { subject, subjectLength: length, rest, lineLength } = lying;
    const queuesAt = (rest + lineLength + 64) & ~15;
    shared.words.set(queues, queuesAt >> 2);
    const hash = engine.hash(subject, length);
    const known = engine.findPlan(FABRIC_SLOT, context, subject, length);
    const plan = known === 0 ? plans.build(this.#fabric, context, subject, length, hash) : known;
    const hasMore = known === 0 && plans.hasMore;
    if (this.#isForHost(plan, queues.length, message)) return null;
    const takers = this.#publishing.withLarge(message, () =>
      this.#deliverByParts(plan, hasMore, hash, {
        ...lying,
        isPlain,
        queues: queuesAt,
        queueCount: queues.length,
      }),
    );
    queues.set(shared.words.subarray(queuesAt >> 2, (queuesAt >> 2) + queues.length));
    return takers;
  }

  /**
   * Serves one queue group of a message that was sent to a node which no longer has a member of the group. Returns
   * SERVED_HERE if a member of this shard took it; otherwise the node that is to serve it, of those that are not in the
   * bitmap `tried`; or SERVED_BY_NOBODY.
   */
  serveGroup(message: HeldMessage, queue: number, slot: number, tried: number): number {
    const { engine, plans, shared } = this.#shard;
    const lying = this.#publishing.write(message, slot, this.#scratch);
    const { context, subject, subjectLength: length } = lying;
    const queues = this.#scratch + SCRATCH_INBOUND;
    shared.words[queues >> 2] = queue;
    const found = engine.findPlan(FABRIC_SLOT, context, subject, length);
    const plan =
      found === 0 ? plans.build(this.#fabric, context, subject, length, engine.hash(subject, length)) : found;
    const taken = this.#publishing.withLarge(message.isLarge ? message : null, () =>
      this.#deliverOne(plan, { ...lying, isPlain: false, queues, queueCount: 1 }),
    );
    this.#shard.removeExpired();
    return taken > 0 ? SERVED_HERE : this.#pickNode(plan, queue, tried);
  }

  /**
   * Delivers by the plan `first`. If that was just built and there are more subscribers than it has room for
   * (`hasMore`), delivers by the further parts of the plan, too.
   */
  #deliverByParts(first: number, hasMore: boolean, hash: number, lying: LyingDelivery): number {
    const { plans } = this.#shard;
    const { subject, subjectLength } = lying;
    let takers = this.#deliverOne(first, lying);
    for (let isLast = !hasMore; !isLast; isLast = !plans.hasMore) {
      takers += this.#deliverOne(plans.buildMore(subject, subjectLength, hash), lying);
    }
    return takers;
  }

  #deliverOne(plan: number, lying: LyingDelivery): number {
    this.#publishing.describe(lying.slot, lying);
    return this.#shard.engine.deliverHere(plan, lying.isPlain, lying.queues, lying.queueCount);
  }

  /**
   * Whether the host is to serve a message that was collected from a ring. drain() decides the same about messages in
   * the ring, with REASON_HOST_PLAN.
   */
  #isForHost(plan: number, queueCount: number, { replyLength, headerLength }: HeldMessage): boolean {
    const ofReplies =
      headerLength > 0
        ? PLAN_REPLIES_ARE_FOR_HOST | PLAN_HEADED_REPLIES_ARE_FOR_HOST
        : PLAN_REPLIES_ARE_FOR_HOST;
    const flags = this.#words[(plan + PLAN_FLAGS) >> 2]!;
    return (
      (flags & PLAN_IS_FOR_HOST) !== 0 ||
      (queueCount > 0 && (flags & PLAN_QUEUES_ARE_FOR_HOST) !== 0) ||
      (replyLength > 0 && (flags & ofReplies) !== 0)
    );
  }

  /** Draws a node with members of a queue group, by their number, among the nodes that have not been tried. */
  #pickNode(plan: number, queue: number, tried: number): number {
    const words = this.#words;
    let group = words[(plan + PLAN_GROUPS) >> 2]!;
    for (let left = words[(plan + PLAN_GROUP_COUNT) >> 2]!; left > 0; left--) {
      if (words[(group + GROUP_QUEUE) >> 2] === queue) {
        const start = words[(group + GROUP_NODES) >> 2]! >> 2;
        const pairs = words.subarray(start, start + words[(group + GROUP_NODE_COUNT) >> 2]! * 2);
        return drawNode(pairs, tried);
      }
      group += words[(group + GROUP_STRIDE) >> 2]!;
    }
    return SERVED_BY_NOBODY;
  }

  #word(offset: number): number {
    return this.#words[this.#area + (offset >> 2)]!;
  }
}

/**
 * Draws one of the nodes in (node, members) pairs, by the number of members. Nodes in the bitmap `tried` are left out.
 */
function drawNode(pairs: Int32Array, tried: number): number {
  let drawn = SERVED_BY_NOBODY;
  let weight = 0;
  for (let i = 0; i < pairs.length; i += 2) {
    if ((tried & (1 << pairs[i]!)) !== 0) continue;
    weight += pairs[i + 1]!;
    if (Math.random() * weight < pairs[i + 1]!) drawn = pairs[i]!;
  }
  return drawn;
}
