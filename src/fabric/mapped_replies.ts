/**
 * Which subjects are replies of requests that came through gateways. What is published to them goes back there, so the
 * links shard gets it and nobody else. Hot: `has` runs once for each plan that is built.
 */
import type { Engine } from "../engine/engine.ts";
import {
  MESSAGE_LINE_BYTES_MAX,
  REPLIES_GENERATION_COUNT,
  REPLIES_GENERATIONS,
  REPLIES_HEAD,
  REPLIES_TAIL,
} from "../memory/layout.ts";
import { SCRATCH_SUBJECT } from "../memory/map.ts";
import type { SharedMemory } from "../memory/shared_memory.ts";

export class MappedReplies {
  readonly #engine: Engine;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  /** Address of the mapped replies, 0 if there are none. */
  readonly #replies: number;
  /** Where subjects from outside the shared memory are put. */
  readonly #scratch: number;
  /** The last answer of `has()` holds while the word at this address, 0 for none, keeps this value. */
  generationAddress = 0;
  generation = 0;

  constructor({ words, bytes, map }: SharedMemory, engine: Engine, node: number) {
    this.#engine = engine;
    this.#words = words;
    this.#bytes = bytes;
    // The links shard itself knows what goes where.
    this.#replies = node === map.linksNode ? 0 : map.replies;
    this.#scratch = map.area(node).scratch + SCRATCH_SUBJECT;
  }

  /** Whether a subject, `bytes[start, end)`, is such a reply. `hash` is the engine's, 0 if it is not at hand. */
  has(account: number, bytes: Uint8Array, start: number, end: number, hash = 0): boolean {
    const replies = this.#replies;
    const length = end - start;
    this.generationAddress = 0;
    // A reply is part of a line, so it is not longer than that.
    if (replies === 0 || length > MESSAGE_LINE_BYTES_MAX) return false;
    const words = this.#words;
    const subject = bytes.buffer === this.#bytes.buffer ? start : this.#put(bytes, start, end);
    const bucket = (hash === 0 ? this.#engine.hash(subject, length) : hash) & (REPLIES_GENERATION_COUNT - 1);
    this.generationAddress = replies + REPLIES_GENERATIONS + bucket * 4;
    this.generation = Atomics.load(words, this.generationAddress >> 2);
    const head = Atomics.load(words, (replies + REPLIES_HEAD) >> 2);
    if (Atomics.load(words, (replies + REPLIES_TAIL) >> 2) === head) return false;
    return this.#engine.recall(account, subject, length) !== 0;
  }

  #put(bytes: Uint8Array, start: number, end: number): number {
    const to = this.#scratch - start;
    for (let i = start; i < end; i++) this.#bytes[to + i] = bytes[i]!;
    return this.#scratch;
  }
}
