import { closePayload } from "../../protocol/websocket/close_frame.ts";
import type { Inflater } from "../../protocol/websocket/compression.ts";
import type { FrameTerms } from "../../protocol/websocket/extensions.ts";
import { CLOSE } from "../../protocol/websocket/frame_header.ts";
import { createUnmask, type Unmask } from "../../protocol/websocket/mask.ts";
import { runtimeInflater } from "../../protocol/websocket/runtime_inflater.ts";
import { LayeredPoller } from "../layered_poller.ts";
import type { Poller } from "../poller.ts";
import type { Deflater } from "./deflater.ts";
import type { FrameContext } from "./frame_input.ts";
import { FramedStream } from "./framed_stream.ts";
import type { FrameSide, WebSocketLayer } from "./websocket_layer.ts";

/** What a thread needs for framing. */
export interface FramingMeans {
  /** Covers the shared memory. */
  readonly memory: Uint8Array;
  /** A region of the memory that only the poller uses. */
  readonly packing: number;
  readonly packingBytes: number;
  /** A region that only the deflater uses (`deflate_region.ts`). */
  readonly deflating: number;
  readonly openDeflater: () => Deflater;
  /** Opens a better inflater than the runtime's, if there is one. */
  readonly openInflater: () => Inflater | null;
}

/**
 * WebSocket framing on top of a poller, with or without TLS in that. A slot has it from `startFrames` on. Only the
 * links shard, and the shards of servers with a WebSocket port, have this poller.
 */
export class WebSocketPoller extends LayeredPoller<FramedStream> implements WebSocketLayer {
  readonly #context: FrameContext;
  readonly #means: FramingMeans;

  constructor(inner: Poller, means: FramingMeans) {
    super(inner);
    const { memory, packing, packingBytes, deflating } = means;
    const words = new Int32Array(memory.buffer, 0, Math.floor(memory.length / 4));
    this.#context = {
      bytes: memory,
      words,
      packing,
      packingBytes,
      unmask: createUnmask(memory, words),
      deflating,
      deflater: null,
      inflater: runtimeInflater,
      messageBytesMax: 0,
    };
    this.#means = means;
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
    const context = this.#context;
    if (terms.isCompressed && context.deflater === null) {
      context.deflater = this.#means.openDeflater();
      context.inflater = this.#means.openInflater() ?? runtimeInflater;
    }
    this.put(new FramedStream(this.inner, this.memoryBase, slot, terms, side, context, behind));
  }

  endFrames(slot: number, status: number, text: string): void {
    const stream = this.streamOf(slot);
    if (stream === null) return;
    const { input, output } = stream;
    const payload = input.goodbye ?? (status === 0 ? null : closePayload(status, text));
    if (payload !== null) output.sendLast(CLOSE, payload);
  }
}
