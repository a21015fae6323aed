/**
 * The output of a connection that the kernel did not take: a queue of chunks, which are never moved. Small pieces are
 * copied into pooled chunks; a large payload is referred to. Lies outside the shared memory, so that many slow
 * consumers fit.
 */
import { PayloadBuffers } from "./payload_buffers.ts";

const CHUNK_BYTES = 65536;
const CHUNKS_KEPT_MAX = 64;
/**
 * Size of a queue's first chunk if it holds little: thousands of connections may have a little pending for a moment.
 */
const SMALL_CHUNK_BYTES = 4096;
const SMALL_CHUNKS_KEPT_MAX = 4096;
/** Written chunks whose places in the array are kept before they are given up; their bytes are not kept. */
const COMPACT_AT = 256;

interface Chunk {
  readonly bytes: Uint8Array;
  start: number;
  end: number;
  readonly isPooled: boolean;
}

/** Spare chunks of a shard. */
export class ChunkPool {
  readonly payloads = new PayloadBuffers();
  readonly #spare: Uint8Array[] = [];
  readonly #smallSpare: Uint8Array[] = [];

  take(isSmall: boolean): Uint8Array {
    const spare = isSmall ? this.#smallSpare : this.#spare;
    return spare.pop() ?? new Uint8Array(new ArrayBuffer(isSmall ? SMALL_CHUNK_BYTES : CHUNK_BYTES));
  }

  give(chunk: Uint8Array): void {
    if (chunk.length === CHUNK_BYTES) {
      if (this.#spare.length < CHUNKS_KEPT_MAX) this.#spare.push(chunk);
    } else if (this.#smallSpare.length < SMALL_CHUNKS_KEPT_MAX) this.#smallSpare.push(chunk);
  }
}

export class PendingQueue {
  readonly #pool: ChunkPool;
  #chunks: Chunk[] = [];
  #head = 0;
  /** Number of queued bytes. */
  length = 0;

  constructor(pool: ChunkPool) {
    this.#pool = pool;
  }

  get chunkCount(): number {
    return this.#chunks.length - this.#head;
  }

  /** Copies `from[start, end)` behind what is queued. */
  append(from: Uint8Array, start: number, end: number): void {
    this.length += end - start;
    let at = start;
    while (at < end) {
      let last = this.#chunks[this.#chunks.length - 1];
      if (
        last === undefined ||
        this.#head === this.#chunks.length ||
        !last.isPooled ||
        last.end === last.bytes.length
      ) {
        const isSmall = this.chunkCount === 0 && end - at <= SMALL_CHUNK_BYTES / 2;
        last = { bytes: this.#pool.take(isSmall), start: 0, end: 0, isPooled: true };
        this.#chunks.push(last);
      }
      const count = Math.min(end - at, last.bytes.length - last.end);
      last.bytes.set(from.subarray(at, at + count), last.end);
      last.end += count;
      at += count;
    }
  }

  /** Queues `bytes[start, end)` without copying. The bytes must not change before they are written. */
  refer(bytes: Uint8Array, start: number, end: number): void {
    this.length += end - start;
    this.#pool.payloads.hold(bytes);
    this.#chunks.push({ bytes, start, end, isPooled: false });
  }

  /**
   * Gives chunks to `write` until it takes less than it is given. Returns its last result. `write` returns how many
   * bytes it took, or a negative code.
   */
  drain(write: (bytes: Uint8Array, start: number, end: number) => number): number {
    let taken = 0;
    while (this.#head < this.#chunks.length) {
      const chunk = this.#chunks[this.#head]!;
      taken = write(chunk.bytes, chunk.start, chunk.end);
      if (taken < 0) return taken;
      this.length -= taken;
      chunk.start += taken;
      if (chunk.start < chunk.end) return taken;
      this.#giveBack(chunk);
      this.#head++;
      if (this.#head >= COMPACT_AT) {
        this.#chunks = this.#chunks.slice(this.#head);
        this.#head = 0;
      }
    }
    this.#chunks = [];
    this.#head = 0;
    return taken;
  }

  /** Gives the queue's chunks back. The queue must not be used afterwards. */
  discard(): void {
    for (let i = this.#head; i < this.#chunks.length; i++) this.#giveBack(this.#chunks[i]!);
    this.#chunks = [];
    this.#head = 0;
    this.length = 0;
  }

  #giveBack({ bytes, isPooled }: Chunk): void {
    if (isPooled) this.#pool.give(bytes);
    else this.#pool.payloads.release(bytes);
  }
}
