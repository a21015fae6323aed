/** Main's commands to the shards, in order: what a ring has no room for waits here and is tried again. */
import type { Engine } from "../engine/engine.ts";
import { sendControl } from "../fabric/control.ts";
import type { Wake } from "../fabric/wake.ts";
import type { SharedMemory } from "../memory/shared_memory.ts";
import type { ShardControl } from "../shard/shard_options.ts";

/** A ring has room again as soon as the shard has its next turn. */
const RETRY_MS = 1;

export class CommandQueue {
  readonly #engine: Engine;
  readonly #shared: SharedMemory;
  readonly #wake: Wake;
  readonly #waiting = new Map<number, ShardControl[]>();
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(engine: Engine, shared: SharedMemory, wake: Wake) {
    this.#engine = engine;
    this.#shared = shared;
    this.#wake = wake;
  }

  send(node: number, command: ShardControl): void {
    const waiting = this.#waiting.get(node);
    if (waiting !== undefined) waiting.push(command);
    else if (!this.#trySend(node, command)) {
      this.#waiting.set(node, [command]);
      this.#timer ??= setTimeout(() => this.#retry(), RETRY_MS);
    }
  }

  /** Forgets what waits for a node that is gone. */
  forget(node: number): void {
    this.#waiting.delete(node);
  }

  #retry(): void {
    this.#timer = null;
    for (const [node, commands] of this.#waiting) {
      while (commands.length > 0 && this.#trySend(node, commands[0]!)) commands.shift();
      if (commands.length === 0) this.#waiting.delete(node);
    }
    if (this.#waiting.size > 0) this.#timer = setTimeout(() => this.#retry(), RETRY_MS);
  }

  #trySend(node: number, command: ShardControl): boolean {
    const isSent = sendControl(this.#engine, this.#shared, node, command);
    // Where there was no room the shard may be asleep over a full ring: it cannot hurt to wake it.
    this.#wake.ifAsleep(node);
    return isSent;
  }
}
