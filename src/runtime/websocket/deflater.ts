/** Deflates messages in the shared memory. All places are addresses in it. `engine/deflater.ts` makes one. */
export interface Deflater {
  /**
   * Deflates a message to `to`. There must be room for its length, DEFLATE_BLOCK_GROWTH_BYTES more for each block that
   * is begun, and DEFLATE_SLACK. Returns the length of the payload of a compressed message.
   */
  deflate(to: number, from: number, length: number): number;
}
