import { describe, expect, test } from "bun:test";
import { MESSAGE_LINE_BYTES_MAX } from "../memory/layout.ts";
import { orLost } from "./accounts.ts";

describe("orLost()", () => {
  test("keeps what a client could have written, and nothing longer", () => {
    const longest = "a".repeat(MESSAGE_LINE_BYTES_MAX);
    expect(orLost(longest)).toBe(longest);
    expect(orLost(`${longest}a`)).toBe(null);
    expect(orLost(null)).toBe(null);
  });
});
