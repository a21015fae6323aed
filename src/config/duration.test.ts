import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { formatDuration, parseDuration } from "./duration.ts";

describe("parseDuration()", () => {
  const good: readonly (readonly [string, number])[] = [
    ["0", 0],
    ["2m", 120_000],
    ["1h30m", 5_400_000],
    ["1.5s", 1500],
    [".5s", 500],
    ["-10s", -10_000],
    ["+10s", 10_000],
    ["1us", 0.001],
    ["1\u00b5s", 0.001],
    ["1500ms", 1500],
    ["1h2m3s4ms", 3_723_004],
  ];
  for (const [text, durationMs] of good) {
    test(`reads ${text}`, () => expect(parseDuration(text)).toBe(durationMs));
  }

  const bad: readonly (readonly [string, string])[] = [
    ["", 'invalid duration ""'],
    ["-", 'invalid duration "-"'],
    ["abc", 'invalid duration "abc"'],
    ["5", 'missing unit in duration "5"; known are ns us ms s m h'],
    ["10x", 'unknown unit "x" in duration "10x"; known are ns us ms s m h'],
    ["1m 30s", 'unknown unit "m " in duration "1m 30s"; known are ns us ms s m h'],
    ["1toString", 'unknown unit "toString" in duration "1toString"; known are ns us ms s m h'],
    ["9999999h", 'duration "9999999h" is out of the range'],
  ];
  for (const [text, problem] of bad) {
    test(`refuses ${JSON.stringify(text)}`, () => expect(parseDuration(text)).toBe(problem));
  }
});

describe("formatDuration()", () => {
  const durations: readonly (readonly [number, string])[] = [
    [0, "0s"],
    [10_000, "10s"],
    [120_000, "2m0s"],
    [5_400_000, "1h30m0s"],
    [1500, "1.5s"],
    [250, "250ms"],
    [0.5, "500\u00b5s"],
    [0.0005, "500ns"],
    [-90_000, "-1m30s"],
  ];
  for (const [durationMs, text] of durations) {
    test(`writes ${text}`, () => expect(formatDuration(durationMs)).toBe(text));
  }

  test("writes what parseDuration() reads back", () => {
    fc.assert(
      fc.property(fc.integer({ min: -1e12, max: 1e12 }), (durationMs) => {
        const back = parseDuration(formatDuration(durationMs));
        expect(Math.abs((back as number) - durationMs) < 1e-3).toBe(true);
      }),
    );
  });
});
