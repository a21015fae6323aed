import { expect, test } from "bun:test";
import type { Connection } from "../connection.ts";
import { KeptInput } from "./kept_input.ts";

const RECEIVE = 100;

test("KeptInput puts what it kept back in front of the next read, and forgets what is empty", () => {
  const bytes = new Uint8Array(4096);
  const kept = new KeptInput(bytes);
  const connection = { kept: null, keptLength: 0 } as unknown as Connection;
  expect(kept.restore(connection, RECEIVE)).toBe(RECEIVE);

  bytes.set([1, 2, 3], RECEIVE);
  kept.keep(connection, RECEIVE + 1, RECEIVE + 3);
  bytes.fill(0);
  expect(kept.restore(connection, RECEIVE)).toBe(RECEIVE + 2);
  expect([...bytes.subarray(RECEIVE, RECEIVE + 3)]).toEqual([2, 3, 0]);

  // Longer than the buffer that holds the kept input so far.
  bytes.fill(9, RECEIVE, RECEIVE + 1000);
  kept.keep(connection, RECEIVE, RECEIVE + 1000);
  bytes.fill(0);
  expect(kept.restore(connection, RECEIVE)).toBe(RECEIVE + 1000);
  expect(bytes.subarray(RECEIVE, RECEIVE + 1000).every((byte) => byte === 9)).toBe(true);

  kept.keep(connection, RECEIVE, RECEIVE);
  expect(connection.kept).toBeNull();
  expect(kept.restore(connection, RECEIVE)).toBe(RECEIVE);
});
