import { describe, expect, test } from "bun:test";
import { CONNECTION_IS_CLOSED, REASON_DONE } from "../memory/layout.ts";
import { Lockstep, memory } from "./testing/lockstep.ts";
import { type GroupSpecification, write } from "./testing/specification.ts";

const NODE = 4;
const DRAWS = 20_000;

/** Publishes DRAWS messages to one group and returns how many went to each local member and each node. */
function shares(group: GroupSpecification, closed: number[], random: bigint) {
  const others = group.nodes.map(({ node }) => node);
  const empty = { connections: [], subscriptions: [], plans: [] };
  const lockstep = new Lockstep({
    nodes: [
      {
        node: NODE,
        connections: [0, 1, 2, 3].map((index) => ({
          flags: closed.includes(index) ? CONNECTION_IS_CLOSED : 0,
          payloadBytesMax: 100,
          context: 1,
        })),
        subscriptions: [1, 2, 3, 4].map((slot) => ({ slot, sid: "1", max: 0 })),
        plans: [
          {
            context: 1,
            account: 1,
            subject: "a",
            isForHost: false,
            plain: [],
            groups: [group],
            plainNodes: [],
          },
        ],
      },
      ...others.map((node) => ({ node, ...empty })),
    ],
    outboxCount: 4,
    ringCapacity: 1 << 22,
    ringStart: 0,
    random,
  });
  const real = lockstep.real.get(NODE)!;
  const [plan] = lockstep.model.get(NODE)!.plans.values();
  real.install(plan!);
  const message = "PUB a 0\r\n\r\n";
  for (let at = 0; at < 1000; at++) write(memory.bytes, real.receive + at * message.length, message);
  for (let sent = 0; sent < DRAWS; sent += 1000) {
    expect(real.engine.scan(1, real.receive, real.receive + 1000 * message.length)).toBe(REASON_DONE);
    real.flushAll();
  }
  const toNodes = others.map((node) => lockstep.recordsTo(NODE, node).length);
  const toLocals = [0, 1, 2, 3].map((index) => real.delivered(index));
  return { toLocals, toNodes };
}

/** Whether `count` of DRAWS is what `share` leads to expect, within five standard deviations. */
function isNear(count: number, share: number): boolean {
  return Math.abs(count - DRAWS * share) <= 5 * Math.sqrt(DRAWS * share * (1 - share));
}

describe("a queue group", () => {
  for (const random of [1n, 0x1234_5678_9abc_def1n, 2n ** 63n]) {
    test(`is served by local members and nodes according to their weight, from seed ${random}`, () => {
      const { toLocals, toNodes } = shares(
        {
          queue: 9,
          locals: [0, 1, 2],
          nodes: [
            { node: 0, weight: 4 },
            { node: 31, weight: 1 },
          ],
        },
        [],
        random,
      );
      expect(toLocals.slice(0, 3).map((count) => isNear(count, 1 / 8))).toEqual([true, true, true]);
      expect([isNear(toNodes[0]!, 4 / 8), isNear(toNodes[1]!, 1 / 8)]).toEqual([true, true]);
      expect([...toLocals, ...toNodes].reduce((sum, count) => sum + count, 0)).toBe(DRAWS);
      expect(toLocals[3]).toBe(0);
    });
  }

  test("gives what a closed member cannot take to the next one", () => {
    const { toLocals } = shares({ queue: 9, locals: [0, 1, 2, 3], nodes: [] }, [1], 77n);
    expect(toLocals[1]).toBe(0);
    expect(isNear(toLocals[2]!, 2 / 4)).toBe(true);
    expect(isNear(toLocals[0]!, 1 / 4)).toBe(true);
  });

  test("is served by its last node when the weights say nothing", () => {
    const nodes = [0, 31].map((node) => ({ node, weight: 0 }));
    expect(shares({ queue: 9, locals: [], nodes }, [], 5n).toNodes).toEqual([0, DRAWS]);
  });

  test("is served by a node alone", () => {
    const { toNodes } = shares({ queue: 9, locals: [], nodes: [{ node: 31, weight: 1000 }] }, [], 5n);
    expect(toNodes).toEqual([DRAWS]);
  });
});
