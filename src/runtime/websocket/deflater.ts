/** What deflates messages over the shared memory; all places are addresses in it. `engine/deflater.ts` makes one. */
export interface Deflater {
  /**
   * Deflates a message to where there is room for it, DEFLATE_BLOCK_GROWTH_BYTES for each block that begins, and
   * DEFLATE_SLACK. Returns the length of the payload of a compressed message.
   */
  deflate(to: number, from: number, length: number): number;
}
