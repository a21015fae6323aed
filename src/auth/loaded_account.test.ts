import { expect, test } from "bun:test";
import type { Account, UserScope } from "./jwt/claims.ts";
import { type LoadedAccount, userIssuersOf } from "./loaded_account.ts";
import { KeyPair } from "./nkey.ts";
import { accountClaims } from "./testing/chain.ts";

const ACCOUNT = KeyPair.create("account");
const SIGNING = KeyPair.create("account").publicKey;

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

const signedBy = (value: UserScope | undefined) => account({ signingKeys: new Map([[SIGNING, value]]) });

test("userIssuersOf() leaves out the identity where the operator key is strict", () => {
  const { claims } = signedBy(undefined);
  expect([...userIssuersOf(claims, []).keys()]).toEqual([SIGNING, ACCOUNT.publicKey]);
  expect([...userIssuersOf(claims, ["O"]).keys()]).toEqual([SIGNING]);
});
