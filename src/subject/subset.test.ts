import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { intersection, isSubset } from "./subset.ts";
import { isValidSubscriptionText, subjectMatchesText, subjectsCollideText } from "./text.ts";

const pattern = fc
  .tuple(fc.array(fc.constantFrom("a", "b", "*"), { maxLength: 3 }), fc.boolean())
  .filter(([tokens, isOpen]) => tokens.length > 0 || isOpen)
  .map(([tokens, isOpen]) => (isOpen ? [...tokens, ">"] : tokens).join("."));

/** Patterns here use two letters and have at most four tokens. One more of each is enough to tell them apart. */
const LITERALS = [1, 2, 3, 4, 5].flatMap((length) => literalsOf(length));

function literalsOf(length: number): string[] {
  if (length === 0) return [""];
  const shorter = literalsOf(length - 1);
  return ["a", "b", "c"].flatMap((token) =>
    shorter.map((rest) => (rest === "" ? token : `${token}.${rest}`)),
  );
}

function matchedBy(...patterns: string[]): string[] {
  return LITERALS.filter((literal) => patterns.every((each) => subjectMatchesText(each, literal)));
}

describe("isSubset()", () => {
  test("is inclusion of what is matched", () => {
    fc.assert(
      fc.property(pattern, pattern, (inner, outer) => {
        const outerMatches = new Set(matchedBy(outer));
        expect(isSubset(inner, outer)).toBe(matchedBy(inner).every((literal) => outerMatches.has(literal)));
      }),
    );
  });

  test("lets only > cover empty tokens", () => {
    expect(isSubset("a..b", "a.>")).toBe(true);
    expect(isSubset("a..b", "a.*.b")).toBe(false);
    expect(isSubset("a", "a.>")).toBe(false);
  });
});

describe("intersection()", () => {
  test("matches what both match", () => {
    fc.assert(
      fc.property(pattern, pattern, (a, b) => {
        const common = intersection(a, b);
        expect(common !== null).toBe(subjectsCollideText(a, b));
        if (common === null) return;
        expect(isValidSubscriptionText(common)).toBe(true);
        expect(matchedBy(common)).toEqual(matchedBy(a, b));
      }),
    );
  });
});
