/**
 * The buffers that input is read into. Received bytes are lent to other nodes: records in their rings name them, and
 * they stay until those records are taken. So there are several buffers. A small read goes behind what was lent, if
 * there is room; then the first buffer that nobody reads from is used. While other nodes read from all of those, the
 * last buffer is used, which is never lent: what other nodes are to have of it is copied into their rings. Hot: once
 * per read.
 */
import {
  AREA_LENDS,
  AREA_LENDS_BYTES,
  AREA_LENT_TO,
  NODES_MAX,
  RING_END_POSITION,
  RING_TAIL,
} from "../../memory/layout.ts";
import { READ_BYTES, RECEIVE_BUFFERS, RECEIVE_BYTES } from "../../memory/map.ts";
import { outEndWord, type SharedMemory } from "../../memory/shared_memory.ts";
import type { Outbound } from "../output/outbound.ts";

const LENT_BUFFERS = RECEIVE_BUFFERS - 1;
/** Room for a read and for what the engine may touch behind it. */
const ROOM_BYTES = READ_BYTES + 64;
/**
 * A read may begin behind what was lent if it ends within this many bytes of the buffer: memory that is soon written
 * over stays in the cache.
 */
const SHARED_BYTES = 2 * READ_BYTES;

export class ReceiveBuffers {
  readonly #shared: SharedMemory;
  readonly #node: number;
  readonly #outbound: Pick<Outbound, "hasGathered" | "flushAll">;
  readonly #first: number;
  /** Word indices of AREA_LENDS and AREA_LENT_TO. */
  readonly #lends: number;
  readonly #lentToWord: number;
  /** Bitmap of the nodes that may read from a buffer, by buffer. */
  readonly #lentTo = new Int32Array(LENT_BUFFERS);
  /** Position in a node's ring behind all records that name a buffer, by buffer and node. */
  readonly #ends = new Int32Array(LENT_BUFFERS * NODES_MAX);
  #buffer = LENT_BUFFERS;
  /** Address behind everything that is lent of the current buffer. */
  #free = 0;
  #end = 0;

  constructor(shared: SharedMemory, node: number, outbound: Pick<Outbound, "hasGathered" | "flushAll">) {
    const { area, receive } = shared.map.area(node);
    this.#shared = shared;
    this.#node = node;
    this.#outbound = outbound;
    this.#first = receive;
    this.#lends = (area + AREA_LENDS) >> 2;
    this.#lentToWord = (area + AREA_LENT_TO) >> 2;
    // What a dead predecessor has lent may still be read.
    for (let buffer = 0; buffer < LENT_BUFFERS; buffer++) this.#note(buffer, this.#everybody());
    this.#change();
  }

  /** The last result of take(). */
  get current(): number {
    return this.#free;
  }

  /**
   * Returns the address for input that begins with `keptBytes` of an earlier read; there is room for those and a read.
   * Outboxes that name this shard's input are written out first.
   */
  take(keptBytes: number): number {
    if (this.#outbound.hasGathered) this.#outbound.flushAll();
    const { words } = this.#shared;
    const nodes = words[this.#lentToWord]!;
    if (nodes !== 0) {
      words[this.#lentToWord] = 0;
      this.#note(this.#buffer, nodes);
      this.#free = (this.#end + 63) & ~63;
    }
    const used = this.#free - this.#start;
    const fits = used === 0 || used + keptBytes + ROOM_BYTES <= SHARED_BYTES;
    if (!fits || this.#buffer === LENT_BUFFERS) this.#change();
    return this.#free;
  }

  /** The input that begins where take() said ends at `end`. Called before any of it is lent. */
  received(end: number): void {
    this.#end = end;
  }

  get #start(): number {
    return this.#first + this.#buffer * RECEIVE_BYTES;
  }

  #change(): void {
    const { words } = this.#shared;
    let buffer = 0;
    while (buffer < LENT_BUFFERS && !this.#isFree(buffer)) buffer++;
    this.#buffer = buffer;
    this.#free = this.#start;
    words[this.#lends] = this.#start;
    words[this.#lends + ((AREA_LENDS_BYTES - AREA_LENDS) >> 2)] = buffer < LENT_BUFFERS ? RECEIVE_BYTES : 0;
  }

  #everybody(): number {
    const { map } = this.#shared;
    let nodes = 0;
    for (let node = 0; node < map.nodeCount; node++) {
      if (map.ring(this.#node, node) !== 0) nodes |= 1 << node;
    }
    return nodes;
  }

  /** Notes that all records sent to these nodes so far may name the buffer. */
  #note(buffer: number, nodes: number): void {
    const { map, words } = this.#shared;
    const { area } = map.area(this.#node);
    this.#lentTo[buffer]! |= nodes;
    for (let left = nodes; left !== 0; left &= left - 1) {
      const node = 31 - Math.clz32(left & -left);
      this.#ends[buffer * NODES_MAX + node] = words[outEndWord(area, node, RING_END_POSITION)]!;
    }
  }

  /**
   * Whether nobody reads from the buffer any more. A dead node counts as reading until main has emptied its rings: its
   * successor will read the records that are not published yet.
   */
  #isFree(buffer: number): boolean {
    const { map, words } = this.#shared;
    for (let left = this.#lentTo[buffer]!; left !== 0; left &= left - 1) {
      const node = 31 - Math.clz32(left & -left);
      const tail = Atomics.load(words, (map.ring(this.#node, node) + RING_TAIL) >> 2);
      // Untaken bytes are at most a ring's length, however often positions have wrapped since.
      const untakenBytes = (this.#ends[buffer * NODES_MAX + node]! - tail) >>> 0;
      if (untakenBytes !== 0 && untakenBytes <= map.ringCapacity(this.#node, node)) return false;
    }
    this.#lentTo[buffer] = 0;
    return true;
  }
}
