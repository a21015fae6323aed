/** Which shard a new connection goes to: the one that serves the fewest. */
import { createEngine, type Engine } from "../engine/engine.ts";
import { NO_HOST } from "../engine/no_host.ts";
import {
  CONNECTIONS_PER_SHARD_MAX,
  NODE_ACCEPTOR,
  NODE_IS_UP,
  NODE_LOAD,
  NODE_SHARD_FIRST,
  NODE_STATE,
} from "../memory/map.ts";
import { nodeWord, type SharedMemory } from "../memory/shared_memory.ts";
import { controlPieces, sendPiece } from "./control.ts";
import { Wake } from "./wake.ts";

export class Placement {
  readonly #shared: SharedMemory;
  readonly #engine: Engine;
  readonly #wake: Wake;
  /** Where the search starts, so that shards with equal loads take turns. */
  #next = 0;

  constructor(shared: SharedMemory, wake: (handle: number) => void) {
    this.#shared = shared;
    this.#engine = createEngine(shared.memory, shared.map.area(NODE_ACCEPTOR).area, NO_HOST);
    this.#wake = new Wake(shared.words, wake);
  }

  /**
   * Hands a connected socket over, and says what it came in by; false when no shard can take it, which stays the
   * caller's then.
   */
  place(fd: number, ip: string, port: number, listener: number): boolean {
    const { words } = this.#shared;
    const node = this.#leastLoaded();
    if (node < 0) return false;
    Atomics.add(words, nodeWord(node, NODE_LOAD), 1);
    const [piece] = controlPieces({ type: "accept", fd, ip, port, listener });
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

  #leastLoaded(): number {
    const { words, map } = this.#shared;
    let best = -1;
    let bestLoad = Number.POSITIVE_INFINITY;
    for (let i = 0; i < map.shardCount; i++) {
      const node = NODE_SHARD_FIRST + ((this.#next + i) % map.shardCount);
      if (Atomics.load(words, nodeWord(node, NODE_STATE)) !== NODE_IS_UP) continue;
      const load = Atomics.load(words, nodeWord(node, NODE_LOAD));
      if (load < bestLoad && load < CONNECTIONS_PER_SHARD_MAX - 1) {
        best = node;
        bestLoad = load;
      }
    }
    this.#next = best < 0 ? 0 : best - NODE_SHARD_FIRST + 1;
    return best;
  }
}
