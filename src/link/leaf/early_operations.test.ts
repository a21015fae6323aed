import { describe, expect, test } from "bun:test";
import type { LinkOperation } from "../core/operation.ts";
import { EarlyOperations } from "./early_operations.ts";

const LONG = "x".repeat(60_000);
const NAMES = { account: "", origin: "", subject: "a", queue: "" } as const;
const OPERATIONS: readonly LinkOperation[] = [
  { kind: "subscribe", ...NAMES, subject: LONG, weight: 1, isLeaf: false },
  { kind: "unsubscribe", ...NAMES, queue: LONG, isLeaf: false },
  { kind: "info", json: LONG },
  { kind: "error", text: LONG },
  {
    kind: "message",
    ...NAMES,
    reply: "",
    queues: [LONG],
    content: { bytes: new Uint8Array(0), headerBytes: 0 },
  },
];

describe("EarlyOperations", () => {
  test("are given back once, in order", () => {
    const early = new EarlyOperations();
    expect(early.add({ kind: "ping" }) && early.add({ kind: "pong" })).toBe(true);
    expect(early.takeAll().map(({ kind }) => kind)).toEqual(["ping", "pong"]);
    expect(early.takeAll()).toEqual([]);
  });

  for (const operation of OPERATIONS) {
    test(`hold 4 MiB of long ${operation.kind} operations, no more`, () => {
      const early = new EarlyOperations();
      let count = 0;
      while (early.add(operation)) count++;
      expect(count).toBe(Math.floor((4 * 1024 * 1024) / LONG.length));
    });
  }

  test("are 10,000 at most", () => {
    const early = new EarlyOperations();
    let count = 0;
    while (early.add({ kind: "pong" })) count++;
    expect(count).toBe(10_000);
  });
});
