// Hot: once for each read and write of a WebSocket.
import type { FrameTerms } from "../../protocol/websocket/extensions.ts";
import { PONG } from "../../protocol/websocket/frame_header.ts";
import type { LayerStream } from "../layered_poller.ts";
import type { Streams } from "../poller.ts";
import { type FrameContext, FrameInput } from "./frame_input.ts";
import { FrameOutput } from "./frame_output.ts";
import type { FrameSide } from "./websocket_layer.ts";

/** One stream of frames, both ways. */
export class FramedStream implements LayerStream {
  readonly slot: number;
  readonly input: FrameInput;
  readonly output: FrameOutput;
  wantsRead = true;
  wantsWrite = false;
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

  get hasNews(): boolean {
    return this.input.hasNews;
  }

  get hasOwn(): boolean {
    return this.output.hasOwn;
  }

  get violation(): string {
    return this.input.violation;
  }

  read(offset: number, lengthBytes: number): number {
    const { input, output } = this;
    const { messageBytesMax } = this.#context;
    const count = input.read(this.#streams, this.slot, offset, lengthBytes, messageBytesMax, this.#onPing);
    if (output.hasOwn) output.flush();
    return count;
  }

  writeGathered(iovecOffset: number, count: number): number {
    return this.output.writeGathered(iovecOffset, count);
  }

  write(bytes: Uint8Array, start: number, end: number): number {
    return this.output.write(bytes, start, end);
  }

  flushOwn(): void {
    this.output.flush();
  }
}
