import { expect, test } from "bun:test";
import { pageBounds, pageOf } from "./page.ts";

test("pageOf() starts at 0 for a negative offset and takes 1024 for no limit", () => {
  expect(pageOf(-5, -1)).toEqual({ offset: 0, limit: 1024 });
  expect(pageOf(7, 0)).toEqual({ offset: 7, limit: 1024 });
  expect(pageOf(7, 3)).toEqual({ offset: 7, limit: 3 });
});

test("pageBounds() stay within the list, whatever is asked for", () => {
  expect(pageBounds(pageOf(2, 3), 10)).toEqual({ start: 2, end: 5 });
  expect(pageBounds(pageOf(8, 3), 10)).toEqual({ start: 8, end: 10 });
  expect(pageBounds(pageOf(11, 3), 10)).toEqual({ start: 10, end: 10 });
  const huge = 2n ** 63n - 1n;
  expect(pageBounds(pageOf(huge, huge), 10)).toEqual({ start: 10, end: 10 });
  expect(pageBounds(pageOf(1, huge), 10)).toEqual({ start: 1, end: 10 });
});
