/**
 * Delivers a message to one subscription, as if nobody else wanted it. It uses a plan of its own in the scratch, so
 * that the engine frames and counts the message like any other. Cold.
 */
import type { HeldMessage } from "../../fabric/held_message.ts";
import {
  MESSAGE_LINE_BYTES_MAX,
  PLAN_GROUP_COUNT,
  PLAN_PLAIN,
  PLAN_PLAIN_COUNT,
  PLAN_SUBJECT,
  TARGET_CONNECTION,
  TARGET_PREFIX,
  TARGET_PREFIX_BYTES_MAX,
  TARGET_PREFIX_LENGTH,
  TARGET_SUBSCRIPTION,
} from "../../memory/layout.ts";
import { byteStringOf, bytesOf } from "../../subject/byte_string.ts";
import type { ShardContext } from "../context.ts";

/** Offsets in the scratch of the plan, its one target and the line, behind what `publishing.ts` keeps there. */
const PLAN_AT = 288 * 1024;
const TARGET_AT = PLAN_AT + PLAN_SUBJECT;
const LINE_AT = TARGET_AT + TARGET_PREFIX + TARGET_PREFIX_BYTES_MAX + 16;

/** Hands a message to the engine, with the addresses of its plan and its line. */
type DeliverBy = (plan: number, message: HeldMessage, line: number) => number;

export class SingleDelivery {
  readonly #shard: ShardContext;
  readonly #deliverBy: DeliverBy;
  readonly #scratch: number;

  constructor(shard: ShardContext, deliverBy: DeliverBy) {
    this.#shard = shard;
    this.#deliverBy = deliverBy;
    this.#scratch = shard.shared.map.area(shard.node).scratch;
  }

  /** Delivers the message under this subject to the subscription of a record. Returns false if that cannot take it. */
  deliver(message: HeldMessage, subject: Uint8Array, record: number): boolean {
    const { shared, table } = this.#shard;
    const { words, bytes } = shared;
    const [plan, target, line] = [PLAN_AT, TARGET_AT, LINE_AT].map((at) => this.#scratch + at) as [
      number,
      number,
      number,
    ];
    if (message.line.length > MESSAGE_LINE_BYTES_MAX) return false;
    const prefix = bytesOf(`HMSG ${byteStringOf(subject)} ${byteStringOf(table.sidOf(record))} `);
    words[(plan + PLAN_PLAIN_COUNT) >> 2] = 1;
    words[(plan + PLAN_PLAIN) >> 2] = target;
    words[(plan + PLAN_GROUP_COUNT) >> 2] = 0;
    words[(target + TARGET_CONNECTION) >> 2] = table.connectionOf(record);
    words[(target + TARGET_SUBSCRIPTION) >> 2] = record;
    words[(target + TARGET_PREFIX_LENGTH) >> 2] = prefix.length;
    bytes.set(prefix, target + TARGET_PREFIX);
    bytes.set(message.line, line);
    return this.#deliverBy(plan, message, line) > 0;
  }
}
