import { describe, expect, test } from "bun:test";
import type { LoginRequest, Verdict } from "./login.ts";
import { LoginJudge } from "./login_judge.ts";
import { compileLoginRules } from "./login_rules.ts";
import { KeyPair, verifySignature } from "./nkey.ts";
import { certificateOf, optionsOf, type RequestParts, requestOf, signNonce } from "./testing/requests.ts";

const KEY = KeyPair.create("user");

function judge(config: string, { over, ...parts }: RequestParts = {}): Verdict {
  const rules = compileLoginRules(optionsOf(config), "stand-in");
  const checks = { verifySignature, compareHash: () => false, nowMs: () => 0, operatorMode: undefined };
  const request: LoginRequest = requestOf({ ...parts, over: { connectionType: "LEAFNODE", ...over } });
  return new LoginJudge(rules, checks).judge(request);
}

/** The account, or why not. */
function outcome(config: string, parts?: RequestParts): string {
  const verdict = judge(config, parts);
  return verdict.kind === "login"
    ? verdict.account
    : verdict.kind === "refusal"
      ? verdict.reason
      : verdict.kind;
}

const ACCOUNTS = "accounts { A { users: [{user: a, password: pa}] }, B {} }";

describe("judgeLeaf()", () => {
  const single = `${ACCOUNTS}, leafnodes { port: 7422, authorization { user: l, password: s, account: B } }`;

  test("takes the single user into its account, and nobody else's users", () => {
    expect(outcome(single, { user: "l", password: "s" })).toBe("B");
    expect(outcome(single, { user: "l", password: "x" })).toBe("authorization violation");
    expect(outcome(single, { user: "a", password: "pa" })).toBe("authorization violation");
    expect(outcome(single)).toBe("authorization violation");
  });

  test("leaves clients to the ordinary users", () => {
    const over = { connectionType: "STANDARD" } as const;
    expect(outcome(single, { user: "a", password: "pa", over })).toBe("A");
    expect(outcome(single, { user: "l", password: "s", over })).toBe("authorization violation");
  });

  test("refuses whoever names an account in CONNECT", () => {
    expect(outcome(single, { user: "l", password: "s", account: "B" })).toBe("authorization violation");
  });

  test("verifies the signature of the single nkey", () => {
    const config = `${ACCOUNTS}, leafnodes { port: 7422, authorization { nkey: ${KEY.publicKey}, account: A } }`;
    const nkey = KEY.publicKey;
    expect(outcome(config, { nkey, signature: signNonce(KEY) })).toBe("A");
    expect(outcome(config, { nkey, signature: signNonce(KeyPair.create("user")) })).toBe(
      "authorization violation",
    );
    expect(judge(config, { nkey })).toMatchObject({ logs: [{ level: "debug", text: "Signature missing" }] });
  });

  const several = `${ACCOUNTS}, leafnodes { port: 7422, authorization {
    users: [{user: l1, password: s1, account: A}, {user: l2, password: s2}] } }`;

  test("finds the user of several, without an account in $G", () => {
    expect(outcome(several, { user: "l1", password: "s1" })).toBe("A");
    expect(outcome(several, { user: "l2", password: "s2" })).toBe("$G");
    expect(outcome(several, { user: "l1", password: "s2" })).toBe("authorization violation");
  });

  test("takes the user of several from the certificate, and still compares the password", () => {
    const config = `${ACCOUNTS}, leafnodes { port: 7422, tls { cert_file: c, key_file: k, ca_file: a, verify_and_map: true },
      authorization { users: [{user: "l@x", account: B}] } }`;
    const tls = certificateOf({ emails: ["l@x"] });
    expect(outcome(config, { over: { tls } })).toBe("B");
    expect(outcome(config, { password: "x", over: { tls } })).toBe("authorization violation");
    expect(outcome(config, { over: { tls: certificateOf({ emails: ["m@x"] }) } })).toBe(
      "authorization violation",
    );
  });

  test("wants a proxy where the configuration does", () => {
    const config = `leafnodes { port: 7422, authorization { user: l, password: s, proxy_required: true } }`;
    expect(outcome(config, { user: "l", password: "s" })).toBe("proxy required");
    // Whether it is that user is looked at later; of several it must be one of them.
    expect(outcome(config, { user: "m", password: "s" })).toBe("proxy required");
    const of =
      "leafnodes { port: 7422, authorization { proxy_required: true, users: [{user: l, password: s}] } }";
    expect(outcome(of, { user: "l", password: "s" })).toBe("proxy required");
    expect(outcome(of, { user: "m", password: "s" })).toBe("authorization violation");
  });
});

describe("leafs without credentials of their own", () => {
  test("log in as the server's users", () => {
    const config = `${ACCOUNTS}, leafnodes { port: 7422 }`;
    expect(outcome(config, { user: "a", password: "pa" })).toBe("A");
    expect(outcome(config)).toBe("authorization violation");
  });

  test("are bound to the account of the block on a server where nobody logs in", () => {
    expect(outcome("leafnodes { port: 7422 }")).toBe("$G");
    const bound = "accounts { B {} }, leafnodes { port: 7422, authorization { account: B } }";
    expect(outcome(bound)).toBe("B");
    expect(outcome(bound, { over: { connectionType: "STANDARD" } })).toBe("$G");
  });
});
