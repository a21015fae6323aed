import { describe, expect, test } from "bun:test";
import { spreadOf } from "./figures.ts";

describe("spreadOf", () => {
  test("takes the middle value and the ends, whatever the order", () => {
    expect(spreadOf([9, 1, 5])).toEqual({ median: 5, min: 1, max: 9 });
  });
  test("takes the mean of two middle values", () => {
    expect(spreadOf([4, 1, 2, 9])).toEqual({ median: 3, min: 1, max: 9 });
  });
  test("is null for no values", () => {
    expect(spreadOf([])).toBe(null);
  });
});
