import { describe, expect, test } from "bun:test";
import { newScopedUser } from "./jwt/new_claims.ts";
import { KeyPair } from "./nkey.ts";
import { compileTrust, type TrustOptions } from "./operator_trust.ts";
import { operatorClaims, userClaims } from "./testing/chain.ts";

const OPERATOR = KeyPair.create("operator");
const SIGNING = KeyPair.create("operator").publicKey;
const SYSTEM = KeyPair.create("account").publicKey;
const OTHER = KeyPair.create("account").publicKey;
const USER = KeyPair.create("user");

const OPTIONS: TrustOptions = {
  trustedKeys: [],
  systemAccount: undefined,
  defaultSentinel: undefined,
  hasNatsResolver: false,
  serverVersion: "2.15.2",
};

type OperatorParts = Parameters<typeof operatorClaims>[1];

function compile(operator: OperatorParts, options: Partial<TrustOptions> = {}) {
  return compileTrust([operatorClaims(OPERATOR, operator)], { ...OPTIONS, ...options });
}

function problem(operator: OperatorParts, options: Partial<TrustOptions> = {}): string {
  const result = compile(operator, options);
  return result.ok ? "none" : result.problem;
}

describe("compileTrust()", () => {
  test("trusts identity and signing keys", () => {
    expect(compile({ nats: { signingKeys: [SIGNING] } })).toMatchObject({
      ok: true,
      trust: {
        trustedKeys: [OPERATOR.publicKey, SIGNING],
        strictKeys: [],
        operator: { key: OPERATOR.publicKey, keys: [OPERATOR.publicKey, SIGNING], isStrict: false },
      },
    });
  });

  test("trusts signing keys alone where the operator is strict", () => {
    expect(compile({ nats: { signingKeys: [SIGNING], strictSigningKeyUsage: true } })).toMatchObject({
      trust: {
        trustedKeys: [SIGNING],
        strictKeys: [SIGNING],
        operator: { key: OPERATOR.publicKey, keys: [SIGNING], isStrict: true },
      },
    });
  });

  test("trusts keys without an operator", () => {
    const result = compileTrust([], { ...OPTIONS, trustedKeys: [SIGNING], systemAccount: SYSTEM });
    expect(result).toMatchObject({ trust: { trustedKeys: [SIGNING], systemAccount: SYSTEM } });
    expect(result.ok && result.trust.operator).toBeUndefined();
  });

  test("takes the system account from the operator", () => {
    expect(compile({ nats: { systemAccount: SYSTEM } })).toMatchObject({ trust: { systemAccount: SYSTEM } });
  });

  test("refuses two system accounts, and none where it is needed", () => {
    expect(problem({ nats: { systemAccount: SYSTEM } }, { systemAccount: OTHER })).toBe(
      "system_account in config and operator JWT must be identical",
    );
    expect(problem({}, { systemAccount: OTHER })).toBe("none");
    expect(problem({}, { hasNatsResolver: true })).toBe(
      "using nats based account resolver - the system account needs to be specified in configuration or the operator jwt",
    );
    expect(problem({ nats: { systemAccount: SYSTEM } }, { hasNatsResolver: true })).toBe("none");
    const operators = [SYSTEM, OTHER].map((systemAccount) =>
      operatorClaims(OPERATOR, { nats: { systemAccount } }),
    );
    expect(compileTrust(operators, { ...OPTIONS, hasNatsResolver: true })).toMatchObject({
      ok: false,
      problem: expect.stringContaining("the system account needs to be specified"),
    });
  });

  test("refuses an operator that wants a newer server", () => {
    const of = (assertServerVersion: string) => problem({ nats: { assertServerVersion } });
    const start = `operator ${OPERATOR.publicKey}`;
    for (const version of ["", "1.99.99", "2.14.99", "2.15.2"]) expect(of(version)).toBe("none");
    expect(of("9.1.0")).toBe(`${start} expected major version 9 > server major version 2`);
    expect(of("2.16.0")).toBe(`${start} expected minor version 16 > server minor version 15`);
    expect(of("2.15.3")).toBe(`${start} expected update version 3 > server update version 2`);
    expect(of("2.15")).toBe(
      `${start} expects version 2.15 got error instead: asserted server version must be of the form <major>.<minor>.<update>`,
    );
  });

  test("refuses a key that is no operator's", () => {
    expect(problem({ nats: { signingKeys: [SYSTEM] } })).toBe(
      `trusted Keys "${SYSTEM}" are required to be a valid public operator nkey`,
    );
  });

  test("refuses a default sentinel that would log in by itself alone with a signature", () => {
    const of = (claims: TrustOptions["defaultSentinel"]) => problem({}, { defaultSentinel: claims });
    expect(of({ claims: undefined })).toBe("default sentinel JWT not valid");
    expect(of({ claims: userClaims(USER) })).toBe("default sentinel must be a bearer token");
    expect(of({ claims: userClaims(USER, { nats: { bearerToken: true } }) })).toBe("none");
    const scoped = newScopedUser(USER.publicKey, "");
    const claims = { ...scoped, nats: { ...scoped.nats, issuerAccount: SYSTEM } };
    expect(of({ claims })).toBe("none");
  });
});
