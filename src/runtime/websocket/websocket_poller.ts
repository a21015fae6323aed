// Hot: the reads and writes run once per batch of messages.

import { assert } from "../../base/assert.ts";
import { closePayload } from "../../protocol/websocket/close_frame.ts";
import type { Compressor } from "../../protocol/websocket/compression.ts";
import type { FrameTerms } from "../../protocol/websocket/extensions.ts";
import { CLOSE, PONG } from "../../protocol/websocket/frame_header.ts";
import { createUnmask, type Unmask } from "../../protocol/websocket/mask.ts";
import { runtimeCompressor } from "../../protocol/websocket/runtime_compressor.ts";
import { type HandedStream, type Poller, READABLE, type StreamSource, WRITABLE } from "../poller.ts";
import { type FrameContext, FrameInput } from "./frame_input.ts";
import { FrameOutput } from "./frame_output.ts";
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

/** One stream of frames. */
interface FramedStream {
  readonly slot: number;
  readonly input: FrameInput;
  readonly output: FrameOutput;
  /** What the caller wants to hear of. */
  wantsRead: boolean;
  wantsWrite: boolean;
  /** Answers a ping. */
  readonly onPing: (payload: Uint8Array) => void;
}

/**
 * WebSocket framing on top of a poller, with or without TLS in it. A slot is as the poller below has it until
 * `startFrames`; what such a one pays is a call and a look. Only the links shard and servers with a
 * WebSocket port have this poller.
 *
 * A read may take in more than its caller has room for, so `wait` reports slots itself whose bytes are here already.
 */
export class WebSocketPoller implements Poller, WebSocketLayer {
  readonly kind: Poller["kind"];
  readonly memoryBase: number;
  readonly wakeHandle: number;
  messageBytesMax = 0;

  readonly #inner: Poller;
  readonly #context: FrameContext;
  /** null once it was asked, for the first stream that compresses. */
  #openCompressor: (() => Compressor | null) | null;
  /** By slot. */
  readonly #streams: (FramedStream | null)[] = [];
  /** Streams that may have something to read which the poller below knows nothing of. */
  readonly #withNews = new Set<FramedStream>();
  /** Streams with bytes of their own that wait for room. */
  readonly #withOwn = new Set<FramedStream>();
  /** Those that this poller reports after the events of the one below, in one wait. */
  #ownEvents: FramedStream[] = [];
  #innerEventCount = 0;
  /** How the peer broke the protocol of the last stream whose read failed for it, else "". */
  #violation = "";

  constructor(inner: Poller, { memory, packing, packingBytes, openCompressor }: FramingMeans) {
    this.#inner = inner;
    this.kind = inner.kind;
    this.memoryBase = inner.memoryBase;
    this.wakeHandle = inner.wakeHandle;
    const words = new Int32Array(memory.buffer, 0, Math.floor(memory.length / 4));
    this.#context = {
      bytes: memory,
      words,
      packing,
      packingBytes,
      unmask: createUnmask(memory, words),
      compressor: runtimeCompressor,
    };
    this.#openCompressor = openCompressor;
  }

  useUnmask(unmask: Unmask): void {
    this.#context.unmask = unmask;
  }

  startFrames(slot: number, terms: FrameTerms, side: FrameSide, behind?: Uint8Array): void {
    if (terms.isCompressed && this.#openCompressor !== null) {
      this.#context.compressor = this.#openCompressor() ?? runtimeCompressor;
      this.#openCompressor = null;
    }
    const output = new FrameOutput(this.#inner, this.memoryBase, slot, terms, side, this.#context);
    const stream: FramedStream = {
      slot,
      input: new FrameInput(terms, side, this.#context, behind),
      output,
      wantsRead: true,
      wantsWrite: false,
      onPing: (payload) => output.addControl(PONG, payload),
    };
    this.#streams[slot] = stream;
    if (stream.input.hasNews) this.#withNews.add(stream);
  }

  endFrames(slot: number, status: number, text: string): void {
    const stream = this.#streams[slot];
    if (stream == null) return;
    const { input, output } = stream;
    const payload = input.goodbye ?? (status === 0 ? null : closePayload(status, text));
    if (payload !== null) output.sendLast(CLOSE, payload);
  }

  add(slot: number, source: StreamSource): void {
    this.#inner.add(slot, source);
  }

  handOver(slot: number): HandedStream {
    assert(this.#streams[slot] == null, "WebSocketPoller.handOver: frames have begun");
    return this.#inner.handOver(slot);
  }

  setInterest(slot: number, readable: boolean, writable: boolean): void {
    const stream = this.#streams[slot];
    if (stream != null) {
      stream.wantsRead = readable;
      stream.wantsWrite = writable;
      writable ||= this.#withOwn.has(stream);
    }
    this.#inner.setInterest(slot, readable, writable);
  }

  close(slot: number): void {
    const stream = this.#streams[slot];
    if (stream != null) {
      this.#streams[slot] = null;
      this.#withNews.delete(stream);
      this.#withOwn.delete(stream);
    }
    this.#inner.close(slot);
  }

  wait(timeoutMs: number): number {
    this.#ownEvents =
      this.#withNews.size === 0 ? [] : [...this.#withNews].filter(({ wantsRead }) => wantsRead);
    this.#innerEventCount = this.#inner.wait(this.#ownEvents.length > 0 ? 0 : timeoutMs);
    if (this.#withOwn.size > 0) this.#flushOwn();
    return this.#innerEventCount + this.#ownEvents.length;
  }

  eventSlot(i: number): number {
    return i < this.#innerEventCount
      ? this.#inner.eventSlot(i)
      : this.#ownEvents[i - this.#innerEventCount]!.slot;
  }

  eventFlags(i: number): number {
    if (i < this.#innerEventCount) return this.#inner.eventFlags(i);
    const stream = this.#ownEvents[i - this.#innerEventCount]!;
    // Served by an event of the poller below in the meantime, or closed.
    return this.#withNews.has(stream) ? READABLE : 0;
  }

  read(slot: number, offset: number, lengthBytes: number): number {
    const stream = this.#streams[slot];
    if (stream == null) return this.#inner.read(slot, offset, lengthBytes);
    const { input, output } = stream;
    const count = input.read(this.#inner, slot, offset, lengthBytes, this.messageBytesMax, stream.onPing);
    this.#violation = input.violation;
    if (output.hasOwn) output.flush();
    this.#noteOwn(stream);
    if (input.hasNews !== this.#withNews.has(stream)) {
      if (input.hasNews) this.#withNews.add(stream);
      else this.#withNews.delete(stream);
    }
    return count;
  }

  writeGathered(slot: number, iovecOffset: number, count: number): number {
    const stream = this.#streams[slot];
    if (stream == null) return this.#inner.writeGathered(slot, iovecOffset, count);
    const taken = stream.output.writeGathered(iovecOffset, count);
    this.#noteOwn(stream);
    return taken;
  }

  write(slot: number, bytes: Uint8Array, start: number, end: number): number {
    const stream = this.#streams[slot];
    if (stream == null) return this.#inner.write(slot, bytes, start, end);
    const taken = stream.output.write(bytes, start, end);
    this.#noteOwn(stream);
    return taken;
  }

  lastError(): string {
    return this.#violation === "" ? this.#inner.lastError() : this.#violation;
  }

  run(turn: () => void): Promise<void> {
    return this.#inner.run(turn);
  }

  stop(): void {
    this.#inner.stop();
  }

  dispose(): void {
    this.#inner.dispose();
  }

  /** Asks to hear of room to write while a stream has bytes of its own that wait for it. */
  #noteOwn(stream: FramedStream): void {
    const { hasOwn } = stream.output;
    if (hasOwn === this.#withOwn.has(stream)) return;
    if (hasOwn) this.#withOwn.add(stream);
    else this.#withOwn.delete(stream);
    this.#inner.setInterest(stream.slot, stream.wantsRead, stream.wantsWrite || hasOwn);
  }

  /** There is room to write: first for what waits here. */
  #flushOwn(): void {
    for (let i = 0; i < this.#innerEventCount; i++) {
      const stream = this.#streams[this.#inner.eventSlot(i)];
      if (stream == null || (this.#inner.eventFlags(i) & WRITABLE) === 0) continue;
      if (!this.#withOwn.has(stream)) continue;
      stream.output.flush();
      this.#noteOwn(stream);
    }
  }
}
