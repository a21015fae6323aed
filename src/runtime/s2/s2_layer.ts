/** Compression of streams by S2 as the links shard sees it. */

/** S2_STORED, S2_FAST or S2_BETTER. */
export type S2Effort = number;

/** How one stream turns to S2. */
export interface S2Terms {
  readonly effort: S2Effort;
  /** Of what the caller still has to write so many bytes were said before, and go as they are. */
  readonly clearBytes: number;
  /** What a chunk of the other side may hold, until `setS2BlockMax`; at most S2_BLOCK_BYTES_MAX. */
  readonly blockBytesMax: number;
  /** Called once if what the other side sends is no S2; the read that comes upon it fails. */
  readonly onBroken: (problem: string) => void;
}

/** The compression of a poller: puts it on streams that the poller serves. Afterwards reads and writes are of what is in it. */
export interface S2Layer {
  /** From here on both sides compress what they say. */
  startS2(slot: number, terms: S2Terms): void;
  /** `[start, end)` of the shared memory was read before `startS2`, and is S2 already: nothing was read since. */
  returnS2(slot: number, start: number, end: number): void;
  /** How hard is searched in what is written from now on. */
  setS2Effort(slot: number, effort: S2Effort): void;
  /** What chunks may hold that come from now on. */
  setS2BlockMax(slot: number, bytesMax: number): void;
}
