import { expect, test } from "bun:test";
import { isVersionAtLeast } from "./version.ts";

test("isVersionAtLeast() compares numbers, from the first on", () => {
  const at = (version: string) => isVersionAtLeast(version, "2.10.3");
  expect(["2.10.3", "2.10.4", "2.11.0", "3.0.0", "v2.10.3", "2.10.3-RC.1"].map(at)).toEqual(
    Array(6).fill(true),
  );
  expect(["2.10.2", "2.9.10", "1.99.99", "", "x", "2.10"].map(at)).toEqual(Array(6).fill(false));
});
