import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ChunkPool, PendingQueue } from "./pending_queue.ts";

const REFUSED = -1;

/** Bytes that tell their position in the stream. */
function numbered(from: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (from + i) % 251);
}

describe("PendingQueue", () => {
  test("gives back what was put in, in order, whatever the writer takes", () => {
    const part = fc.record({ length: fc.integer({ min: 1, max: 150_000 }), isCopied: fc.boolean() });
    const taken = fc.integer({ min: 0, max: 100_000 });
    fc.assert(
      fc.property(fc.array(fc.record({ part, taken }), { maxLength: 20 }), (steps) => {
        const queue = new PendingQueue(new ChunkPool());
        let put = 0;
        let got = 0;
        const write = (most: number) => (bytes: Uint8Array, start: number, end: number) => {
          const count = Math.min(most, end - start);
          most -= count;
          if (count === 0) return REFUSED;
          for (let i = 0; i < count; i++, got++) {
            if (bytes[start + i] !== got % 251) throw new Error(`byte ${got} is wrong`);
          }
          return count;
        };
        for (const { part, taken } of steps) {
          const bytes = numbered(put, part.length);
          if (part.isCopied) {
            queue.append(bytes, 0, part.length);
            bytes.fill(255);
          } else queue.refer(bytes, 0, part.length);
          put += part.length;
          queue.drain(write(taken));
          expect(queue.length).toBe(put - got);
        }
        queue.drain(write(Number.POSITIVE_INFINITY));
        expect(got).toBe(put);
        expect(queue.chunkCount).toBe(0);
      }),
      { numRuns: 40 },
    );
  });

  test("keeps its order over hundreds of chunks drained one by one", () => {
    const queue = new PendingQueue(new ChunkPool());
    for (let i = 0; i < 1000; i++) queue.refer(Uint8Array.of(i % 256), 0, 1);
    const got: number[] = [];
    for (let turn = 0; turn < 1000; turn++) {
      let room = 1;
      queue.drain((bytes, start) => {
        if (room-- === 0) return REFUSED;
        got.push(bytes[start]!);
        return 1;
      });
    }
    expect(got).toEqual(Array.from({ length: 1000 }, (_, i) => i % 256));
    expect(queue.length).toBe(0);
  });

  test("drain() reports a refusal and keeps what was refused", () => {
    const queue = new PendingQueue(new ChunkPool());
    queue.append(numbered(0, 10), 0, 10);
    expect(queue.drain(() => -2)).toBe(-2);
    expect(queue.length).toBe(10);
  });
});
