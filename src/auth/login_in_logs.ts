/** How log lines name an account and who is logged in to it. Source: nats-server `traceLabel`, `getAuthUserLabel`. */
import type { Login } from "./login.ts";

/** The account's name; in operator mode with the name in its JWT as well. */
export function accountInLogs(account: string, nameTag: string): string {
  return nameTag === "" ? account : `${account}/${nameTag}`;
}

/** "" for whoever gave no credentials. */
export function identityInLogs({ identityKind, user }: Pick<Login, "identityKind" | "user">): string {
  if (identityKind === "token") return "token";
  return identityKind === "none" ? "" : `${identityKind}:${user}`;
}

/** A line about one login, of a kind that nats-server limits. */
export interface Statement {
  /** Without the login: the same text for everybody in the account, by which such lines are limited. */
  readonly statement: string;
  /** The statement with the login that it is about. */
  readonly line: string;
}

/** `account` and `identity` are "" where they are not known yet. */
export function statementInLogs(text: string, account: string, identity: string): Statement {
  const statement = account === "" ? text : `${text} - Account:${account}`;
  return { statement, line: identity === "" ? statement : `${statement} - ${identity}` };
}
