import { describe, expect, test } from "bun:test";
import { LoginQueue, type QueuedLogin } from "./login_queue.ts";

/** A queue on a clock that advances only while a login is judged. */
function setUp() {
  let nowMs = 0;
  let resume: (() => void) | undefined;
  const events: string[] = [];
  const queue = new LoginQueue({
    nowMs: () => nowMs,
    yield: (callback) => {
      events.push("yield");
      resume = callback;
    },
  });
  const add = (name: string, tookMs: number, more: Partial<QueuedLogin> = {}) =>
    queue.add({
      lane: name.charAt(0),
      expiresAtMs: 2000,
      isWanted: () => true,
      judge: () => {
        events.push(name);
        nowMs += tookMs;
      },
      expire: () => events.push(`${name} expired`),
      ...more,
    });
  const goOn = () => {
    const callback = resume;
    resume = undefined;
    callback?.();
  };
  return { add, goOn, events };
}

describe("LoginQueue", () => {
  test("judges at once what comes while there is time", () => {
    const { add, events } = setUp();
    add("a1", 1);
    add("a2", 1);
    expect(events).toEqual(["a1", "a2"]);
  });

  test("lets the thread do something else after 5 ms of judging", () => {
    const { add, goOn, events } = setUp();
    for (const name of ["a1", "a2", "a3", "a4"]) add(name, 3);
    expect(events).toEqual(["a1", "a2", "yield"]);
    goOn();
    expect(events.slice(3)).toEqual(["a3", "a4", "yield"]);
    goOn();
    add("a5", 0);
    expect(events.slice(6)).toEqual(["a5"]);
  });

  test("takes from the lanes in turn", () => {
    const { add, goOn, events } = setUp();
    add("a0", 10);
    for (const name of ["a1", "a2", "a3", "b1", "b2", "c1"]) add(name, 0);
    goOn();
    expect(events.slice(2)).toEqual(["a1", "b1", "c1", "a2", "b2", "a3"]);
  });

  test("judges nobody who is gone, or has waited too long", () => {
    const { add, goOn, events } = setUp();
    add("a0", 10);
    add("a1", 0, { isWanted: () => false });
    add("a2", 0, { expiresAtMs: 9 });
    add("a3", 0, { expiresAtMs: 10 });
    goOn();
    expect(events.slice(2)).toEqual(["a2 expired", "a3"]);
  });
});
