import { expect, test } from "bun:test";
import type { Engine } from "../engine/engine.ts";
import { originOf } from "../fabric/message_record.ts";
import {
  AREA_STALLED_BY,
  CONNECTION_BYTES,
  RECORD_KIND,
  RECORD_KIND_RESUME,
  RECORD_KIND_STALL,
  RECORD_ORIGIN,
} from "../memory/layout.ts";
import { NODE_SHARD_FIRST } from "../memory/map.ts";
import { createSharedMemory } from "../memory/shared_memory.ts";
import { StallSignals } from "./stall_signals.ts";

const HERE = NODE_SHARD_FIRST;
const [NEAR, FAR] = [HERE + 1, HERE + 2];
const shared = createSharedMemory(3, new Uint32Array([1, 2, 3, 4]), false);
const { words } = shared;
const { area, connections, scratch } = shared.map.area(HERE);

function setUp() {
  /** The records sent: node, kind and origin. */
  const sent: [number, number, number][] = [];
  const rings = { isFull: false };
  const engine: Partial<Engine> = {
    reserve: () => (rings.isFull ? 0 : scratch),
    commit: (node) => {
      sent.push([node, words[(scratch + RECORD_KIND) >> 2]!, words[(scratch + RECORD_ORIGIN) >> 2]!]);
    },
  };
  const slow = { stalls: 0 };
  const shard = { node: HERE, shared, engine: engine as Engine, nowMs: 100, connections: [null, null, slow] };
  const signals = new StallSignals(shard);
  /** Signals that a message of this origin went to a congested subscriber. */
  const stall = (from: number, origin: number) => {
    words[(area + AREA_STALLED_BY) >> 2] = connections + 2 * CONNECTION_BYTES;
    signals.tell(from, origin);
    expect(words[(area + AREA_STALLED_BY) >> 2]).toBe(0);
  };
  return { sent, rings, shard, signals, slow, stall };
}

test("tell() names the connection to its shard, once in two milliseconds, where a subscriber does not keep up", () => {
  const { sent, shard, signals, slow, stall } = setUp();
  signals.tell(NEAR, 7);
  expect([sent.length, slow.stalls]).toEqual([0, 0]);
  stall(NEAR, 7);
  stall(NEAR, 7);
  stall(NEAR, 8);
  // Passed on by one node, and published on another.
  stall(NEAR, originOf({ node: FAR, slot: 7 }));
  expect(sent).toEqual([
    [NEAR, RECORD_KIND_STALL, 7],
    [NEAR, RECORD_KIND_STALL, 8],
    [FAR, RECORD_KIND_STALL, 7],
  ]);
  shard.nowMs += 2;
  stall(NEAR, 7);
  // Each signal is counted for the subscriber.
  expect([sent.length, slow.stalls]).toEqual([4, 4]);
});

test("tell() tries again at once where the ring was full", () => {
  const { sent, rings, stall } = setUp();
  rings.isFull = true;
  stall(NEAR, 7);
  rings.isFull = false;
  stall(NEAR, 7);
  expect(sent).toEqual([[NEAR, RECORD_KIND_STALL, 7]]);
});

test("tellResumed() tells each shard that was told to slow somebody, once", () => {
  const { sent, signals, stall } = setUp();
  for (const [node, slot] of [
    [FAR, 1],
    [NEAR, 2],
    [FAR, 3],
  ] as const)
    stall(node, slot);
  sent.length = 0;
  signals.tellResumed();
  signals.tellResumed();
  expect(sent).toEqual([
    [NEAR, RECORD_KIND_RESUME, 0],
    [FAR, RECORD_KIND_RESUME, 0],
  ]);
  // Connections that were slowed before may be slowed again.
  stall(FAR, 1);
  expect(sent.length).toBe(3);
});
