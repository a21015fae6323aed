import { expect, test } from "bun:test";
import {
  AREA_LENDS,
  AREA_LENDS_BYTES,
  AREA_LENT_TO,
  RING_END_POSITION,
  RING_TAIL,
} from "../../memory/layout.ts";
import {
  NODE_IS_DEAD,
  NODE_IS_UP,
  NODE_SHARD_FIRST,
  NODE_STATE,
  READ_BYTES,
  RECEIVE_BUFFERS,
  RECEIVE_BYTES,
} from "../../memory/map.ts";
import { createSharedMemory, nodeWord, outEndWord } from "../../memory/shared_memory.ts";
import { ReceiveBuffers } from "./receive_buffers.ts";

const SELF = NODE_SHARD_FIRST;
const OTHER = NODE_SHARD_FIRST + 1;
const NOTHING_GATHERED = { hasGathered: false, flushAll: () => {} };

/** Buffers of the first of two shards. `ahead`: bytes that its predecessor had written and that were not taken yet. */
function open(ahead = 0) {
  const shared = createSharedMemory(2, new Uint32Array(4));
  const { words, map } = shared;
  const { area } = map.area(SELF);
  const position = outEndWord(area, OTHER, RING_END_POSITION);
  const tail = (map.ring(SELF, OTHER) + RING_TAIL) >> 2;
  words[nodeWord(OTHER, NODE_STATE)] = NODE_IS_UP;
  words[position] = ahead;
  const buffers = new ReceiveBuffers(shared, SELF, NOTHING_GATHERED);
  return {
    buffers,
    /** Reads this many bytes. Returns their address. */
    read: (bytes = READ_BYTES, keptBytes = 0) => {
      const at = buffers.take(keptBytes);
      buffers.received(at + keptBytes + bytes);
      return at;
    },
    /** Writes a record that names what was read last. */
    lend: () => {
      words[position]! += 64;
      words[(area + AREA_LENT_TO) >> 2] = 1 << OTHER;
    },
    /** The other shard gives back the room of this many bytes. */
    release: (bytes: number) => Atomics.add(words, tail, bytes),
    /** The other shard is sent this many bytes and takes them. */
    pass: (bytes: number) => {
      words[position] = (words[position]! + bytes) | 0;
      Atomics.store(words, tail, words[position]!);
    },
    kill: () => Atomics.store(words, nodeWord(OTHER, NODE_STATE), NODE_IS_DEAD),
    lends: () => [words[(area + AREA_LENDS) >> 2], words[(area + AREA_LENDS_BYTES) >> 2]! > 0],
  };
}

test("a buffer of which nothing is lent is read to again", () => {
  const { buffers, read, lends } = open();
  const first = read();
  expect(read()).toBe(first);
  expect(buffers.current).toBe(first);
  expect(lends()).toEqual([first, true]);
});

test("a buffer that was lent is read to again once its records are taken", () => {
  const { read, lend, release } = open();
  const first = read();
  lend();
  lend();
  const second = read();
  expect(second).not.toBe(first);
  release(64);
  lend();
  expect(read()).not.toBe(first);
  release(64);
  lend();
  expect(read()).toBe(first);
});

test("behind what was lent there is room for small reads, and for no large ones", () => {
  const { read, lend, lends } = open();
  const first = read(1000);
  lend();
  const second = read(1000);
  expect([second >= first + 1000, second < first + 2000]).toEqual([true, true]);
  expect(read(1000)).toBe(second);
  lend();
  expect(read(1000, 2 * READ_BYTES)).toBeGreaterThanOrEqual(first + RECEIVE_BYTES);
  expect(lends()[0]).not.toBe(first);
});

test("while all are lent, one is read to that is not", () => {
  const { buffers, read, lend, lends, release } = open();
  const seen = new Set([read()]);
  for (let i = 1; i < RECEIVE_BUFFERS - 1; i++) {
    lend();
    seen.add(read());
  }
  expect(seen.size).toBe(RECEIVE_BUFFERS - 1);
  lend();
  const last = read();
  expect(seen.has(last)).toBe(false);
  expect(lends()).toEqual([last, false]);
  expect(read()).toBe(last);
  release(64);
  expect(seen.has(read())).toBe(true);
  expect(lends()).toEqual([buffers.current, true]);
});

test("what a node that is gone was lent stays until its rings are emptied, since its successor may read it", () => {
  const { read, lend, kill, release } = open();
  const first = read();
  lend();
  read();
  kill();
  lend();
  expect(read()).not.toBe(first);
  release(128);
  lend();
  expect(read()).toBe(first);
});

test("what was taken long ago is free, however often positions have wrapped", () => {
  const { read, lend, pass } = open();
  const first = read();
  lend();
  const second = read();
  for (let i = 0; i < 5; i++) {
    pass(2 ** 30 - 4096);
    expect(read()).toBe(second);
  }
  lend();
  expect(read()).toBe(first);
});

test("what a predecessor has lent is not written over", () => {
  const { read, lends, release } = open(64);
  const last = read();
  expect(lends()).toEqual([last, false]);
  release(64);
  expect(read()).not.toBe(last);
});

test("what outboxes name is written first", () => {
  let written = 0;
  const shared = createSharedMemory(1, new Uint32Array(4));
  const outbound = { hasGathered: true, flushAll: () => void written++ };
  new ReceiveBuffers(shared, SELF, outbound).take(0);
  expect(written).toBeGreaterThan(0);
});
