import { GLOBAL_ACCOUNT } from "../config/accounts.ts";
import type { Claimed } from "./identity.ts";
import type { Login, LoginRefusal, LoginRequest, Verdict } from "./login.ts";
import type { LoginRules } from "./login_rules.ts";
import { checkProxy } from "./proxy.ts";
import { type CredentialChecks, decideUser, mayStartWithoutConnect, type UserTable } from "./user_login.ts";
import { loginOf, protectCallout, refusalOf } from "./verdict.ts";

/** The whole decision about a client where users stand in the configuration. */

export function judgeByRules(
  rules: LoginRules,
  table: UserTable,
  request: LoginRequest,
  checks: CredentialChecks,
): Verdict {
  const sent = claimedBy(request);
  if (isRefusedOutright(rules, table, request)) {
    return refusalOf(sent, "authorization violation", GLOBAL_ACCOUNT, []);
  }
  const proxy = checkProxy(request, rules.trustedProxies, checks.verifySignature);
  if (proxy.isRefused)
    return withCallout(
      rules,
      request,
      refusalOf(sent, "proxy not trusted", GLOBAL_ACCOUNT, proxy.logs),
      false,
      "",
    );

  const { claimed, outcome, isProxyRequired, logs } = decideUser(
    rules,
    table,
    request,
    proxy.proxyKey,
    checks,
  );
  const bound =
    typeof outcome === "string"
      ? refusalOf(claimed, outcome, GLOBAL_ACCOUNT, logs)
      : loginOf(claimed, {
          ...outcome,
          proxyKey: proxy.proxyKey,
          logs,
          // nats-server names the account as the issuer of an nkey of the configuration.
          issuerKey: claimed.nkey === "" ? "" : outcome.account,
        });
  return withCallout(rules, request, bound, isProxyRequired, proxy.proxyKey);
}

/** What CONNECT claims where a JWT means nothing. */
function claimedBy({ connect: { nkey, user, password, authToken } }: LoginRequest): Claimed {
  return { nkey, user, password, authToken, jwt: "", publicKey: "" };
}

/** An operation before CONNECT, or the account fields of clients of long ago. */
function isRefusedOutright(rules: LoginRules, table: UserTable, request: LoginRequest): boolean {
  const { connect, connectionType, isImplicit } = request;
  if (connect.account !== "" || connect.isNewAccount) return true;
  const { isAuthRequired } = connectionType === "WEBSOCKET" ? rules.websocket : rules.client;
  return isImplicit && isAuthRequired && !mayStartWithoutConnect(rules, table, connectionType);
}

/**
 * The result stands, unless a callout service is to decide: about everybody but its own users, and, where accounts
 * are listed, but the users of accounts that are not. Source: nats-server auth.go, processClientOrLeafAuthentication.
 */
function withCallout(
  rules: LoginRules,
  { connectionType }: LoginRequest,
  bound: Login | LoginRefusal,
  isProxyRequired: boolean,
  proxyKey: string,
): Verdict {
  const { callout } = rules;
  if (callout === null) return bound;
  const isLeaf = connectionType === "LEAFNODE" || connectionType === "LEAFNODE_WS";
  const isDelegated =
    isLeaf ||
    bound.account === GLOBAL_ACCOUNT ||
    callout.allowedAccounts.length === 0 ||
    callout.allowedAccounts.includes(bound.account);
  if (isDelegated && !callout.authUsers.includes(bound.user)) {
    return { kind: "needs callout", account: callout.account, bound, isProxyRequired, proxyKey };
  }
  return bound.kind === "login" ? protectCallout(bound, callout.account) : bound;
}
