import { expect, test } from "bun:test";
import { GrowthWatch } from "./growth_watch.ts";

const MIB = 1024 * 1024;

test("GrowthWatch collects once for each 64 MiB that the process grows, and follows it down", () => {
  let resident = 100 * MIB;
  let collections = 0;
  const watch = new GrowthWatch(
    () => resident,
    () => collections++,
  );
  const steps: [residentMib: number, collections: number][] = [
    [100, 0],
    [163, 0],
    [164, 1],
    [227, 1],
    [228, 2],
    [90, 2],
    [153, 2],
    [154, 3],
  ];
  for (const [index, [mib, expected]] of steps.entries()) {
    resident = mib * MIB;
    watch.check(index * 100);
    expect(collections).toBe(expected);
  }
});

test("GrowthWatch goes on from where it was once the memory can be told again", () => {
  let resident = 100 * MIB;
  let collections = 0;
  const watch = new GrowthWatch(
    () => resident,
    () => collections++,
  );
  for (const [index, mib] of [100, 0, 163, 0, 164].entries()) {
    expect(collections).toBe(0);
    resident = mib * MIB;
    watch.check(index * 100);
  }
  expect(collections).toBe(1);
});

test("GrowthWatch looks ten times a second at most", () => {
  let looks = 0;
  const watch = new GrowthWatch(
    () => ++looks,
    () => {},
  );
  for (let nowMs = 0; nowMs < 1000; nowMs++) watch.check(nowMs);
  expect(looks).toBe(10);
});
