import { describe, expect, test } from "bun:test";
import { CloseReason, closeReasonEntry } from "./close_reason.ts";
import * as errors from "./errors.ts";

const codes = Object.entries<unknown>(errors).filter(
  (entry): entry is [string, number] => entry[0].startsWith("ERROR_") && typeof entry[1] === "number",
);

function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

describe("errorEntry()", () => {
  test("has one entry for each code, and each code is a negative number of its own", () => {
    expect(codes.length).toBeGreaterThan(20);
    expect(new Set(codes.map(([, code]) => code)).size).toBe(codes.length);
    for (const [, code] of codes) {
      expect(code).toBeLessThan(0);
      expect(errors.errorEntry(code).logLevel).toMatch(/^(error|warning|debug|none)$/);
    }
    expect(() => errors.errorEntry(-1000)).toThrow(RangeError);
    expect(() => errors.errorEntry(0)).toThrow(RangeError);
  });

  test("sends its text before it closes: no text belongs to a reason that drops pending output", () => {
    for (const [name, code] of codes) {
      const { wireText, closeReason } = errors.errorEntry(code);
      if (wireText === null || closeReason === null || code === errors.ERROR_TLS_REQUIRED) continue;
      expect([name, closeReasonEntry(closeReason).flushesPending]).toEqual([name, true]);
    }
  });

  test("keeps the connection open for refused subscriptions and publications", () => {
    for (const code of [
      errors.ERROR_INVALID_SUBJECT,
      errors.ERROR_INVALID_PUBLISH_SUBJECT,
      errors.ERROR_MAXIMUM_SUBSCRIPTIONS,
    ]) {
      expect(errors.errorEntry(code).closeReason).toBe(null);
    }
  });

  test("tells the peer nothing of bad arguments, JSON and headers it did not ask for", () => {
    for (const code of [
      errors.ERROR_ARGUMENTS,
      errors.ERROR_JSON,
      errors.ERROR_HEADERS_NOT_NEGOTIATED,
      errors.ERROR_PEER_ERROR,
    ]) {
      expect(errors.errorEntry(code).wireText).toBe(null);
    }
  });
});

test("closeReasonEntry() has a text of its own for each reason and drops output only on broken links", () => {
  const entries = Object.values(CloseReason).map(closeReasonEntry);
  expect(new Set(entries.map((entry) => entry.text)).size).toBe(37);
  expect(entries.filter((entry) => !entry.flushesPending).map((entry) => entry.text)).toEqual([
    "TLS Handshake Failure",
    "Slow Consumer (Pending Bytes)",
    "Slow Consumer (Write Deadline)",
    "Write Error",
    "Read Error",
  ]);
});

describe("permission texts", () => {
  const subject = latin1('a"b\\\xff');
  const queue = latin1("q\x01");
  const sid = latin1("7");

  test("quote what the client chose", () => {
    expect(errors.publishViolationText(subject)).toBe(
      'Permissions Violation for Publish to "a\\"b\\\\\\xff"',
    );
    expect(errors.replyViolationText(latin1("_R_.a"))).toBe(
      'Permissions Violation for Publish with Reply of "_R_.a"',
    );
    expect(errors.subscribeViolationText(latin1("foo"), null)).toBe(
      'Permissions Violation for Subscription to "foo"',
    );
    expect(errors.subscribeViolationText(latin1("foo"), latin1("_sys_"))).toBe(
      'Permissions Violation for Subscription to "foo" using queue "_sys_"',
    );
    expect(errors.subscriptionRemovedText(latin1("foo"), queue, sid)).toBe(
      'Permissions Violation for Subscription to "foo" using queue "q\\x01" (sid "7")',
    );
    expect(errors.subscriptionRemovedText(latin1("foo"), null, sid)).toBe(
      'Permissions Violation for Subscription to "foo" (sid "7")',
    );
    expect(errors.tooManyTokensText(latin1("a.b"))).toBe(
      'Permissions Violation for Subscription to "a.b", too many tokens',
    );
  });

  test("have log texts of their own", () => {
    expect(errors.publishViolationLogText(latin1("a"))).toBe('Publish Violation - Subject "a"');
    expect(errors.replyViolationLogText(latin1("a"))).toBe('Publish Violation - Reply "a"');
    expect(errors.subscribeViolationLogText(latin1("a"), null, sid)).toBe(
      'Subscription Violation - Subject "a", SID 7',
    );
    expect(errors.subscribeViolationLogText(latin1("a"), queue, sid)).toBe(
      'Subscription Violation - Subject "a", Queue: "q\\x01", SID 7',
    );
    expect(errors.tooManyTokensLogText(latin1("a"), sid)).toBe(
      'Subscription Violation Too Many Tokens - Subject "a", SID 7',
    );
  });
});
