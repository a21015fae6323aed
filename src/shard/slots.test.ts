import { expect, test } from "bun:test";
import { CONNECTION_BYTES, CONNECTION_CLIENT, CONNECTION_FD, CONNECTION_FLAGS } from "../memory/layout.ts";
import { NODE_LOAD, NODE_SHARD_FIRST } from "../memory/map.ts";
import { createSharedMemory, nodeWord } from "../memory/shared_memory.ts";
import type { Connection } from "./connection.ts";
import { Slots } from "./slots.ts";

function setUp() {
  const shared = createSharedMemory(1, new Uint32Array(4), true);
  const slots = new Slots(shared, NODE_SHARD_FIRST);
  const word = (slot: number, offset: number) => shared.words[(slots.addressOf(slot) + offset) >> 2]!;
  return { shared, slots, word };
}

test("take() gives slots from 1 on, with a fresh record, and what was released before a new one", () => {
  const { shared, slots, word } = setUp();
  const load = nodeWord(NODE_SHARD_FIRST, NODE_LOAD);
  shared.words[load] = 2;
  const [first, second] = [slots.take(11), slots.take(null)];
  expect([first, second]).toEqual([1, 2]);
  expect([word(first, CONNECTION_FD), word(second, CONNECTION_FD)]).toEqual([11, -1]);
  expect(slots.addressOf(second) - slots.addressOf(first)).toBe(CONNECTION_BYTES);
  slots.markUpgrading(first, true);
  slots.disownSocket(first);
  expect(word(first, CONNECTION_FD)).toBe(-1);
  slots.release(first);
  expect(shared.words[load]).toBe(1);
  expect(slots.take(12)).toBe(first);
  expect([word(first, CONNECTION_FD), word(first, CONNECTION_FLAGS)]).toEqual([12, 0]);
});

test("put() makes a connection known by its slot, its record and its client id", () => {
  const { slots, word } = setUp();
  const slot = slots.take(11);
  const connection = { slot, address: slots.addressOf(slot), clientId: 77 } as Connection;
  expect(slots.connectionAt(connection.address)).toBeNull();
  slots.put(connection);
  expect(slots.connections).toEqual([null, connection]);
  expect(slots.connectionAt(connection.address)).toBe(connection);
  expect(word(slot, CONNECTION_CLIENT)).toBe(77);
});

test("reserveLink() leaves the last slots of the links shard to what the acceptor may be counting", () => {
  const { shared, slots } = setUp();
  const { linksNode } = shared.map;
  const load = nodeWord(linksNode, NODE_LOAD);
  shared.words[load] = shared.map.slotCount(linksNode) - 3;
  expect(slots.reserveLink(linksNode)).toBe(true);
  expect(slots.reserveLink(linksNode)).toBe(false);
  expect(shared.words[load]).toBe(shared.map.slotCount(linksNode) - 2);
});
