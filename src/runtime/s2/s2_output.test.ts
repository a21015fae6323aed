import { describe, expect, test } from "bun:test";
import { STREAM_NAME } from "../../protocol/s2_chunks.ts";
import { unframeS2 } from "../../protocol/s2_stream.ts";
import { WRITE_FAILED } from "../poller.ts";
import { writeIovec } from "../posix/posix.ts";
import { FakeStreams } from "../websocket/testing/fake_streams.ts";
import { createS2Context } from "./s2_context.ts";
import { S2Output } from "./s2_output.ts";
import { S2_COMPRESSED, S2_FAST, S2_STORED } from "./s2_region.ts";
import { MEMORY_BYTES, REGION, slowCodec } from "./testing/slow_codec.ts";

const IOVECS = 1024;
const DATA = 65536;
const BYTES_MAX = 8 * 1024 * 1024;

function open({ effort = S2_STORED, clearBytes = 0 } = {}) {
  const memory = new Uint8Array(new ArrayBuffer(MEMORY_BYTES));
  const context = createS2Context(memory, REGION, slowCodec(memory));
  memory.set(STREAM_NAME, REGION + S2_COMPRESSED);
  const streams = new FakeStreams(context);
  const output = new S2Output(streams, 0, 0, effort, clearBytes, context);
  const iovecs = new Uint32Array(memory.buffer, IOVECS, 4 * 64);
  /** Offers the pieces of one write from byte `skipped` on. Returns how much was taken. */
  const gather = (pieces: readonly Uint8Array[], skipped = 0): number => {
    let at = DATA;
    let count = 0;
    for (const piece of pieces) {
      const start = Math.min(skipped, piece.length);
      skipped -= start;
      memory.set(piece, at);
      if (start < piece.length) writeIovec(iovecs, count++, at + start, piece.length - start);
      at += piece.length + 16;
    }
    return output.writeGathered(IOVECS, count);
  };
  /** The uncompressed form of everything that is out. */
  const received = () => unframeS2(Uint8Array.from(streams.written.slice(clearBytes)), BYTES_MAX);
  return { output, streams, gather, received };
}

const letters = (count: number, seed = 0) =>
  Uint8Array.from({ length: count }, (_, i) => 97 + ((i * 7 + seed) % 26));
const joined = (...pieces: readonly Uint8Array[]) => Uint8Array.from(pieces.flatMap((piece) => [...piece]));
const names = (written: readonly number[]) => {
  return new TextDecoder("latin1").decode(Uint8Array.from(written)).split("S2sTwO").length - 1;
};

describe("S2Output", () => {
  test("a write becomes a stream with its name, as nats-server sends it", () => {
    const { gather, streams } = open();
    expect(gather([new TextEncoder().encode("PING\r\n")])).toBe(6);
    const expected = "ff06000053327354774f 010a0000ab90cc24 50494e470d0a".replaceAll(" ", "");
    expect(Uint8Array.from(streams.written).toHex()).toBe(expected);
  });

  test("pieces become one chunk, larger writes several of one stream, each write a stream of its own", () => {
    const { gather, streams, received } = open();
    const first = [letters(100), letters(3000, 1), letters(7, 2)];
    const second = [letters(60_000, 3), letters(30_000, 4), letters(70_000, 5), letters(1, 6)];
    expect(gather(first)).toBe(3107);
    expect(streams.writeCalls).toBe(1);
    expect(gather(second)).toBe(160_001);
    expect(streams.writeCalls).toBe(4);
    expect(names(streams.written)).toBe(2);
    expect(received()).toEqual(joined(...first, ...second));
  });

  test("what is compressed gets shorter from the next write on", () => {
    const { gather, output, streams, received } = open();
    const run = new Uint8Array(1000).fill(120);
    gather([run]);
    expect(streams.written.length).toBe(1018);
    output.effort = S2_FAST;
    gather([run]);
    expect(streams.written.length).toBeLessThan(1018 + 100);
    expect(received()).toEqual(joined(run, run));
  });

  for (const roomBytes of [0, 1, 9, 10, 17, 18, 500, 65_000, 65_600]) {
    test(`with room for ${roomBytes} bytes at a time everything leaves in order, a chunk at a time`, () => {
      const { gather, output, streams, received } = open();
      const pieces = [letters(40_000), letters(50_000, 1), letters(20_000, 2)];
      streams.roomBytes = roomBytes;
      let taken = 0;
      let turns = 0;
      while (taken < 110_000 && turns++ < 100) {
        const more = gather(pieces, taken);
        if (more > 0) {
          taken += more;
          expect(more).toBeLessThanOrEqual(2 * 65_536);
        }
        if (taken < 110_000) expect(output.hasOwn).toBe(true);
        // Nothing is taken while a chunk waits.
        if (output.hasOwn && taken < 110_000 && roomBytes < 40) expect(gather(pieces, taken)).toBeLessThan(0);
        streams.roomBytes = turns > 3 ? Number.POSITIVE_INFINITY : roomBytes;
      }
      streams.roomBytes = Number.POSITIVE_INFINITY;
      expect(output.flush()).toBe(0);
      expect(output.hasOwn).toBe(false);
      expect(received()).toEqual(joined(...pieces));
    });
  }

  test("buffers of others are compressed as well, as far as the socket takes them", () => {
    const { output, streams, received } = open();
    const bytes = letters(150_000);
    streams.roomBytes = 70_000;
    expect(output.write(bytes, 10, 150_000)).toBe(2 * 65_536);
    expect(output.hasOwn).toBe(true);
    expect(output.write(bytes, 10 + 2 * 65_536, 150_000)).toBeLessThan(0);
    streams.roomBytes = Number.POSITIVE_INFINITY;
    expect(output.write(bytes, 10 + 2 * 65_536, 150_000)).toBe(150_000 - 10 - 2 * 65_536);
    expect(received()).toEqual(bytes.subarray(10));
  });

  for (const clearBytes of [1, 99, 100, 101, 3100, 70_000]) {
    test(`the first ${clearBytes} bytes go as they are, and not one more`, () => {
      const { gather, output, streams, received } = open({ clearBytes });
      const pieces = [letters(100), letters(3000, 1), letters(80_000, 2)];
      const all = joined(...pieces);
      streams.roomBytes = 50;
      let taken = Math.max(gather(pieces), 0);
      streams.roomBytes = Number.POSITIVE_INFINITY;
      while (taken < all.length) taken += gather(pieces, taken);
      expect(output.flush()).toBe(0);
      expect(Uint8Array.from(streams.written.slice(0, clearBytes))).toEqual(all.slice(0, clearBytes));
      expect(received()).toEqual(all.slice(clearBytes));
    });
  }

  test("a connection that is lost is said to be", () => {
    const { gather, output, streams } = open();
    streams.roomBytes = 5;
    gather([letters(100)]);
    streams.isReset = true;
    expect(gather([letters(100)])).toBe(WRITE_FAILED);
    expect(output.write(letters(5), 0, 5)).toBe(WRITE_FAILED);
  });
});
