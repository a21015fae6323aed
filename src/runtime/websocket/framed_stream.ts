// Hot: runs once for each read and write of a WebSocket.
import type { FrameTerms } from "../../protocol/websocket/extensions.ts";
import { PONG } from "../../protocol/websocket/frame_header.ts";
import type { LayerStream } from "../layered_poller.ts";
import type { Streams } from "../poller.ts";
import { type FrameContext, FrameInput } from "./frame_input.ts";
import { FrameOutput } from "./frame_output.ts";
import type { FrameSide } from "./websocket_layer.ts";

/** Both directions of a stream of frames. */
export class FramedStream implements LayerStream {
  readonly slot: number;
  readonly input: FrameInput;
  readonly output: FrameOutput;
  readonly #streams: Streams;
  /** Answers a ping. */
  readonly #onPing: (payload: Uint8Array) => void;
  readonly #context: FrameContext;

  constructor(
    streams: Streams,
    memoryBase: number,
    slot: number,
    terms: FrameTerms,
    side: FrameSide,
    context: FrameContext,
    behind?: Uint8Array,
  ) {
    this.#streams = streams;
    this.slot = slot;
    this.#context = context;
    const output = new FrameOutput(streams, memoryBase, slot, terms, side, context);
    this.input = new FrameInput(terms, side, context, behind);
    this.output = output;
    this.#onPing = (payload) => output.addControl(PONG, payload);
  }

  read(offset: number, lengthBytes: number): number {
    const { input, output } = this;
    const { messageBytesMax } = this.#context;
    const count = input.read(this.#streams, this.slot, offset, lengthBytes, messageBytesMax, this.#onPing);
    if (output.hasOwn) output.flush();
    return count;
  }
}
