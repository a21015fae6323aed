import { expect, test } from "bun:test";
import {
  AREA_OUT_BYTES,
  AREA_SLOW_CONSUMERS,
  AREA_SUBSCRIPTIONS_ADDED,
  AREA_SUBSCRIPTIONS_REMOVED,
} from "../../memory/layout.ts";
import { HEADER_CONNECTION_COUNT, NODE_SHARD_FIRST } from "../../memory/map.ts";
import { createSharedMemory } from "../../memory/shared_memory.ts";
import { fleetCounters } from "./fleet_counters.ts";

test("fleetCounters() adds up all shards, and apart those that serve clients", () => {
  const shared = createSharedMemory(2, new Uint32Array(4), true);
  const { words, map } = shared;
  const count = (node: number, counter: number, value: number) => {
    words[(map.area(node).area + counter) >> 2] = value;
  };
  const second = NODE_SHARD_FIRST + 1;
  count(NODE_SHARD_FIRST, AREA_OUT_BYTES, 1);
  count(second, AREA_OUT_BYTES, 20);
  count(map.linksNode, AREA_OUT_BYTES, 300);
  count(second, AREA_SLOW_CONSUMERS, 4);
  count(map.linksNode, AREA_SLOW_CONSUMERS, 5);
  count(second, AREA_SUBSCRIPTIONS_ADDED, 9);
  count(map.linksNode, AREA_SUBSCRIPTIONS_REMOVED, 2);
  words[HEADER_CONNECTION_COUNT] = 6;

  const counters = fleetCounters(shared);
  expect(counters).toMatchObject({ outBytes: 321, slowConsumers: 9, connections: 6, inMessages: 0 });
  expect(counters).toMatchObject({ subscriptions: 7, subscriptionsAdded: 9, subscriptionsRemoved: 2 });
  expect(counters.clients.traffic.outBytes).toBe(21);
  expect(counters.clients.slowConsumers).toBe(4);
});
