/** Places new connections: a client goes to the shard with the fewest connections, a link to the links shard. */
import { createEngine, type Engine } from "../engine/engine.ts";
import { NO_HOST } from "../engine/no_host.ts";
import { NODE_ACCEPTOR, NODE_IS_UP, NODE_LOAD, NODE_SHARD_FIRST, NODE_STATE } from "../memory/map.ts";
import { nodeWord, type SharedMemory } from "../memory/shared_memory.ts";
import { controlPieces, sendPiece } from "./control.ts";
import { type ListenerKind, servesClients } from "./listeners.ts";
import { Wake } from "./wake.ts";

export class Placement {
  readonly #shared: SharedMemory;
  readonly #engine: Engine;
  readonly #wake: Wake;
  /** Where the search starts, so that shards with equal loads take turns. */
  #next = 0;

  constructor(shared: SharedMemory, engineCode: WebAssembly.Module, wake: (handle: number) => void) {
    this.#shared = shared;
    this.#engine = createEngine(shared.memory, shared.map.area(NODE_ACCEPTOR).area, NO_HOST, engineCode);
    this.#wake = new Wake(shared.words, wake);
  }

  /** Hands a connected socket over. False if no shard can take it; then the socket stays the caller's. */
  place(listener: ListenerKind, fd: number, ip: string, port: number): boolean {
    const { words } = this.#shared;
    const node = servesClients(listener) ? this.#leastLoaded() : this.#linksNode();
    if (node < 0) return false;
    Atomics.add(words, nodeWord(node, NODE_LOAD), 1);
    const [piece] = controlPieces({ type: "accept", listener, fd, ip, port });
    while (!sendPiece(this.#engine, this.#shared, node, piece!)) {
      this.#wake.ifAsleep(node);
      if (Atomics.load(words, nodeWord(node, NODE_STATE)) !== NODE_IS_UP) {
        Atomics.sub(words, nodeWord(node, NODE_LOAD), 1);
        return false;
      }
      Atomics.wait(words, nodeWord(node, NODE_STATE), NODE_IS_UP, 1);
    }
    this.#wake.ifAsleep(node);
    return true;
  }

  /** The links shard, or −1 if it cannot take a connection. */
  #linksNode(): number {
    const { linksNode } = this.#shared.map;
    return linksNode !== 0 && this.#loadOf(linksNode) < Number.POSITIVE_INFINITY ? linksNode : -1;
  }

  /** The shard with the fewest connections, or −1 if none can take one. */
  #leastLoaded(): number {
    const { map } = this.#shared;
    let best = -1;
    let bestLoad = Number.POSITIVE_INFINITY;
    for (let i = 0; i < map.shardCount; i++) {
      const node = NODE_SHARD_FIRST + ((this.#next + i) % map.shardCount);
      const load = this.#loadOf(node);
      if (load < bestLoad) {
        best = node;
        bestLoad = load;
      }
    }
    this.#next = best < 0 ? 0 : best - NODE_SHARD_FIRST + 1;
    return best;
  }

  /** How many connections a node has; infinite if it takes no more. */
  #loadOf(node: number): number {
    const { words, map } = this.#shared;
    if (Atomics.load(words, nodeWord(node, NODE_STATE)) !== NODE_IS_UP) return Number.POSITIVE_INFINITY;
    const load = Atomics.load(words, nodeWord(node, NODE_LOAD));
    return load < map.slotCount(node) - 1 ? load : Number.POSITIVE_INFINITY;
  }
}
