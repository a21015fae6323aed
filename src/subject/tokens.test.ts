import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { isLiteral, isValidPublishSubject, isValidSubscription, tokenCount } from "./tokens.ts";

/** Subjects over few bytes, so that wildcards, dots and broken UTF-8 meet often. */
const subjectText = fc
  .array(fc.constantFrom(".", "*", ">", "a", "\0", "\xff"), { maxLength: 9 })
  .map((characters) => characters.join(""));

function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** Puts the subject between other bytes, so that a read outside [start, end) shows. */
function ask<T>(rule: (bytes: Uint8Array, start: number, end: number) => T, text: string): T {
  return rule(latin1(`*.${text}.>`), 2, 2 + text.length);
}

describe("isValidSubscription()", () => {
  test("refuses empty tokens and > before the last token", () => {
    for (const text of ["", ".", "foo..bar", "foo.>.x", ".a", "a.", ">.a", ">.>"]) {
      expect([text, ask(isValidSubscription, text)]).toEqual([text, false]);
    }
  });

  test("takes wildcard characters inside a longer token as text", () => {
    for (const text of ["foo", "*", ">", "a.*.>", "foo*.b>r", ">>.a", "a\0b", "\xff\xfe.\x80"]) {
      expect([text, ask(isValidSubscription, text)]).toEqual([text, true]);
    }
  });

  test("agrees with the rule written over split tokens", () => {
    fc.assert(
      fc.property(subjectText, (text) => {
        const tokens = text.split(".");
        const naive = tokens.every((token, i) => token !== "" && (token !== ">" || i === tokens.length - 1));
        expect(ask(isValidSubscription, text)).toBe(naive);
      }),
    );
  });
});

describe("isValidPublishSubject()", () => {
  test("agrees with the rule written over split tokens", () => {
    fc.assert(
      fc.property(subjectText, (text) => {
        const naive = text.split(".").every((token) => token !== "" && token !== "*" && token !== ">");
        expect(ask(isValidPublishSubject, text)).toBe(naive);
      }),
    );
  });
});

describe("isLiteral() and tokenCount()", () => {
  test("agree with the rules written over split tokens", () => {
    fc.assert(
      fc.property(subjectText, (text) => {
        const tokens = text.split(".");
        expect(ask(isLiteral, text)).toBe(!tokens.some((token) => token === "*" || token === ">"));
        expect(ask(tokenCount, text)).toBe(text === "" ? 0 : tokens.length);
      }),
    );
  });
});
