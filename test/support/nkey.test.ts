import { describe, expect, test } from "bun:test";
import { fromPublic, fromSeed } from "nkeys.js";
import { crc16, NKey } from "./nkey.ts";

const SEED_BYTES = Uint8Array.from({ length: 32 }, (_, index) => index);

describe("NKey", () => {
  test("encodes the vectors of the specification", () => {
    for (const [role, seed, publicKey] of [
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
    ] as const) {
      const key = new NKey(role, SEED_BYTES);
      expect([key.seed, key.publicKey]).toEqual([seed, publicKey]);
    }
    expect(crc16(new TextEncoder().encode("123456789"))).toBe(0x31c3);
  });

  test("agrees with nkeys.js on keys and signatures", () => {
    for (const role of ["operator", "account", "user", "server", "cluster"] as const) {
      const key = new NKey(role);
      const pair = fromSeed(new TextEncoder().encode(key.seed));
      expect(pair.getPublicKey()).toBe(key.publicKey);
    }
    const key = new NKey("user");
    const data = new TextEncoder().encode("nonce");
    expect(fromPublic(key.publicKey).verify(data, key.sign(data))).toBe(true);
  });
});
