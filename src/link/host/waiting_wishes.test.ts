import { describe, expect, test } from "bun:test";
import { testLink } from "../core/testing/test_link.ts";
import { WaitingWishes } from "./waiting_wishes.ts";

function key(subject: string, queue = "", origin = "") {
  return { account: "A", subject, queue, origin };
}

describe("WaitingWishes", () => {
  test("keep what is wanted now, however often it was said and taken back", () => {
    const waiting = new WaitingWishes();
    const [one, two] = [testLink({ kind: "route", role: "both" }), testLink({ kind: "route", role: "both" })];
    for (let i = 1; i <= 3; i++) {
      waiting.set(one, key("inbox"), 1);
      waiting.set(one, key("work", "q"), i);
      waiting.set(two, key("work", "q", "LC"), 1);
      waiting.set(one, key("inbox"), 0);
    }
    expect(waiting.accounts).toEqual(["A"]);
    expect([waiting.has("A"), waiting.has("B")]).toEqual([true, false]);
    expect(waiting.of(one)).toEqual([{ link: one, key: key("work", "q"), weight: 3 }]);
    expect(waiting.take("A")).toEqual([
      { link: one, key: key("work", "q"), weight: 3 },
      { link: two, key: key("work", "q", "LC"), weight: 1 },
    ]);
    expect(waiting.take("A")).toEqual([]);
    expect(waiting.accounts).toEqual([]);
  });

  test("of which nothing is left are forgotten, account and all", () => {
    const waiting = new WaitingWishes();
    const link = testLink({ kind: "route", role: "both" });
    waiting.set(link, key("never"), 0);
    waiting.set(link, key("once"), 1);
    waiting.set(link, key("once"), 0);
    expect(waiting.accounts).toEqual([]);
    waiting.set(link, key("a"), 1);
    waiting.forget(link);
    expect(waiting.accounts).toEqual([]);
  });
});
