/**
 * What a thread with an event loop tells the shards, in order: what a ring has no room for waits here and is tried
 * again.
 */
import type { Engine } from "../engine/engine.ts";
import type { SharedMemory } from "../memory/shared_memory.ts";
import { type ControlPiece, controlPieces, sendPiece } from "./control.ts";
import type { Wake } from "./wake.ts";

/** A ring has room again as soon as the shard has its next turn. */
const RETRY_MS = 1;

export class CommandQueue {
  readonly #engine: Engine;
  readonly #shared: SharedMemory;
  readonly #wake: Wake;
  readonly #waiting = new Map<number, ControlPiece[]>();
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(engine: Engine, shared: SharedMemory, wake: Wake) {
    this.#engine = engine;
    this.#shared = shared;
    this.#wake = wake;
  }

  send(node: number, command: unknown): void {
    const waiting = this.#waiting.get(node);
    if (waiting !== undefined) {
      waiting.push(...controlPieces(command));
      return;
    }
    const pieces = controlPieces(command);
    this.#sendAll(node, pieces);
    if (pieces.length === 0) return;
    this.#waiting.set(node, pieces);
    this.#timer ??= setTimeout(() => this.#retry(), RETRY_MS);
  }

  /** Forgets what waits for a node that is gone. */
  forget(node: number): void {
    this.#waiting.delete(node);
  }

  #retry(): void {
    this.#timer = null;
    for (const [node, pieces] of this.#waiting) {
      this.#sendAll(node, pieces);
      if (pieces.length === 0) this.#waiting.delete(node);
    }
    if (this.#waiting.size > 0) this.#timer = setTimeout(() => this.#retry(), RETRY_MS);
  }

  /** Sends pieces for as long as there is room, and takes them off the list. */
  #sendAll(node: number, pieces: ControlPiece[]): void {
    while (pieces.length > 0 && sendPiece(this.#engine, this.#shared, node, pieces[0]!)) pieces.shift();
    // Where there was no room the shard may be asleep over a full ring: it cannot hurt to wake it.
    this.#wake.ifAsleep(node);
  }
}
