import { describe, expect, test } from "bun:test";
import { AccountIds } from "../account/account_ids.ts";
import { plainSource } from "../account/account_source.ts";
import type { AccountDescription } from "../account/description.ts";
import { AccountRegistry } from "../account/registry.ts";
import type { LoadedAccount } from "../auth/loaded_account.ts";
import { KeyPair } from "../auth/nkey.ts";
import { accountClaims, NOW_MS, NOW_S } from "../auth/testing/chain.ts";
import { accountDetails } from "./account_details.ts";

const ACCOUNT = KeyPair.create("account");

function description(): AccountDescription {
  const registry = new AccountRegistry({
    ids: new AccountIds(undefined),
    systemAccount: undefined,
    verifyActivation: () => null,
    nowSeconds: () => NOW_S,
  });
  registry.set(plainSource(ACCOUNT.publicKey));
  return registry.describe(ACCOUNT.publicKey)!;
}

function loaded(parts: Partial<LoadedAccount> = {}): LoadedAccount {
  const nats = { tags: ["t"], revocations: new Map([["*", 5]]) };
  const claims = { ...accountClaims(ACCOUNT, { expiresAtSeconds: NOW_S + 10, nats }), issuer: "O" };
  return {
    key: ACCOUNT.publicKey,
    jwt: "eyJ",
    claims,
    userIssuers: new Map(),
    isExpired: false,
    updatedAtMs: NOW_MS,
    ...parts,
  };
}

describe("accountDetails()", () => {
  test("adds to a description what the account's JWT says", () => {
    const details = accountDetails(description(), loaded(), NOW_MS);
    expect(details).toMatchObject({
      definition: { name: ACCOUNT.publicKey },
      isExpired: false,
      updatedAtMs: NOW_MS,
      claims: { jwt: "eyJ", issuer: "O", tags: ["t"] },
    });
    expect(details.claims?.revocations).toEqual(new Map([["*", 5]]));
    expect(details.claims?.decoded).toMatchObject({ sub: ACCOUNT.publicKey, nats: { type: "account" } });
    expect(structuredClone(details)).toEqual(details);
  });

  test("judges claims by the time at hand", () => {
    const issues = (atMs: number) =>
      accountDetails(description(), loaded(), atMs).claims?.issues.map(({ text }) => text);
    expect(issues(NOW_MS)).toEqual([]);
    expect(issues(NOW_MS + 11_000)).toEqual(["claim is expired"]);
  });

  test("knows no claims of a system account that is still looked for", () => {
    expect(accountDetails(description(), loaded({ jwt: "" }), NOW_MS).claims).toBe(null);
  });
});
