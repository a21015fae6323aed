import { describe, expect, test } from "bun:test";
import { inflateRawSync } from "node:zlib";
import fc from "fast-check";
import type { FrameTerms } from "../../protocol/websocket/extensions.ts";
import { CLOSE, PONG } from "../../protocol/websocket/frame_header.ts";
import { concat } from "../../protocol/websocket/testing/frames.ts";
import { WOULD_BLOCK, WRITE_FAILED } from "../poller.ts";
import { FrameOutput } from "./frame_output.ts";
import { createFrameContext, FakeStreams } from "./testing/fake_streams.ts";
import type { FrameSide } from "./websocket_layer.ts";

const PLAIN: FrameTerms = {
  isMasked: true,
  isCompressed: false,
  frameBytesMax: 0,
  compressedFrameBytesMax: 0,
};
const BROWSER: FrameTerms = { ...PLAIN, frameBytesMax: 4096, compressedFrameBytesMax: 4096 };
const DEFLATE: FrameTerms = { ...PLAIN, isCompressed: true };
const DEFLATE_BROWSER: FrameTerms = { ...BROWSER, isCompressed: true };

const OUTBOX = 65536;
/** Where payload begins in an outbox. The room for a header is before it. */
const DATA = OUTBOX + 2048;
const ELSEWHERE = 1024 * 1024;

interface Frame {
  readonly opcode: number;
  readonly isFinal: boolean;
  readonly isCompressed: boolean;
  readonly mask: Uint8Array | null;
  readonly payload: Uint8Array;
}

/** The frames in what was written. All of them must be complete. */
function framesIn(written: readonly number[]): Frame[] {
  const frames: Frame[] = [];
  for (let at = 0; at < written.length; ) {
    const [first, second] = [written[at]!, written[at + 1]!];
    const isMasked = (second & 0x80) !== 0;
    let header = 2;
    let length = second & 0x7f;
    if (length === 126) {
      header = 4;
      length = (written[at + 2]! << 8) | written[at + 3]!;
    } else if (length === 127) {
      header = 10;
      length = written.slice(at + 2, at + 10).reduce((sum, byte) => sum * 256 + byte, 0);
    }
    if (isMasked) header += 4;
    const mask = isMasked ? Uint8Array.from(written.slice(at + header - 4, at + header)) : null;
    const payload = Uint8Array.from(written.slice(at + header, at + header + length));
    expect(payload.length).toBe(length);
    if (mask !== null) for (let i = 0; i < length; i++) payload[i]! ^= mask[i & 3]!;
    const isCompressed = (first & 0x40) !== 0;
    frames.push({ opcode: first & 15, isFinal: first >= 0x80, isCompressed, mask, payload });
    at += header + length;
  }
  return frames;
}

/** The bytes of all messages, inflated if they are compressed. */
function payloadOf(frames: readonly Frame[]): Uint8Array {
  const messages: Uint8Array[] = [];
  let pieces: Frame[] = [];
  for (const frame of frames.filter(({ opcode }) => opcode < 8)) {
    expect(frame.opcode).toBe(pieces.length === 0 ? 2 : 0);
    if (pieces.length > 0) expect(frame.isCompressed).toBe(false);
    pieces.push(frame);
    if (!frame.isFinal) continue;
    const whole = concat(...pieces.map(({ payload }) => payload));
    const tail = new Uint8Array([0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff]);
    messages.push(pieces[0]!.isCompressed ? new Uint8Array(inflateRawSync(concat(whole, tail))) : whole);
    pieces = [];
  }
  expect(pieces).toEqual([]);
  return concat(...messages);
}

/** An output, with what a shard's outbound side does: what is not taken is offered again, in order. */
class Harness {
  readonly context = createFrameContext();
  readonly streams = new FakeStreams(this.context);
  readonly output: FrameOutput;
  /** What was sent, and what of it still waits. */
  readonly sent: number[] = [];
  #pending: Uint8Array<ArrayBuffer> = new Uint8Array(0);

  constructor(terms: FrameTerms, side: FrameSide = "server") {
    this.output = new FrameOutput(this.streams, 0, 7, terms, side, this.context);
  }

  /** Sends pieces: the first from the outbox, the others from elsewhere in the memory. */
  send(pieces: readonly Uint8Array[]): void {
    const { bytes, words } = this.context;
    const whole = concat(...pieces);
    this.sent.push(...whole);
    let taken = 0;
    if (this.#pending.length === 0) {
      let elsewhere = ELSEWHERE;
      for (const [i, piece] of pieces.entries()) {
        const address = i === 0 ? DATA : elsewhere;
        bytes.set(piece, address);
        if (i > 0) elsewhere += piece.length;
        words.set([address, 0, piece.length, 0], (OUTBOX >> 2) + i * 4);
      }
      const before = words.slice(OUTBOX >> 2, (OUTBOX >> 2) + pieces.length * 4);
      const result = this.output.writeGathered(OUTBOX, pieces.length);
      expect(result).not.toBe(0);
      expect(words.slice(OUTBOX >> 2, (OUTBOX >> 2) + pieces.length * 4)).toEqual(before);
      taken = Math.max(result, 0);
    }
    this.#pending = concat(this.#pending, whole.subarray(taken));
  }

  /** Called when there is room again. */
  onWritable(): void {
    this.output.flush();
    if (this.#pending.length === 0) return;
    const taken = this.output.write(this.#pending, 0, this.#pending.length);
    if (taken > 0) this.#pending = this.#pending.slice(taken);
  }

  get isDone(): boolean {
    return this.#pending.length === 0 && !this.output.hasOwn;
  }

  finish(): Frame[] {
    this.streams.roomBytes = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 100 && !this.isDone; i++) this.onWritable();
    expect(this.isDone).toBe(true);
    return framesIn(this.streams.written);
  }
}

const bytes = (length: number, seed = 0) =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8) + seed) & 0xff);

describe("FrameOutput", () => {
  test("a write is one frame, in one call, whatever its pieces", () => {
    for (const length of [1, 125, 126, 60_000]) {
      const harness = new Harness(PLAIN);
      harness.send([bytes(length)]);
      harness.send([bytes(20), bytes(length, 1), bytes(30)]);
      expect(harness.streams.writeCalls).toBe(2);
      const frames = harness.finish();
      expect(frames.map(({ payload }) => payload.length)).toEqual([length, length + 50]);
      expect([...payloadOf(frames)]).toEqual(harness.sent);
    }
  });

  test("whatever room there is, the frames are whole and the bytes in order; pongs stand between frames", () => {
    const action = fc.oneof(
      fc.record({ send: fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 3 }) }),
      fc.record({ send: fc.constant([5000]) }),
      fc.record({ room: fc.integer({ min: 0, max: 400 }) }),
      fc.record({ pong: fc.integer({ min: 0, max: 20 }) }),
    );
    const terms = fc.constantFrom(PLAIN, BROWSER, DEFLATE, DEFLATE_BROWSER);
    const side = fc.constantFrom<FrameSide>("server", "client");
    fc.assert(
      fc.property(terms, side, fc.array(action, { maxLength: 40 }), (agreed, end, actions) => {
        const harness = new Harness(agreed, end);
        harness.streams.roomBytes = 0;
        let pongs = 0;
        for (const [i, each] of actions.entries()) {
          if ("send" in each) harness.send(each.send.map((length) => bytes(length, i)));
          else if ("room" in each) {
            harness.streams.roomBytes += each.room;
            harness.onWritable();
          } else {
            harness.output.addControl(PONG, bytes(each.pong));
            harness.output.flush();
            pongs++;
          }
        }
        const frames = harness.finish();
        expect([...payloadOf(frames)]).toEqual(harness.sent);
        expect(frames.filter(({ opcode }) => opcode === PONG).length).toBe(pongs);
        expect(frames.every(({ mask }) => (mask !== null) === (end === "client"))).toBe(true);
        const limit = agreed.frameBytesMax || Number.POSITIVE_INFINITY;
        expect(frames.every(({ payload }) => payload.length <= limit)).toBe(true);
      }),
    );
  });

  test("each frame of a client has a mask of its own, unless that was agreed to be left out", () => {
    const harness = new Harness(PLAIN, "client");
    for (let i = 0; i < 4; i++) harness.send([bytes(10)]);
    const masks = harness.finish().map(({ mask }) => String(mask));
    expect(new Set(masks).size).toBe(4);
    const unmasked = new Harness({ ...PLAIN, isMasked: false }, "client");
    unmasked.send([bytes(10)]);
    expect(unmasked.finish().map(({ mask }) => mask)).toEqual([null]);
  });

  test("a megabyte that is written from outside the memory", () => {
    for (const terms of [PLAIN, BROWSER, DEFLATE]) {
      const harness = new Harness(terms);
      const payload = bytes(1024 * 1024);
      expect(harness.output.write(payload, 0, payload.length)).toBe(payload.length);
      expect(payloadOf(framesIn(harness.streams.written))).toEqual(payload);
    }
  });

  test("more than 64 bytes are compressed, and cut for browsers but Safari", () => {
    const harness = new Harness(DEFLATE_BROWSER);
    harness.send([bytes(64)]);
    harness.send([bytes(65)]);
    const noise = crypto.getRandomValues(new Uint8Array(10_000));
    harness.send([noise]);
    const frames = harness.finish();
    expect(frames.map(({ isCompressed, isFinal, opcode }) => [isCompressed, isFinal, opcode])).toEqual([
      [false, true, 2],
      [true, true, 2],
      [true, false, 2],
      [false, false, 0],
      [false, true, 0],
    ]);
    const safari = new Harness({ ...DEFLATE_BROWSER, compressedFrameBytesMax: 0 });
    safari.send([noise]);
    expect(safari.finish().length).toBe(1);
  });

  test("the last frame is left out in the middle of another", () => {
    const harness = new Harness(PLAIN);
    harness.streams.roomBytes = 50;
    harness.send([bytes(100)]);
    harness.streams.roomBytes = 1000;
    harness.output.sendLast(CLOSE, bytes(2));
    expect(harness.streams.written.length).toBe(50);
    harness.finish();
    harness.output.sendLast(CLOSE, bytes(2));
    expect(framesIn(harness.streams.written).at(-1)).toMatchObject({ opcode: CLOSE });
  });

  test("a stream that is lost says so", () => {
    const harness = new Harness(PLAIN);
    harness.streams.isReset = true;
    expect(harness.output.write(bytes(10), 0, 10)).toBe(WRITE_FAILED);
    harness.output.addControl(PONG, bytes(1));
    expect(harness.output.flush()).toBe(WRITE_FAILED);
  });

  test("answers to a flood of pings do not pile up: the newest are kept", () => {
    const harness = new Harness(PLAIN);
    harness.streams.roomBytes = 0;
    for (let i = 0; i < 10_000; i++) harness.output.addControl(PONG, bytes(100, i));
    expect(harness.output.flush()).toBe(WOULD_BLOCK);
    harness.streams.roomBytes = Number.POSITIVE_INFINITY;
    expect(harness.output.flush()).toBe(0);
    const frames = framesIn(harness.streams.written);
    expect(harness.streams.written.length).toBeLessThan(20_000);
    expect(frames.at(-1)!.payload).toEqual(bytes(100, 9999));
  });
});
