/**
 * A thread with an event loop as a node of the fabric: how main and the logins thread send to others, and their
 * clients.
 */
import { createEngine, type Engine } from "../engine/engine.ts";
import { NO_HOST } from "../engine/no_host.ts";
import type { InterestIndex } from "../interest/interest_index.ts";
import { NODE_IS_UP, NODE_STATE } from "../memory/map.ts";
import { nodeWord, type SharedMemory } from "../memory/shared_memory.ts";
import type { Posix } from "../runtime/posix/posix.ts";
import { wakeEpollPoller, wakeSocketPoller } from "../runtime/wake_poller.ts";
import { InternalClient, type InternalRoutes } from "./internal_client.ts";
import { RecordQueue } from "./record_queue.ts";
import { Wake } from "./wake.ts";

export class EventLoopNode {
  readonly queue: RecordQueue;
  readonly #shared: SharedMemory;
  readonly #index: InterestIndex;
  readonly #node: number;
  readonly #engine: Engine;

  /** With the epoll transport, shards are woken by `posix`; it is null with the runtime's sockets. */
  constructor(
    shared: SharedMemory,
    index: InterestIndex,
    node: number,
    engineCode: WebAssembly.Module,
    posix: Posix | null,
  ) {
    const { memory, map, words } = shared;
    this.#shared = shared;
    this.#index = index;
    this.#node = node;
    this.#engine = createEngine(memory, map.area(node).area, NO_HOST, engineCode);
    const wake = new Wake(words, (handle) => {
      if (posix !== null) wakeEpollPoller(posix, handle);
      else wakeSocketPoller(words, handle);
    });
    this.queue = new RecordQueue(this.#engine, shared, wake);
  }

  /** From now on, other nodes may send to this one. */
  markUp(): void {
    Atomics.store(this.#shared.words, nodeWord(this.#node, NODE_STATE), NODE_IS_UP);
  }

  /** Makes the client of this thread. It can have one. */
  createClient(onError: (text: string) => void, routes?: InternalRoutes): InternalClient {
    return new InternalClient(
      this.#shared,
      this.#engine,
      this.#index,
      this.queue,
      this.#node,
      onError,
      routes,
    );
  }
}
