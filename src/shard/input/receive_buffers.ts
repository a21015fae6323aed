/**
 * Where input is read to. Other nodes are lent what was received: records in their rings name it, and it stays until they have
 * taken those. So there are several buffers, and the first that nobody reads from is read to next. While others read from all of
 * them the last one is read to, which is not lent: what other nodes are to have of it is copied into their rings. Hot: once per read.
 */
import {
  AREA_LENDS,
  AREA_LENDS_BYTES,
  AREA_LENT_TO,
  NODES_MAX,
  RING_END_POSITION,
  RING_TAIL,
} from "../../memory/layout.ts";
import { NODE_IS_UP, NODE_STATE, RECEIVE_BUFFERS, RECEIVE_BYTES } from "../../memory/map.ts";
import { nodeWord, outEndWord, type SharedMemory } from "../../memory/shared_memory.ts";
import type { Outbound } from "../output/outbound.ts";

const LENT_BUFFERS = RECEIVE_BUFFERS - 1;

export class ReceiveBuffers {
  readonly #shared: SharedMemory;
  readonly #node: number;
  readonly #outbound: Pick<Outbound, "hasGathered" | "flushAll">;
  readonly #first: number;
  readonly #lends: number;
  /** By buffer: bitmap of the nodes that may read from it. */
  readonly #lentTo = new Int32Array(LENT_BUFFERS);
  /** By buffer and node: position in the node's ring behind all records that name the buffer. */
  readonly #ends = new Int32Array(LENT_BUFFERS * NODES_MAX);
  #current = LENT_BUFFERS;

  constructor(shared: SharedMemory, node: number, outbound: Pick<Outbound, "hasGathered" | "flushAll">) {
    const { area, receive } = shared.map.area(node);
    this.#shared = shared;
    this.#node = node;
    this.#outbound = outbound;
    this.#first = receive;
    this.#lends = (area + AREA_LENDS) >> 2;
    // What a predecessor has lent may still be read.
    for (let buffer = 0; buffer < LENT_BUFFERS; buffer++) this.#note(buffer, this.#everybody());
    this.take();
  }

  /** Address of the buffer that was taken last. */
  get current(): number {
    return this.#first + this.#current * RECEIVE_BYTES;
  }

  /** A buffer to be written over, whose address is `current` from now on. What outboxes name of this shard's input is written first. */
  take(): number {
    if (this.#outbound.hasGathered) this.#outbound.flushAll();
    const { words } = this.#shared;
    const lentTo = this.#lends + ((AREA_LENT_TO - AREA_LENDS) >> 2);
    const nodes = words[lentTo]!;
    if (nodes !== 0) {
      this.#note(this.#current, nodes);
      words[lentTo] = 0;
    } else if (this.#current !== LENT_BUFFERS) return this.current;
    this.#current = LENT_BUFFERS;
    // All of them are looked at, lest a position that wraps makes one that was free long ago look as if it were not.
    for (let buffer = LENT_BUFFERS - 1; buffer >= 0; buffer--)
      if (this.#isFree(buffer)) this.#current = buffer;
    words[this.#lends] = this.current;
    const isLent = this.#current !== LENT_BUFFERS;
    words[this.#lends + ((AREA_LENDS_BYTES - AREA_LENDS) >> 2)] = isLent ? RECEIVE_BYTES : 0;
    return this.current;
  }

  #everybody(): number {
    const { map } = this.#shared;
    let nodes = 0;
    for (let node = 0; node < map.nodeCount; node++) {
      if (map.ring(this.#node, node) !== 0) nodes |= 1 << node;
    }
    return nodes;
  }

  #note(buffer: number, nodes: number): void {
    const { map, words } = this.#shared;
    const { area } = map.area(this.#node);
    this.#lentTo[buffer] = nodes;
    for (let left = nodes; left !== 0; left &= left - 1) {
      const node = 31 - Math.clz32(left & -left);
      this.#ends[buffer * NODES_MAX + node] = words[outEndWord(area, node, RING_END_POSITION)]!;
    }
  }

  #isFree(buffer: number): boolean {
    const { map, words } = this.#shared;
    for (let left = this.#lentTo[buffer]!; left !== 0; left &= left - 1) {
      const node = 31 - Math.clz32(left & -left);
      const tail = Atomics.load(words, (map.ring(this.#node, node) + RING_TAIL) >> 2);
      const isTaken = ((this.#ends[buffer * NODES_MAX + node]! - tail) | 0) <= 0;
      if (!isTaken && Atomics.load(words, nodeWord(node, NODE_STATE)) === NODE_IS_UP) return false;
    }
    this.#lentTo[buffer] = 0;
    return true;
  }
}
