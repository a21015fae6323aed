import { expect, test } from "bun:test";
import { OpenWays } from "./open_ways.ts";

test("OpenWays says once that nobody is at the end of any way", () => {
  let times = 0;
  const ways = new OpenWays(7, () => times++);
  ways.open();
  ways.open();
  ways.close();
  ways.close();
  expect(times).toBe(0);
  ways.close();
  expect(times).toBe(1);
});

test("OpenWays stays silent while a way is open, however late another one closes", () => {
  let times = 0;
  const ways = new OpenWays(7, () => times++);
  ways.open();
  ways.open();
  ways.close();
  ways.close();
  expect(times).toBe(0);
});
