/** Compression of streams with S2, as the links shard sees it. */

/** S2_STORED, S2_FAST or S2_BETTER. */
export type S2Effort = number;

/** How a stream changes over to S2. */
export interface S2Terms {
  readonly effort: S2Effort;
  /** So many bytes that the caller still has to write belong to what was said before, and are not compressed. */
  readonly clearBytes: number;
  /** How much a chunk of the other side may hold, until `setS2BlockMax`: at most S2_BLOCK_BYTES_MAX. */
  readonly blockBytesMax: number;
  /** Called once if the other side sends something that is not S2. The read that finds it fails. */
  readonly onBroken: (problem: string) => void;
}

/**
 * The compression of a poller, which can be put on its streams. Afterwards, reads and writes are of uncompressed bytes.
 */
export interface S2Layer {
  /** Starts compression: from here on, both sides compress what they say. */
  startS2(slot: number, terms: S2Terms): void;
  /**
   * Gives back `[start, end)` of the shared memory, which was read before `startS2` but is S2. Nothing was read since.
   */
  returnS2(slot: number, start: number, end: number): void;
  /** Sets how hard what is written from now on is compressed. */
  setS2Effort(slot: number, effort: S2Effort): void;
  /** Sets how much a chunk may hold that comes from now on. */
  setS2BlockMax(slot: number, bytesMax: number): void;
}
