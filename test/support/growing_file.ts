import { closeSync, openSync, readSync, unlinkSync } from "node:fs";

const CHUNK_BYTES = 64 * 1024;

/**
 * What a process writes, which is given the descriptor. A file and no pipe: of children's pipes that become readable in
 * one turn with others, Bun 1.4 now and then forgets one, and then neither output nor end is heard of.
 */
export class GrowingFile {
  readonly descriptor: number;
  readonly #decoder = new TextDecoder();
  readonly #chunk = new Uint8Array(CHUNK_BYTES);
  #readBytes = 0;
  #text = "";
  #isClosed = false;

  /** The name is free again at once. */
  constructor(path: string) {
    this.descriptor = openSync(path, "a+");
    unlinkSync(path);
  }

  /** All that was written so far; once closed, until then. */
  get text(): string {
    this.#readMore();
    return this.#text;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#readMore();
    closeSync(this.descriptor);
    this.#isClosed = true;
  }

  #readMore(): void {
    while (!this.#isClosed) {
      const count = readSync(this.descriptor, this.#chunk, 0, CHUNK_BYTES, this.#readBytes);
      if (count === 0) return;
      this.#readBytes += count;
      this.#text += this.#decoder.decode(this.#chunk.subarray(0, count), { stream: true });
    }
  }
}
