import { describe, expect, test } from "bun:test";
import { expect as standIn } from "./expect.ts";

/** Each matcher of the stand-in: a call that must pass, and one that must fail. */
const CASES: [name: string, passes: () => void, fails: () => void][] = [
  ["toBe", () => standIn(1).toBe(1), () => standIn([]).toBe([])],
  ["toBe of NaN and zeroes", () => standIn(Number.NaN).toBe(Number.NaN), () => standIn(0).toBe(-0)],
  [
    "toEqual",
    () => standIn({ a: [1, { b: 2 }] }).toEqual({ a: [1, { b: 2 }] }),
    () => standIn([1]).toEqual([1, 2]),
  ],
  [
    "toEqual of undefined properties",
    () => standIn({ a: undefined }).toEqual({}),
    () => standIn({ a: null }).toEqual({}),
  ],
  [
    "toEqual of bytes",
    () => standIn(Uint8Array.of(1, 2)).toEqual(Uint8Array.of(1, 2)),
    () => standIn(Uint8Array.of(1, 2)).toEqual([1, 2]),
  ],
  [
    "toEqual of maps and sets",
    () => standIn([new Map([["a", [1]]]), new Set([{}])]).toEqual([new Map([["a", [1]]]), new Set([{}])]),
    () => standIn(new Map([["a", 1]])).toEqual(new Map([["a", 2]])),
  ],
  [
    "toEqual of dates",
    () => standIn(new Date(5)).toEqual(new Date(5)),
    () => standIn(new Date(5)).toEqual(new Date(6)),
  ],
  [
    "toEqual of errors",
    () => standIn(new Error("a")).toEqual(new Error("a")),
    () => standIn(new Error("a")).toEqual(new Error("b")),
  ],
  [
    "toStrictEqual",
    () => standIn({ a: 1 }).toStrictEqual({ a: 1 }),
    () => standIn({ a: undefined }).toStrictEqual({}),
  ],
  [
    "toMatchObject",
    () => standIn({ a: { b: 1, c: 2 }, d: 3 }).toMatchObject({ a: { b: 1 } }),
    () => standIn({ a: 1 }).toMatchObject({ b: 1 }),
  ],
  ["toBeNull", () => standIn(null).toBeNull(), () => standIn(undefined).toBeNull()],
  ["toBeUndefined", () => standIn(undefined).toBeUndefined(), () => standIn(null).toBeUndefined()],
  ["toBeDefined", () => standIn(null).toBeDefined(), () => standIn(undefined).toBeDefined()],
  ["toBeTruthy", () => standIn("a").toBeTruthy(), () => standIn("").toBeTruthy()],
  ["toBeFalsy", () => standIn(0).toBeFalsy(), () => standIn(1).toBeFalsy()],
  ["toBeTrue", () => standIn(true).toBeTrue(), () => standIn(1).toBeTrue()],
  ["toBeFalse", () => standIn(false).toBeFalse(), () => standIn(0).toBeFalse()],
  ["toBeNaN", () => standIn(Number.NaN).toBeNaN(), () => standIn(1).toBeNaN()],
  ["toBeTypeOf", () => standIn("a").toBeTypeOf("string"), () => standIn("a").toBeTypeOf("number")],
  ["toBeInstanceOf", () => standIn([]).toBeInstanceOf(Array), () => standIn({}).toBeInstanceOf(Array)],
  ["toBeGreaterThan", () => standIn(2).toBeGreaterThan(1), () => standIn(1).toBeGreaterThan(1)],
  [
    "toBeGreaterThanOrEqual",
    () => standIn(1).toBeGreaterThanOrEqual(1),
    () => standIn(0).toBeGreaterThanOrEqual(1),
  ],
  ["toBeLessThan", () => standIn(1n).toBeLessThan(2n), () => standIn(1).toBeLessThan(1)],
  ["toBeLessThanOrEqual", () => standIn(1).toBeLessThanOrEqual(1), () => standIn(2).toBeLessThanOrEqual(1)],
  ["toBeCloseTo", () => standIn(0.1 + 0.2).toBeCloseTo(0.3), () => standIn(0.31).toBeCloseTo(0.3)],
  ["toMatch", () => standIn("midge").toMatch(/^mi/), () => standIn("midge").toMatch("nats")],
  ["toContain", () => standIn([1, 2]).toContain(2), () => standIn("midge").toContain("nats")],
  [
    "toContainEqual",
    () => standIn([{ a: 1 }]).toContainEqual({ a: 1 }),
    () => standIn([{}]).toContainEqual({ a: 1 }),
  ],
  ["toStartWith", () => standIn("ab").toStartWith("a"), () => standIn("ab").toStartWith("b")],
  ["toEndWith", () => standIn("ab").toEndWith("b"), () => standIn("ab").toEndWith("a")],
  ["toHaveLength", () => standIn([1]).toHaveLength(1), () => standIn("ab").toHaveLength(1)],
  [
    "toHaveProperty",
    () => standIn({ a: { b: 1 } }).toHaveProperty("a.b", 1),
    () => standIn({ a: { b: 1 } }).toHaveProperty("a.c"),
  ],
  ["toThrow", () => standIn(throwing).toThrow("a b"), () => standIn(() => {}).toThrow()],
  ["toThrow of a pattern", () => standIn(throwing).toThrow(/^a/), () => standIn(throwing).toThrow(/^b/)],
  [
    "toThrow of a class",
    () => standIn(throwing).toThrow(RangeError),
    () => standIn(throwing).toThrow(TypeError),
  ],
  ["not", () => standIn(1).not.toBe(2), () => standIn(1).not.toBe(1)],
  ["not.toThrow", () => standIn(() => {}).not.toThrow(), () => standIn(throwing).not.toThrow()],
  [
    "any",
    () => standIn({ a: 1 }).toEqual({ a: standIn.any(Number) }),
    () => standIn("a").toEqual(standIn.any(Number)),
  ],
  ["anything", () => standIn(0).toEqual(standIn.anything()), () => standIn(null).toEqual(standIn.anything())],
  [
    "objectContaining",
    () => standIn({ a: 1, b: 2 }).toEqual(standIn.objectContaining({ a: 1 })),
    () => standIn({ b: 2 }).toEqual(standIn.objectContaining({ a: 1 })),
  ],
];

function throwing(): never {
  throw new RangeError("a b c");
}

describe("the stand-in's expect()", () => {
  for (const [name, passes, fails] of CASES) {
    test(`${name} passes what is right and fails what is wrong`, () => {
      passes();
      expect(fails).toThrow(/^expected /);
    });
  }

  test("rejects and resolves wait for the promise", async () => {
    await standIn(Promise.resolve(1)).resolves.toBe(1);
    await standIn(Promise.reject(new Error("no"))).rejects.toThrow("no");
    await standIn(Promise.reject(new Error("no"))).rejects.not.toThrow("yes");
    await expect(standIn(Promise.resolve(1)).resolves.toBe(2)).rejects.toThrow("expected 1 to be 2");
    await expect(standIn(Promise.resolve(1)).rejects.toThrow()).rejects.toThrow(
      "expected the promise to reject",
    );
    await expect(standIn(Promise.reject(new Error("a"))).rejects.toThrow("b")).rejects.toThrow("to throw");
    await expect(standIn(Promise.reject(new Error("a"))).resolves.toBe(1)).rejects.toThrow("a");
  });
});
