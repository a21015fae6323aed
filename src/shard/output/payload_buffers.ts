/**
 * Buffers for payloads that are collected outside the shared memory. A buffer is used again once nothing refers to it:
 * a megabyte of new memory costs the kernel more than receiving and sending it.
 *
 * The taker of a buffer has one hold on it, and each pending queue that refers to it has another. The last release
 * makes the buffer a spare. A hold may also be kept for good: the buffer then becomes garbage one day, like any other.
 */

/** Buffer sizes are multiples of this, so that messages of nearly the same size share buffers. */
const SIZE_STEP_BYTES = 64 * 1024;
/** Most spare bytes that are kept; the oldest spares go first. */
const SPARE_BYTES_MAX = 4 * 1024 * 1024;

export class PayloadBuffers {
  /** Spare buffers; the one released last is at the end. */
  readonly #spares: ArrayBuffer[] = [];
  #spareBytes = 0;
  /** The number of holds on each buffer in use. */
  readonly #holds = new WeakMap<ArrayBufferLike, number>();

  /** Takes a buffer of that length, with one hold on it. Its content is arbitrary. */
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

  /** Removes a hold on the buffer under `bytes`; buffers that were not taken here are ignored. */
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

  /** The newest spare that is large enough but at most twice as large: pending payloads are not to waste memory. */
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
