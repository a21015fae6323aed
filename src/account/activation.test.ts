import { expect, test } from "bun:test";
import type { ActivationClaims } from "../auth/jwt/claims.ts";
import type { ImportRule } from "./account_source.ts";
import { activationProblem } from "./activation.ts";

const NOW = 1000;
const EXPORTER = {
  name: "EXP",
  signingKeys: new Set(["EXP", "KEY"]),
  revocations: new Map<string, number>(),
};
const RULE: ImportRule = {
  kind: "service",
  exporter: "EXP",
  remote: "svc.a",
  local: "",
  prefix: "",
  share: false,
  allowTrace: false,
  token: "token",
};

interface Changes {
  readonly standard?: Partial<Omit<ActivationClaims, "nats" | "type">>;
  readonly nats?: Partial<ActivationClaims["nats"]>;
  readonly revocations?: Readonly<Record<string, number>>;
}

function problem({ standard, nats, revocations = {} }: Changes): string | undefined {
  const claims: ActivationClaims = {
    type: "activation",
    audience: "",
    expiresAtSeconds: 0,
    id: "",
    issuedAtSeconds: 500,
    issuer: "EXP",
    name: "",
    notBeforeSeconds: 0,
    subject: "IMP",
    ...standard,
    nats: { tags: [], version: 2, subject: "svc.*", kind: "service", issuerAccount: "", ...nats },
  };
  const exporter = { ...EXPORTER, revocations: new Map(Object.entries(revocations)) };
  return activationProblem(claims, RULE, "IMP", exporter, NOW);
}

const rows: readonly (readonly [what: string, changes: Changes, problem: string | undefined])[] = [
  ["all that is asked for", {}, undefined],
  ["the exact subject", { nats: { subject: "svc.a" } }, undefined],
  ["a signing key", { standard: { issuer: "KEY" }, nats: { issuerAccount: "EXP" } }, undefined],
  ["time left", { standard: { expiresAtSeconds: NOW + 1, notBeforeSeconds: NOW } }, undefined],
  ["revocations of older ones", { revocations: { IMP: 499, "*": 499, OTHER: 900 } }, undefined],
  ["another importer", { standard: { subject: "OTHER" } }, "activation token for another account"],
  [
    "another issuer",
    { standard: { issuer: "OTHER" } },
    "activation token not issued by the exporting account",
  ],
  [
    "a signing key that does not say for whom",
    { standard: { issuer: "KEY" } },
    "activation token not issued by the exporting account",
  ],
  [
    "a key that signs no more",
    { standard: { issuer: "OLD" }, nats: { issuerAccount: "EXP" } },
    "activation token not issued by the exporting account",
  ],
  ["another kind", { nats: { kind: "stream" } }, "activation token for another kind of import"],
  ["a narrower subject", { nats: { subject: "svc.b" } }, "activation token for another subject"],
  ["a later start", { standard: { notBeforeSeconds: NOW + 1 } }, "activation token not valid yet"],
  ["an end", { standard: { expiresAtSeconds: NOW } }, "activation token expired"],
  ["a revocation", { revocations: { IMP: 500 } }, "activation token revoked"],
  ["a revocation of all", { revocations: { "*": 500 } }, "activation token revoked"],
];
for (const [what, changes, expected] of rows) {
  test(`activationProblem() for a token with ${what}`, () => expect(problem(changes)).toBe(expected));
}

test("activationProblem() tells a token that is missing from one that is wrong", () => {
  const check = (token: string) => activationProblem(null, { ...RULE, token }, "IMP", EXPORTER, NOW);
  expect(check("")).toBe("no activation token");
  expect(check("x")).toBe("activation token not valid");
});
