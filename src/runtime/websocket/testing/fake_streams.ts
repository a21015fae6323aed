/** Streams whose peer and kernel are a test, which decides what can be read and how much room there is to write. */
import { createUnmask } from "../../../protocol/websocket/mask.ts";
import { runtimeInflater } from "../../../protocol/websocket/runtime_inflater.ts";
import { type Streams, WOULD_BLOCK, WRITE_FAILED } from "../../poller.ts";
import { DEFLATE_OUTPUT } from "../deflate_region.ts";
import type { FrameContext } from "../frame_input.ts";
import { createSlowDeflater } from "./slow_deflater.ts";

const MEMORY_BYTES = 4 * 1024 * 1024;
const PACKING_BYTES = 64 * 1024;
const PACKING = MEMORY_BYTES - PACKING_BYTES;
const DEFLATING = PACKING - DEFLATE_OUTPUT - 2 * PACKING_BYTES;

/** A context whose memory is far smaller than the real one. */
export function createFrameContext(): FrameContext {
  const buffer = new ArrayBuffer(MEMORY_BYTES);
  const bytes = new Uint8Array(buffer);
  const words = new Int32Array(buffer);
  return {
    bytes,
    words,
    packing: PACKING,
    packingBytes: PACKING_BYTES,
    unmask: createUnmask(bytes, words),
    deflating: DEFLATING,
    deflater: createSlowDeflater(bytes),
    inflater: runtimeInflater,
    messageBytesMax: 0,
  };
}

/**
 * One stream for all slots. Like TLS, it demands that what it was offered and did not take is offered again, byte by
 * byte, before anything else.
 */
export class FakeStreams implements Streams {
  /** What the peer has sent, one piece per read. */
  readonly incoming: Uint8Array[] = [];
  /** What a read returns after that: 0 for the end of the stream. */
  end: number = WOULD_BLOCK;
  /** Everything that was written. */
  readonly written: number[] = [];
  /** How many bytes there is room for. */
  roomBytes = Number.POSITIVE_INFINITY;
  isReset = false;
  writeCalls = 0;
  readonly #memory: Pick<FrameContext, "bytes" | "words">;
  /** What was offered and not taken. */
  #owed: number[] = [];

  constructor(memory: Pick<FrameContext, "bytes" | "words">) {
    this.#memory = memory;
  }

  read(_slot: number, offset: number, lengthBytes: number): number {
    const piece = this.incoming.shift();
    if (piece === undefined) return this.end;
    const count = Math.min(piece.length, lengthBytes);
    this.#memory.bytes.set(piece.subarray(0, count), offset);
    if (count < piece.length) this.incoming.unshift(piece.subarray(count));
    return count;
  }

  writeGathered(_slot: number, iovecOffset: number, count: number): number {
    const { bytes, words } = this.#memory;
    const offered: number[] = [];
    for (let i = 0; i < count; i++) {
      const iovec = (iovecOffset >> 2) + i * 4;
      offered.push(...bytes.subarray(words[iovec]!, words[iovec]! + words[iovec + 2]!));
    }
    return this.#take(offered);
  }

  write(_slot: number, bytes: Uint8Array, start: number, end: number): number {
    return this.#take([...bytes.subarray(start, end)]);
  }

  lastError(): string {
    return "the fake stream was reset";
  }

  #take(offered: number[]): number {
    this.writeCalls++;
    if (this.isReset) return WRITE_FAILED;
    const same = Math.min(offered.length, this.#owed.length);
    for (let i = 0; i < same; i++) {
      if (offered[i] !== this.#owed[i]) throw new Error(`byte ${i} is not what was offered before`);
    }
    const count = Math.min(offered.length, this.roomBytes);
    this.roomBytes -= count;
    for (let i = 0; i < count; i++) this.written.push(offered[i]!);
    const rest = offered.slice(count);
    // It may be offered in smaller pieces the next time, but in the end all of it must be offered.
    this.#owed = this.#owed.slice(count);
    if (rest.length > this.#owed.length) this.#owed = rest;
    return count > 0 || offered.length === 0 ? count : WOULD_BLOCK;
  }
}
