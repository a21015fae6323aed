import { describe, expect, test } from "bun:test";
import { InlineJudge } from "./inline_judge.ts";
import { LoginJudge } from "./login_judge.ts";
import { compileLoginRules, type LoginRules } from "./login_rules.ts";
import { optionsOf, requestOf } from "./testing/requests.ts";

/** Not of anything: the tests say what it is of. */
const HASH = "$2b$04$kFkXCu8SYVvvXXWTvWVSjuMHO5NHsaAB4fM1Nrn7OSVVwLJ2Vl2hS";
const CONFIG = `
  authorization { user: client, password: p }
  cluster { port: 1, authorization { user: member, password: secret } }
  gateway { name: g, port: 2, authorization { user: other, password: "${HASH}" } }
`;

function kindOf(rules: LoginRules, server: "route" | "gateway", user: string, password: string) {
  const judge = new LoginJudge(rules, {
    verifySignature: () => false,
    compareHash: (secret, hash) => secret === "hashed" && hash === HASH,
    nowMs: () => 0,
    operatorMode: undefined,
  });
  const request = requestOf({ user, password, over: { server } });
  return [new InlineJudge(rules).judge(request)?.kind, judge.judge(request).kind];
}

describe("judgeServer()", () => {
  test.each([
    ["route", "member", "secret", "login", "login"],
    ["route", "member", "p", "refusal", "refusal"],
    ["route", "client", "p", "refusal", "refusal"],
    ["route", "", "", "refusal", "refusal"],
    // Whose hash has to be compared is not for the thread of links to judge.
    ["gateway", "other", "hashed", undefined, "login"],
    ["gateway", "other", "wrong", undefined, "refusal"],
    ["gateway", "other", HASH, "refusal", "refusal"],
    ["gateway", "member", "hashed", "refusal", "refusal"],
  ] as const)("of a %s that says %s and %s", (server, user, password, inline, judged) => {
    const rules = compileLoginRules(optionsOf(CONFIG), "");
    expect(kindOf(rules, server, user, password)).toEqual([inline, judged]);
    expect(kindOf({ ...rules, isOperatorMode: true }, server, user, password)[0]).toBe(inline);
  });

  test("lets any server in where its block has no user, whatever clients need", () => {
    const rules = compileLoginRules(optionsOf("authorization { user: client, password: p }"), "");
    expect(kindOf(rules, "route", "", "")).toEqual(["login", "login"]);
    expect(kindOf(rules, "gateway", "x", "y")).toEqual(["login", "login"]);
  });
});
