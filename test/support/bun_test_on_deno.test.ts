/** Runs on Bun's own runner and on the stand-in alike, so the two agree on what it checks. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";

const events: string[] = [];

beforeAll(() => void events.push("file"));
beforeEach(() => void events.push("each"));

describe("hooks", () => {
  beforeAll(async () => {
    await Promise.resolve();
    events.push("before all");
  });
  beforeEach(() => void events.push("before each"));
  afterEach(() => void events.push("after each"));
  afterAll(() => void events.push("after all"));

  test("run before a test, outermost first", () => {
    expect(events).toEqual(["file", "before all", "each", "before each"]);
    events.push("first");
  });

  describe("of an inner scope", () => {
    afterAll(() => void events.push("inner after all"));

    test("run within those around it", () => {
      expect(events.slice(4)).toEqual(["first", "after each", "each", "before each"]);
      events.push("second");
    });
  });
});

test("afterAll() has run when the scope's last test is over", () => {
  expect(events.slice(8)).toEqual(["second", "after each", "inner after all", "after all", "each"]);
});

const rows: [string, number][] = [];

test.each([
  ["a", 1],
  ["b", 2],
] as [string, number][])("each() hands %s and %d to the test", (letter, number) => {
  rows.push([letter, number]);
});

test("each() has run once a row", () => {
  expect(rows).toEqual([
    ["a", 1],
    ["b", 2],
  ]);
});
