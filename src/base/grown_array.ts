/** A copy with room for `least` elements at least, twice as long as before. */
export function grown(old: Int32Array<ArrayBuffer>, least: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(Math.max(least, old.length * 2));
  larger.set(old);
  return larger;
}
