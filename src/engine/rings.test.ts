import { describe, expect, test } from "bun:test";
import { RECORD_KIND, RECORD_KIND_MESSAGE, RECORD_LENGTH } from "../memory/layout.ts";
import { memory } from "./testing/lockstep.ts";
import { joinByRing, RealNode } from "./testing/real_node.ts";
import type { RingWork } from "./testing/ring_worker.ts";

function twoNodes(capacity: number, start: number) {
  memory.clear();
  const sizes = { outboxCount: 1, receiveBytes: 64, arenaBytes: 64 };
  const make = (node: number) =>
    new RealNode(memory, { node, connections: [], subscriptions: [], plans: [] }, sizes, 1n);
  const [from, to] = [make(1), make(2)];
  joinByRing(memory, from, to, capacity, start);
  return { from, to };
}

function put(from: RealNode, length: number): number {
  const record = from.engine.reserve(2, length);
  if (record === 0) return 0;
  memory.words[(record + RECORD_LENGTH) >> 2] = length;
  memory.words[(record + RECORD_KIND) >> 2] = RECORD_KIND_MESSAGE;
  from.engine.commit(2, length);
  return record;
}

function takeAll(to: RealNode): number[] {
  const lengths: number[] = [];
  for (let record = to.engine.peek(1); record !== 0; record = to.engine.peek(1)) {
    lengths.push(to.word(record + RECORD_LENGTH));
    to.engine.skip(1, record);
  }
  to.engine.release(1);
  return lengths;
}

describe("a ring", () => {
  test("has room for half its capacity whenever it is empty, wherever its positions stand", () => {
    for (let start = 0; start < 4096; start += 16) {
      for (const asked of [64, 512]) {
        const { from, to } = twoNodes(1024, start === 0 ? 0 : 2 ** 32 - start);
        // Room that is asked for but not used must not be lost.
        expect(from.engine.reserve(2, asked)).toBeGreaterThan(0);
        expect(put(from, 512)).toBeGreaterThan(0);
        from.engine.publish(2);
        expect(takeAll(to)).toEqual([512]);
      }
    }
  });

  test("restarts at its beginning once everything is taken and given back", () => {
    const { from, to } = twoNodes(1024, 0);
    const first = put(from, 256);
    from.engine.publish(2);
    expect(takeAll(to)).toEqual([256]);
    // A small ring does not restart before half of it is used, because there must be room for a batch.
    expect(put(from, 256)).toBe(first + 256);
    from.engine.publish(2);
    expect(takeAll(to)).toEqual([256]);
    // The ring still restarts for a record just as long as what lies before it.
    expect(put(from, 512)).toBe(first);
    from.engine.publish(2);
    expect(takeAll(to)).toEqual([512]);
    expect(put(from, 96)).toBe(first);
    // Records that are not published are not taken either.
    expect(put(from, 96)).toBe(first + 96);
  });

  test("takes a burst after a single record", () => {
    const { from, to } = twoNodes(65536, 0);
    for (let count = 0; count < 100; count++) {
      put(from, 96);
      from.engine.publish(2);
      expect(takeAll(to)).toEqual([96]);
      let burst = 0;
      while (burst < 40 && put(from, 96) !== 0) burst++;
      expect(burst).toBe(40);
      from.engine.publish(2);
      expect(takeAll(to).length).toBe(40);
    }
  });

  test("does not restart while the consumer holds on to what it took", () => {
    const { from, to } = twoNodes(1024, 0);
    const first = put(from, 512);
    from.engine.publish(2);
    to.engine.skip(1, to.engine.peek(1));
    expect(put(from, 96)).toBe(first + 512);
  });

  test("shows nothing before publish() and frees nothing before release()", () => {
    const { from, to } = twoNodes(1024, 2 ** 32 - 1024);
    for (let count = 0; count < 4; count++) expect(put(from, 256)).toBeGreaterThan(0);
    expect(put(from, 16)).toBe(0);
    expect(to.engine.peek(1)).toBe(0);
    expect(to.engine.hasInbound()).toBe(0);
    from.engine.publish(2);
    expect(to.engine.hasInbound()).toBe(1);
    to.engine.skip(1, to.engine.peek(1));
    expect(put(from, 16)).toBe(0);
    to.engine.release(1);
    expect(put(from, 256)).toBeGreaterThan(0);
    expect(put(from, 16)).toBe(0);
  });

  test("keeps order and content between two threads, full and empty again and again", async () => {
    for (const [capacity, start] of [
      [1024, 0],
      [4096, 2 ** 32 - 40_000],
    ] as const) {
      const { from, to } = twoNodes(capacity, start);
      const work = { memory: memory.memory, recordCount: 30_000, recordBytesMax: capacity / 2 };
      const said = await Promise.all([
        runWorker({ ...work, area: to.area, other: 1, isProducer: false }),
        runWorker({ ...work, area: from.area, other: 2, isProducer: true }),
      ]);
      expect(said).toEqual(["done", "done"]);
      expect(memory.strayWrites()).toEqual([]);
    }
  }, 60_000);
});

function runWorker(work: RingWork): Promise<string> {
  const worker = new Worker(new URL("./testing/ring_worker.ts", import.meta.url), { type: "module" });
  return new Promise<string>((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage(work);
  }).finally(() => worker.terminate());
}
