import { expect, test } from "bun:test";
import { nameHash } from "./name_hash.ts";

test("nameHash() names clusters as nats-server does", () => {
  expect(["GA", "GB", "GX"].map(nameHash)).toEqual(["F2cAWZ", "u4xB6R", "Dp1IYz"]);
});

test("nameHash() hashes the bytes of a byte string", () => {
  expect(nameHash("\xc3\xa9")).not.toBe(nameHash("\xe9"));
});
