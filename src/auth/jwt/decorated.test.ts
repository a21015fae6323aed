import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { KeyPair } from "../nkey.ts";
import { decorateSeed, decorateToken, formatCreds, readKey, readToken } from "./decorated.ts";

const TOKEN = "eyJ0eXAiOiJKV1QifQ.eyJpc3MiOiJBIn0.c2ln-_";
const USER = KeyPair.fromSeed("SUAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H776Y")!;

const CREDS = `-----BEGIN NATS USER JWT-----
${TOKEN}
------END NATS USER JWT------

************************* IMPORTANT *************************
NKEY Seed printed below can be used to sign and prove identity.
NKEYs are sensitive and should be treated as secrets.

-----BEGIN USER NKEY SEED-----
SUAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H776Y
------END USER NKEY SEED------

*************************************************************
`;

describe("a creds file", () => {
  test("is written as other tools write it", () => {
    expect(formatCreds(TOKEN, USER)).toBe(CREDS);
  });

  test("is read again, with either line end", () => {
    for (const file of [CREDS, CREDS.replaceAll("\n", "\r\n"), CREDS.trimEnd()]) {
      expect(readToken(file)).toBe(TOKEN);
      expect(readKey(file)?.publicKey).toBe(USER.publicKey);
    }
  });

  test("may be dashed in other ways", () => {
    const file = `note ---x---\n${TOKEN}\n------\n------\n${USER.encodeSeed()}\n---a---`;
    expect(readToken(file)).toBe(TOKEN);
    expect(readKey(file)?.publicKey).toBe(USER.publicKey);
  });
});

describe("a token in a file", () => {
  test("is decorated by its kind, or bare", () => {
    const file = decorateToken("operator", TOKEN);
    expect(file).toBe(`-----BEGIN NATS OPERATOR JWT-----\n${TOKEN}\n------END NATS OPERATOR JWT------\n\n`);
    expect(readToken(file)).toBe(TOKEN);
    expect(readToken(`${TOKEN}\n`)).toBe(TOKEN);
  });
});

describe("a key in a file", () => {
  test("is decorated, or any line that is a seed", () => {
    const account = KeyPair.create("account");
    expect(readKey(decorateSeed("account", account.encodeSeed()))?.publicKey).toBe(account.publicKey);
    expect(readKey(`${account.encodeSeed()}\n`)?.publicKey).toBe(account.publicKey);
    expect(readKey(`# mine\n  ${account.encodeSeed()}  \n`)?.publicKey).toBe(account.publicKey);
    expect(readKey(account.publicKey)).toBeUndefined();
  });

  test("is found in no other text", () => {
    const line = fc.oneof(fc.string(), fc.constantFrom("---", "------", "---a---", TOKEN, "SUAAA"));
    fc.assert(
      fc.property(
        fc.array(line).map((lines) => lines.join("\n")),
        (file) => {
          expect(readKey(file)).toBeUndefined();
          expect(typeof readToken(file)).toBe("string");
        },
      ),
    );
  });
});
