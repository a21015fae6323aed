import { expect, test } from "bun:test";
import fc from "fast-check";
import { byteStringOf, byteStringOfText, bytesOf, textOf } from "./byte_string.ts";

test("byteStringOf() and bytesOf() are inverse, whatever the bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      expect(bytesOf(byteStringOf(bytes))).toEqual(bytes);
    }),
  );
});

test("byteStringOf() takes a range of a view", () => {
  const view = new Uint8Array([0, 97, 98, 255, 0]).subarray(1);
  expect(byteStringOf(view, 1, 3)).toBe("b\xff");
});

test("byteStringOf() reads shared memory", () => {
  const shared = new Uint8Array(new SharedArrayBuffer(2));
  shared.set([97, 0xc3]);
  expect(byteStringOf(shared)).toBe("a\xc3");
});

test("byteStringOfText() and textOf() go through UTF-8", () => {
  expect(byteStringOfText("é")).toBe("\xc3\xa9");
  expect(textOf("\xc3\xa9.\xff")).toBe("é.\ufffd");
});
