/** What S2 takes per byte, over the shared memory; all places are addresses in it. `engine/s2_codec.ts` makes one. */
export interface S2Codec {
  /**
   * Writes `length` bytes, as many as a block of this server's holds at most, as one chunk, and returns how long it is. `effort`
   * is S2_STORED, S2_FAST or S2_BETTER; what does not get shorter is stored, and what is to be stored may lie in the chunk already. Up to 16 bytes behind are written to.
   */
  encodeChunk(to: number, from: number, length: number, effort: number): number;
  /** How long the block of those bytes is once it is decoded; −1 where it does not say, or longer than any may be. */
  decodedLength(from: number, length: number): number;
  /** Decodes the block of those bytes to where there is room for that; 0 where it is broken. */
  decode(to: number, from: number, length: number): number;
  /** As chunks have it, an int32. */
  checksum(from: number, length: number): number;
  /** The two may overlap. */
  move(to: number, from: number, length: number): void;
}
