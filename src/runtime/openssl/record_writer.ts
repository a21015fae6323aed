/**
 * Fills TLS records from what callers write, and remembers the records that OpenSSL has made but the kernel has not
 * taken completely. Hot: runs once per batch of messages.
 *
 * The bytes of such a record are _owed_: the caller is told that they are not out, and offers them again. Once the
 * record is out they are _credit_, because they must not go out twice.
 */
import { WOULD_BLOCK } from "../poller.ts";
import type { Posix } from "../posix/posix.ts";
import { RECORD_BYTES_MAX } from "./libssl.ts";

/** Hands OpenSSL one record of a slot. Returns how many bytes of it are out, WOULD_BLOCK or WRITE_FAILED. */
export type SendRecord = (slot: number, address: number, lengthBytes: number) => number;

export class RecordWriter {
  readonly #memcpy: Posix["memcpy"];
  readonly #send: SendRecord;
  /** A buffer of RECORD_BYTES_MAX, to fill a record from many pieces. */
  readonly #recordAddress: number;
  /** The shared memory, in which iovecs lie. */
  readonly #memoryWords: Uint32Array;
  /** By slot. */
  readonly #owedBytes: Uint16Array;
  readonly #creditBytes: Uint16Array;

  constructor(
    memcpy: Posix["memcpy"],
    recordAddress: number,
    memoryWords: Uint32Array,
    slotsMax: number,
    send: SendRecord,
  ) {
    this.#memcpy = memcpy;
    this.#recordAddress = recordAddress;
    this.#memoryWords = memoryWords;
    this.#owedBytes = new Uint16Array(slotsMax);
    this.#creditBytes = new Uint16Array(slotsMax);
    this.#send = send;
  }

  /** Begins with a new connection in the slot. */
  begin(slot: number): void {
    this.#owedBytes[slot] = 0;
    this.#creditBytes[slot] = 0;
  }

  /** Whether a record is not out completely. */
  isOwed(slot: number): boolean {
    return this.#owedBytes[slot] !== 0;
  }

  /**
   * Writes the one piece of an iovec array at `word` of the memory. Returns the bytes taken, or one of SendRecord's
   * codes.
   */
  writePiece(slot: number, word: number): number {
    const words = this.#memoryWords;
    return this.writeRange(slot, words[word]! + words[word + 1]! * 4294967296, words[word + 2]!);
  }

  /** Writes several pieces. Records are filled from them, because each record costs a system call and its framing. */
  writePieces(slot: number, firstWord: number, count: number): number {
    const words = this.#memoryWords;
    const memcpy = this.#memcpy;
    let total = 0;
    for (let i = 0; i < count; i++) total += words[firstWord + i * 4 + 2]!;
    let taken = this.#settle(slot, total);
    if (taken < 0) return taken;
    // The piece that `taken` reaches into, and how many of its bytes are out.
    let word = firstWord;
    let skipped = taken;
    while (taken < total) {
      while (skipped >= words[word + 2]!) {
        skipped -= words[word + 2]!;
        word += 4;
      }
      let filled = 0;
      let ahead = word;
      let from = skipped;
      while (filled < RECORD_BYTES_MAX && taken + filled < total) {
        const length = Math.min(words[ahead + 2]! - from, RECORD_BYTES_MAX - filled);
        memcpy(this.#recordAddress + filled, words[ahead]! + words[ahead + 1]! * 4294967296 + from, length);
        filled += length;
        ahead += 4;
        from = 0;
      }
      const written = this.#writeRecord(slot, this.#recordAddress, filled);
      if (written < 0) return taken > 0 ? taken : written;
      taken += written;
      skipped += written;
    }
    return taken;
  }

  writeRange(slot: number, address: number, lengthBytes: number): number {
    let taken = this.#settle(slot, lengthBytes);
    if (taken < 0) return taken;
    while (taken < lengthBytes) {
      const length = Math.min(lengthBytes - taken, RECORD_BYTES_MAX);
      const written = this.#writeRecord(slot, address + taken, length);
      if (written < 0) return taken > 0 ? taken : written;
      taken += written;
    }
    return taken;
  }

  /**
   * Sends what OpenSSL holds of an unfinished record, and takes off the credit what the caller offers again. Returns
   * how many of `lengthBytes` are out by that, or one of the codes.
   */
  #settle(slot: number, lengthBytes: number): number {
    const owed = this.#owedBytes[slot]!;
    if (owed > 0) {
      // The record is made already, so OpenSSL looks only at the length.
      const written = this.#writeRecord(slot, this.#recordAddress, owed);
      if (written < 0) return written;
      this.#owedBytes[slot] = 0;
      this.#creditBytes[slot]! += written;
    }
    const credit = Math.min(this.#creditBytes[slot]!, lengthBytes);
    this.#creditBytes[slot]! -= credit;
    return credit;
  }

  #writeRecord(slot: number, address: number, lengthBytes: number): number {
    const written = this.#send(slot, address, lengthBytes);
    if (written === WOULD_BLOCK) this.#owedBytes[slot] = lengthBytes;
    return written;
  }
}
