import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { ClosedConnections } from "./closed_connections.ts";

describe("ClosedConnections", () => {
  test("toArray() is the tail of what was added, in batches or one by one", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.array(fc.oneof(fc.nat(), fc.array(fc.nat(), { minLength: 1, maxLength: 12 })), { maxLength: 20 }),
        (capacity, added) => {
          const closed = new ClosedConnections<number>(capacity, JSON.parse);
          for (const each of added) {
            if (typeof each === "number") closed.add(each);
            else closed.addText(JSON.stringify(each), each.length);
          }
          expect(closed.toArray()).toEqual(added.flat().slice(-capacity));
        },
      ),
    );
  });

  test("reads text once, and none that was pushed out before anybody looked", () => {
    const read: string[] = [];
    const closed = new ClosedConnections<number>(3, (text) => {
      read.push(text);
      return JSON.parse(text);
    });
    for (const text of ["[1,2]", "[3,4]", "[5]"]) closed.addText(text, JSON.parse(text).length);
    for (let look = 0; look < 2; look++) expect(closed.toArray()).toEqual([3, 4, 5]);
    expect(read).toEqual(["[3,4]", "[5]"]);
  });

  test("refuses to hold nothing", () => {
    expect(() => new ClosedConnections(0, () => [])).toThrow();
  });
});
