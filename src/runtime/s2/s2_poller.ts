import { STREAM_NAME } from "../../protocol/s2_chunks.ts";
import { LayeredPoller, type LayerStream } from "../layered_poller.ts";
import type { Poller, Streams } from "../poller.ts";
import type { S2Codec } from "./s2_codec.ts";
import { createS2Context, type S2Context } from "./s2_context.ts";
import { S2Input } from "./s2_input.ts";
import type { S2Effort, S2Layer, S2Terms } from "./s2_layer.ts";
import { S2Output } from "./s2_output.ts";
import { S2_COMPRESSED } from "./s2_region.ts";

/** What a thread needs for compressing. */
export interface S2Means {
  /** Covers the shared memory. */
  readonly memory: Uint8Array;
  /** Address of the region (`s2_region.ts`). */
  readonly region: number;
  /** Called for the first stream that is compressed. */
  readonly openCodec: () => S2Codec;
}

/** Both directions of a compressed stream. */
class S2Stream implements LayerStream {
  readonly slot: number;
  readonly input: S2Input;
  readonly output: S2Output;

  constructor(slot: number, input: S2Input, output: S2Output) {
    this.slot = slot;
    this.input = input;
    this.output = output;
  }

  read(offset: number, lengthBytes: number): number {
    return this.input.read(offset, lengthBytes);
  }
}

/**
 * Compression with S2 on top of a poller, with or without TLS in that, and below WebSocket. A slot has it from
 * `startS2` on. Only the links shard has this poller.
 */
export class S2Poller extends LayeredPoller<S2Stream> implements S2Layer {
  readonly #means: S2Means;
  #context: S2Context | null = null;

  constructor(inner: Poller, means: S2Means) {
    super(inner);
    this.#means = means;
  }

  startS2(slot: number, terms: S2Terms): void {
    const { effort, clearBytes, blockBytesMax, onBroken } = terms;
    this.#context ??= this.#open();
    const streams: Streams = this.inner;
    const input = new S2Input(streams, slot, this.#context, onBroken);
    input.blockBytesMax = blockBytesMax;
    const output = new S2Output(streams, this.memoryBase, slot, effort, clearBytes, this.#context);
    this.put(new S2Stream(slot, input, output));
  }

  returnS2(slot: number, start: number, end: number): void {
    const stream = this.streamOf(slot);
    if (stream === null || start === end) return;
    stream.input.put(start, end);
    this.put(stream);
  }

  setS2Effort(slot: number, effort: S2Effort): void {
    const stream = this.streamOf(slot);
    if (stream !== null) stream.output.effort = effort;
  }

  setS2BlockMax(slot: number, bytesMax: number): void {
    const stream = this.streamOf(slot);
    if (stream !== null) stream.input.blockBytesMax = bytesMax;
  }

  protected override closed(stream: S2Stream): void {
    stream.input.leave();
  }

  #open(): S2Context {
    const { memory, region, openCodec } = this.#means;
    // The name lies before the place where every chunk is made, so it is written with the first chunk of a stream.
    memory.set(STREAM_NAME, region + S2_COMPRESSED);
    return createS2Context(memory, region, openCodec());
  }
}
