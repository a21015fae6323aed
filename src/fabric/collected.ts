/** What has come of a message or line that is too long for the receive buffer. */
export interface Collected {
  /** As long as all of it. Lies over an `ArrayBuffer` of its own. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  filled: number;
}

/** Takes as much of `from[start, end)` as is still missing. Returns how many bytes that was. */
export function fill(collected: Collected, from: Uint8Array, start: number, end: number): number {
  const { bytes, filled } = collected;
  const count = Math.min(end - start, bytes.length - filled);
  bytes.set(from.subarray(start, start + count), filled);
  collected.filled += count;
  return count;
}
