import { expect, test } from "bun:test";
import { createSharedMemory } from "../memory/shared_memory.ts";
import { type TurnParts, Turns } from "./turns.ts";

/**
 * Turns of a shard in which connections end: those named in `rounds`, each round while the previous one is being
 * finished.
 */
function turnsThatClose(rounds: string[]) {
  const said: string[] = [];
  const shard = {
    node: 1,
    shared: createSharedMemory(1, new Uint32Array(4)),
    poller: { kind: "epoll" },
    outbound: { flushAll: () => said.push("outboxes") },
  };
  const parts = {
    closings: {
      get hasBegun() {
        return rounds.length > 0;
      },
      finish: () => said.push(rounds.shift()!),
    },
    rings: { publishAll: () => said.push("rings") },
  };
  const turns = new Turns(
    shard as unknown as ConstructorParameters<typeof Turns>[0],
    0,
    parts as unknown as TurnParts,
  );
  return { turns, said };
}

test("finishClosings() writes what is said of connections that end", () => {
  const { turns, said } = turnsThatClose(["a leaf node"]);
  turns.finishClosings();
  expect(said).toEqual(["a leaf node", "rings", "outboxes"]);
});

test("finishClosings() comes to those that are told to close meanwhile", () => {
  const { turns, said } = turnsThatClose(["a dial that failed", "the next one"]);
  turns.finishClosings();
  expect(said.filter((what) => what !== "rings" && what !== "outboxes")).toEqual([
    "a dial that failed",
    "the next one",
  ]);
});

test("finishClosings() does nothing where nobody ends", () => {
  const { turns, said } = turnsThatClose([]);
  turns.finishClosings();
  expect(said).toEqual([]);
});
