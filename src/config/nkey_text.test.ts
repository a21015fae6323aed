import { describe, expect, test } from "bun:test";
import { createAccount, createCurve, createOperator, createServer, createUser } from "nkeys.js";
import { isPublicKey, isUserSeed, type PublicKeyKind, serverPublicKey } from "./nkey_text.ts";

const KEYS = {
  account: createAccount(),
  operator: createOperator(),
  user: createUser(),
  curve: createCurve(),
};

describe("isPublicKey()", () => {
  for (const [kind, key] of Object.entries(KEYS)) {
    test(`knows a key of kind ${kind} from the others`, () => {
      for (const asked of ["account", "operator", "user", "curve"] satisfies PublicKeyKind[]) {
        expect(isPublicKey(key.getPublicKey(), asked)).toBe(asked === kind);
      }
      expect(isPublicKey(key.getPublicKey(), "any")).toBe(true);
    });
  }

  test("takes a server key only as any", () => {
    const key = createServer().getPublicKey();
    expect(isPublicKey(key, "any")).toBe(true);
    expect(isPublicKey(key, "user")).toBe(false);
  });

  test("refuses a key with any one character changed", () => {
    const key = KEYS.user.getPublicKey();
    for (let i = 0; i < key.length; i++) {
      const other = key[i] === "A" ? "B" : "A";
      expect(isPublicKey(key.slice(0, i) + other + key.slice(i + 1), "any")).toBe(false);
    }
  });

  test("refuses what is too short, too long, empty, or not base32", () => {
    const key = KEYS.user.getPublicKey();
    for (const text of [
      "",
      "U",
      key.slice(1),
      `${key}A`,
      key.slice(0, -1),
      key.toLowerCase(),
      `${key.slice(0, -1)}1`,
    ]) {
      expect(isPublicKey(text, "any")).toBe(false);
    }
  });
});

describe("isUserSeed()", () => {
  test("takes the seed of a user and of no one else", () => {
    const seedOf = (key: { getSeed(): Uint8Array }) => new TextDecoder().decode(key.getSeed());
    expect(isUserSeed(seedOf(KEYS.user))).toBe(true);
    expect(isUserSeed(seedOf(KEYS.account))).toBe(false);
    expect(isUserSeed(KEYS.user.getPublicKey())).toBe(false);
    expect(isUserSeed(seedOf(KEYS.user).slice(0, -2))).toBe(false);
  });
});

test("serverPublicKey() encodes as nkeys.js does", () => {
  const encoded = createServer().getPublicKey();
  const digits = [...encoded].map((letter) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter));
  const bits = digits.map((digit) => digit.toString(2).padStart(5, "0")).join("");
  const bytes = Uint8Array.from({ length: 35 }, (_, i) => Number.parseInt(bits.slice(i * 8, i * 8 + 8), 2));
  expect(serverPublicKey(bytes.subarray(1, 33))).toBe(encoded);
});
