import { expect, test } from "bun:test";
import { FABRIC_SLOT, HeldMessage, messageBytes } from "../fabric/held_message.ts";
import { type Delivery, originOf, type Received } from "../fabric/message_record.ts";
import { NODE_SHARD_FIRST } from "../memory/map.ts";
import { createSharedMemory } from "../memory/shared_memory.ts";
import { bytesOf } from "../subject/byte_string.ts";
import { SERVED_BY_NOBODY, SERVED_HERE } from "./inbound.ts";
import { type LeftoverFabric, Leftovers } from "./leftovers.ts";
import type { ShardControl } from "./shard_messages.ts";

const HERE = NODE_SHARD_FIRST;
const [NEAR, FAR] = [HERE + 1, HERE + 2];
const shared = createSharedMemory(3, new Uint32Array([1, 2, 3, 4]), true);
const LINKS = shared.map.linksNode;
const ACCOUNT = 5;
/** Slot of the publisher on its shard. */
const SLOT = 7;
const message = HeldMessage.of(ACCOUNT, FABRIC_SLOT, bytesOf("a"), "inbox", messageBytes(bytesOf("x")));

/** A message as received for these queue groups; groups that have been served are 0. */
function receivedFor(queues: readonly number[], more: Partial<Received> = {}): Received {
  const delivery = { message, isPlain: false, queues: Int32Array.from(queues), wantsTaker: true };
  return { ...delivery, origin: SLOT, tried: 0, ...more };
}

/** `served` says which node serves each queue group. */
function setUp(served: Readonly<Record<number, number>> = {}) {
  const asked: [queue: number, slot: number, tried: number][] = [];
  const sent: (readonly [node: number, Delivery | ShardControl])[] = [];
  const fabric: LeftoverFabric = {
    serveGroup: (_message, queue, slot, tried) => {
      asked.push([queue, slot, tried]);
      return served[queue]!;
    },
    send: (node, delivery) => sent.push([node, delivery]),
    sendControl: (node, control) => sent.push([node, control]) > 0,
  };
  return { asked, sent, fabric, leftovers: new Leftovers({ node: HERE, shared }) };
}

const UNTAKEN = { type: "untaken", slot: SLOT, account: ACCOUNT, subject: "a", reply: "inbox" } as const;

test("noteUntaken() has its publisher's shard told, where nobody took it and somebody wants to know", () => {
  const { sent, fabric, leftovers } = setUp();
  leftovers.noteUntaken(NEAR, receivedFor([]), 1);
  leftovers.noteUntaken(NEAR, receivedFor([], { wantsTaker: false }), 0);
  expect(leftovers.isEmpty).toBe(true);
  leftovers.noteUntaken(NEAR, receivedFor([]), 0);
  leftovers.noteUnserved(NEAR, receivedFor([0]), 0);
  // Passed on by one node, and published on another.
  const origin = originOf({ node: FAR, slot: SLOT });
  leftovers.noteUntaken(NEAR, receivedFor([], { origin, tried: 1 << NEAR }), 0);
  expect([leftovers.isEmpty, sent.length]).toEqual([false, 0]);
  leftovers.settle(fabric);
  leftovers.settle(fabric);
  expect(leftovers.isEmpty).toBe(true);
  expect(sent).toEqual([
    [NEAR, UNTAKEN],
    [NEAR, UNTAKEN],
    [FAR, UNTAKEN],
  ]);
});

test("settle() passes on what groups have no member for here, to a node that has not had it", () => {
  const { asked, sent, fabric, leftovers } = setUp({ 1: FAR, 2: SERVED_HERE });
  leftovers.noteUnserved(NEAR, receivedFor([1, 0, 2]), 0);
  leftovers.settle(fabric);
  const tried = 1 << HERE;
  expect(asked).toEqual([
    [1, FABRIC_SLOT, tried],
    [2, FABRIC_SLOT, tried],
  ]);
  const passedOn = { tried, origin: originOf({ node: NEAR, slot: SLOT }) };
  const queues = Int32Array.of(1);
  expect(sent).toEqual([[FAR, { message, isPlain: false, queues, wantsTaker: false, passedOn }]]);
});

test("settle() tells that nobody took it where no group has a member anywhere", () => {
  const { sent, fabric, leftovers } = setUp({ 1: SERVED_BY_NOBODY, 2: SERVED_BY_NOBODY });
  leftovers.noteUnserved(NEAR, receivedFor([1, 2]), 0);
  leftovers.noteUnserved(NEAR, receivedFor([1, 2]), 1);
  leftovers.settle(fabric);
  expect(sent).toEqual([[NEAR, UNTAKEN]]);
});

test("settle() leaves the links shard out for what came from there, and knows a publisher of this shard", () => {
  const { asked, fabric, leftovers } = setUp({ 1: SERVED_HERE });
  leftovers.noteUnserved(LINKS, receivedFor([1]), 0);
  const origin = originOf({ node: HERE, slot: SLOT });
  leftovers.noteUnserved(NEAR, receivedFor([1], { origin, tried: 1 << NEAR }), 0);
  leftovers.settle(fabric);
  expect(asked).toEqual([
    [1, FABRIC_SLOT, (1 << HERE) | (1 << LINKS)],
    [1, SLOT, (1 << HERE) | (1 << NEAR)],
  ]);
});

test("settle() leaves what drains note meanwhile for the next time", () => {
  const { sent, fabric, leftovers } = setUp({ 1: FAR });
  leftovers.noteUntaken(NEAR, receivedFor([]), 0);
  const waiting = {
    ...fabric,
    sendControl: (node: number, control: ShardControl) => {
      leftovers.noteUnserved(NEAR, receivedFor([1]), 1);
      return fabric.sendControl(node, control);
    },
  };
  leftovers.settle(waiting);
  expect([sent.length, leftovers.isEmpty]).toEqual([1, false]);
  leftovers.settle(fabric);
  expect([sent.length, leftovers.isEmpty]).toEqual([2, true]);
});
