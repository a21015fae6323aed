import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { ClosedRing } from "./closed_ring.ts";

describe("ClosedRing", () => {
  test("keeps the last entries, oldest first, and counts all", () => {
    const ring = new ClosedRing<number>(3);
    for (const id of [1, 2, 3, 4, 5]) ring.add(id);
    expect(ring.toArray()).toEqual([3, 4, 5]);
    expect(ring.length).toBe(3);
    expect(ring.totalCount).toBe(5);
  });

  test("toArray() is the tail of what was added", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.array(fc.nat(), { maxLength: 40 }),
        (capacity, added) => {
          const ring = new ClosedRing<number>(capacity);
          for (const value of added) ring.add(value);
          expect(ring.toArray()).toEqual(added.slice(-capacity));
        },
      ),
    );
  });

  test("refuses to hold nothing", () => {
    expect(() => new ClosedRing(0)).toThrow();
  });
});
