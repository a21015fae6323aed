import { expect, test } from "bun:test";
import { accountWord, NODE_LOAD, NODE_SHARD_FIRST } from "../../memory/map.ts";
import { createSharedMemory, nodeWord } from "../../memory/shared_memory.ts";
import type { ShardControl } from "../../shard/shard_messages.ts";
import { accountDefinition } from "../../shard/testing/shard_harness.ts";
import { ClientCounts, type ClosingShards } from "./client_counts.ts";

const [FIRST, SECOND] = [NODE_SHARD_FIRST, NODE_SHARD_FIRST + 1];
const ACCOUNT = 7;

/** Two shards with so many connections, and what they are told. */
function twoShards(
  loads: readonly [number, number],
  clientIds: readonly number[][] = [],
  leafIds?: readonly number[],
) {
  const shared = createSharedMemory(2, new Uint32Array(4), false);
  for (const [i, load] of loads.entries()) shared.words[nodeWord(NODE_SHARD_FIRST + i, NODE_LOAD)] = load;
  const told: [node: number, message: ShardControl][] = [];
  const shards: ClosingShards = {
    clientNodes: [FIRST, SECOND],
    send: (node, message) => told.push([node, message]),
    broadcast: (message) => told.push([-1, message]),
    query: async <T>() => clientIds as T[],
    queryLinks: async <T>() => leafIds as T | undefined,
  };
  return { shared, told, counts: new ClientCounts(shared, shards) };
}

test("closeSome() takes most from the shard that has most, so that they end up even", () => {
  const { told, counts } = twoShards([10, 4]);
  counts.closeSome(8, 3);
  expect(told).toEqual([
    [FIRST, { type: "closeSome", count: 7, reason: 3 }],
    [SECOND, { type: "closeSome", count: 1, reason: 3 }],
  ]);
});

test("shrink() closes no more than there are, and tells nobody who has none", () => {
  const { told, counts } = twoShards([2, 0]);
  counts.shrink(5);
  expect(told).toEqual([[FIRST, { type: "shrink", count: 2 }]]);
});

test("limitAccount() takes clients and leaf nodes together, by their age", async () => {
  const { shared, told, counts } = twoShards([1, 1], [[1], [3]], [2, 4]);
  shared.words[accountWord(shared.map, ACCOUNT)] = 4;
  const { limits, ...definition } = accountDefinition(ACCOUNT, "A");
  const limited = { ...definition, limits: { ...limits, maxConnections: 1 } };
  await counts.limitAccount(limited, { endsLeafs: true });
  expect(told.splice(0)).toEqual([[-1, { type: "accountFull", clientIds: [4, 3, 2] }]]);
  await counts.limitAccount(limited, { endsLeafs: false });
  expect(told).toEqual([[-1, { type: "accountFull", clientIds: [3, 1] }]]);
});

test("limitAccount() closes the newest of all shards, and counts what other servers have", async () => {
  const { shared, told, counts } = twoShards(
    [2, 2],
    [
      [1, 4],
      [2, 3],
    ],
  );
  shared.words[accountWord(shared.map, ACCOUNT)] = 4;
  const definition = accountDefinition(ACCOUNT, "A");
  const limited = { ...definition, limits: { ...definition.limits, maxConnections: 5 } };
  await counts.limitAccount(definition, { endsLeafs: true });
  await counts.limitAccount(limited, { endsLeafs: true });
  expect(told).toEqual([]);
  counts.setElsewhere(ACCOUNT, 3, 0);
  await counts.limitAccount(limited, { endsLeafs: true });
  expect(told).toEqual([[-1, { type: "accountFull", clientIds: [4, 3] }]]);
});
