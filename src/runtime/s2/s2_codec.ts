/**
 * The part of S2 that works on each byte, over the shared memory. All places are addresses in it. See
 * `engine/s2_codec.ts`.
 */
export interface S2Codec {
  /**
   * Writes `length` bytes, at most S2_OWN_BLOCK_BYTES, as one chunk. Returns how long the chunk is. `effort` is
   * S2_STORED, S2_FAST or S2_BETTER. Content that does not get shorter is stored; with S2_STORED it may lie in the
   * chunk already. Up to 16 bytes behind the chunk are written to.
   */
  encodeChunk(to: number, from: number, length: number, effort: number): number;
  /**
   * How long the block in these bytes is when decoded; −1 if it does not say, or if that is more than any block may be.
   */
  decodedLength(from: number, length: number): number;
  /** Decodes the block in these bytes to `to`, where there is room for so many. Returns 0 if the block is broken. */
  decode(to: number, from: number, length: number): number;
  /** The checksum of these bytes as chunks carry it, an int32. */
  checksum(from: number, length: number): number;
  /** Moves bytes. The two ranges may overlap. */
  move(to: number, from: number, length: number): void;
}
