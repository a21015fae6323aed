import { expect, test } from "bun:test";
import { sha256Hex } from "./sha256.ts";

test("sha256Hex() gives the hashes of FIPS 180-2", () => {
  const hash = (text: string) => sha256Hex(new TextEncoder().encode(text));
  expect(hash("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  expect(hash("")).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
});
