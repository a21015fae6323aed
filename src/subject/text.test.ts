import { expect, test } from "bun:test";
import { bytesOf } from "./byte_string.ts";
import { subjectMatches } from "./matching.ts";
import { isLiteralText, isValidSubscriptionText, subjectMatchesText } from "./text.ts";
import { isLiteral, isValidSubscription } from "./tokens.ts";

/** Every text of up to so many of these characters. */
function* texts(lengthMax: number): Iterable<string> {
  const characters = [".", "*", ">", "a", "é"];
  const grow = function* (text: string, left: number): Iterable<string> {
    yield text;
    if (left > 0) for (const character of characters) yield* grow(text + character, left - 1);
  };
  yield* grow("", lengthMax);
}

test("text is valid and literal as its bytes are", () => {
  for (const text of texts(5)) {
    const bytes = bytesOf(text);
    expect([text, isValidSubscriptionText(text)]).toEqual([
      text,
      isValidSubscription(bytes, 0, bytes.length),
    ]);
    expect([text, isLiteralText(text)]).toEqual([text, isLiteral(bytes, 0, bytes.length)]);
  }
});

test("a pattern matches text as it matches its bytes", () => {
  for (const pattern of texts(3)) {
    if (!isValidSubscriptionText(pattern)) continue;
    const patternBytes = bytesOf(pattern);
    for (const literal of texts(4)) {
      const bytes = bytesOf(literal);
      expect([pattern, literal, subjectMatchesText(pattern, literal)]).toEqual([
        pattern,
        literal,
        subjectMatches(patternBytes, 0, patternBytes.length, bytes, 0, bytes.length),
      ]);
    }
  }
});

test("white space is refused in text", () => {
  for (const white of " \t\r\n\f") expect(isValidSubscriptionText(`a${white}b`)).toBe(false);
});
