/**
 * Delivers a traced message to this shard's subscribers one by one, and traces each delivery. It does slowly and
 * visibly what the engine does by a plan. Cold. Source: nats-server `processMsgResults`, `deliverMsg`.
 */
import type { StreamImport } from "../../account/definition.ts";
import { shadowSubject } from "../../account/shadow_interest.ts";
import { FABRIC_SLOT, type HeldMessage } from "../../fabric/held_message.ts";
import type { Delivery } from "../../fabric/message_record.ts";
import {
  AREA_DROPS_NOTHING,
  CONNECTION_DROPS,
  CONNECTION_FLAGS,
  CONNECTION_HAS_NO_ECHO,
  CONNECTION_IS_CLOSED,
  PLAN_GOES_BACK,
} from "../../memory/layout.ts";
import { type MessageTrace, TRACE_ERROR, TRACE_KIND } from "../../protocol/tracing/message_trace.ts";
import { byteStringOf, textOf } from "../../subject/byte_string.ts";
import { randomBelow } from "../accounts.ts";
import type { Connection } from "../connection.ts";
import type { ShardContext } from "../context.ts";
import { NO_SUBSCRIPTION } from "../interest/subscription_table.ts";
import { type Leg, PlanMatch } from "../plans/plan_match.ts";
import type { TargetRules } from "../plans/plan_rules.ts";
import type { QueueGroup, QueueGroups } from "../plans/queue_groups.ts";
import type { SingleDelivery } from "./single_delivery.ts";

/** What another node is to do with a message. */
interface Elsewhere {
  readonly node: number;
  readonly isPlain: boolean;
  readonly queues: Int32Array;
  /** Whether the node has a subscriber to take it. If not, it only reports from whom it keeps the message. */
  readonly isWanted: boolean;
}

/** A message that is being delivered, and its trace. */
interface Traced {
  readonly message: HeldMessage;
  readonly trace: MessageTrace;
  /** How accounts import the message, by leg; no entry for its own account. */
  readonly imports: ReadonlyMap<Leg, StreamImport>;
}

const HERE = -1;
const NOBODY = -2;

export class TracedDelivery implements TargetRules {
  readonly #shard: ShardContext;
  readonly #single: SingleDelivery;
  readonly members = { find: this.#findMembers.bind(this), write: () => false };

  constructor(shard: ShardContext, single: SingleDelivery) {
    this.#shard = shard;
    this.#single = single;
  }

  flagsOf(): number {
    return 0;
  }

  writePlain(): boolean {
    return true;
  }

  /**
   * Delivers a message under its context to everybody here. Returns how many took it, and which other nodes are to get
   * it.
   */
  deliver(message: HeldMessage, trace: MessageTrace): { taken: number; elsewhere: Elsewhere[] } {
    const { match, traced } = this.#match(message, trace);
    const goesBack = (match.flags & PLAN_GOES_BACK) !== 0;
    let taken = goesBack ? 0 : this.#deliverPlain(match, traced);
    const queues = new Map<number, number[]>();
    for (const group of goesBack ? [] : match.groups.all) {
      const member = this.#serve(group, traced);
      if (member === HERE) taken++;
      else if (member !== NOBODY) queues.getOrInsertComputed(member, () => []).push(group.queue);
    }
    this.#shard.removeExpired();
    const plainNodes = match.plainNodes;
    const asked = this.#nodesToAsk(match);
    let nodes = plainNodes | asked;
    for (const node of queues.keys()) nodes |= 1 << node;
    const elsewhere: Elsewhere[] = [];
    for (; nodes !== 0; nodes &= nodes - 1) {
      const node = 31 - Math.clz32(nodes & -nodes);
      const isPlain = ((plainNodes | asked) & (1 << node)) !== 0;
      const picked = Int32Array.from(queues.get(node) ?? []);
      const isWanted = (plainNodes & (1 << node)) !== 0 || picked.length > 0;
      elsewhere.push({ node, isPlain, queues: picked, isWanted });
    }
    return { taken, elsewhere };
  }

  /** Bitmap of the other nodes with subscribers whose permissions keep the message away. */
  #nodesToAsk({ legs, legCount }: PlanMatch): number {
    const nodes = legs.slice(0, legCount).reduce((all, { match }) => all | match.heldBackNodes, 0);
    return nodes & ~(1 << this.#shard.node);
  }

  /** Delivers a message of another node to those that it names. Returns how many took it. */
  deliverHere({ message, isPlain, queues }: Delivery, trace: MessageTrace): number {
    const { match, traced } = this.#match(message, trace);
    let taken = isPlain ? this.#deliverPlain(match, traced) : 0;
    for (const group of match.groups.all) {
      if (!queues.includes(group.queue)) continue;
      group.nodes.length = 0;
      if (this.#serve(group, traced) === HERE) taken++;
    }
    this.#shard.removeExpired();
    return taken;
  }

  /** Matches a message. Each one has a match of its own, since one may arrive while another waits for a ring. */
  #match(message: HeldMessage, trace: MessageTrace): { match: PlanMatch; traced: Traced } {
    const { contexts, index, node, replies, shared } = this.#shard;
    const { subject, context } = message;
    const match = new PlanMatch(subject, index, node, shared.map.linksNode, replies, contexts, this);
    match.find(context, 0, subject.length, 0);
    const { imports } = contexts.resolve(context, subject, 0, subject.length);
    const definitions = imports.map(({ definition }, i) => [match.legs[i + 1]!, definition] as const);
    return { match, traced: { message, trace, imports: new Map(definitions) } };
  }

  #deliverPlain({ legs, legCount }: PlanMatch, traced: Traced): number {
    const { table } = this.#shard;
    let taken = 0;
    for (const leg of legs.slice(0, legCount)) {
      const records = this.#recordsOf(leg).filter((record) => table.queueOf(record) === 0);
      for (const record of records) if (this.#give(leg, record, traced)) taken++;
    }
    return taken;
  }

  #findMembers(leg: Leg, groups: QueueGroups): void {
    const { table } = this.#shard;
    for (const record of this.#recordsOf(leg)) {
      const queue = table.queueOf(record);
      if (queue !== 0) groups.addLocal(queue - 1, record, leg);
    }
  }

  #recordsOf({ match: { entryIds, entryCount } }: Leg): number[] {
    const { table } = this.#shard;
    const records: number[] = [];
    for (let i = 0; i < entryCount; i++) {
      let record = table.firstOfEntry(entryIds[i]!);
      for (; record !== NO_SUBSCRIPTION; record = table.nextOfEntry(record)) records.push(record);
    }
    return records;
  }

  /**
   * Serves a queue group as the engine does: beginning with a member drawn by weight, then trying the next ones.
   * Returns HERE, the node that is to serve it, or NOBODY.
   */
  #serve({ locals, nodes }: QueueGroup, traced: Traced): number {
    const candidates = [
      ...locals.map((local) => ({ local, node: HERE, weight: 1 })),
      ...Array.from({ length: nodes.length >> 1 }, (_, i) => {
        return { local: null, node: nodes[i * 2]!, weight: nodes[i * 2 + 1]! };
      }),
    ];
    let draw = randomBelow(candidates.reduce((sum, { weight }) => sum + weight, 0));
    let first = 0;
    while (first + 1 < candidates.length && draw >= candidates[first]!.weight)
      draw -= candidates[first++]!.weight;
    let last = NOBODY;
    for (const { local, node, weight } of [...candidates.slice(first), ...candidates.slice(0, first)]) {
      if (local === null) {
        if (weight > 0) return node;
        last = node;
      } else if (this.#give(local.leg, local.member, traced)) return HERE;
    }
    return last;
  }

  /** Delivers one copy to one subscription. Returns whether it was taken. */
  #give(leg: Leg, record: number, traced: Traced): boolean {
    const { message, trace, imports } = traced;
    const connection = this.#shard.connectionAt(this.#shard.table.connectionOf(record));
    if (connection === null) return false;
    const subject = leg.shown ?? leg.bytes ?? message.subject.subarray(leg.start, leg.start + leg.length);
    const imported = imports.get(leg);
    let isTold = true;
    if (imported !== undefined) {
      trace.streamExported(connection.account.name, textOf(byteStringOf(subject)));
      isTold = imported.allowTrace;
      if (!isTold && trace.isOnly) return true;
    }
    const error = this.#refusal(connection, leg, record, traced);
    if (isTold) this.#tell(connection, record, imported, trace, error);
    if (error !== undefined) return false;
    return trace.isOnly || this.#single.deliver(message, subject, record);
  }

  /** Why a subscription does not receive the message; undefined if it does. */
  #refusal(connection: Connection, leg: Leg, record: number, { message, trace }: Traced): string | undefined {
    const { index, node, shared, table } = this.#shard;
    const dropsNothing = shared.words[(shared.map.area(node).area + AREA_DROPS_NOTHING) >> 2] !== 0;
    const flags = shared.words[(connection.address + CONNECTION_FLAGS) >> 2]!;
    const isOwn = connection.slot === message.origin && message.origin !== FABRIC_SLOT;
    if (isOwn && (flags & CONNECTION_HAS_NO_ECHO) !== 0) return TRACE_ERROR.noEcho;
    const filter = table.filterOf(record);
    const { start, length } = leg;
    if (filter !== 0 && index.isHeldBack(filter, leg.bytes ?? message.subject, start, start + length))
      return TRACE_ERROR.subscriptionDenied;
    if (trace.isOnly) return undefined;
    const max = table.maxOf(record);
    if (max !== 0 && table.deliveredOf(record) >= max) return TRACE_ERROR.autoUnsubscribed;
    if ((flags & CONNECTION_DROPS) !== 0 && !dropsNothing) return TRACE_ERROR.slowConsumer;
    return (flags & CONNECTION_IS_CLOSED) !== 0 ? TRACE_ERROR.clientClosed : undefined;
  }

  #tell(
    { account, clientId, options }: Connection,
    record: number,
    imported: StreamImport | undefined,
    trace: MessageTrace,
    error: string | undefined,
  ): void {
    const { index, table } = this.#shard;
    const own = byteStringOf(index.subjectOf(table.entryOf(record)));
    const pattern = imported === undefined ? own : (shadowSubject(imported, own) ?? own);
    const queue = table.queueOf(record);
    trace.left(
      { kind: TRACE_KIND.client, id: clientId, name: options.name, account: account.name },
      {
        subscription: textOf(pattern),
        ...(queue === 0 ? {} : { queue: textOf(byteStringOf(index.queueNameOf(queue - 1))) }),
        ...(error === undefined ? {} : { error }),
      },
    );
  }
}
