import { expect, test } from "bun:test";
import { derText } from "./der.ts";

test("derText() reads each type of string as Go does", () => {
  for (const [tag, content, text] of [
    [0x0c, [0xc3, 0xa9], "é"],
    [0x1e, [0x00, 0xe9, 0x65, 0xe5], "é日"],
    [0x13, [0x61], "a"],
    [0x14, [0xe9, 0x97], "é\u0097"],
  ] as const) {
    const bytes = new Uint8Array([tag, content.length, ...content]);
    expect(derText(bytes, { tag, start: 0, contentStart: 2, end: bytes.length })).toBe(text);
  }
});
