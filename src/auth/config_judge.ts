import { GLOBAL_ACCOUNT } from "../config/account_names.ts";
import type { AuthCalloutOptions } from "../config/authorization.ts";
import { type Claimed, claimedBy, identityOf } from "./identity.ts";
import { judgeLeaf } from "./leaf_login.ts";
import type { Login, LoginRefusal, LoginRequest, Verdict } from "./login.ts";
import type { LoginRules } from "./login_rules.ts";
import { checkProxy } from "./proxy.ts";
import { judgeServer } from "./server_login.ts";
import {
  type CredentialChecks,
  decideUser,
  mayStartWithoutConnect,
  type UserDecision,
  type UserTable,
} from "./user_login.ts";
import { loginOf, protectCallout, refusalOf } from "./verdict.ts";

/** The whole decision about a client where users stand in the configuration. */

export function judgeByRules(
  rules: LoginRules,
  table: UserTable,
  request: LoginRequest,
  checks: CredentialChecks,
): Verdict {
  const ofOthers = judgeServer(rules, request, checks) ?? judgeLeaf(rules, request, checks);
  if (ofOthers !== null) return ofOthers;
  const sent = claimedBy(request, false);
  if (isRefusedOutright(rules, table, request)) {
    return refusalOf(sent, "authorization violation", GLOBAL_ACCOUNT, []);
  }
  const { isRefused, proxyKey, logs } = checkProxy(request, rules.trustedProxies, checks.verifySignature);
  if (isRefused) return refusalOf(sent, "proxy not trusted", GLOBAL_ACCOUNT, logs);
  const decision = decideUser(rules, table, request, proxyKey, checks);
  const bound = boundBy(decision, table, proxyKey);
  const { callout } = rules;
  if (callout === null) return bound;
  const isDelegated = concernsCallout(callout, request, bound);
  if (isDelegated && !callout.authUsers.includes(nameOf(decision.claimed, table))) {
    const { isProxyRequired, claimed } = decision;
    const { password } = claimed;
    return { kind: "needs callout", account: callout.account, bound, password, isProxyRequired, proxyKey };
  }
  if (bound.kind === "login") return protectCallout(bound, callout.account);
  // The account of the callout hears when somebody fails to log in as one of its users.
  return isDelegated ? { ...bound, account: callout.account } : bound;
}

function boundBy(decision: UserDecision, table: UserTable, proxyKey: string): Login | LoginRefusal {
  const { claimed, outcome, logs } = decision;
  if (typeof outcome === "string") return refusalOf(claimed, outcome, GLOBAL_ACCOUNT, logs, { proxyKey });
  // nats-server names the account as the issuer of an nkey of the configuration.
  const issuerKey = table.nkeys.has(claimed.nkey) ? outcome.account : "";
  return loginOf(claimed, { ...outcome, proxyKey, issuerKey, logs });
}

/** An operation before CONNECT, or the account fields of clients of long ago. */
function isRefusedOutright(rules: LoginRules, table: UserTable, request: LoginRequest): boolean {
  const { connect, connectionType, isImplicit } = request;
  if (connect.account !== "" || connect.isNewAccount) return true;
  const { isAuthRequired } = connectionType === "WEBSOCKET" ? rules.websocket : rules.client;
  return isImplicit && isAuthRequired && !mayStartWithoutConnect(rules, table, connectionType);
}

/**
 * Whether a login is the business of the callout: everybody's is, except that of users of accounts that are not listed.
 * A client that is refused counts as a user of the account it is in so far, if any. Source: nats-server auth.go,
 * processClientOrLeafAuthentication.
 */
function concernsCallout(
  { allowedAccounts }: AuthCalloutOptions,
  { connectionType, currentAccount }: LoginRequest,
  bound: Login | LoginRefusal,
): boolean {
  if (connectionType === "LEAFNODE" || connectionType === "LEAFNODE_WS") return true;
  const account = bound.kind === "refusal" && currentAccount !== undefined ? currentAccount : bound.account;
  return account === GLOBAL_ACCOUNT || allowedAccounts.length === 0 || allowedAccounts.includes(account);
}

/**
 * The name by which the decision knows the client. If the configuration has no nkeys, the client's nkey was not
 * verified: reports show it, but it must not pass for one of the service's users.
 */
function nameOf(claimed: Claimed, { nkeys }: UserTable): string {
  return identityOf(nkeys.size === 0 ? { ...claimed, nkey: "" } : claimed).user;
}
