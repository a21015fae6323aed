/**
 * Buffers for payloads that are collected outside the shared memory, used again once nobody names them: a megabyte of new
 * memory costs the kernel more than receiving and sending it.
 *
 * Whoever takes a buffer has a hold on it, and each pending queue that refers to it another. A hold need not be given up: a
 * buffer whose message somebody may have kept is garbage one day, like any other.
 */
const SIZE_BITS_MIN = 17;
const SIZE_BITS_MAX = 22;
/** Spare bytes kept of all sizes. */
const SPARE_BYTES_MAX = 4 * 1024 * 1024;

export class PayloadBuffers {
  /** Spare buffers, by the logarithm of their size. */
  readonly #spares: ArrayBuffer[][] = Array.from({ length: SIZE_BITS_MAX + 1 }, () => []);
  #spareBytes = 0;
  /** Of each buffer that was taken, as long as it may come back. */
  readonly #holds = new WeakMap<ArrayBufferLike, number>();

  /** Room for so many bytes; what it holds is anything. */
  take(lengthBytes: number): Uint8Array<ArrayBuffer> {
    const bits = Math.max(SIZE_BITS_MIN, 32 - Math.clz32(lengthBytes - 1));
    if (bits > SIZE_BITS_MAX) return new Uint8Array(new ArrayBuffer(lengthBytes));
    const spare = this.#spares[bits]!.pop();
    if (spare !== undefined) this.#spareBytes -= spare.byteLength;
    const buffer = spare ?? new ArrayBuffer(2 ** bits);
    this.#holds.set(buffer, 1);
    return new Uint8Array(buffer, 0, lengthBytes);
  }

  /** One more names what lies in `bytes`, which may be no buffer of these. */
  hold({ buffer }: Uint8Array): void {
    const holds = this.#holds.get(buffer);
    if (holds !== undefined) this.#holds.set(buffer, holds + 1);
  }

  /** One of those has no more use for it. */
  release({ buffer }: Uint8Array): void {
    const holds = this.#holds.get(buffer);
    if (holds === undefined) return;
    if (holds > 1) {
      this.#holds.set(buffer, holds - 1);
      return;
    }
    this.#holds.delete(buffer);
    if (this.#spareBytes + buffer.byteLength > SPARE_BYTES_MAX) return;
    this.#spareBytes += buffer.byteLength;
    this.#spares[31 - Math.clz32(buffer.byteLength)]!.push(buffer as ArrayBuffer);
  }
}
