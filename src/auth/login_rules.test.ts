import { describe, expect, test } from "bun:test";
import {
  compileLoginRules,
  findLoginWarnings,
  greetsWithAuthRequired,
  needsHashComparison,
  needsNonce,
} from "./login_rules.ts";
import { KeyPair } from "./nkey.ts";
import { optionsOf } from "./testing/requests.ts";

const NKEY = KeyPair.create("user").publicKey;
const HASH = "$2b$04$kFkXCu8SYVvvXXWTvWVSjuMHO5NHsaAB4fM1Nrn7OSVVwLJ2Vl2hS";

const rulesOf = (text: string) => compileLoginRules(optionsOf(text), "nats-automatic");

describe("compileLoginRules()", () => {
  test("asks nobody for credentials where there are none", () => {
    const rules = rulesOf("port: 4222");
    expect(rules.client.isAuthRequired).toBe(false);
    expect(rules.websocket.isAuthRequired).toBe(false);
    expect(greetsWithAuthRequired(rules, "client")).toBe(false);
    expect(needsNonce(rules)).toBe(false);
  });

  test("collects users of the authorization block and of all accounts", () => {
    const rules = rulesOf(`
      authorization { users: [{user: a, password: pa}, {nkey: ${NKEY}}] }
      accounts { B { users: [{user: b, password: pb, allowed_connection_types: ["websocket"]}] } }
    `);
    expect(rules.users.map(({ name, account }) => `${name}@${account}`)).toEqual(["a@$G", "b@B"]);
    expect(rules.users[1]?.connectionTypes).toEqual(["WEBSOCKET"]);
    expect(rules.nkeys.map(({ name, account }) => `${name}@${account}`)).toEqual([`${NKEY}@$G`]);
    expect(needsNonce(rules)).toBe(true);
    expect(greetsWithAuthRequired(rules, "client")).toBe(true);
  });

  test("is plain data", () => {
    const rules = rulesOf(`authorization { users: [{user: a, password: pa, permissions: {publish: "x"}}] }`);
    expect(JSON.parse(JSON.stringify(rules))).toEqual(structuredClone(rules));
  });

  test("does not announce that credentials are required where there is a user without", () => {
    const rules = rulesOf(`authorization { users: [{user: a, password: pa}] }, no_auth_user: a`);
    expect(greetsWithAuthRequired(rules, "client")).toBe(false);
  });

  test("makes a user for everybody where the system account alone has users", () => {
    const rules = rulesOf(`accounts { $SYS { users: [{user: admin, password: x}] } }`);
    expect(rules.automaticUser).toBe("nats-automatic");
    expect(rules.client.noAuthUser).toBe("nats-automatic");
    expect(greetsWithAuthRequired(rules, "client")).toBe(true);
    const named = rulesOf(`accounts { S { users: [{user: admin, password: x}] } }, system_account: S`);
    expect(named.automaticUser).toBe("nats-automatic");
  });

  test("makes none beside other accounts, an authorization block or another such user", () => {
    const sys = "$SYS { users: [{user: admin, password: x}] }";
    for (const text of [
      `accounts { ${sys}, B {} }`,
      `accounts { ${sys} }, authorization { timeout: 1 }`,
      `accounts { ${sys} }, no_auth_user: admin`,
      "accounts { B { users: [{user: admin, password: x}] } }",
    ]) {
      expect(rulesOf(text).automaticUser).toBe("");
    }
  });

  test("lets a websocket block stand in for the credentials at the top", () => {
    const rules = rulesOf(`
      authorization { user: a, password: pa }
      websocket { port: 8080, no_tls: true, authorization { token: t } }
    `);
    expect(rules.websocket).toMatchObject({ user: "", token: "t", isAuthRequired: true });
    const open = rulesOf(`websocket { port: 8080, no_tls: true, authorization { token: t } }`);
    expect(open.client.isAuthRequired).toBe(false);
    expect(greetsWithAuthRequired(open, "websocket")).toBe(true);
  });

  test("knows which users some listener can take from a certificate", () => {
    const tls = "tls { cert_file: c, key_file: k, ca_file: a, verify_and_map: true }";
    const users = (types: string) => `authorization { users: [{user: a${types}}] }`;
    const isIdentity = (text: string) => rulesOf(text).users[0]?.isCertificateIdentity;
    expect(isIdentity(users(""))).toBe(false);
    expect(isIdentity(`${tls}, ${users("")}`)).toBe(true);
    expect(isIdentity(`${tls}, ${users(', allowed_connection_types: ["WEBSOCKET"]')}`)).toBe(false);
    expect(
      isIdentity(`websocket { port: 8080, ${tls} }, ${users(', allowed_connection_types: ["WEBSOCKET"]')}`),
    ).toBe(true);
    expect(isIdentity(`leafnodes { port: 7422, ${tls} }, ${users("")}`)).toBe(true);
    expect(
      isIdentity(`leafnodes { port: 7422, ${tls}, authorization { user: l, password: l } }, ${users("")}`),
    ).toBe(false);
  });
});

test("needsHashComparison() finds a bcrypt hash in any place", () => {
  expect(needsHashComparison(rulesOf("authorization { user: a, password: pa }"))).toBe(false);
  expect(needsHashComparison(rulesOf(`authorization { user: a, password: "${HASH}" }`))).toBe(true);
  for (const block of [
    `cluster { port: 1, authorization { user: a, password: "${HASH}" } }`,
    `gateway { name: g, port: 1, authorization { user: a, password: "${HASH}" } }`,
  ])
    expect(needsHashComparison(rulesOf(block))).toBe(true);
  expect(needsHashComparison(rulesOf(`authorization { token: "${HASH}" }`))).toBe(true);
  expect(needsHashComparison(rulesOf(`authorization { users: [{user: a, password: "${HASH}"}] }`))).toBe(
    true,
  );
});

test("findLoginWarnings() warns of passwords in clear", () => {
  const warning = ["Plaintext passwords detected, use nkeys or bcrypt"];
  expect(findLoginWarnings(rulesOf("authorization { user: a, password: pa }"))).toEqual(warning);
  expect(findLoginWarnings(rulesOf("authorization { users: [{user: a, password: pa}] }"))).toEqual(warning);
  expect(findLoginWarnings(rulesOf(`authorization { users: [{user: a, password: "${HASH}"}] }`))).toEqual([]);
  expect(findLoginWarnings(rulesOf(`authorization { users: [{nkey: ${NKEY}}] }`))).toEqual([]);
  expect(findLoginWarnings(rulesOf("authorization { token: t }"))).toEqual([]);
  expect(
    findLoginWarnings(rulesOf(`accounts { $SYS { users: [{user: admin, password: "${HASH}"}] } }`)),
  ).toEqual([]);
});
