import { beforeAll, describe, expect, test } from "bun:test";
import {
  AREA_HASH_SEED,
  AREA_IN_RINGS,
  AREA_NODE,
  AREA_NODE_COUNT,
  AREA_OUT_RINGS,
  AREA_RANDOM,
  NODES_MAX,
  RING_END_BYTES,
  RING_END_CAPACITY,
  RING_END_POSITION,
  RING_END_RING,
} from "./layout.ts";
import { BLOCK_BYTES, HEADER_BLOCKS_USED } from "./map.ts";
import {
  createSharedMemory,
  layOutArea,
  nodeWord,
  openSharedMemory,
  type SharedMemory,
  takeBlock,
} from "./shared_memory.ts";

const SEEDS = new Uint32Array([0xdead_beef, 2, 0xffff_ffff, 4]);

describe("the shared memory", () => {
  let shared: SharedMemory;
  beforeAll(() => {
    shared = createSharedMemory(3, SEEDS);
  });

  test("is the same to a thread that opens it", () => {
    const opened = openSharedMemory(shared.memory);
    expect(opened.map.shardCount).toBe(3);
    expect(opened.map.linksNode).toBe(0);
    opened.words[nodeWord(2, 1)] = 77;
    expect(shared.words[nodeWord(2, 1)]).toBe(77);
  });

  test("says whether there is a shard for links", () => {
    const { memory, map } = createSharedMemory(2, SEEDS, true);
    expect(openSharedMemory(memory).map.linksNode).toBe(map.linksNode);
    expect(map.linksNode).toBe(map.nodeCount - 1);
  });

  test("is not opened before it is laid out", () => {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    expect(() => openSharedMemory(memory)).toThrow("laid out before");
  });

  test("names both ends of every ring alike", () => {
    const { words, map } = shared;
    for (let from = 0; from < map.nodeCount; from++) {
      for (let to = 0; to < map.nodeCount; to++) {
        const out = (map.area(from).area + AREA_OUT_RINGS + to * RING_END_BYTES) >> 2;
        const inward = (map.area(to).area + AREA_IN_RINGS + from * RING_END_BYTES) >> 2;
        for (const field of [RING_END_RING, RING_END_CAPACITY]) {
          expect(words[out + (field >> 2)]).toBe(words[inward + (field >> 2)]!);
        }
        expect(words[out + (RING_END_RING >> 2)]).toBe(map.ring(from, to));
      }
    }
  });

  test("gives nodes one hash seed and states of their own for random picks", () => {
    const { words, map } = shared;
    const states = new Set<string>();
    for (let node = 0; node < map.nodeCount; node++) {
      const at = map.area(node).area >> 2;
      expect(words[at + (AREA_NODE >> 2)]).toBe(node);
      expect(words[at + (AREA_NODE_COUNT >> 2)]).toBe(map.nodeCount);
      expect(words[at + (AREA_HASH_SEED >> 2)]).toBe(0xdead_beef | 0);
      const state = words.slice(at + (AREA_RANDOM >> 2), at + (AREA_RANDOM >> 2) + 2);
      // The generator would never leave zero.
      expect(state.some((word) => word !== 0)).toBe(true);
      states.add(state.join());
    }
    expect(states.size).toBe(map.nodeCount);
  });

  test("starts a node afresh without touching its neighbours", () => {
    const { words, map } = shared;
    const position = (node: number) =>
      (map.area(node).area + AREA_OUT_RINGS + NODES_MAX * 0 + RING_END_POSITION) >> 2;
    words[position(3)] = 111;
    words[position(4)] = 222;
    layOutArea(shared, 3, SEEDS);
    expect(words[position(3)]).toBe(0);
    expect(words[position(4)]).toBe(222);
  });

  test("hands out each block once, and says when there is none", () => {
    const { map, words } = shared;
    const first = takeBlock(shared);
    expect(first).toBe(map.blocks);
    expect(takeBlock(shared)).toBe(first + BLOCK_BYTES);
    words[HEADER_BLOCKS_USED] = map.blockCount;
    expect(takeBlock(shared)).toBe(0);
    expect(words[HEADER_BLOCKS_USED]).toBe(map.blockCount);
    expect(first + map.blockCount * BLOCK_BYTES).toBeLessThanOrEqual(2 ** 31);
  });
});
