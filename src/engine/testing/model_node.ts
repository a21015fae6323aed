/** What the engine does, written in a slow and obvious way: with strings, regular expressions and lists. */
import {
  CONNECTION_DROPS,
  CONNECTION_HAS_NO_ECHO,
  CONNECTION_IS_CLOSED,
  CONNECTION_IS_CONGESTED,
  CONNECTION_IS_NOTED,
  CONNECTION_TAKES_HEADERS,
  CONNECTION_WANTS_NO_RESPONDERS,
  GATHER_BYTES_MIN,
  REASON_ACCOUNT,
  REASON_DONE,
  REASON_HOST_PLAN,
  REASON_MISS,
  REASON_NO_RESPONDERS,
  REASON_OTHER,
  REASON_RING_FULL,
  REASON_STALLED,
  REASON_UNSERVED,
  REASON_UNTAKEN,
  RECORD_BODY,
} from "../../memory/layout.ts";
import { parse } from "./model_lines.ts";
import type { ModelRing } from "./model_ring.ts";
import {
  type GroupSpecification,
  isRoute,
  type Message,
  type NodeSpecification,
  type PlanSpecification,
  planKey,
  prefixOf,
} from "./specification.ts";

export interface ScanResult {
  reason: number;
  resume: number;
  /** The message at hand, if the reason names one. */
  message?: Message;
  messageEnd?: number;
  /** The context that the message at hand is looked up under. */
  context?: number;
  fullNode?: number;
}

/** What the tables of the real node hold. The host fills them, in an order that the model does not know. */
export interface ModelCache {
  /** Whether there is a valid plan. */
  hasPlan(context: number, subject: string): boolean;
  idOfAccount(name: string): number | undefined;
}

export class ModelNode {
  readonly node: number;
  readonly connections: NodeSpecification["connections"];
  readonly subscriptions: NodeSpecification["subscriptions"];
  readonly plans = new Map<string, PlanSpecification>();
  /** Rings to other nodes, by node. */
  readonly rings = new Map<number, ModelRing>();
  /** By slot. */
  readonly output: string[] = [];
  readonly sent: { messages: number; bytes: number }[] = [];
  readonly received: { messages: number; bytes: number }[] = [];
  readonly total = { inMessages: 0, inBytes: 0, outMessages: 0, outBytes: 0 };
  /** Deliveries by subscription; for a link, by what its target names. */
  readonly delivered: number[];
  /** Subscriptions that have reached their maximum, the latest first. */
  expired: number[] = [];
  isStalled = false;
  readonly dropsNothing: boolean;
  /** Nodes with records that are not published to them. */
  unpublished = new Set<number>();
  /** `[slot, subscription]` of deliveries to traced connections. */
  readonly traced: [number, number][] = [];
  readonly sentLarge: { node: number; isPlain: boolean; queues: number[]; wantsTaker: boolean }[] = [];
  random: bigint;

  constructor(specification: NodeSpecification, random: bigint) {
    this.node = specification.node;
    this.dropsNothing = specification.dropsNothing ?? false;
    this.connections = specification.connections;
    this.subscriptions = specification.subscriptions;
    for (const plan of specification.plans) this.plans.set(planKey(plan.context, plan.subject), plan);
    for (let slot = 0; slot <= this.connections.length; slot++) {
      this.output.push("");
      this.sent.push({ messages: 0, bytes: 0 });
      this.received.push({ messages: 0, bytes: 0 });
    }
    this.delivered = this.subscriptions.map(() => 0);
    this.random = random;
  }

  /** Publishes the messages of `input` from `start` on. `cache` says what the node's tables hold. */
  scan(input: string, start: number, slot: number, cache: ModelCache): ScanResult {
    const connection = this.connections[slot - 1]!;
    const isClient = connection.link === undefined;
    let at = start;
    while (at < input.length) {
      const parsed = parse(input, at, connection);
      if (parsed === undefined) return { reason: REASON_OTHER, resume: at };
      const { message, end } = parsed;
      const accountId = message.account === "" ? 0 : cache.idOfAccount(message.account!);
      if (accountId === undefined) return { reason: REASON_ACCOUNT, resume: at, message, messageEnd: end };
      const context = connection.context | accountId;
      if (!cache.hasPlan(context, message.subject)) {
        return { reason: REASON_MISS, resume: at, message, messageEnd: end, context };
      }
      const plan = this.plans.get(planKey(context, message.subject))!;
      const isForHost = plan.isForHost || (!isClient && plan.repliesAreForHost && message.reply !== "");
      if (isForHost) return { reason: REASON_HOST_PLAN, resume: at, message, messageEnd: end, context };
      const fullNode = this.fullNode(plan, message, false);
      if (fullNode >= 0) return { reason: REASON_RING_FULL, resume: at, fullNode };
      for (const counter of [this.received[slot]!]) {
        counter.messages++;
        counter.bytes += message.payload.length;
      }
      this.total.inMessages++;
      this.total.inBytes += message.payload.length;
      at = end;
      const wantsTaker =
        isClient && message.reply !== "" && (connection.flags & CONNECTION_WANTS_NO_RESPONDERS) !== 0;
      if (this.publish(plan, message, slot, false, wantsTaker) === 0 && wantsTaker) {
        return {
          reason: REASON_NO_RESPONDERS,
          resume: at,
          message: delivered(plan, message),
          messageEnd: end,
        };
      }
    }
    return { reason: REASON_DONE, resume: at };
  }

  /** The lowest node whose ring has no room for a message that might go to it, or −1. */
  fullNode(plan: PlanSpecification, message: Message, isLarge: boolean): number {
    const length = recordLength(delivered(plan, message), plan.groups.length, isLarge);
    for (const node of [...allNodes(plan)].sort((a, b) => a - b)) {
      if (this.rings.get(node)!.place(length) < 0) return node;
    }
    return -1;
  }

  /** Delivers one message of `slot` to local subscriptions and other nodes. Returns how many took it. */
  publish(
    plan: PlanSpecification,
    published: Message,
    slot: number,
    isLarge: boolean,
    wantsTaker: boolean,
  ): number {
    const message = delivered(plan, published);
    let local = 0;
    for (const subscription of plan.plain) local += this.#deliverTo(subscription, message, slot);
    const picks: { node: number; queue: number }[] = [];
    for (const group of plan.groups) {
      const taken = this.#deliverToGroup(group, message, slot);
      if (taken === "here") local++;
      else if (taken !== "nobody") picks.push({ node: taken, queue: group.queue });
    }
    const nodes = new Set([...plan.plainNodes, ...picks.map((pick) => pick.node)]);
    const asks = wantsTaker && local === 0 && nodes.size === 1;
    for (const node of [...nodes].sort((a, b) => a - b)) {
      const queues = picks.filter((pick) => pick.node === node).map((pick) => pick.queue);
      const isPlain = plan.plainNodes.includes(node);
      if (isLarge) {
        this.sentLarge.push({ node, isPlain, queues, wantsTaker: asks });
        continue;
      }
      const length = recordLength(message, picks.length, false);
      const record = { context: plan.account, message, queues, isPlain, origin: slot, wantsTaker: asks };
      this.rings.get(node)!.add({ ...record, length });
      this.unpublished.add(node);
    }
    this.#countOut(local, message);
    return local + picks.length + plan.plainNodes.length;
  }

  /** Delivers what another node sent. Groups that are served become 0 in `queues`. */
  deliverHere(plan: PlanSpecification, message: Message, isPlain: boolean, queues: number[]): number {
    let delivered = 0;
    if (isPlain) {
      for (const subscription of plan.plain) delivered += this.#deliverTo(subscription, message, 0);
    }
    for (const group of plan.groups) {
      for (const [i, queue] of queues.entries()) {
        if (queue !== group.queue || this.#deliverToLocal(group, message) === 0) continue;
        queues[i] = 0;
        delivered++;
      }
    }
    this.#countOut(delivered, message);
    return delivered;
  }

  /** Takes records from `ring` until there are none, or `bytesMax` are taken. `isMore` is RESUME of REASON_DONE. */
  drain(
    ring: ModelRing,
    bytesMax: number,
    cache: ModelCache,
  ): {
    reason: number;
    isMore?: boolean;
    origin?: number;
    message?: Message;
    context?: number;
    queues?: number[];
    wantsTaker?: boolean;
  } {
    const start = ring.taken;
    while (ring.taken - start < bytesMax) {
      const record = ring.next();
      if (record === undefined) return { reason: REASON_DONE, isMore: false };
      const { context, message, queues } = record;
      if (!cache.hasPlan(context, message.subject)) return { reason: REASON_MISS, message, context };
      const plan = this.plans.get(planKey(context, message.subject))!;
      const isForHost =
        plan.isForHost ||
        (plan.queuesAreForHost && queues.length > 0) ||
        (plan.repliesAreForHost && message.reply !== "");
      if (isForHost) return { reason: REASON_HOST_PLAN, message, context };
      const takers = this.deliverHere(plan, message, record.isPlain, queues);
      ring.take();
      if (queues.some((queue) => queue !== 0)) {
        return { reason: REASON_UNSERVED, message, queues, wantsTaker: record.wantsTaker && takers === 0 };
      }
      if (takers === 0 && record.wantsTaker) return { reason: REASON_UNTAKEN, message };
      if (this.isStalled) return { reason: REASON_STALLED, origin: record.origin };
    }
    return { reason: REASON_DONE, isMore: true };
  }

  /** Delivers one copy. Returns 1 if the subscription took the message. */
  #deliverTo(index: number, message: Message, publisher: number): number {
    const { slot, sid, max } = this.subscriptions[index]!;
    const { flags, link } = this.connections[slot - 1]!;
    if (flags & CONNECTION_IS_CLOSED || (flags & CONNECTION_DROPS && !this.dropsNothing)) return 0;
    if (slot === publisher && flags & CONNECTION_HAS_NO_ECHO) return 0;
    if (link === undefined) {
      if (max !== 0 && this.delivered[index]! >= max) return 0;
      this.delivered[index]!++;
      if (this.delivered[index] === max) this.expired.unshift(index);
    } else this.delivered[index]!++;
    if (flags & CONNECTION_IS_CONGESTED) this.isStalled = true;

    let prefix = prefixOf(link, message.subject, sid);
    const isWithOrigin = isRoute(link) && prefix.startsWith("L");
    const reply = message.reply === "" ? "" : `${message.reply} `;
    const headers = Math.max(message.headerLength, 0);
    const hasHeaders = headers > 0 && (flags & CONNECTION_TAKES_HEADERS) !== 0;
    const payload = hasHeaders ? message.payload : message.payload.slice(headers);
    if (hasHeaders && !isWithOrigin) prefix = link === undefined ? `H${prefix}` : `H${prefix.slice(1)}`;
    const headerSize = hasHeaders ? `${headers} ` : isWithOrigin ? "0 " : "";
    this.output[slot] += `${prefix}${reply}${headerSize}${payload.length}\r\n${payload}\r\n`;
    this.sent[slot]!.messages++;
    this.sent[slot]!.bytes += payload.length;
    if (flags & CONNECTION_IS_NOTED) this.traced.push([slot, index]);
    return 1;
  }

  /** Delivers to the member that is drawn by weight, or else to the next one that takes the message. */
  #deliverToGroup(group: GroupSpecification, message: Message, slot: number): number | "here" | "nobody" {
    const wheel: (number | { node: number })[] = [...group.locals];
    const weights = group.locals.map(() => 1);
    for (const { node, weight } of group.nodes) {
      wheel.push({ node });
      weights.push(weight);
    }
    let draw = this.draw(weights.reduce((sum, weight) => sum + weight, 0));
    let first = 0;
    while (draw >= weights[first]!) draw -= weights[first++]!;
    for (let step = 0; step < wheel.length; step++) {
      const candidate = wheel[(first + step) % wheel.length]!;
      if (typeof candidate !== "number") return candidate.node;
      if (this.#deliverTo(candidate, message, slot)) return "here";
    }
    return "nobody";
  }

  #deliverToLocal(group: GroupSpecification, message: Message): number {
    if (group.locals.length === 0) return 0;
    const first = this.draw(group.locals.length);
    for (let step = 0; step < group.locals.length; step++) {
      if (this.#deliverTo(group.locals[(first + step) % group.locals.length]!, message, 0)) return 1;
    }
    return 0;
  }

  /** xorshift64: a number below `below`. */
  draw(below: number): number {
    let state = this.random;
    state = BigInt.asUintN(64, state ^ (state << 13n));
    state ^= state >> 7n;
    state = BigInt.asUintN(64, state ^ (state << 17n));
    this.random = state;
    return Number(((state >> 32n) * BigInt(below)) >> 32n);
  }

  #countOut(deliveries: number, message: Message): void {
    this.total.outMessages += deliveries;
    this.total.outBytes += deliveries * message.payload.length;
  }
}

/** The message under the subject that its plan gives it. */
function delivered(plan: PlanSpecification, message: Message): Message {
  return { ...message, subject: plan.delivered ?? plan.subject };
}

/** The nodes that a message of the plan may go to. */
export function allNodes(plan: PlanSpecification): Set<number> {
  return new Set([...plan.plainNodes, ...plan.groups.flatMap(({ nodes }) => nodes.map(({ node }) => node))]);
}

/** Whether other nodes read a message where it was received. */
export function isLent({ isReceived, payload }: Message): boolean {
  return isReceived === true && payload.length >= GATHER_BYTES_MIN;
}

/**
 * Bytes of a message's record: header, queue ids, alignment, subject, the rest or its address, and room for copies in
 * steps of 16.
 */
export function recordLength(message: Message, queueCount: number, isLarge: boolean): number {
  const whole = message.line.length + (isLarge ? 0 : message.payload.length + 2);
  const body = isLent(message) ? 4 : whole;
  const bytes = RECORD_BODY + queueCount * 4 + 15 + message.subject.length + body + 15;
  return Math.ceil(bytes / 16) * 16;
}
