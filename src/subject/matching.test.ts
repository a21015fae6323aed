import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { subjectMatches, subjectsCollide } from "./matching.ts";
import { isLiteralText, isValidSubscriptionText, subjectMatchesText, subjectsCollideText } from "./text.ts";

const patternToken = fc.constantFrom("a", "b", "ab", "*", "a*", "b>");
const pattern = fc
  .tuple(fc.array(patternToken, { maxLength: 4 }), fc.boolean())
  .filter(([tokens, isOpen]) => tokens.length > 0 || isOpen)
  .map(([tokens, isOpen]) => (isOpen ? [...tokens, ">"] : tokens).join("."));
const literal = fc
  .array(fc.constantFrom("a", "b", "ab", "*", "a*", "b>", ">", ""), { maxLength: 5 })
  .map((tokens) => tokens.join("."));

function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function naiveMatches(patternTokens: string[], literalTokens: string[]): boolean {
  if (literalTokens.includes("")) return false;
  if (patternTokens.length === 0) return literalTokens.length === 0;
  if (literalTokens.length === 0) return false;
  if (patternTokens[0] === ">" && patternTokens.length === 1) return true;
  if (patternTokens[0] !== "*" && patternTokens[0] !== literalTokens[0]) return false;
  return naiveMatches(patternTokens.slice(1), literalTokens.slice(1));
}

/** Replaces the wildcards of one pattern by the other's tokens until a common literal is found. */
function naiveCollide(a: string[], b: string[]): boolean {
  if (a.length === 0 || b.length === 0) return a.length === b.length;
  if (a[0] === ">" || b[0] === ">") return true;
  if (a[0] !== "*" && b[0] !== "*" && a[0] !== b[0]) return false;
  return naiveCollide(a.slice(1), b.slice(1));
}

describe("subjectMatches()", () => {
  test("follows the examples of the protocol", () => {
    const cases: [string, string, boolean][] = [
      ["foo.>", "foo", false],
      ["foo.>", "foo.a.b", true],
      ["*", "foo", true],
      ["*.*", "foo.*", true],
      ["foo.bar", "foo.*", false],
      ["foo.*", "foo.*", true],
      [">", "foo..bar", false],
      [">", "", false],
      ["foo.*", "foo.", false],
      ["Foo", "foo", false],
      ["foo*.b>r", "foo*.b>r", true],
      ["foo*", "fooa", false],
    ];
    for (const [patternText, literalText, expected] of cases) {
      expect([patternText, literalText, subjectMatchesText(patternText, literalText)]).toEqual([
        patternText,
        literalText,
        expected,
      ]);
    }
  });

  test("compares bytes that are no text", () => {
    const bytes = latin1("a.\0\xff.b");
    expect(subjectMatches(bytes, 0, 6, latin1("a.\0\xff.b"), 0, 6)).toBe(true);
    expect(subjectMatches(bytes, 0, 6, latin1("a.\0\xfe.b"), 0, 6)).toBe(false);
  });

  test("agrees with a naive matcher and stays inside its ranges", () => {
    fc.assert(
      fc.property(pattern, literal, (patternText, literalText) => {
        const p = latin1(`x${patternText}.x`);
        const l = latin1(`y.${literalText}y`);
        const result = subjectMatches(p, 1, 1 + patternText.length, l, 2, 2 + literalText.length);
        expect(result).toBe(naiveMatches(patternText.split("."), literalText.split(".")));
        expect(subjectMatchesText(patternText, literalText)).toBe(result);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("subjectsCollide()", () => {
  test("agrees with a naive walk over tokens", () => {
    fc.assert(
      fc.property(pattern, pattern, (textA, textB) => {
        const a = latin1(`x${textA}.x`);
        const b = latin1(`.${textB}*`);
        const result = subjectsCollide(a, 1, 1 + textA.length, b, 1, 1 + textB.length);
        expect(result).toBe(naiveCollide(textA.split("."), textB.split(".")));
        expect(subjectsCollideText(textB, textA)).toBe(result);
      }),
      { numRuns: 2000 },
    );
  });

  test("is true wherever one literal is matched by both", () => {
    fc.assert(
      fc.property(pattern, pattern, literal, (textA, textB, literalText) => {
        if (subjectMatchesText(textA, literalText) && subjectMatchesText(textB, literalText)) {
          expect(subjectsCollideText(textA, textB)).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test("takes only a lone star for a wildcard", () => {
    expect(subjectsCollideText("*a.*", "b.c")).toBe(false);
  });
});

test("isValidSubscriptionText() refuses white space, isLiteralText() sees wildcard tokens", () => {
  expect(isValidSubscriptionText("a b")).toBe(false);
  expect(isValidSubscriptionText("a.\f")).toBe(false);
  expect(isValidSubscriptionText("a.é.>")).toBe(true);
  expect(isLiteralText("a.b*")).toBe(true);
  expect(isLiteralText("a.*")).toBe(false);
});
