import { expect, test } from "bun:test";
import { AREA_IN_MESSAGES, AREA_SUBSCRIPTIONS_ADDED, RING_HEAD, RING_TAIL } from "../../memory/layout.ts";
import {
  NODE_IS_DEAD,
  NODE_IS_UP,
  NODE_LOAD,
  NODE_MAIN,
  NODE_SHARD_FIRST,
  NODE_STATE,
} from "../../memory/map.ts";
import { createSharedMemory, nodeWord } from "../../memory/shared_memory.ts";
import { shardFigures } from "./shard_figures.ts";

test("shardFigures() reads each shard's words, the links shard last", () => {
  const shared = createSharedMemory(2, new Uint32Array(4), true);
  const { words, map } = shared;
  const second = NODE_SHARD_FIRST + 1;
  const { area } = map.area(second);
  words[nodeWord(second, NODE_STATE)] = NODE_IS_UP;
  words[nodeWord(second, NODE_LOAD)] = 5;
  words[nodeWord(map.linksNode, NODE_STATE)] = NODE_IS_DEAD;
  // 2^32 + 7, and what was there before somebody looked.
  words[(area + AREA_IN_MESSAGES) >> 2] = 7;
  words[((area + AREA_IN_MESSAGES) >> 2) + 1] = 1;
  words[(area + AREA_SUBSCRIPTIONS_ADDED) >> 2] = 3;
  // Positions have wrapped between tail and head.
  words[(map.ring(NODE_MAIN, second) + RING_TAIL) >> 2] = -16;
  words[(map.ring(NODE_MAIN, second) + RING_HEAD) >> 2] = 48;
  words[(map.ring(NODE_SHARD_FIRST, second) + RING_HEAD) >> 2] = 100;

  const figures = shardFigures(shared);
  expect(figures.map(({ name, isUp }) => [name, isUp])).toEqual([
    ["0", false],
    ["1", true],
    ["links", false],
  ]);
  expect(figures[1]).toMatchObject({
    connections: 5,
    inMessages: 2 ** 32 + 7,
    subscriptions: 3,
    waitingBytes: 164,
  });
  expect(figures[0]).toMatchObject({ connections: 0, inMessages: 0, waitingBytes: 0 });
});
