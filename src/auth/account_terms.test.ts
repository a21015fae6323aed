import { describe, expect, test } from "bun:test";
import { findEnd, termsOf } from "./account_terms.ts";
import type { Account, UserScope } from "./jwt/claims.ts";
import { type LoadedAccount, userIssuersOf } from "./loaded_account.ts";
import type { Login } from "./login.ts";
import { KeyPair } from "./nkey.ts";
import { accountClaims, NOW_S, userClaims } from "./testing/chain.ts";
import { loginOf } from "./verdict.ts";

const ACCOUNT = KeyPair.create("account");
const SIGNING = KeyPair.create("account").publicKey;
const USER = KeyPair.create("user");

function account(nats: Partial<Account>): LoadedAccount {
  const claims = { ...accountClaims(ACCOUNT, { nats }), issuer: "O" };
  return {
    key: claims.subject,
    jwt: "",
    claims,
    userIssuers: userIssuersOf(claims, []),
    isExpired: false,
    updatedAtMs: 0,
  };
}

function login(parts: Partial<Login>): Login {
  const publicKey = USER.publicKey;
  const claimed = { nkey: "", user: "", password: "", authToken: "", jwt: "eyJ", publicKey };
  const granted = { account: ACCOUNT.publicKey, permissions: null, proxyKey: "" };
  return loginOf(claimed, {
    ...granted,
    publicKey,
    issuerKey: ACCOUNT.publicKey,
    issuedAtS: NOW_S,
    ...parts,
  });
}

const scope = (subject: string): UserScope => ({
  key: SIGNING,
  role: "",
  description: "",
  template: { ...userClaims(USER).nats, publish: { allow: [subject], deny: [] } },
});
const signedBy = (value: UserScope | undefined) => account({ signingKeys: new Map([[SIGNING, value]]) });

describe("findEnd()", () => {
  const before = account({});

  test("lets logins be that nothing speaks against", () => {
    expect(
      findEnd(login({}), termsOf(account({ revocations: new Map([[USER.publicKey, NOW_S - 1]]) }), before)),
    ).toBeNull();
    expect(
      findEnd(login({ issuerKey: SIGNING }), termsOf(signedBy(scope("a")), signedBy(scope("a")))),
    ).toBeNull();
  });

  test("ends those of revoked users, with or without the JWT they came with", () => {
    for (const key of [USER.publicKey, "*"]) {
      const now = account({ revocations: new Map([[key, NOW_S]]) });
      expect(findEnd(login({}), termsOf(now, before))).toBe("revoked");
      expect(findEnd(login({ jwt: "" }), termsOf(now, before))).toBe("revoked");
    }
  });

  test("ends those of bearers where none are allowed any more", () => {
    const now = account({ limits: { ...before.claims.nats.limits, disallowBearer: true } });
    expect(findEnd(login({ isBearer: true }), termsOf(now, before))).toBe("authorization violation");
    expect(findEnd(login({}), termsOf(now, before))).toBeNull();
  });

  test("ends those whose signing key is gone or means something else", () => {
    const signed = login({ issuerKey: SIGNING });
    expect(findEnd(signed, termsOf(before, signedBy(undefined)))).toBe("issuer changed");
    expect(findEnd(signed, termsOf(signedBy(scope("b")), signedBy(scope("a"))))).toBe("issuer changed");
    expect(findEnd(signed, termsOf(signedBy(scope("a")), signedBy(undefined)))).toBe("issuer changed");
  });
});

describe("termsOf()", () => {
  test("keeps from users of a callout's account what their login kept from them", () => {
    const authorization = { authUsers: [USER.publicKey], allowedAccounts: [], xkey: "" };
    const deny = ["$SYS.REQ.USER.AUTH"];
    expect(termsOf(account({ authorization }), undefined).defaultPermissions?.publish?.deny).toEqual(deny);
    const defaultPermissions = { publish: { allow: [], deny: ["a"] }, subscribe: { allow: [], deny: [] } };
    const terms = termsOf(
      account({ authorization, defaultPermissions: { ...defaultPermissions, responses: undefined } }),
      undefined,
    );
    expect(terms.defaultPermissions?.publish?.deny).toEqual(["a", ...deny]);
    expect(termsOf(account({}), undefined).defaultPermissions).toBeNull();
  });
});
