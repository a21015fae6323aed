/**
 * What shards tell one another of subscribers that do not keep up: to slow the connection whose message went to one, and to
 * let all go on once their own have caught up. Both are only advice: where a ring is full the pause simply runs out.
 */
import { originOf, slotOfOrigin } from "../fabric/message_record.ts";
import {
  AREA_STALLED_BY,
  CONNECTION_BYTES,
  RECORD_BODY,
  RECORD_KIND,
  RECORD_KIND_RESUME,
  RECORD_KIND_STALL,
  RECORD_LENGTH,
  RECORD_ORIGIN,
  RECORD_ORIGIN_NODE_SHIFT,
} from "../memory/layout.ts";
import type { Connection } from "./connection.ts";
import type { ShardContext } from "./context.ts";

/** One producer is told to slow down at most once in this time. */
const STALL_EVERY_MS = 2;
/** Connections of which it is remembered when they were told; beyond that all are forgotten. */
const STALLED_MAX = 1024;

type SignallingShard = Pick<ShardContext, "node" | "shared" | "engine" | "nowMs"> & {
  readonly connections: readonly (Pick<Connection, "stalls"> | null)[];
};

export class StallSignals {
  readonly #shard: SignallingShard;
  readonly #words: Int32Array;
  /** Where the engine says that a subscriber does not keep up. */
  readonly #stalledWord: number;
  /** Where the records of connections begin. */
  readonly #records: number;
  /** When each connection of another shard was last told to slow down. */
  readonly #stalledAt = new Map<number, number>();
  /** Bitmap of the nodes that were told so. */
  #stalledNodes = 0;

  constructor(shard: SignallingShard) {
    const { map, words } = shard.shared;
    this.#shard = shard;
    this.#words = words;
    const { area, connections } = map.area(shard.node);
    this.#stalledWord = (area + AREA_STALLED_BY) >> 2;
    this.#records = connections;
  }

  /** Record of a subscriber that does not keep up, where a message went to one: whoever has just sent it is to pause. 0 for none. */
  get stalledBy(): number {
    return this.#words[this.#stalledWord]!;
  }

  set stalledBy(stalledBy: number) {
    this.#words[this.#stalledWord] = stalledBy;
  }

  /**
   * Asks the sending shard to slow the connection whose message just went to a subscriber that does not keep up, where it did:
   * `origin` is that of the message's record, which came from the node `from`. Hot: once per record that the engine left.
   */
  tell(from: number, origin: number): void {
    const { stalledBy } = this;
    if (stalledBy === 0) return;
    this.stalledBy = 0;
    // Of a message that was passed on the origin says whose it is.
    const node = origin >>> RECORD_ORIGIN_NODE_SHIFT || from;
    const slot = slotOfOrigin(origin);
    const key = originOf({ node, slot });
    const { nowMs } = this.#shard;
    if (nowMs - (this.#stalledAt.get(key) ?? -STALL_EVERY_MS) < STALL_EVERY_MS) return;
    if (this.#stalledAt.size > STALLED_MAX) this.#stalledAt.clear();
    if (this.#send(node, RECORD_KIND_STALL, slot)) {
      this.#stalledAt.set(key, nowMs);
      this.#stalledNodes |= 1 << node;
      this.count(stalledBy);
    }
  }

  /** A producer is slowed for the subscriber of this record. */
  count(stalledBy: number): void {
    const connection = this.#shard.connections[(stalledBy - this.#records) / CONNECTION_BYTES];
    if (connection != null) connection.stalls++;
  }

  /** This shard's subscribers have caught up: the shards that were told to slow connections may let them go on. */
  tellResumed(): void {
    for (let nodes = this.#stalledNodes; nodes !== 0; nodes &= nodes - 1) {
      this.#send(31 - Math.clz32(nodes & -nodes), RECORD_KIND_RESUME, 0);
    }
    this.#stalledNodes = 0;
    this.#stalledAt.clear();
  }

  /** False where the ring is full. */
  #send(node: number, kind: number, origin: number): boolean {
    const { engine } = this.#shard;
    const record = engine.reserve(node, RECORD_BODY);
    if (record === 0) return false;
    this.#words[(record + RECORD_LENGTH) >> 2] = RECORD_BODY;
    this.#words[(record + RECORD_KIND) >> 2] = kind;
    this.#words[(record + RECORD_ORIGIN) >> 2] = origin;
    engine.commit(node, RECORD_BODY);
    return true;
  }
}
