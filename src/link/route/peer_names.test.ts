import { describe, expect, test } from "bun:test";
import type { InterestOperation } from "../core/operation_arguments.ts";
import { changeOf, PeerNames } from "./peer_names.ts";

function subscribe(subject: string, queue = "", weight = 1, origin = ""): InterestOperation {
  return { kind: "subscribe", account: "$G", origin, subject, queue, weight, isLeaf: origin !== "" };
}

function unsubscribe(subject: string, queue = "", origin = "", isLeaf = origin !== ""): InterestOperation {
  return { kind: "unsubscribe", account: "$G", origin, subject, queue, isLeaf };
}

function key(subject: string, queue = "", origin = "") {
  return { account: "$G", subject, queue, origin };
}

describe("changeOf()", () => {
  test("says what an operation says, and counts 0 as one member", () => {
    expect(changeOf(subscribe("foo"))).toEqual({ key: key("foo"), weight: 1 });
    expect(changeOf(subscribe("foo", "q", 0))).toEqual({ key: key("foo", "q"), weight: 1 });
    expect(changeOf(subscribe("foo", "q", 3, "LC"))).toEqual({ key: key("foo", "q", "LC"), weight: 3 });
    expect(changeOf(unsubscribe("foo", "", "LC"))).toEqual({ key: key("foo", "", "LC"), weight: 0 });
  });
});

describe("PeerNames", () => {
  test("ignores what is repeated and what was never said", () => {
    const names = new PeerNames();
    expect(names.take(subscribe("foo"))).toEqual([{ key: key("foo"), weight: 1 }]);
    expect(names.take(subscribe("foo"))).toEqual([]);
    expect(names.take(unsubscribe("bar"))).toEqual([]);
    expect(names.take(unsubscribe("foo"))).toEqual([{ key: key("foo"), weight: 0 }]);
    expect(names.take(unsubscribe("foo"))).toEqual([]);
  });

  test("replaces the weight of a group", () => {
    const names = new PeerNames();
    expect(names.take(subscribe("foo", "q", 0))).toEqual([{ key: key("foo", "q"), weight: 1 }]);
    expect(names.take(subscribe("foo", "q", 3))).toEqual([{ key: key("foo", "q"), weight: 3 }]);
    expect(names.take(subscribe("foo", "q", 3))).toEqual([]);
  });

  test("files under account, subject and queue, whatever the origin", () => {
    const names = new PeerNames();
    names.take(subscribe("lf", "", 1, "LC"));
    expect(names.take(subscribe("lf"))).toEqual([]);
    expect(names.take(unsubscribe("lf", "", "", true))).toEqual([{ key: key("lf", "", "LC"), weight: 0 }]);
    names.take(subscribe("lf", "q", 1, "LC"));
    expect(names.take(subscribe("lf", "q", 2))).toEqual([
      { key: key("lf", "q", "LC"), weight: 0 },
      { key: key("lf", "q"), weight: 2 },
    ]);
  });

  test("forgets what is not wanted any more", () => {
    const names = new PeerNames();
    names.take(subscribe("bar", "q", 2, "LC"));
    names.forget(key("bar", "q", "LC"));
    expect(names.take(subscribe("bar", "q"))).toEqual([{ key: key("bar", "q"), weight: 1 }]);
  });
});
