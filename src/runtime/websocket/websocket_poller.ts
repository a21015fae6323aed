import { closePayload } from "../../protocol/websocket/close_frame.ts";
import type { Compressor } from "../../protocol/websocket/compression.ts";
import type { FrameTerms } from "../../protocol/websocket/extensions.ts";
import { CLOSE } from "../../protocol/websocket/frame_header.ts";
import { createUnmask, type Unmask } from "../../protocol/websocket/mask.ts";
import { runtimeCompressor } from "../../protocol/websocket/runtime_compressor.ts";
import { LayeredPoller } from "../layered_poller.ts";
import type { Poller } from "../poller.ts";
import type { FrameContext } from "./frame_input.ts";
import { FramedStream } from "./framed_stream.ts";
import type { FrameSide, WebSocketLayer } from "./websocket_layer.ts";

/** What a thread has to frame with. */
export interface FramingMeans {
  /** Covers the shared memory. */
  readonly memory: Uint8Array;
  /** A region of it for the poller alone. */
  readonly packing: number;
  readonly packingBytes: number;
  /** Gives a better compressor than the runtime's, if there is one. */
  readonly openCompressor: () => Compressor | null;
}

/**
 * WebSocket framing on top of a poller, with or without TLS in it: a slot has it from `startFrames` on. Only the links shard and
 * servers with a WebSocket port have this poller.
 */
export class WebSocketPoller extends LayeredPoller<FramedStream> implements WebSocketLayer {
  readonly #context: FrameContext;
  /** null once it was asked, for the first stream that compresses. */
  #openCompressor: (() => Compressor | null) | null;

  constructor(inner: Poller, { memory, packing, packingBytes, openCompressor }: FramingMeans) {
    super(inner);
    const words = new Int32Array(memory.buffer, 0, Math.floor(memory.length / 4));
    this.#context = {
      bytes: memory,
      words,
      packing,
      packingBytes,
      unmask: createUnmask(memory, words),
      compressor: runtimeCompressor,
      messageBytesMax: 0,
    };
    this.#openCompressor = openCompressor;
  }

  get messageBytesMax(): number {
    return this.#context.messageBytesMax;
  }

  set messageBytesMax(bytes: number) {
    this.#context.messageBytesMax = bytes;
  }

  useUnmask(unmask: Unmask): void {
    this.#context.unmask = unmask;
  }

  startFrames(slot: number, terms: FrameTerms, side: FrameSide, behind?: Uint8Array): void {
    if (terms.isCompressed && this.#openCompressor !== null) {
      this.#context.compressor = this.#openCompressor() ?? runtimeCompressor;
      this.#openCompressor = null;
    }
    this.put(new FramedStream(this.inner, this.memoryBase, slot, terms, side, this.#context, behind));
  }

  endFrames(slot: number, status: number, text: string): void {
    const stream = this.streamOf(slot);
    if (stream === null) return;
    const { input, output } = stream;
    const payload = input.goodbye ?? (status === 0 ? null : closePayload(status, text));
    if (payload !== null) output.sendLast(CLOSE, payload);
  }
}
