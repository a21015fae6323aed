import { describe, expect, test } from "bun:test";
import { isBcryptHash, isSameSecret, loadHashComparison } from "./password.ts";

/** Of "s3cret", at the lowest cost. */
const HASH = "$2b$04$kFkXCu8SYVvvXXWTvWVSjuMHO5NHsaAB4fM1Nrn7OSVVwLJ2Vl2hS";

describe("isBcryptHash()", () => {
  test("goes by the prefix", () => {
    for (const revision of ["a", "b", "x", "y"]) expect(isBcryptHash(`$2${revision}$11$anything`)).toBe(true);
    for (const text of ["", "secret", "$2c$11$x", "$2a$1$x", "2a$11$x", " $2a$11$x"]) {
      expect(isBcryptHash(text)).toBe(false);
    }
  });
});

describe("loadHashComparison()", () => {
  test("accepts the clear text alone, in every revision", async () => {
    const { hashSync } = await import("bcryptjs");
    const hash = hashSync("s3cret", 4);
    const compare = await loadHashComparison();
    for (const revision of ["a", "b", "x", "y"]) {
      const stored = hash.replace(/^\$2./, `$2${revision}`);
      expect(compare("s3cret", stored)).toBe(true);
      expect(compare("s3cre", stored)).toBe(false);
      expect(compare("s3cret", `${stored}\n`)).toBe(true);
      expect(compare(stored, stored)).toBe(false);
    }
  });

  test("says no to hashes that are none", async () => {
    const compare = await loadHashComparison();
    expect(compare("s3cret", "$2a$04$short")).toBe(false);
    expect(compare("s3cret", HASH.replace("$04$", "$99$"))).toBe(false);
    expect(compare("", HASH)).toBe(false);
  });
});

describe("isSameSecret()", () => {
  test("compares bytes", () => {
    expect(isSameSecret("", "")).toBe(true);
    expect(isSameSecret("pässword", "pässword")).toBe(true);
    for (const [given, stored] of [
      ["", "a"],
      ["a", ""],
      ["aa", "a"],
      ["a", "aa"],
      ["A", "a"],
    ] as const) {
      expect(isSameSecret(given, stored)).toBe(false);
    }
  });
});
