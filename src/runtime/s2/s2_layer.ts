/** Compression of streams by S2 as the links shard sees it. */

/** S2_STORED, S2_FAST or S2_BETTER. */
export type S2Effort = number;

/** The compression of a poller: puts it on streams that the poller serves. Afterwards reads and writes are of what is in it. */
export interface S2Layer {
  /**
   * From here on both sides compress what they say. Of what the caller still has to write `clearBytes` bytes were said before, and
   * go as they are. `onBroken` is called once if what the other side sends is no S2; the read that comes upon it fails.
   */
  startS2(slot: number, effort: S2Effort, clearBytes: number, onBroken: (problem: string) => void): void;
  /** `[start, end)` of the shared memory was read before `startS2`, and is S2 already: it comes before all that is still to be read. */
  returnS2(slot: number, start: number, end: number): void;
  /** How hard is searched in what is written from now on. */
  setS2Effort(slot: number, effort: S2Effort): void;
}
