import { expect, test } from "bun:test";
import {
  AREA_LENDS,
  AREA_LENDS_BYTES,
  AREA_LENT_TO,
  RING_END_POSITION,
  RING_TAIL,
} from "../../memory/layout.ts";
import { NODE_IS_DEAD, NODE_IS_UP, NODE_SHARD_FIRST, NODE_STATE, RECEIVE_BUFFERS } from "../../memory/map.ts";
import { createSharedMemory, nodeWord, outEndWord } from "../../memory/shared_memory.ts";
import { ReceiveBuffers } from "./receive_buffers.ts";

const SELF = NODE_SHARD_FIRST;
const OTHER = NODE_SHARD_FIRST + 1;
const NOTHING_GATHERED = { hasGathered: false, flushAll: () => {} };

/** Buffers of the first of two shards, which begins where its predecessor had written `ahead` bytes that were not taken yet. */
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
    /** A record is written that names what is in the buffer. */
    lend: () => {
      words[position]! += 64;
      words[(area + AREA_LENT_TO) >> 2] = 1 << OTHER;
    },
    /** The other shard gives back the room of so many bytes. */
    release: (bytes: number) => Atomics.add(words, tail, bytes),
    kill: () => Atomics.store(words, nodeWord(OTHER, NODE_STATE), NODE_IS_DEAD),
    lends: () => [words[(area + AREA_LENDS) >> 2], words[(area + AREA_LENDS_BYTES) >> 2]! > 0],
  };
}

test("a buffer of which nothing is lent is read to again", () => {
  const { buffers, lends } = open();
  const first = buffers.take();
  expect(buffers.take()).toBe(first);
  expect(buffers.current).toBe(first);
  expect(lends()).toEqual([first, true]);
});

test("a buffer that was lent is read to again once its records are taken", () => {
  const { buffers, lend, release } = open();
  const first = buffers.take();
  lend();
  lend();
  const second = buffers.take();
  expect(second).not.toBe(first);
  release(64);
  lend();
  expect(buffers.take()).not.toBe(first);
  release(64);
  lend();
  expect(buffers.take()).toBe(first);
});

test("while all are lent, one is read to that is not", () => {
  const { buffers, lend, lends, release } = open();
  const seen = new Set([buffers.take()]);
  for (let i = 1; i < RECEIVE_BUFFERS - 1; i++) {
    lend();
    seen.add(buffers.take());
  }
  expect(seen.size).toBe(RECEIVE_BUFFERS - 1);
  lend();
  const last = buffers.take();
  expect(seen.has(last)).toBe(false);
  expect(lends()).toEqual([last, false]);
  expect(buffers.take()).toBe(last);
  release(64);
  expect(seen.has(buffers.take())).toBe(true);
  expect(lends()).toEqual([buffers.current, true]);
});

test("a node that is gone keeps nothing", () => {
  const { buffers, lend, kill } = open();
  const first = buffers.take();
  lend();
  buffers.take();
  lend();
  kill();
  expect(buffers.take()).toBe(first);
});

test("what a predecessor has lent is not written over", () => {
  const { buffers, lends, release } = open(64);
  const last = buffers.take();
  expect(lends()).toEqual([last, false]);
  release(64);
  expect(buffers.take()).not.toBe(last);
});

test("what outboxes name is written first", () => {
  let written = 0;
  const shared = createSharedMemory(1, new Uint32Array(4));
  const outbound = { hasGathered: true, flushAll: () => void written++ };
  new ReceiveBuffers(shared, SELF, outbound).take();
  expect(written).toBeGreaterThan(0);
});
