import { describe, expect, test } from "bun:test";
import { readMimeHeaders } from "./mime_headers.ts";

function read(...lines: readonly string[]): Record<string, readonly string[]> | null {
  return readBlock(`NATS/1.0\r\n${lines.map((line) => `${line}\r\n`).join("")}\r\n`);
}

function readBlock(block: string): Record<string, readonly string[]> | null {
  const bytes = new TextEncoder().encode(`<${block}>`);
  const headers = readMimeHeaders(bytes, 1, bytes.length - 1);
  return headers && Object.fromEntries(headers);
}

describe("readMimeHeaders()", () => {
  test("spells names alike and keeps values in order", () => {
    expect(read("x-b3-TRACEID: t", "A:b", "a:   c  ")).toEqual({ "X-B3-Traceid": ["t"], A: ["b", "c"] });
  });

  test("joins a line that goes on in the next", () => {
    expect(read("B3: a", " \t b ", "C: d")).toEqual({ B3: ["a b"], C: ["d"] });
  });

  test("leaves a name with a space as it is", () => {
    expect(read("Fo o: 1", "foo : 2")).toEqual({ "Fo o": ["1"], "foo ": ["2"] });
  });

  test("reads lines that end in LF, and no further than the empty line", () => {
    expect(readBlock("NATS/1.0\nA: b\n\nC: d\n\n")).toEqual({ A: ["b"] });
  });

  test("finds nothing in an empty block", () => {
    expect(read()).toEqual({});
  });

  for (const [what, lines] of [
    ["a line without a colon", ["Foo", "A: b"]],
    ["an empty name", [": x"]],
    ["a name that is not ASCII", ["é: 1"]],
    ["a first line that goes on", [" A: b"]],
    ["a control character in a value", ["A: b\x01"]],
  ] as const) {
    test(`is null for ${what}`, () => expect(read(...lines)).toBe(null));
  }

  test("is null for a block that does not end", () => {
    for (const block of ["", "NATS/1.0", "NATS/1.0\r\nA: b", "NATS/1.0\r\nA: b\r\n"]) {
      expect(readBlock(block)).toBe(null);
    }
  });
});
