import { describe, expect, test } from "bun:test";
import { createSharedMemory } from "../memory/shared_memory.ts";
import { pub, ShardHarness } from "./testing/shard_harness.ts";
import { standingClock } from "./testing/standing_clock.ts";
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

describe("before a shard sleeps", () => {
  const SPIN_MS = 10;
  const clock = standingClock();

  /** Whether the shard would sleep in the turn after one in which a client sent `text`, `afterMs` later. */
  function sleepsAfter(text: string, afterMs: number): boolean {
    const harness = new ShardHarness(1, {}, false, SPIN_MS);
    const client = harness.connect();
    clock.nowMs += 2 * SPIN_MS;
    client.send(text);
    harness.turn();
    clock.nowMs += afterMs;
    harness.turn();
    return harness.pollers[0]!.lastTimeoutMs !== 0;
  }

  test("it looks for more work for a while", () => {
    expect(sleepsAfter("PING\r\n", SPIN_MS / 2)).toBe(false);
    expect(sleepsAfter("PING\r\n", 2 * SPIN_MS)).toBe(true);
  });

  test("it does not after much has come at once", () => {
    expect(sleepsAfter(pub("a", "x".repeat(8_000)), SPIN_MS / 2)).toBe(false);
    expect(sleepsAfter(pub("a", "x".repeat(30_000)), SPIN_MS / 2)).toBe(true);
  });

  test("it does not after much has come from another shard", () => {
    const harness = new ShardHarness(2, {}, false, SPIN_MS);
    const [publisher, subscriber] = [harness.connect(0), harness.connect(1)];
    subscriber.send("SUB a 1\r\n");
    harness.settle();
    for (const [bytes, sleeps] of [
      [8_000, false],
      [30_000, true],
    ] as const) {
      publisher.send(pub("a", "x".repeat(bytes)));
      harness.turn(0);
      harness.turn(1);
      expect(subscriber.take()).toHaveLength(`MSG a 1 ${bytes}\r\n`.length + bytes + "\r\n".length);
      harness.turn(1);
      expect(harness.pollers[1]!.lastTimeoutMs !== 0).toBe(sleeps);
    }
  });

  test("it does not after much of a large message has come at once", () => {
    const harness = new ShardHarness(1, {}, false, SPIN_MS);
    const client = harness.connect();
    client.send("PUB a 900000\r\n", "x".repeat(100));
    harness.settle();
    client.send("x".repeat(200_000));
    harness.turn();
    expect(harness.pollers[0]!.bytesReadInto).toBeGreaterThan(0);
    harness.turn();
    expect(harness.pollers[0]!.lastTimeoutMs).not.toBe(0);
  });
});
