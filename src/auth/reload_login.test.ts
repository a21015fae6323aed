import { expect, test } from "bun:test";
import { InlineJudge } from "./inline_judge.ts";
import type { Login } from "./login.ts";
import { compileLoginRules } from "./login_rules.ts";
import { hasUserMoved, requestOfLogin } from "./reload_login.ts";
import { optionsOf, type RequestParts, requestOf } from "./testing/requests.ts";

const rulesOf = (text: string) => compileLoginRules(optionsOf(text), "");

function loginBy(text: string, parts: RequestParts): Login {
  const verdict = new InlineJudge(rulesOf(text)).judge(requestOf(parts));
  if (verdict?.kind !== "login") throw new Error(verdict?.kind);
  return verdict;
}

const A = "accounts { A { users: [{user: a, password: pa}] } }";

test("hasUserMoved() finds users that are gone, or in another account", () => {
  const login = loginBy(A, { user: "a", password: "pa" });
  expect(hasUserMoved(rulesOf(A), login)).toBe(false);
  expect(hasUserMoved(rulesOf("accounts { A { users: [{user: a, password: changed}] } }"), login)).toBe(
    false,
  );
  expect(hasUserMoved(rulesOf("accounts { B { users: [{user: a, password: pa}] } }"), login)).toBe(true);
  expect(hasUserMoved(rulesOf("accounts { A { users: [{user: b, password: pa}] } }"), login)).toBe(true);
  expect(hasUserMoved(rulesOf("port: 4222"), login)).toBe(true);
});

test("hasUserMoved() takes the single user for gone, and a token or nobody for what it was", () => {
  const single = "authorization { user: a, password: pa }";
  expect(hasUserMoved(rulesOf(single), loginBy(single, { user: "a", password: "pa" }))).toBe(true);
  const token = "authorization { token: t }";
  expect(hasUserMoved(rulesOf(token), loginBy(token, { authToken: "t" }))).toBe(false);
  expect(hasUserMoved(rulesOf(A), loginBy("port: 4222", {}))).toBe(false);
});

test("requestOfLogin() puts the user of no_auth_user into what was sent, as it was configured then", () => {
  const before = "no_auth_user: a, accounts { A { users: [{user: a, password: pa}] } }";
  const judged = (parts: RequestParts) => {
    const { connect } = requestOfLogin(rulesOf(before), requestOf(parts), loginBy(before, parts));
    return [connect.user, connect.password];
  };
  expect(judged({})).toEqual(["a", "pa"]);
  expect(judged({ user: "a", password: "pa" })).toEqual(["a", "pa"]);
  const after = new InlineJudge(rulesOf(before.replace("pa}", "changed}")));
  const request = requestOfLogin(rulesOf(before), requestOf({}), loginBy(before, {}));
  expect(after.judge(request)).toMatchObject({ kind: "refusal", reason: "authorization violation" });
});
