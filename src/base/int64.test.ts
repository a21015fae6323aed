import { expect, test } from "bun:test";
import { parseInt64 } from "./int64.ts";

test("parseInt64() reads what fits into 64 bits", () => {
  for (const text of ["0", "-0", "7", "+7", "-7", "0007", "9223372036854775807", "-9223372036854775808"]) {
    expect(parseInt64(text)).toBe(BigInt(text.replace("+", "")));
  }
  expect(parseInt64("18446744073709551615", true)).toBe(2n ** 64n - 1n);
});

test("parseInt64() reads nothing else, at once", () => {
  const others = ["", "-", "+-1", "1.5", "1e3", " 1", "x", "9223372036854775808", "-9223372036854775809"];
  for (const text of others) expect(parseInt64(text)).toBeUndefined();
  for (const text of ["-1", "18446744073709551616"]) expect(parseInt64(text, true)).toBeUndefined();
  expect(parseInt64("9".repeat(1_000_000))).toBeUndefined();
  expect(parseInt64(`${"0".repeat(1_000_000)}1`)).toBe(1n);
});
