// Hot: the reads and writes run once per batch of messages.

import { assert } from "../base/assert.ts";
import {
  type HandedStream,
  type Poller,
  READ_FAILED,
  READABLE,
  type StreamSource,
  type Streams,
  WRITABLE,
  WRITE_FAILED,
} from "./poller.ts";

/** One stream that a layer has changed, both ways: what `Streams` says of a slot, of this one. */
export interface LayerStream {
  readonly slot: number;
  readonly input: {
    /** Something can be read without the poller below having anything. */
    readonly hasNews: boolean;
    /** Why the last read failed, where it was for what the peer sent, else "". */
    readonly violation: string;
  };
  readonly output: {
    /** Bytes wait for room that the caller knows nothing of. */
    readonly hasOwn: boolean;
    writeGathered(iovecOffset: number, count: number): number;
    write(bytes: Uint8Array, start: number, end: number): number;
    /** There is room to write: sends what waits here. */
    flush(): number;
  };
  read(offset: number, lengthBytes: number): number;
}

/**
 * A layer over the streams of a poller, which it may put on any of them in the midst of its life. A slot is as the poller below
 * has it until then; what such a one pays is a call and a look.
 *
 * A read may take in more than its caller has room for, so `wait` reports slots itself whose bytes are here already.
 */
export abstract class LayeredPoller<Stream extends LayerStream> implements Poller {
  readonly kind: Poller["kind"];
  readonly memoryBase: number;
  readonly wakeHandle: number;

  readonly #inner: Poller;
  /** By slot. */
  readonly #streams: (Stream | null)[] = [];
  /** By slot: what the caller wants to hear of, READABLE and WRITABLE; READABLE where it has not said. */
  readonly #wanted: number[] = [];
  /** Streams that may have something to read which the poller below knows nothing of. */
  readonly #withNews = new Set<Stream>();
  /** Streams with bytes of their own that wait for room. */
  readonly #withOwn = new Set<Stream>();
  /** Those that this poller reports after the events of the one below, in one wait. */
  #ownEvents: Stream[] = [];
  #innerEventCount = 0;
  /** Why the last call failed that did; "" where the poller below knows. */
  #violation = "";

  constructor(inner: Poller) {
    this.#inner = inner;
    this.kind = inner.kind;
    this.memoryBase = inner.memoryBase;
    this.wakeHandle = inner.wakeHandle;
  }

  /** What the layer stands on. */
  protected get inner(): Streams {
    return this.#inner;
  }

  protected streamOf(slot: number): Stream | null {
    return this.#streams[slot] ?? null;
  }

  /** From now on the slot is read and written by way of this stream. */
  protected put(stream: Stream): void {
    this.#streams[stream.slot] = stream;
    if (stream.input.hasNews) this.#withNews.add(stream);
  }

  add(slot: number, source: StreamSource): void {
    this.#inner.add(slot, source);
  }

  handOver(slot: number): HandedStream {
    assert(this.#streams[slot] == null, "LayeredPoller.handOver: the stream is not as it came any more");
    this.#wanted[slot] = READABLE;
    return this.#inner.handOver(slot);
  }

  setInterest(slot: number, readable: boolean, writable: boolean): void {
    this.#wanted[slot] = (readable ? READABLE : 0) | (writable ? WRITABLE : 0);
    const stream = this.#streams[slot];
    this.#inner.setInterest(slot, readable, writable || (stream != null && this.#withOwn.has(stream)));
  }

  close(slot: number): void {
    const stream = this.#streams[slot];
    if (stream != null) {
      this.#streams[slot] = null;
      this.#withNews.delete(stream);
      this.#withOwn.delete(stream);
      this.closed(stream);
    }
    this.#wanted[slot] = READABLE;
    this.#inner.close(slot);
  }

  wait(timeoutMs: number): number {
    this.#ownEvents =
      this.#withNews.size === 0
        ? []
        : [...this.#withNews].filter(({ slot }) => (this.#wantedOf(slot) & READABLE) !== 0);
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
    if (stream == null) return this.#told(this.#inner.read(slot, offset, lengthBytes), "");
    const count = this.#told(stream.read(offset, lengthBytes), stream.input.violation);
    this.#noteOwn(stream);
    const { hasNews } = stream.input;
    if (hasNews !== this.#withNews.has(stream)) {
      if (hasNews) this.#withNews.add(stream);
      else this.#withNews.delete(stream);
    }
    return count;
  }

  writeGathered(slot: number, iovecOffset: number, count: number): number {
    const stream = this.#streams[slot];
    if (stream == null) return this.#told(this.#inner.writeGathered(slot, iovecOffset, count), "");
    const taken = this.#told(stream.output.writeGathered(iovecOffset, count), "");
    this.#noteOwn(stream);
    return taken;
  }

  write(slot: number, bytes: Uint8Array, start: number, end: number): number {
    const stream = this.#streams[slot];
    if (stream == null) return this.#told(this.#inner.write(slot, bytes, start, end), "");
    const taken = this.#told(stream.output.write(bytes, start, end), "");
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

  /** The stream's slot has been closed. */
  protected closed(_stream: Stream): void {}

  /** What a call returns, and why if it failed. */
  #told(outcome: number, violation: string): number {
    if (outcome === READ_FAILED || outcome === WRITE_FAILED) this.#violation = violation;
    return outcome;
  }

  /** Asks to hear of room to write while a stream has bytes of its own that wait for it. */
  #noteOwn(stream: Stream): void {
    const { slot, output } = stream;
    const { hasOwn } = output;
    if (hasOwn === this.#withOwn.has(stream)) return;
    if (hasOwn) this.#withOwn.add(stream);
    else this.#withOwn.delete(stream);
    const wanted = this.#wantedOf(slot);
    this.#inner.setInterest(slot, (wanted & READABLE) !== 0, (wanted & WRITABLE) !== 0 || hasOwn);
  }

  #wantedOf(slot: number): number {
    return this.#wanted[slot] ?? READABLE;
  }

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
