import { describe, expect, test } from "bun:test";
import { HEAD_BYTES_MAX, HeadReader, headerListHas, headerValue, isBadHead } from "./http_head.ts";

const encoder = new TextEncoder();

function readerOf(...pieces: string[]): HeadReader {
  const reader = new HeadReader();
  for (const piece of pieces)
    expect(reader.add(encoder.encode(piece), 0, encoder.encode(piece).length)).toBe(true);
  return reader;
}

function headOf(text: string) {
  const head = readerOf(text).take();
  if (head === null || isBadHead(head)) throw new Error(`no head: ${JSON.stringify(head)}`);
  return head;
}

const REQUEST = "GET / HTTP/1.1\r\nHost: a\r\nX:  one \r\nx: two, Three\r\n\r\n";

describe("HeadReader", () => {
  test("takes a head wherever it is cut, and leaves what follows", () => {
    for (let at = 0; at <= REQUEST.length; at++) {
      const reader = readerOf(REQUEST.slice(0, at));
      if (at < REQUEST.length) expect(reader.take()).toBe(null);
      reader.add(encoder.encode(`${REQUEST.slice(at)}rest`), 0, REQUEST.length - at + 4);
      const head = reader.take();
      expect(head).toEqual(headOf(REQUEST));
      expect(reader.restBytes).toBe(4);
    }
  });

  test("takes several that came together", () => {
    const reader = readerOf(`${REQUEST}${REQUEST.replace("GET", "PUT")}P`);
    expect(reader.take()).toEqual(headOf(REQUEST));
    expect(reader.peekFirstLine()).toBe("PUT / HTTP/1.1");
    expect(reader.take()).not.toBe(null);
    expect(reader.peekFirstLine()).toBe(null);
    expect(reader.take()).toBe(null);
    expect(reader.restBytes).toBe(1);
  });

  test("takes line feeds alone, lines that go on, and values that are empty", () => {
    const { firstLine, headers } = headOf("GET / HTTP/1.1\nA: b\n  c\nEmpty:\n\n");
    expect(firstLine).toBe("GET / HTTP/1.1");
    expect(headerValue(headers, "a")).toBe("b c");
    expect(headers.get("empty")).toEqual([""]);
  });

  test("names are of any case, lists are over all lines", () => {
    const { headers } = headOf(REQUEST);
    expect(headers.get("x")).toEqual(["one", "two, Three"]);
    expect(headerListHas(headers, "x", "three")).toBe(true);
    expect(headerListHas(headers, "x", "two, Three")).toBe(false);
    expect(headerValue(headers, "none")).toBe("");
  });

  test("says what is wrong with a line", () => {
    const problemOf = (line: string) => readerOf(`GET / HTTP/1.1\r\n${line}\r\n\r\n`).take();
    const bad = (text: string) => ({ isTooLong: false, text });
    expect(problemOf("no colon")).toEqual(bad(""));
    expect(problemOf(" goes on with nothing")).toEqual(bad(""));
    expect(problemOf("a b: c")).toEqual(bad("invalid header name"));
    expect(problemOf(": c")).toEqual(bad(""));
    expect(problemOf("a(: c")).toEqual(bad(""));
    expect(problemOf("a: \x01")).toEqual(bad(""));
  });

  test("refuses more than a head can be, and finds the end of a long one", () => {
    const reader = new HeadReader();
    const line = encoder.encode(`a: ${"x".repeat(1021)}\r\n`);
    for (let i = 0; i < 60; i++) expect(reader.add(line, 0, line.length)).toBe(true);
    expect(reader.take()).toBe(null);
    const rest = new Uint8Array(HEAD_BYTES_MAX);
    expect(reader.add(rest, 0, rest.length)).toBe(false);
    expect(reader.add(encoder.encode("\r\n"), 0, 2)).toBe(true);
    expect(reader.take()).not.toBe(null);
  });
});
