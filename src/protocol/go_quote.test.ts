import { expect, test } from "bun:test";
import { goQuote, goQuoteText } from "./go_quote.ts";

function hex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

test("goQuote() writes bytes and runes as nats-server does", () => {
  // Each was sent as a subject to nats-server 2.15.2, whose permission error quotes it.
  const cases: [bytes: string, quoted: string][] = [
    ["", '""'],
    ["00", '"\\x00"'],
    ["07080b0c1b", '"\\a\\b\\v\\f\\x1b"'],
    ["090a0d", '"\\t\\n\\r"'],
    ["7f", '"\\x7f"'],
    ["80", '"\\x80"'],
    ["ff", '"\\xff"'],
    ["6122625c63276460", '"a\\"b\\\\c\'d`"'],
    ["c3a9", '"é"'],
    ["c280", '"\\u0080"'],
    ["c2a0", '"\\u00a0"'],
    ["c2ad", '"\\u00ad"'],
    ["e2808b", '"\\u200b"'],
    ["e280a8", '"\\u2028"'],
    ["e38080", '"\\u3000"'],
    ["efbbbf", '"\\ufeff"'],
    ["efbfbd", '"\ufffd"'],
    ["efbfbf", '"\\uffff"'],
    ["f09f9880", '"😀"'],
    ["f3a08081", '"\\U000e0001"'],
    ["f48fbfbf", '"\\U0010ffff"'],
    ["e697a5e69cac", '"日本"'],
    ["cc81", '"\u0301"'],
    ["cdb8", '"\\u0378"'],
    ["ee8080", '"\\ue000"'],
    ["c080", '"\\xc0\\x80"'],
    ["eda080", '"\\xed\\xa0\\x80"'],
    ["e282", '"\\xe2\\x82"'],
    ["f4908080", '"\\xf4\\x90\\x80\\x80"'],
    ["c328", '"\\xc3("'],
  ];
  for (const [bytes, quoted] of cases) expect([bytes, goQuote(hex(bytes))]).toEqual([bytes, quoted]);
});

test("goQuote() looks at its range only", () => {
  expect(goQuote(hex("61e282ac62"), 1, 4)).toBe('"€"');
  expect(goQuote(hex("61e282ac62"), 1, 3)).toBe('"\\xe2\\x82"');
});

test("goQuoteText() quotes text", () => {
  expect(goQuoteText('a "b" ü')).toBe('"a \\"b\\" ü"');
});
