import { describe, expect, test } from "bun:test";
import type { InterestOperation } from "../core/operation_arguments.ts";
import { PeerInterest } from "./peer_interest.ts";

function subscribe(subject: string, queue = "", weight = 1, origin = ""): InterestOperation {
  return { kind: "subscribe", account: "$G", origin, subject, queue, weight, isLeaf: origin !== "" };
}

function unsubscribe(subject: string, queue = "", origin = "", isLeaf = origin !== ""): InterestOperation {
  return { kind: "unsubscribe", account: "$G", origin, subject, queue, isLeaf };
}

function key(subject: string, queue = "", origin = "") {
  return { account: "$G", subject, queue, origin };
}

describe("PeerInterest", () => {
  test("ignores what is repeated and what was never said", () => {
    const interest = new PeerInterest(true);
    expect(interest.take(subscribe("foo"))).toEqual([{ key: key("foo"), weight: 1 }]);
    expect(interest.take(subscribe("foo"))).toEqual([]);
    expect(interest.take(unsubscribe("bar"))).toEqual([]);
    expect(interest.take(unsubscribe("foo"))).toEqual([{ key: key("foo"), weight: 0 }]);
    expect(interest.take(unsubscribe("foo"))).toEqual([]);
  });

  test("replaces the weight of a group, and counts 0 as one member", () => {
    const interest = new PeerInterest(true);
    expect(interest.take(subscribe("foo", "q", 0))).toEqual([{ key: key("foo", "q"), weight: 1 }]);
    expect(interest.take(subscribe("foo", "q", 3))).toEqual([{ key: key("foo", "q"), weight: 3 }]);
    expect(interest.take(subscribe("foo", "q", 3))).toEqual([]);
    expect(interest.size).toBe(1);
  });

  test("tells origins apart where the peer takes them back one by one", () => {
    const interest = new PeerInterest(true);
    interest.take(subscribe("lf", "", 1, "LC"));
    interest.take(subscribe("lf"));
    expect(interest.take(unsubscribe("lf", "", "LC"))).toEqual([{ key: key("lf", "", "LC"), weight: 0 }]);
    expect(interest.size).toBe(1);
    // A leaf cluster called like an account makes no confusion.
    interest.take({ ...subscribe("bar", "", 1, "$G"), account: "lf" });
    expect(interest.take(unsubscribe("bar", "lf"))).toEqual([]);
  });

  test("files under account, subject and queue for a peer that does not", () => {
    const interest = new PeerInterest(false);
    interest.take(subscribe("lf", "", 1, "LC"));
    expect(interest.take(subscribe("lf"))).toEqual([]);
    expect(interest.take(unsubscribe("lf", "", "", true))).toEqual([{ key: key("lf", "", "LC"), weight: 0 }]);
    interest.take(subscribe("lf", "q", 1, "LC"));
    expect(interest.take(subscribe("lf", "q", 2))).toEqual([
      { key: key("lf", "q", "LC"), weight: 0 },
      { key: key("lf", "q"), weight: 2 },
    ]);
  });

  test("forgets what is not let through any more", () => {
    const interest = new PeerInterest(true);
    interest.take(subscribe("foo"));
    interest.take(subscribe("bar"));
    expect(interest.keepOnly((subject) => subject === "foo")).toEqual([{ key: key("bar"), weight: 0 }]);
    expect(interest.size).toBe(1);
    for (const unsubscribeHasOrigin of [true, false]) {
      const ofLeafs = new PeerInterest(unsubscribeHasOrigin);
      ofLeafs.take(subscribe("bar", "q", 2, "LC"));
      expect(ofLeafs.keepOnly(() => false)).toEqual([{ key: key("bar", "q", "LC"), weight: 0 }]);
      expect(ofLeafs.take(subscribe("bar", "q"))).toEqual([{ key: key("bar", "q"), weight: 1 }]);
    }
  });
});
