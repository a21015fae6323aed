import { expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { KeyPair } from "../nkey.ts";
import { accountClaims, NOW_S, sign } from "../testing/chain.ts";
import type { Export } from "./claims.ts";
import { decodeAs } from "./decode.ts";
import { claimsJson } from "./encode.ts";
import { newAccount } from "./new_claims.ts";

const OPERATOR = KeyPair.create("operator");
const ACCOUNT = KeyPair.create("account");

function exported(subject: string): Export {
  return {
    name: "",
    subject,
    kind: "service",
    tokenRequired: false,
    revocations: new Map([["*", 7]]),
    responseType: "",
    responseThresholdNs: 0,
    latency: undefined,
    accountTokenPosition: 0,
    advertise: false,
    allowTrace: false,
    description: "",
    infoUrl: "",
  };
}

test("claimsJson() gives what stands in the token", () => {
  const token = sign(accountClaims(ACCOUNT, { nats: { tags: ["a"], exports: [exported("e")] } }), OPERATOR);
  const decoded = decodeAs("account", token);
  if (!decoded.ok) throw new Error(decoded.text);
  const payload = JSON.parse(Buffer.from(token.split(".")[1]!, "base64url").toString());
  expect(claimsJson(decoded.claims)).toEqual(payload);
  expect(payload).toMatchObject({
    iss: OPERATOR.publicKey,
    iat: NOW_S,
    nats: { tags: ["a"], exports: [{ subject: "e", revocations: { "*": 7 } }], type: "account", version: 2 },
  });
});

test("claimsJson() keeps the order of exports and the version that claims came in", () => {
  const claims = newAccount(ACCOUNT.publicKey, "old");
  const nats = { ...claims.nats, exports: [exported("z"), exported("a")], version: 1 };
  expect(claimsJson({ ...claims, nats })).toMatchObject({
    nats: { exports: [{ subject: "z" }, { subject: "a" }], version: 1 },
  });
});
