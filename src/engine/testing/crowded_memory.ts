/** A shared memory for tests. Every region lies between canaries, so that stray writes are found. */
import { MEMORY_PAGES } from "../../memory/map.ts";

/** Bytes of canary before and after each region. */
const CANARY_BYTES = 4096;
const CANARY_WORD = 0x5ac35ac3;
const FIRST_ADDRESS = 65536;

export class CrowdedMemory {
  readonly memory = new WebAssembly.Memory({ initial: MEMORY_PAGES, maximum: MEMORY_PAGES, shared: true });
  readonly buffer = this.memory.buffer as unknown as SharedArrayBuffer;
  readonly bytes = new Uint8Array(this.buffer);
  readonly words = new Int32Array(this.buffer);
  readonly longs = new BigUint64Array(this.buffer);
  /** Names and bounds of the regions taken so far, in order of their addresses. */
  readonly regions: { name: string; start: number; end: number }[] = [];
  #at = FIRST_ADDRESS;

  /** Forgets every region. */
  clear(): void {
    this.regions.length = 0;
    this.#at = FIRST_ADDRESS;
  }

  /** Takes a zeroed region of `length` bytes, 64-aligned, and returns its address. Canaries begin right at its end. */
  take(name: string, length: number): number {
    if (this.regions.length === 0) this.#fill(this.#at, this.#at + CANARY_BYTES);
    const start = this.#at + CANARY_BYTES;
    const end = start + length;
    this.bytes.fill(0, start, end);
    this.#at = (end + 63) & ~63;
    this.#fill(this.#at, this.#at + CANARY_BYTES);
    this.bytes.fill(CANARY_WORD & 0xff, end, this.#at);
    this.regions.push({ name, start, end });
    return start;
  }

  #fill(start: number, end: number): void {
    this.words.fill(CANARY_WORD, start >> 2, end >> 2);
  }

  /** The regions before or behind which something was written, and where first. */
  strayWrites(): string[] {
    const strays: string[] = [];
    for (const { name, start, end } of this.regions) {
      const behind = (end + 63) & ~63;
      for (let at = end; at < behind; at++) {
        if (this.bytes[at] !== (CANARY_WORD & 0xff)) strays.push(`${name}: ${at - end} bytes past its end`);
      }
      const after = this.#firstChange(behind);
      if (after !== 0) strays.push(`${name}: ${after - end} bytes past its end`);
      const before = this.#firstChange(start - CANARY_BYTES);
      if (before !== 0) strays.push(`${name}: ${start - before} bytes before its start`);
    }
    return strays;
  }

  #firstChange(canary: number): number {
    const { words } = this;
    const end = (canary + CANARY_BYTES) >> 2;
    for (let index = canary >> 2; index < end; index++) {
      if (words[index] !== CANARY_WORD) return index << 2;
    }
    return 0;
  }
}
