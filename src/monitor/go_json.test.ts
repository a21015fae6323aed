import { describe, expect, test } from "bun:test";
import {
  encodeGoJson,
  formatDuration,
  formatRoundTrip,
  formatTime,
  formatUptime,
  omitEmpty,
  sortedRecord,
} from "./go_json.ts";

describe("encodeGoJson()", () => {
  test("indents by two spaces, keeps empty containers on one line and ends without a newline", () => {
    expect(encodeGoJson({ a: [], b: {}, c: [1] })).toBe('{\n  "a": [],\n  "b": {},\n  "c": [\n    1\n  ]\n}');
  });

  test("leaves out undefined and writes null", () => {
    expect(encodeGoJson({ a: undefined, b: null }, 0)).toBe('{"b":null}');
  });

  test("escapes the characters that Go escapes for HTML, and the line separators", () => {
    expect(encodeGoJson({ s: "a.> <b> & \u2028\u2029" }, 0)).toBe(
      '{"s":"a.\\u003e \\u003cb\\u003e \\u0026 \\u2028\\u2029"}',
    );
  });

  test("writes integers that a number cannot hold digit by digit", () => {
    expect(encodeGoJson({ offset: 9223372036854775807n }, 0)).toBe('{"offset":9223372036854775807}');
  });
});

test("omitEmpty() drops what omitempty drops and keeps the rest", () => {
  for (const empty of [0, "", false, null, undefined, []]) expect(omitEmpty(empty)).toBe(undefined);
  for (const value of [1, -1, "x", true, [0]]) expect(omitEmpty(value) as unknown).toBe(value);
});

test("sortedRecord() sorts keys", () => {
  expect(
    encodeGoJson(
      sortedRecord(
        new Map([
          ["/varz", 1],
          ["/", 2],
        ]),
      ),
      0,
    ),
  ).toBe('{"/":2,"/varz":1}');
});

describe("formatTime()", () => {
  test("cuts the fraction's trailing zeros", () => {
    const ms = Date.UTC(2026, 2, 2, 9, 15, 21);
    expect(formatTime(ms)).toBe("2026-03-02T09:15:21Z");
    expect(formatTime(ms + 490)).toBe("2026-03-02T09:15:21.49Z");
    expect(formatTime(ms + 0.125)).toBe("2026-03-02T09:15:21.000125Z");
    expect(formatTime(ms - 1)).toBe("2026-03-02T09:15:20.999Z");
  });

  test("follows days, back and forth and before 1970", () => {
    const midnight = Date.UTC(2024, 1, 29);
    for (const ms of [
      midnight,
      midnight - 1,
      midnight + 1,
      midnight + 86_399_999,
      midnight + 86_400_000,
      -1,
    ]) {
      expect(formatTime(ms)).toBe(new Date(ms).toISOString().replace(/\.?0*Z$/, "Z"));
    }
  });

  test("shows year 1 for a time that never was", () => {
    expect(formatTime(null)).toBe("0001-01-01T00:00:00Z");
  });
});

describe("formatUptime()", () => {
  const SECOND = 1000;
  const MINUTE = 60 * SECOND;
  const HOUR = 60 * MINUTE;
  const DAY = 24 * HOUR;
  const cases: [number, string][] = [
    [999, "0s"],
    [22 * SECOND, "22s"],
    [4 * MINUTE + 22 * SECOND, "4m22s"],
    [4 * HOUR + 4 * MINUTE + 22 * SECOND, "4h4m22s"],
    [32 * DAY + 4 * HOUR + 4 * MINUTE + 22 * SECOND, "32d4h4m22s"],
    [(22 * 365 + 32) * DAY + 4 * HOUR + 4 * MINUTE + 22 * SECOND, "22y32d4h4m22s"],
    [DAY, "1d0h0m0s"],
  ];
  for (const [ms, text] of cases)
    test(`shows ${ms} ms as ${text}`, () => expect(formatUptime(ms)).toBe(text));
});

describe("formatDuration()", () => {
  const cases: [number, string][] = [
    [0, "0s"],
    [999, "999ns"],
    [482_000, "482µs"],
    [1_500, "1.5µs"],
    [1_234_567, "1.234567ms"],
    [7_887_282_529, "7.887282529s"],
    [62_500_000_000, "1m2.5s"],
    [7_200_000_000_000, "2h0m0s"],
  ];
  for (const [ns, text] of cases)
    test(`shows ${ns} ns as ${text}`, () => expect(formatDuration(ns)).toBe(text));
});

test("formatRoundTrip() cuts to whole microseconds only between one microsecond and one millisecond", () => {
  expect(formatRoundTrip(482_913)).toBe("482µs");
  expect(formatRoundTrip(1_000)).toBe("1µs");
  expect(formatRoundTrip(1_234_567)).toBe("1.234567ms");
  expect(formatRoundTrip(0)).toBe("0s");
});
