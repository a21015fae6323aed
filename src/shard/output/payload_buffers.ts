/**
 * Buffers for payloads that are collected outside the shared memory. They are used again once nothing refers to them: a
 * megabyte of new memory costs the kernel more than receiving and sending it.
 *
 * Whoever takes a buffer has one hold on it; each pending queue that refers to it has another. The last one who releases
 * it makes it a spare. A hold may also be kept for good: the buffer is then garbage one day, like any other.
 */

/** A multiple of this, so that messages of nearly the same size share buffers. */
const SIZE_STEP_BYTES = 64 * 1024;
/** Spare bytes that are kept; the oldest spares go first. */
const SPARE_BYTES_MAX = 4 * 1024 * 1024;

export class PayloadBuffers {
  /** The one released last is at the end. */
  readonly #spares: ArrayBuffer[] = [];
  #spareBytes = 0;
  /** The number of holds on each buffer that is in use. */
  readonly #holds = new WeakMap<ArrayBufferLike, number>();

  /** A buffer of that length, with one hold on it; its content is anything. */
  take(lengthBytes: number): Uint8Array<ArrayBuffer> {
    const buffer = this.#takeSpare(lengthBytes) ?? new ArrayBuffer(roundedUp(lengthBytes));
    this.#holds.set(buffer, 1);
    return new Uint8Array(buffer, 0, lengthBytes);
  }

  /** Adds a hold on the buffer under `bytes`; buffers that were not taken here are ignored. */
  hold({ buffer }: Uint8Array): void {
    const holds = this.#holds.get(buffer);
    if (holds !== undefined) this.#holds.set(buffer, holds + 1);
  }

  /** Removes a hold likewise. */
  release({ buffer }: Uint8Array): void {
    const holds = this.#holds.get(buffer);
    if (holds === undefined) return;
    if (holds > 1) {
      this.#holds.set(buffer, holds - 1);
      return;
    }
    this.#holds.delete(buffer);
    if (buffer.byteLength > SPARE_BYTES_MAX) return;
    this.#spares.push(buffer as ArrayBuffer);
    this.#spareBytes += buffer.byteLength;
    while (this.#spareBytes > SPARE_BYTES_MAX) this.#spareBytes -= this.#spares.shift()!.byteLength;
  }

  /** The newest spare that is large enough, and not more than twice as large: what is pending is not to waste memory. */
  #takeSpare(lengthBytes: number): ArrayBuffer | null {
    const spares = this.#spares;
    const found = spares.findLastIndex(
      ({ byteLength }) => byteLength >= lengthBytes && byteLength <= 2 * roundedUp(lengthBytes),
    );
    if (found < 0) return null;
    const [buffer] = spares.splice(found, 1);
    this.#spareBytes -= buffer!.byteLength;
    return buffer!;
  }
}

function roundedUp(lengthBytes: number): number {
  return Math.ceil(lengthBytes / SIZE_STEP_BYTES) * SIZE_STEP_BYTES;
}
