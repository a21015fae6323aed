import { expect, test } from "bun:test";
import { ResponsePermits } from "./response_permits.ts";

test("use() permits each reply as often, and as long, as the rule says", () => {
  const permits = new ResponsePermits({ maxMessages: 2, ttlMs: 100 });
  permits.add("a", 0);
  expect([permits.use("a", 0), permits.use("a", 100), permits.use("a", 100)]).toEqual([true, true, false]);
  permits.add("b", 0);
  expect([permits.use("b", 101), permits.use("c", 0)]).toEqual([false, false]);
});

test("add() forgets the oldest where a client answers none of very many", () => {
  const permits = new ResponsePermits({ maxMessages: 1, ttlMs: 0 });
  for (let i = 0; i < 300_000; i++) permits.add(`${i}`, 0);
  expect(permits.use("0", 0)).toBe(false);
  for (const reply of ["262143", "299999"]) expect(permits.use(reply, 0)).toBe(true);
});
