import { expect, test } from "bun:test";
import { leastLimit, leastPayload, limitsOf } from "./limits.ts";

test("leastLimit() knows −1 as no limit, and what is less as none at all", () => {
  expect(leastLimit(-1, -1)).toBe(-1);
  expect(leastLimit(-1, 5, 3)).toBe(3);
  expect(leastLimit(4, 0)).toBe(0);
  expect(leastLimit(4, -2)).toBe(0);
});

test("leastPayload() knows what forbids empty payloads from what allows only them", () => {
  expect(leastPayload(-1, -1)).toBe(-1);
  expect(leastPayload(-1, 5, 0)).toBe(0);
  expect(leastPayload(4, -2)).toBe(-2);
});

test("limitsOf() keeps limits within 32 bits, and from −1 on but those of payloads", () => {
  const given = { maxConnections: 2 ** 40, maxSubscriptions: -1, maxPayloadBytes: -7, maxLeafnodes: 0 };
  expect(limitsOf(given)).toEqual({
    maxConnections: 2 ** 31 - 1,
    maxSubscriptions: -1,
    maxPayloadBytes: -7,
    maxLeafnodes: 0,
  });
});
