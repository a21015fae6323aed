import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Permissions } from "../config/permissions.ts";
import { byteStringOfText } from "../subject/byte_string.ts";
import { subjectMatchesText } from "../subject/text.ts";
import { UserPermissions } from "./permissions.ts";

function permissions(given: Partial<Permissions>): UserPermissions {
  return new UserPermissions({ publish: undefined, subscribe: undefined, responses: undefined, ...given });
}

const lists = (allow: string[] | undefined, deny: string[] | undefined = undefined) => ({ allow, deny });

describe("canPublish()", () => {
  test("asks the allow list, then the deny list", () => {
    const user = permissions({ publish: lists(["foo.*", "bar.>", "lit"], ["foo.secret", "x.*.y"]) });
    for (const subject of ["foo.a", "bar.a.b", "lit", "foo.>"]) {
      expect([subject, user.canPublish(subject)]).toEqual([subject, true]);
    }
    for (const subject of ["foo.secret", "foo", "bar", "other", "foo.a.b"]) {
      expect([subject, user.canPublish(subject)]).toEqual([subject, false]);
    }
  });

  test("takes entries in any script", () => {
    const user = permissions({ publish: lists(["voilà.*"]), subscribe: lists(undefined, ["à.b à"]) });
    expect(user.canPublish(byteStringOfText("voilà.a"))).toBe(true);
    expect(user.canPublish(byteStringOfText("voil"))).toBe(false);
    const name = byteStringOfText("à");
    expect([user.canSubscribe(`${name}.b`, name), user.canSubscribe(`${name}.b`, "")]).toEqual([false, true]);
    expect(user.filterFor(`${name}.*`, name)).toBe(`${name}.b`);
  });

  test("without lists everything is allowed, with an empty one nothing", () => {
    expect(permissions({}).canPublish("any.thing")).toBe(true);
    expect(permissions({ publish: lists([]) }).canPublish("any")).toBe(false);
    expect(permissions({ publish: lists(undefined, ["a"]) }).canPublish("b")).toBe(true);
  });

  test("no entry meets an empty token, or what a mapping has lost", () => {
    for (const subject of ["", ".", "a..b", ".a", "a."]) {
      expect(permissions({ publish: lists(["*.*", ">"]) }).canPublish(subject)).toBe(false);
      expect(permissions({ publish: lists(undefined, [">"]) }).canPublish(subject)).toBe(true);
    }
  });

  test("who may answer requests may publish nothing else, unless a list says so", () => {
    const responses = { maxMessages: 1, ttlMs: 1000 };
    expect(permissions({ responses }).canPublish("a")).toBe(false);
    expect(permissions({ responses, publish: lists(["a"]) }).canPublish("a")).toBe(true);
  });
});

describe("canSubscribe()", () => {
  test("allows a pattern only where all it matches is allowed", () => {
    const user = permissions({ subscribe: lists(["foo.*", "b.>", "c.*.d"]) });
    for (const subject of ["foo.a", "foo.*", "b.c", "b.*.c", "b.>", "c.x.d", "c.*.d"]) {
      expect([subject, user.canSubscribe(subject, "")]).toEqual([subject, true]);
    }
    for (const subject of ["foo.>", "foo", "b", "c.>", ">", "*", "*.a"]) {
      expect([subject, user.canSubscribe(subject, "")]).toEqual([subject, false]);
    }
  });

  test.each([
    [["foo"], true, true, true],
    [["foo v1"], false, true, false],
    [["foo", "foo v1"], true, true, false],
    [["foo >"], false, true, true],
  ] as [string[], boolean, boolean, boolean][])("of queue groups: allow %p", (allow, plain, v1, v2) => {
    const user = permissions({ subscribe: lists(allow) });
    expect([
      user.canSubscribe("foo", ""),
      user.canSubscribe("foo", "v1"),
      user.canSubscribe("foo", "v2"),
    ]).toEqual([plain, v1, v2]);
  });

  test("takes wildcards in the queue part, and a queue group that is called like them", () => {
    const user = permissions({ subscribe: lists(["foo *.dev"]) });
    expect(user.canSubscribe("foo", "a.dev")).toBe(true);
    expect(user.canSubscribe("foo", "*.dev")).toBe(true);
    expect(user.canSubscribe("foo", "a.prod")).toBe(false);
    expect(user.canSubscribe("foo", "")).toBe(false);
    expect(permissions({ subscribe: lists(["foo *"]) }).canSubscribe("foo", ">")).toBe(false);
  });

  test("no entry meets an empty token", () => {
    for (const subject of [".", "a..b", ".a", "a."]) {
      expect(permissions({ subscribe: lists([">"]) }).canSubscribe(subject, "")).toBe(false);
      expect(permissions({ subscribe: lists(undefined, [">"]) }).canSubscribe(subject, "")).toBe(true);
    }
  });

  test("a denied subject refuses plain and queue, a denied queue group only that", () => {
    const user = permissions({ subscribe: lists(undefined, ["foo", "bar adm", "w.*"]) });
    expect([user.canSubscribe("foo", ""), user.canSubscribe("foo", "q")]).toEqual([false, false]);
    expect([user.canSubscribe("bar", ""), user.canSubscribe("bar", "q")]).toEqual([true, true]);
    expect(user.canSubscribe("bar", "adm")).toBe(false);
    expect([user.canSubscribe("w.a", ""), user.canSubscribe("w.>", "")]).toEqual([false, false]);
    expect([user.canSubscribe("*.y", ""), user.canSubscribe(">", "")]).toEqual([true, true]);
  });

  test("whatever it allows, no message outside the permission can be delivered", () => {
    const token = fc.constantFrom("a", "b", "*");
    const pattern = fc
      .tuple(fc.array(token, { minLength: 1, maxLength: 3 }), fc.boolean())
      .map(([tokens, isOpen]) => [...tokens, ...(isOpen ? [">"] : [])].join("."));
    const literal = fc
      .array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 4 })
      .map((tokens) => tokens.join("."));
    fc.assert(
      fc.property(
        fc.array(pattern, { minLength: 1, maxLength: 3 }),
        fc.array(pattern, { maxLength: 2 }),
        pattern,
        literal,
        (allow, deny, subscription, subject) => {
          const user = permissions({ subscribe: lists(allow, deny) });
          if (!user.canSubscribe(subscription, "")) return;
          if (!subjectMatchesText(subscription, subject)) return;
          const isDenied = deny.some((entry) => subjectMatchesText(entry, subject));
          const filter = user.filterFor(subscription, "").split(" ");
          expect(filter.some((entry) => subjectMatchesText(entry, subject))).toBe(isDenied);
          expect(allow.some((entry) => subjectMatchesText(entry, subject))).toBe(true);
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe("filterFor()", () => {
  test("names what is denied of a subscription's messages, by queue group where an entry has one", () => {
    const user = permissions({ subscribe: lists(undefined, ["x.y", "*.z", "q.* adm", "w.> *.dev"]) });
    expect([user.filterFor("x.>", ""), user.filterFor("x.>", "q"), user.filterFor("z.y", "")]).toEqual([
      "x.y *.z",
      "x.y *.z",
      "",
    ]);
    expect([user.filterFor("q.1", "adm"), user.filterFor("q.1", "other"), user.filterFor("q.1", "")]).toEqual(
      ["q.*", "", ""],
    );
    expect([user.filterFor(">", "a.dev"), user.filterFor("w.*", "a.prod")]).toEqual(["x.y *.z w.>", "*.z"]);
  });
});
