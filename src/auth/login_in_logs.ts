/** How log lines name an account and who is logged in to it. Source: nats-server `traceLabel`, `getAuthUserLabel`. */
import type { Login } from "./login.ts";

/** By its name, and in operator mode by the one that its JWT has as well. */
export function accountInLogs(account: string, nameTag: string): string {
  return nameTag === "" ? account : `${account}/${nameTag}`;
}

/** "" for whoever gave no credentials. */
export function identityInLogs({ identityKind, user }: Pick<Login, "identityKind" | "user">): string {
  if (identityKind === "token") return "token";
  return identityKind === "none" ? "" : `${identityKind}:${user}`;
}

/** What is said of one login, as nats-server says what it limits. */
export interface Statement {
  /** The same of everybody in the account. */
  readonly statement: string;
  /** It with who it is said of. */
  readonly line: string;
}

/** `account` and `identity` are "" where they are not known yet. */
export function statementInLogs(text: string, account: string, identity: string): Statement {
  const statement = account === "" ? text : `${text} - Account:${account}`;
  return { statement, line: identity === "" ? statement : `${statement} - ${identity}` };
}
