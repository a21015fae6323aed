/** Reusable private buffers by size, for what connections keep between reads. Sizes are powers of two. */
const SIZE_BITS_MIN = 8;
const SIZE_BITS_MAX = 18;
/** Most spare bytes kept of each size. */
const SPARE_BYTES_MAX = 1 << 20;

export class BufferPool {
  /** Spare buffers, by the logarithm of their size. */
  readonly #spares: Uint8Array<ArrayBuffer>[][] = Array.from({ length: SIZE_BITS_MAX + 1 }, () => []);

  /** Takes a buffer of at least `length` bytes, which is at most 256 KiB. Its content is arbitrary. */
  take(length: number): Uint8Array<ArrayBuffer> {
    const bits = Math.max(SIZE_BITS_MIN, 32 - Math.clz32(length - 1));
    return this.#spares[bits]?.pop() ?? new Uint8Array(new ArrayBuffer(2 ** bits));
  }

  give(buffer: Uint8Array<ArrayBuffer>): void {
    const spares = this.#spares[31 - Math.clz32(buffer.length)];
    if (spares !== undefined && spares.length * buffer.length < SPARE_BYTES_MAX) spares.push(buffer);
  }
}
