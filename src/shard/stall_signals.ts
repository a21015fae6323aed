/**
 * Signals between shards about subscribers that do not keep up: to slow the connection whose message went to one, and
 * to resume all once the subscribers have caught up. Signals are only advice: if a ring is too full for one, the pause
 * simply runs out.
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

/** A producer is told to slow down at most once in this time. */
const STALL_EVERY_MS = 2;
/** Number of connections for which the time of the last signal is kept; beyond that all times are forgotten. */
const STALLED_MAX = 1024;

type SignallingShard = Pick<ShardContext, "node" | "shared" | "engine" | "nowMs"> & {
  readonly connections: readonly (Pick<Connection, "stalls"> | null)[];
};

export class StallSignals {
  readonly #shard: SignallingShard;
  readonly #words: Int32Array;
  /** Word in which the engine notes that a subscriber does not keep up. */
  readonly #stalledWord: number;
  /** Address of the connection records. */
  readonly #records: number;
  /** When each connection of another shard was last told to slow down. */
  readonly #stalledAt = new Map<number, number>();
  /** Bitmap of the nodes that were told to slow connections. */
  #stalledNodes = 0;

  constructor(shard: SignallingShard) {
    const { map, words } = shard.shared;
    this.#shard = shard;
    this.#words = words;
    const { area, connections } = map.area(shard.node);
    this.#stalledWord = (area + AREA_STALLED_BY) >> 2;
    this.#records = connections;
  }

  /**
   * Address of the record of a congested connection that a message went to, 0 if there is none: the connection that has
   * just sent that message is to pause.
   */
  get stalledBy(): number {
    return this.#words[this.#stalledWord]!;
  }

  set stalledBy(stalledBy: number) {
    this.#words[this.#stalledWord] = stalledBy;
  }

  /**
   * If a message has just gone to a subscriber that does not keep up, asks the publisher's shard to slow the publisher.
   * `origin` is that of the message's record, which came from the node `from`. Hot: once per record that the engine
   * left to the host.
   */
  tell(from: number, origin: number): void {
    const { stalledBy } = this;
    if (stalledBy === 0) return;
    this.stalledBy = 0;
    // The origin of a message that was passed on includes its publisher's node.
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

  /** Counts a stall for the connection with this record. */
  count(stalledBy: number): void {
    const connection = this.#shard.connections[(stalledBy - this.#records) / CONNECTION_BYTES];
    if (connection != null) connection.stalls++;
  }

  /** This shard's subscribers have caught up: tells the shards that were asked to slow connections to resume them. */
  tellResumed(): void {
    for (let nodes = this.#stalledNodes; nodes !== 0; nodes &= nodes - 1) {
      this.#send(31 - Math.clz32(nodes & -nodes), RECORD_KIND_RESUME, 0);
    }
    this.#stalledNodes = 0;
    this.#stalledAt.clear();
  }

  /** Returns false if the ring is full. */
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
