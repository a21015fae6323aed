import { expect, test } from "bun:test";
import { type Claimed, identityOf, refusalLogText } from "./identity.ts";

const NOBODY: Claimed = { nkey: "", user: "", password: "", authToken: "", jwt: "", publicKey: "" };
const of = (parts: Partial<Claimed>) => identityOf({ ...NOBODY, ...parts });

test("identityOf() takes the first of nkey, user, JWT and token, and shows no secret", () => {
  const all = { nkey: "N", user: "u", jwt: "eyJ", publicKey: "U", authToken: "t", password: "p" };
  expect(of(all)).toEqual({ identityKind: "nkey", user: "N" });
  expect(of({ ...all, nkey: "" })).toEqual({ identityKind: "user", user: "u" });
  expect(of({ ...all, nkey: "", user: "" })).toEqual({ identityKind: "jwt", user: "U" });
  expect(of({ authToken: "t", password: "p" })).toEqual({ identityKind: "token", user: "[REDACTED]" });
  expect(of({ password: "p" })).toEqual({ identityKind: "none", user: "" });
});

test("refusalLogText() names who was refused, as operators look for it", () => {
  expect(refusalLogText(of({ nkey: "N" }))).toBe('authentication error - Nkey "N"');
  expect(refusalLogText(of({ user: 'a"b' }))).toBe('authentication error - User "a\\"b"');
  expect(refusalLogText(of({ jwt: "eyJ", publicKey: "U" }))).toBe('authentication error - JWT User "U"');
  expect(refusalLogText(of({ authToken: "t" }))).toBe('authentication error - Token "[REDACTED]"');
  // A JWT that was not verified names nobody.
  expect(refusalLogText(of({ jwt: "eyJ" }))).toBe("authentication error");
  expect(refusalLogText(of({}))).toBe("authentication error");
});
