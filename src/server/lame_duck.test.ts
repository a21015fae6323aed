import { describe, expect, test } from "bun:test";
import { LameDuck } from "./lame_duck.ts";

/** Runs lame duck mode over clients that go when they are closed; returns what happened, in order. */
async function run(clients: number, durationMs: number, leave = 0, cancelAt = ""): Promise<string[]> {
  const events: string[] = [];
  let left = clients;
  const lameDuck: LameDuck = new LameDuck({
    durationMs,
    gracePeriodMs: 1,
    clientCount: () => left,
    announce: () => {
      events.push("announce");
      left -= leave;
      if (cancelAt === "announce") lameDuck.cancel();
    },
    beginClosing: () => void events.push("begin"),
    close: (count) => {
      events.push(`close ${count}`);
      left -= Math.min(count, left);
    },
  });
  await lameDuck.run();
  return events;
}

describe("LameDuck", () => {
  test("has nothing to do without clients", async () => {
    expect(await run(0, 100)).toEqual([]);
  });

  test("announces, waits, and closes one at a time", async () => {
    expect(await run(3, 600)).toEqual(["announce", "begin", "close 1", "close 1", "close 1"]);
  });

  test("closes nobody where all have gone by themselves", async () => {
    expect(await run(3, 60, 3)).toEqual(["announce", "begin"]);
  });

  test("closes several at once where there are many for the time", async () => {
    const events = await run(1000, 100);
    const counts = events.filter((event) => event.startsWith("close")).map((event) => Number(event.slice(6)));
    expect(counts[0]).toBeGreaterThan(99);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(999);
  });

  test("ends at once when it is cancelled", async () => {
    expect(await run(3, 60_000, 0, "announce")).toEqual(["announce"]);
  });
});
