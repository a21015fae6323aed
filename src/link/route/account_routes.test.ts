import { describe, expect, test } from "bun:test";
import { byteStringOfText } from "../../subject/byte_string.ts";
import { AccountRoutes, DEDICATED, poolIndexOf } from "./account_routes.ts";

describe("poolIndexOf()", () => {
  test("is that of Go's hash/fnv, New32a", () => {
    const key = "ADR5K2X7TMIVXW3OBRUS2JWYVGNS4G2ANTCGBKVWEW6DQ7MZBDSGWBJR";
    const known: [name: string, ofTwo: number, ofThree: number, ofFive: number, ofSeven: number][] = [
      ["$G", 0, 2, 3, 6],
      ["P", 1, 1, 0, 0],
      ["$SYS", 0, 0, 0, 3],
      ["ACC", 0, 1, 3, 1],
      ["A", 0, 0, 2, 6],
      ["Ünï", 0, 0, 1, 6],
      [key, 0, 2, 4, 5],
    ];
    for (const [name, ...expected] of known) {
      const account = byteStringOfText(name);
      expect([name, ...[2, 3, 5, 7].map((size) => poolIndexOf(account, size))]).toEqual([name, ...expected]);
    }
  });

  test("is 0 for all where there is one connection, or no pool", () => {
    for (const size of [1, 0, -1]) expect(poolIndexOf("$G", size)).toBe(0);
  });
});

describe("AccountRoutes", () => {
  test("gives pinned accounts connections of their own, others a place in the pool", () => {
    const accounts = new AccountRoutes(3, ["$SYS", "Ünï"]);
    expect(accounts.indexOf("$SYS")).toBe(DEDICATED);
    expect(accounts.indexOf(byteStringOfText("Ünï"))).toBe(DEDICATED);
    expect(accounts.indexOf("$G")).toBe(2);
    expect(accounts.pin("$G")).toBe(true);
    expect(accounts.pin("$G")).toBe(false);
    expect(accounts.indexOf("$G")).toBe(DEDICATED);
  });

  test("pins nothing without a pool", () => {
    const accounts = new AccountRoutes(-1, ["$SYS"]);
    expect([accounts.poolSize, accounts.indexOf("$SYS")]).toEqual([0, 0]);
  });
});
