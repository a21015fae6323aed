import { describe, expect, test } from "bun:test";
import * as config from "../config/midge.ts";
import { S2_REGION_BYTES } from "../runtime/s2/s2_region.ts";
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
  type MemoryMap,
  memoryMap,
  NODE_ACCEPTOR,
  NODE_MAIN,
  NODE_SHARD_FIRST,
  PACKING_BYTES,
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
  if (map.linksNode > 0)
    regions.push({ name: "compression", start: map.compression, length: S2_REGION_BYTES });
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
    const slots = map.slotCount(from);
    const add = (name: string, start: number, length: number) =>
      regions.push({ name: `${name} of ${from}`, start, length });
    add("area", area.area, AREA_HEADER_BYTES);
    add("connections", area.connections, slots * CONNECTION_BYTES);
    add("dirty", area.dirty, slots * 4);
    add("scratch", area.scratch, SCRATCH_BYTES);
    if (!map.hasConnections(from)) continue;
    add("plan sets", area.planSets, PLAN_SET_BYTES * PLAN_SET_COUNT);
    if (from === map.linksNode)
      add("account names", area.accountNames, ACCOUNT_NAME_SLOTS * ACCOUNT_NAME_BYTES);
    add("receive", area.receive, RECEIVE_BYTES);
    add("packing", area.packing, PACKING_BYTES);
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
    for (const hasLinksShard of [false, true]) {
      const what = `${shardCount} shards${hasLinksShard ? " and one for links" : ""}`;
      test(`lays out ${what} without overlap below 2 GiB`, () => {
        const regions = regionsOf(memoryMap(shardCount, hasLinksShard));
        for (const [index, { start, length, name }] of regions.entries()) {
          expect(`${name} ${start % 65536}`).toBe(`${name} 0`);
          const next = regions[index + 1];
          const end = next?.start ?? 2 ** 31;
          if (start + length > end) throw new Error(`${name} runs into ${next?.name}`);
        }
      });

      test(`gives ${what} rings, outboxes and plans enough`, () => {
        const map = memoryMap(shardCount, hasLinksShard);
        for (let from = 0; from < map.nodeCount; from++) {
          for (let to = 0; to < map.nodeCount; to++) {
            const capacity = map.ringCapacity(from, to);
            expect(capacity & (capacity - 1)).toBe(0);
            expect(map.ring(from, to) !== 0).toBe(capacity !== 0);
            if (map.hasConnections(from) && map.hasConnections(to)) expect(capacity > 0).toBe(from !== to);
          }
          expect(map.ringCapacity(from, NODE_ACCEPTOR)).toBe(0);
          expect(map.ringCapacity(NODE_ACCEPTOR, from) > 0).toBe(map.hasConnections(from));
          if (!map.hasConnections(from)) continue;
          const area = map.area(from);
          expect(area.outboxCount).toBeGreaterThan(32);
          expect(area.planArenaEnd - area.planArena).toBeGreaterThan(1 << 20);
        }
      });
    }
  }

  test("tells shards, the links shard and other nodes apart", () => {
    const map = memoryMap(2, true);
    const [first, second, links] = [NODE_SHARD_FIRST, NODE_SHARD_FIRST + 1, NODE_SHARD_FIRST + 2];
    expect(map.nodeCount).toBe(links + 1);
    expect(map.linksNode).toBe(links);
    expect([NODE_MAIN, first, second, links, links + 1].map(map.isShard)).toEqual([
      false,
      true,
      true,
      false,
      false,
    ]);
    expect([NODE_MAIN, first, links, links + 1].map(map.hasConnections)).toEqual([false, true, true, false]);
    expect([NODE_MAIN, first, links].map(map.slotCount)).toEqual([1, 65536, 4096]);
    const withoutLinks = memoryMap(2, false);
    expect([withoutLinks.linksNode, withoutLinks.nodeCount]).toEqual([0, links]);
    expect(withoutLinks.slotCount(NODE_MAIN)).toBe(1);
  });

  test("refuses no shard and too many", () => {
    expect(() => memoryMap(0, false)).toThrow("1 to 16 shards");
    expect(() => memoryMap(SHARDS_MAX + 1, false)).toThrow("1 to 16 shards");
  });
});
