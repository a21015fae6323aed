import { describe, expect, test } from "bun:test";
import { readMimeHeaders } from "../protocol/mime_headers.ts";
import { sampleRequest } from "./latency_sampling.ts";

const BY_HEADERS = { subject: "l", sampling: "headers" as const };

function noDraw(): number {
  throw new Error("drew");
}

function headersOf(lines: readonly string[]) {
  const bytes = new TextEncoder().encode(`NATS/1.0\r\n${lines.map((line) => `${line}\r\n`).join("")}\r\n`);
  return readMimeHeaders(bytes, 0, bytes.length);
}

describe("sampleRequest() by headers", () => {
  // Seen on nats-server 2.15.2; null: not sampled.
  const rows: readonly (readonly [lines: readonly string[], header: string | null])[] = [
    [["Uber-Trace-Id: a:b:c:1"], '{"Uber-Trace-Id":["a:b:c:1"]}'],
    [["Uber-Trace-Id: a:b:c:2"], null],
    [["Uber-Trace-Id: a:b:c:f"], '{"Uber-Trace-Id":["a:b:c:f"]}'],
    [["Uber-Trace-Id: a:b:c:z1"], '{"Uber-Trace-Id":["a:b:c:z1"]}'],
    [["Uber-Trace-Id: a:b:c:111"], null],
    [["Uber-Trace-Id: a:b:c"], null],
    [["Uber-Trace-Id: a:b:c:1:1"], null],
    [["Uber-Trace-Id: a:b:c:2", "X-B3-Sampled: 1"], null],
    [["Uber-Trace-Id: a:b:c:1", "Uber-Trace-Id: q"], '{"Uber-Trace-Id":["a:b:c:1","q"]}'],
    [
      ["Uber-Trace-Id: a:b:c:1f", "uberctx-x: 1", "Uberctx-B: 2"],
      '{"Uber-Trace-Id":["a:b:c:1f"],"Uberctx-B":["2"],"Uberctx-X":["1"]}',
    ],
    [["X-B3-Sampled: 1"], '{"X-B3-Sampled":["1"]}'],
    [["X-B3-Sampled: 1", "X-B3-Sampled: 0"], '{"X-B3-Sampled":["1","0"]}'],
    [["X-B3-Sampled: 0", "X-B3-TraceId: t"], null],
    [["x-b3-sampled: d"], null],
    [["X-B3-Sampled: d", "X-B3-TraceId: t"], '{"X-B3-Sampled":["d"],"X-B3-Traceid":["t"]}'],
    [
      ["x-b3-traceid: t", "X-B3-SpanId: s", "X-B3-ParentSpanId: p"],
      '{"X-B3-Parentspanid":["p"],"X-B3-Spanid":["s"],"X-B3-Traceid":["t"]}',
    ],
    [["X-B3-Sampled: d", "B3: 1"], '{"B3":["1"]}'],
    [["b3: 0"], null],
    [["b3: a-b-0"], null],
    [["b3: a-b-0-c"], null],
    [["b3: a-b-1"], '{"B3":["a-b-1"]}'],
    [["b3: a-b"], '{"B3":["a-b"]}'],
    [["b3: "], '{"B3":[""]}'],
    [["traceparent: 00-a-b-01"], '{"Traceparent":["00-a-b-01"]}'],
    [["traceparent: 00-a-b-01", "tracestate: x"], '{"Traceparent":["00-a-b-01"],"Tracestate":["x"]}'],
    [["traceparent: 00-a-b-7f"], '{"Traceparent":["00-a-b-7f"]}'],
    [["traceparent: 00-a-b-+1"], '{"Traceparent":["00-a-b-+1"]}'],
    [["traceparent: 00-a-b-81"], null],
    [["traceparent: 00-a-b-00"], null],
    [["traceparent: 00-a-b-1"], null],
    [["traceparent: 00-a-b--1"], null],
    [["Foo", "X-B3-Sampled: 1"], null],
    [["A: b"], null],
  ];
  for (const [lines, header] of rows) {
    test(JSON.stringify(lines), () => {
      const sampling = sampleRequest(BY_HEADERS, () => headersOf(lines), noDraw);
      expect(sampling.isSampled).toBe(header !== null);
      expect(sampling.header === undefined ? null : JSON.stringify(sampling.header)).toBe(header);
    });
  }

  test("takes a request without headers for one that does not ask", () => {
    expect(sampleRequest(BY_HEADERS, () => null, noDraw)).toEqual({ isSampled: false });
  });
});

describe("sampleRequest() by draw", () => {
  const draw = (sampling: number, drawn: number, lines: readonly string[] = []) =>
    sampleRequest(
      { subject: "l", sampling },
      () => headersOf(lines),
      () => drawn,
    );

  test("takes one draw more than the percentage says", () => {
    const taken = Array.from({ length: 100 }, (_, drawn) => draw(25, drawn).isSampled).filter(Boolean).length;
    expect(taken).toBe(26);
  });

  test("does not draw for all of them", () => {
    expect(sampleRequest({ subject: "l", sampling: 100 }, () => null, noDraw)).toEqual({ isSampled: true });
  });

  test("shows headers only if they decided", () => {
    expect(draw(25, 25, ["X-B3-Sampled: 1"])).toEqual({ isSampled: true });
    expect(draw(25, 26, ["X-B3-Sampled: 1"])).toEqual({
      isSampled: true,
      header: { "X-B3-Sampled": ["1"] },
    });
    expect(draw(25, 26)).toEqual({ isSampled: false });
  });
});
