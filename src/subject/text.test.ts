import { expect, test } from "bun:test";
import { bytesOf } from "./byte_string.ts";
import { isLiteralText, isValidSubscriptionText } from "./text.ts";
import { isLiteral, isValidSubscription } from "./tokens.ts";

/** Every text of up to five of these characters. */
function* texts(): Iterable<string> {
  const characters = [".", "*", ">", "a", "é"];
  const grow = function* (text: string, left: number): Iterable<string> {
    yield text;
    if (left > 0) for (const character of characters) yield* grow(text + character, left - 1);
  };
  yield* grow("", 5);
}

test("text is valid and literal as its bytes are", () => {
  for (const text of texts()) {
    const bytes = bytesOf(text);
    expect([text, isValidSubscriptionText(text)]).toEqual([
      text,
      isValidSubscription(bytes, 0, bytes.length),
    ]);
    expect([text, isLiteralText(text)]).toEqual([text, isLiteral(bytes, 0, bytes.length)]);
  }
});

test("white space is refused in text", () => {
  for (const white of " \t\r\n\f") expect(isValidSubscriptionText(`a${white}b`)).toBe(false);
});
