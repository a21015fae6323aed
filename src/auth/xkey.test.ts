import { describe, expect, test } from "bun:test";
import { createCurve, fromCurveSeed } from "nkeys.js";
import { KeyPair } from "./nkey.ts";
import { type Sealed, SealingKey } from "./xkey.ts";

const MESSAGE = new TextEncoder().encode("eyJ0eXAiOiJKV1Qi");

function bytesOf(sealed: Sealed): Uint8Array {
  if (!sealed.ok) throw new Error(sealed.text);
  return new Uint8Array(sealed.bytes);
}

describe("SealingKey", () => {
  test("opens what nkeys.js sealed, and the other way round", () => {
    const theirs = createCurve();
    const key = KeyPair.create("curve");
    const ours = new SealingKey(key);
    const sealed = bytesOf(ours.seal(MESSAGE, theirs.getPublicKey()));
    expect(new TextDecoder().decode(sealed.subarray(0, 4))).toBe("xkv1");
    expect(sealed).toHaveLength(4 + 24 + 16 + MESSAGE.length);
    expect(theirs.open(sealed, ours.publicKey)).toEqual(MESSAGE);
    expect(bytesOf(ours.open(theirs.seal(MESSAGE, ours.publicKey), theirs.getPublicKey()))).toEqual(MESSAGE);
    expect(fromCurveSeed(new TextEncoder().encode(key.encodeSeed())).getPublicKey()).toBe(ours.publicKey);
  });

  test("keeps apart what it shares with several keys, and takes a fresh nonce each time", () => {
    const [alice, bob, carol] = [0, 1, 2].map(() => new SealingKey(KeyPair.create("curve"))) as [
      SealingKey,
      SealingKey,
      SealingKey,
    ];
    for (const other of [bob, carol, bob]) {
      const sealed = bytesOf(alice.seal(MESSAGE, other.publicKey));
      expect(bytesOf(other.open(sealed, alice.publicKey))).toEqual(MESSAGE);
      expect(bytesOf(alice.seal(MESSAGE, other.publicKey))).not.toEqual(sealed);
    }
    expect(carol.open(bytesOf(alice.seal(MESSAGE, bob.publicKey)), alice.publicKey)).toEqual({
      ok: false,
      text: "nkeys: could not decrypt input",
    });
  });

  test("says why a message cannot be opened or sealed", () => {
    const ours = new SealingKey(KeyPair.create("curve"));
    const other = KeyPair.create("curve").publicKey;
    const textOf = (sealed: Sealed) => (sealed.ok ? "" : sealed.text);
    expect(textOf(ours.open(new Uint8Array(28), other))).toBe("nkeys: encrypted input is not valid");
    expect(textOf(ours.open(new Uint8Array(60), other))).toBe("nkeys: encrypted input wrong version");
    const sealed = bytesOf(ours.seal(MESSAGE, other));
    expect(textOf(ours.open(sealed, KeyPair.create("user").publicKey))).toBe(
      "nkeys: not a valid sender public curve key",
    );
    expect(textOf(ours.seal(MESSAGE, "X"))).toBe("nkeys: not a valid recipient public curve key");
    sealed[40]! ^= 1;
    expect(textOf(ours.open(sealed, other))).toBe("nkeys: could not decrypt input");
    expect(() => new SealingKey(KeyPair.create("user"))).toThrow(TypeError);
  });
});
