// Hot: the reads and writes run once per batch of messages.

import { assert } from "../base/assert.ts";
import {
  type HandedStream,
  NOT_INTO,
  type Poller,
  READ_FAILED,
  READABLE,
  type StreamSource,
  type Streams,
  WRITABLE,
  WRITE_FAILED,
} from "./poller.ts";

/** One stream that a layer works on, in both directions. Its calls do for it what those of `Streams` do for a slot. */
export interface LayerStream {
  readonly slot: number;
  readonly input: {
    /** Something can be read although the poller below has nothing. */
    readonly hasNews: boolean;
    /** Why the last read failed, if that was because of what the peer sent, else "". */
    readonly violation: string;
  };
  readonly output: {
    /** Bytes that the caller knows nothing of wait for room. */
    readonly hasOwn: boolean;
    writeGathered(iovecOffset: number, count: number): number;
    write(bytes: Uint8Array, start: number, end: number): number;
    /** Sends what waits here, because there is room again. */
    flush(): number;
  };
  read(offset: number, lengthBytes: number): number;
}

/**
 * A layer over the streams of a poller. It may be put on any of them at any time of its life. Until then, a slot is
 * what the poller below makes of it, and pays a call and a look for the layer.
 *
 * A read may take in more than its caller has room for. So `wait` itself reports slots whose bytes are here already.
 */
export abstract class LayeredPoller<Stream extends LayerStream> implements Poller {
  readonly kind: Poller["kind"];
  readonly memoryBase: number;
  readonly wakeHandle: number;

  readonly #inner: Poller;
  /** By slot. */
  readonly #streams: (Stream | null)[] = [];
  /** By slot: what the caller wants to be told, READABLE and WRITABLE. READABLE if it has not said. */
  readonly #wanted: number[] = [];
  /** Streams that may have something to read that the poller below knows nothing of. */
  readonly #withNews = new Set<Stream>();
  /** Streams with bytes of their own that wait for room. */
  readonly #withOwn = new Set<Stream>();
  /** The streams that the last wait reports after the events of the poller below. */
  #ownEvents: Stream[] = [];
  #innerEventCount = 0;
  /** Why the last call that failed did so; "" if the poller below knows. */
  #violation = "";

  constructor(inner: Poller) {
    this.#inner = inner;
    this.kind = inner.kind;
    this.memoryBase = inner.memoryBase;
    this.wakeHandle = inner.wakeHandle;
  }

  /** The streams of the poller below. */
  protected get inner(): Streams {
    return this.#inner;
  }

  protected streamOf(slot: number): Stream | null {
    return this.#streams[slot] ?? null;
  }

  /** From now on, the slot is read and written through this stream. */
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
    if (this.#withNews.size > 0) {
      this.#ownEvents = [...this.#withNews].filter(({ slot }) => (this.#wantedOf(slot) & READABLE) !== 0);
    } else if (this.#ownEvents.length > 0) this.#ownEvents = [];
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
    // It may have been served by an event of the poller below in the meantime, or closed.
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

  readInto(slot: number, bytes: Uint8Array, start: number, end: number): number {
    if (this.#streams[slot] != null) return NOT_INTO;
    return this.#told(this.#inner.readInto(slot, bytes, start, end), "");
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

  /** Called when the stream's slot has been closed. */
  protected closed(_stream: Stream): void {}

  /** Returns the outcome of a call, after noting why it failed if it did. */
  #told(outcome: number, violation: string): number {
    if (outcome === READ_FAILED || outcome === WRITE_FAILED) this.#violation = violation;
    return outcome;
  }

  /** Asks to be told of room to write while a stream has bytes of its own that wait for it. */
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
