import type { Login } from "./login.ts";
import type { LoginRules } from "./login_rules.ts";

/**
 * Whether, by new rules, the user of a connection is gone or belongs to another account, so that the connection is
 * closed without an error. Any other connection is judged again, with what it sent at its login: a nonce and its
 * signature hold as long as the connection. Source: nats-server reload.go, clientHasMovedToDifferentAccount.
 */
export function hasUserMoved(rules: LoginRules, { identityKind, user, account }: Login): boolean {
  if (rules.isOperatorMode || (identityKind !== "nkey" && identityKind !== "user")) return false;
  const list = identityKind === "nkey" ? rules.nkeys : rules.users;
  // The single user of `authorization` is in no list, and so is gone by any reload that changes who may log in.
  return list.find(({ name }) => name === user)?.account !== account;
}
