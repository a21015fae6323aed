import { describe, expect, test } from "bun:test";
import * as config from "../config/option_table.ts";
import {
  ACCOUNT_NAME_BYTES,
  ACCOUNT_NAME_SLOTS,
  AREA_HEADER_BYTES,
  CONNECTION_BYTES,
  OUTBOX_BYTES,
  PLAN_SET_BYTES,
  PLAN_SET_COUNT,
  RING_DATA,
} from "./layout.ts";
import {
  BLOCK_BYTES,
  CONNECTIONS_PER_SHARD_MAX,
  type MemoryMap,
  memoryMap,
  NODE_ACCEPTOR,
  NODE_MAIN,
  NODE_SHARD_FIRST,
  RECEIVE_BYTES,
  SCRATCH_BYTES,
  SHARDS_MAX,
} from "./map.ts";

interface Region {
  name: string;
  start: number;
  length: number;
}

function regionsOf(map: MemoryMap): Region[] {
  const regions: Region[] = [
    { name: "header", start: 0, length: 65536 },
    { name: "index", start: map.index.byteOffset, length: map.index.byteLength },
    { name: "journal", start: map.index.journal.byteOffset, length: map.index.journal.byteLength },
    { name: "blocks", start: map.blocks, length: map.blockCount * BLOCK_BYTES },
  ];
  for (let from = 0; from < map.nodeCount; from++) {
    for (let to = 0; to < map.nodeCount; to++) {
      const capacity = map.ringCapacity(from, to);
      if (capacity === 0) continue;
      regions.push({
        name: `ring ${from} to ${to}`,
        start: map.ring(from, to),
        length: RING_DATA + capacity,
      });
    }
    const area = map.area(from);
    const isShard = from >= NODE_SHARD_FIRST;
    const slots = isShard ? CONNECTIONS_PER_SHARD_MAX : 1;
    const add = (name: string, start: number, length: number) =>
      regions.push({ name: `${name} of ${from}`, start, length });
    add("area", area.area, AREA_HEADER_BYTES);
    add("connections", area.connections, slots * CONNECTION_BYTES);
    add("dirty", area.dirty, slots * 4);
    add("scratch", area.scratch, SCRATCH_BYTES);
    if (!isShard) continue;
    add("plan sets", area.planSets, PLAN_SET_BYTES * PLAN_SET_COUNT);
    add("account names", area.accountNames, ACCOUNT_NAME_SLOTS * ACCOUNT_NAME_BYTES);
    add("receive", area.receive, RECEIVE_BYTES);
    add("plan arena", area.planArena, area.planArenaEnd - area.planArena);
    add("outboxes", area.outboxes, area.outboxCount * OUTBOX_BYTES);
  }
  return regions.sort((a, b) => a.start - b.start);
}

test("a configuration can ask for as many shards as there is room for", () => {
  expect(config.SHARDS_MAX).toBe(SHARDS_MAX);
});

describe("memoryMap()", () => {
  for (let shardCount = 1; shardCount <= SHARDS_MAX; shardCount++) {
    test(`lays out ${shardCount} shards without overlap below 2 GiB`, () => {
      const map = memoryMap(shardCount);
      const regions = regionsOf(map);
      for (const [index, { start, length, name }] of regions.entries()) {
        expect(`${name} ${start % 65536}`).toBe(`${name} 0`);
        const next = regions[index + 1];
        const end = next?.start ?? 2 ** 31;
        if (start + length > end) throw new Error(`${name} runs into ${next?.name}`);
      }
    });

    test(`gives ${shardCount} shards rings, outboxes and plans enough`, () => {
      const map = memoryMap(shardCount);
      for (let from = 0; from < map.nodeCount; from++) {
        for (let to = 0; to < map.nodeCount; to++) {
          const capacity = map.ringCapacity(from, to);
          expect(capacity & (capacity - 1)).toBe(0);
          expect(map.ring(from, to) !== 0).toBe(capacity !== 0);
          if (from >= NODE_SHARD_FIRST && to >= NODE_SHARD_FIRST) expect(capacity > 0).toBe(from !== to);
        }
        expect(map.ringCapacity(from, NODE_ACCEPTOR)).toBe(0);
      }
      expect(map.ringCapacity(NODE_ACCEPTOR, NODE_MAIN)).toBe(0);
      const area = map.area(NODE_SHARD_FIRST);
      expect(area.outboxCount).toBeGreaterThan(32);
      expect(area.planArenaEnd - area.planArena).toBeGreaterThan(1 << 20);
    });
  }

  test("refuses no shard and too many", () => {
    expect(() => memoryMap(0)).toThrow("1 to 16 shards");
    expect(() => memoryMap(SHARDS_MAX + 1)).toThrow("1 to 16 shards");
  });
});
