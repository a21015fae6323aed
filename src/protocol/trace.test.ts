import { expect, test } from "bun:test";
import { traceConnect, traceMapping, traceOperation, tracePayload } from "./trace.ts";

const encoder = new TextEncoder();

function connectLine(document: string): string {
  const bytes = encoder.encode(document);
  return traceConnect(bytes, 0, bytes.length);
}

test("traceOperation() spells operations as the protocol does", () => {
  expect(traceOperation("in", "SUB", encoder.encode("foo 1"))).toBe("<<- [SUB foo 1]");
  expect(traceOperation("out", "MSG", "foo 1 5")).toBe("->> [MSG foo 1 5]");
  expect(traceOperation("out", "-ERR", "Invalid Subject")).toBe("->> [-ERR Invalid Subject]");
  expect(traceOperation("out", "OK")).toBe("->> [OK]");
  expect(traceOperation("internal", "DELSUB", "1")).toBe("<-> [DELSUB 1]");
  expect(traceMapping("a", "b")).toBe("<<- [MAPPING a -> b]");
});

test("tracePayload() quotes, cuts and skips the empty", () => {
  const all = { maxTracedBytes: 0, headersOnly: false };
  expect(tracePayload("in", encoder.encode("hello"), 0, all)).toBe('<<- MSG_PAYLOAD: ["hello"]');
  expect(tracePayload("out", encoder.encode('he"\n'), 0, all)).toBe('->> MSG_PAYLOAD: ["he\\"\\n"]');
  expect(tracePayload("in", encoder.encode(""), 0, all)).toBe(null);
  const five = { maxTracedBytes: 5, headersOnly: false };
  expect(tracePayload("in", encoder.encode("hello"), 0, five)).toBe('<<- MSG_PAYLOAD: ["hello"]');
  expect(tracePayload("in", encoder.encode("NATS/1.0\r\n\r\nhi"), 12, five)).toBe(
    '<<- MSG_PAYLOAD: ["NATS/..."]',
  );
});

test("tracePayload() shows the header block alone where asked", () => {
  const headersOnly = { maxTracedBytes: 0, headersOnly: true };
  const message = encoder.encode("NATS/1.0\r\nA: b\r\n\r\nhi");
  expect(tracePayload("in", message, message.length - 2, headersOnly)).toBe(
    '<<- MSG_PAYLOAD: ["NATS/1.0\\r\\nA: b"]',
  );
  expect(tracePayload("in", message, 0, headersOnly)).toBe(null);
});

test("traceConnect() hides secrets and keeps the rest as written", () => {
  expect(
    connectLine(
      '{"verbose":true,"user":"u","pass":"s","auth_token" : "t" ,"nkey":"n","sig":"q","proxy_sig":"z","jwt":"h.p.s"}',
    ),
  ).toBe(
    '<<- [CONNECT {"verbose":true,"user":"u","pass":"[REDACTED]","auth_token" : "[REDACTED]" ,"nkey":"[REDACTED]",' +
      '"sig":"[REDACTED]","proxy_sig":"[REDACTED]","jwt":"h.p.[REDACTED]"}]',
  );
});

test("traceConnect() hides a secret however it is written", () => {
  for (const document of [
    '{"pass":"hun,ter2"}',
    '{"pass":"x\\"hunter2"}',
    '{"PASS":"hunter2"}',
    '{"\\u0070ass":"hunter2"}',
    '{"password":{"a":["hunter2"]}}',
    '{"pass":"a","pass":"hunter2","sig":7}',
    '{"pass":"hunter2"',
    "pass=hunter2",
  ]) {
    expect(connectLine(document)).not.toContain("ter2");
    expect(connectLine(document)).toContain("[REDACTED");
  }
});
