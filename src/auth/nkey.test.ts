import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import * as nkeys from "nkeys.js";
import {
  decodePublicKey,
  decodeSeed,
  encodePublicKey,
  encodeSeed,
  KeyPair,
  type Role,
  roleOf,
  SignatureVerifier,
  verifySignature,
} from "./nkey.ts";

const COUNTING = Uint8Array.from({ length: 32 }, (_, i) => i);

/** Of the seed bytes 0 to 31. Source: specification of keys, logged in with against nats-server. */
const VECTORS: [role: Role, seed: string, publicKey: string][] = [
  [
    "user",
    "SUAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H776Y",
    "UAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RLKK",
  ],
  [
    "account",
    "SAAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4HYMHI",
    "AAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3QPZV",
  ],
  [
    "operator",
    "SOAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H2AJA",
    "OAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3QZVT",
  ],
  [
    "curve",
    "SXAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H74KM",
    "XCHUBRNNW2HSKYSK4WZBJ2TWPJXMSTMCTU6XWXQ22G5G6PRBHAUF76G7",
  ],
];

const ROLES: Role[] = ["operator", "account", "user", "server", "cluster", "curve"];
const role = fc.constantFrom(...ROLES);
const keyBytes = fc.uint8Array({ minLength: 32, maxLength: 32 });

for (const [role, seed, publicKey] of VECTORS) {
  test(`a key of role ${role} is encoded as elsewhere`, () => {
    expect(encodeSeed({ role, bytes: COUNTING })).toBe(seed);
    expect(decodeSeed(seed)).toEqual({ role, bytes: COUNTING });
    expect(KeyPair.fromSeed(seed)?.publicKey).toBe(publicKey);
    expect(KeyPair.fromSeed(seed)?.encodeSeed()).toBe(seed);
    expect(roleOf(publicKey)).toBe(role);
  });
}

test("what is encoded is decoded again, and any changed letter is noticed", () => {
  fc.assert(
    fc.property(
      role,
      keyBytes,
      fc.nat(55),
      fc.constantFrom(..."ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
      (role, bytes, at, letter) => {
        const publicKey = encodePublicKey({ role, bytes });
        expect(publicKey).toHaveLength(56);
        expect(decodePublicKey(publicKey)).toEqual({ role, bytes });
        expect(decodeSeed(publicKey)).toBeUndefined();
        const seed = encodeSeed({ role, bytes });
        expect(seed).toHaveLength(58);
        expect(decodeSeed(seed)).toEqual({ role, bytes });
        expect(decodePublicKey(seed)).toBeUndefined();
        const changed = publicKey.slice(0, at) + letter + publicKey.slice(at + 1);
        expect(decodePublicKey(changed) !== undefined).toBe(changed === publicKey);
      },
    ),
  );
});

test("any text is a key or none", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 80 }), (text) => {
      expect([roleOf(text), decodeSeed(text), KeyPair.fromSeed(text)]).toEqual([
        undefined,
        undefined,
        undefined,
      ]);
      expect(verifySignature(text, COUNTING, COUNTING)).toBe(false);
    }),
  );
});

describe("signatures", () => {
  test("nkeys.js verifies ours, and we verify those of nkeys.js", () => {
    for (const create of [nkeys.createOperator, nkeys.createAccount, nkeys.createUser, nkeys.createServer]) {
      const theirs = create();
      const ours = KeyPair.fromSeed(new TextDecoder().decode(theirs.getSeed()))!;
      expect(ours.publicKey).toBe(theirs.getPublicKey());
      expect(theirs.verify(COUNTING, ours.sign(COUNTING))).toBe(true);
      expect(verifySignature(ours.publicKey, COUNTING, theirs.sign(COUNTING))).toBe(true);
    }
  });

  test("a signature holds for its message and key alone", () => {
    const key = KeyPair.create("user");
    const signature = key.sign(COUNTING);
    expect(verifySignature(key.publicKey, COUNTING, signature)).toBe(true);
    expect(verifySignature(key.publicKey, COUNTING.slice(1), signature)).toBe(false);
    expect(verifySignature(KeyPair.create("user").publicKey, COUNTING, signature)).toBe(false);
    for (const lengthBytes of [0, 1, 63, 65]) {
      expect(verifySignature(key.publicKey, COUNTING, new Uint8Array(lengthBytes))).toBe(false);
    }
  });

  test("SignatureVerifier answers alike for a key that it has met", () => {
    const { verify } = new SignatureVerifier();
    const [key, other] = [KeyPair.create("user"), KeyPair.create("user")];
    for (let time = 0; time < 2; time++) {
      expect(verify(key.publicKey, COUNTING, key.sign(COUNTING))).toBe(true);
      expect(verify(key.publicKey, COUNTING, other.sign(COUNTING))).toBe(false);
      expect(verify("not a key", COUNTING, key.sign(COUNTING))).toBe(false);
    }
  });

  test("a key that is no point of the curve verifies nothing", () => {
    for (let first = 0; first < 8; first++) {
      const publicKey = encodePublicKey({
        role: "account",
        bytes: Uint8Array.of(first, ...new Uint8Array(31)),
      });
      expect(verifySignature(publicKey, COUNTING, new Uint8Array(64))).toBe(false);
    }
  });

  test("a curve key neither signs nor verifies", () => {
    const key = KeyPair.create("curve");
    expect(() => key.sign(COUNTING)).toThrow(TypeError);
    expect(verifySignature(key.publicKey, COUNTING, new Uint8Array(64))).toBe(false);
  });
});
