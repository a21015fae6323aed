import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  ACCOUNT,
  CONTEXTS,
  flags,
  messageOf,
  NODES,
  planOf,
  SCALES,
  SUBJECTS,
  streamOf,
  worldOf,
} from "./testing/arbitraries.ts";
import { Lockstep, type WorldSpecification } from "./testing/lockstep.ts";
import type { Message, PlanSpecification } from "./testing/specification.ts";

type Action =
  | { kind: "send"; node: number; slot: number; input: string; cuts: number[]; offset: number }
  | { kind: "publishOne"; node: number; slot: number; message: Message; isLarge: boolean }
  | { kind: "publish"; node: number }
  | { kind: "drain"; from: number; to: number; bytesMax: number; isAll: boolean }
  | { kind: "setFlags"; node: number; slot: number; flags: number }
  | { kind: "forgetAccounts"; node: number }
  | { kind: "replan"; plan: PlanSpecification; node: number; generation: number };

function actionIn(world: WorldSpecification, scale: (typeof SCALES)[number]): fc.Arbitrary<Action> {
  const client = fc.constantFrom(
    ...world.nodes.flatMap(({ node, connections }) =>
      connections.map(({ link }, index) => ({ node, slot: index + 1, link })),
    ),
  );
  const pair = fc.constantFrom(...NODES.flatMap((from) => NODES.map((to) => ({ from, to }))));
  const plan = fc
    .record({ index: fc.nat(NODES.length - 1), context: fc.constantFrom(...CONTEXTS), generation: fc.nat(7) })
    .chain(({ index, context, generation }) => {
      const { node, subscriptions } = world.nodes[index]!;
      return fc.constantFrom(...SUBJECTS).chain((subject) =>
        fc.record({
          kind: fc.constant("replan" as const),
          node: fc.constant(node),
          generation: fc.constant(generation),
          plan: planOf(node, subscriptions.length, context, subject, context === ACCOUNT),
        }),
      );
    });
  return fc.oneof(
    {
      weight: 8,
      arbitrary: client.chain(({ node, slot, link }) =>
        fc.record({
          kind: fc.constant("send" as const),
          node: fc.constant(node),
          slot: fc.constant(slot),
          input: streamOf(scale.sizes, link),
          cuts: fc.array(fc.nat(), { maxLength: 4 }),
          offset: fc.nat(15),
        }),
      ),
    },
    {
      weight: 1,
      arbitrary: fc
        .record({ client, message: messageOf(scale.sizes), isLarge: fc.boolean() })
        .map(({ client, message, isLarge }) => ({
          kind: "publishOne" as const,
          ...client,
          message,
          isLarge: isLarge || message.payload.length > 4000,
        })),
    },
    { weight: 2, arbitrary: fc.constantFrom(...NODES).map((node) => ({ kind: "publish" as const, node })) },
    {
      weight: 3,
      arbitrary: fc
        .record({ pair, bytesMax: fc.constantFrom(1, 300, 5000, 1 << 30), isAll: fc.boolean() })
        .filter(({ pair }) => pair.from !== pair.to)
        .map(({ pair, ...rest }) => ({ kind: "drain" as const, ...pair, ...rest })),
    },
    {
      weight: 1,
      arbitrary: fc.record({ client, flags }).map(({ client, flags }) => ({
        kind: "setFlags" as const,
        ...client,
        flags,
      })),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom(...NODES).map((node) => ({ kind: "forgetAccounts" as const, node })),
    },
    { weight: 1, arbitrary: plan },
  );
}

function act(lockstep: Lockstep, world: WorldSpecification, action: Action): void {
  switch (action.kind) {
    case "send":
      lockstep.send(action.node, action.slot, action.input, action.cuts, action.offset);
      break;
    case "publishOne": {
      const { node, slot } = action;
      const { context } = world.nodes.find((known) => known.node === node)!.connections[slot - 1]!;
      lockstep.publishOne(node, slot, context, action.message, action.isLarge);
      break;
    }
    case "publish":
      lockstep.publish(action.node);
      break;
    case "drain":
      lockstep.drain(action.from, action.to, action.bytesMax, action.isAll);
      break;
    case "setFlags":
      lockstep.setFlags(action.node, action.slot, action.flags);
      break;
    case "forgetAccounts":
      lockstep.real.get(action.node)!.forgetAccounts();
      break;
    case "replan":
      lockstep.replan(action.node, action.plan, action.generation);
      break;
  }
}

describe("the engine does what the model does", () => {
  for (const [scale, numRuns] of [
    [SCALES[0]!, 150],
    [SCALES[1]!, 100],
    [SCALES[2]!, 15],
  ] as const) {
    test(`with payloads of up to ${scale.payloadBytesMax} bytes`, () => {
      const history = worldOf(scale).chain((world) =>
        fc.record({
          world: fc.constant(world),
          actions: fc.array(actionIn(world, scale), { minLength: 1, maxLength: 30 }),
        }),
      );
      const play = ({ world, actions }: { world: WorldSpecification; actions: Action[] }) => {
        const lockstep = new Lockstep(world);
        for (const action of actions) {
          act(lockstep, world, action);
          lockstep.compare();
        }
      };
      // Shrinking a world takes minutes. The seed in the report repeats the history.
      const report = fc.check(fc.property(history, play), { numRuns, endOnFailure: true });
      expect(`seed ${report.seed}: ${report.errorInstance ?? "same"}`).toBe(`seed ${report.seed}: same`);
    }, 60_000);
  }
});
