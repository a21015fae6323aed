import { GLOBAL_ACCOUNT } from "../config/account_names.ts";
import { isLeafType } from "../config/authorization.ts";
import { mapCertificate } from "./certificate.ts";
import { type Claimed, claimedBy } from "./identity.ts";
import type { Login, LoginLog, LoginRefusal, LoginRequest, RefusalReason } from "./login.ts";
import type { LeafCredentials, LeafUserRule, LoginRules } from "./login_rules.ts";
import { checkProxy } from "./proxy.ts";
import { type CredentialChecks, findSignatureProblem, isSecret } from "./user_login.ts";
import { loginOf, refusalOf } from "./verdict.ts";

/**
 * The decision about a leaf node where the `leafnodes` block has credentials of its own: then no others count, not even
 * in operator mode. Source: nats-server auth.go, isLeafNodeAuthorized.
 */

/**
 * The verdict on a leaf node. Null if the connection is not one, or if the ordinary credentials count for leaf nodes
 * too.
 */
export function judgeLeaf(
  { leafCredentials, trustedProxies }: LoginRules,
  request: LoginRequest,
  checks: CredentialChecks,
): Login | LoginRefusal | null {
  if (leafCredentials === null || !isLeafType(request.connectionType)) return null;
  const { kind } = leafCredentials;
  const sent = claimedBy(request, false);
  let proxyKey = "";
  const refuse = (reason: RefusalReason, logs: readonly LoginLog[] = []): LoginRefusal =>
    refusalOf(sent, reason, GLOBAL_ACCOUNT, logs, { proxyKey });

  if (request.connect.account !== "" || request.connect.isNewAccount)
    return refuse("authorization violation");
  const { rule, claimed, logs } = findRule(leafCredentials, sent, request);
  if (rule === undefined) return refuse("authorization violation", logs);
  const proxy = checkProxy(request, trustedProxies, checks.verifySignature);
  ({ proxyKey } = proxy);
  if (proxy.isRefused) {
    // For an nkey nats-server logs only why a signature cannot be read.
    return kind === "nkey"
      ? refuse("authorization violation", proxy.logs.slice(0, -1))
      : refuse("proxy not trusted", [...logs, ...proxy.logs]);
  }
  if (rule.isProxyRequired && proxyKey === "") {
    return refuse("proxy required", [...logs, { level: "debug", text: "proxy connection required" }]);
  }
  if (rule.name !== (kind === "nkey" ? claimed.nkey : claimed.user))
    return refuse("authorization violation", logs);
  const problem = findProblem(kind, rule, claimed, request, checks);
  if (problem !== undefined) {
    return refuse("authorization violation", problem === "" ? logs : [{ level: "debug", text: problem }]);
  }
  const issuerKey = kind === "nkey" ? rule.account : "";
  return loginOf(claimed, {
    account: rule.account,
    permissions: null,
    proxyKey,
    issuerKey,
    logs,
  });
}

interface FoundRule {
  /**
   * The user that CONNECT names, undefined if it names none of several. If there is only one, it is that one, whatever
   * name CONNECT has.
   */
  readonly rule: LeafUserRule | undefined;
  /** What CONNECT said; with the user that the certificate names, if users come from certificates. */
  readonly claimed: Claimed;
  readonly logs: readonly LoginLog[];
}

function findRule(credentials: LeafCredentials, sent: Claimed, { tls }: LoginRequest): FoundRule {
  if (credentials.kind !== "users") return { rule: credentials, claimed: sent, logs: [] };
  const { users, mapsCertificates } = credentials;
  if (!mapsCertificates)
    return { rule: users.find(({ name }) => name === sent.user), claimed: sent, logs: [] };
  return mapCertificate(tls, users, sent);
}

/** What is wrong with password or signature, for the log; empty for what is not logged, undefined for nothing. */
function findProblem(
  kind: LeafCredentials["kind"],
  rule: LeafUserRule,
  { password }: Claimed,
  { connect, nonce }: LoginRequest,
  checks: CredentialChecks,
): string | undefined {
  if (kind === "nkey") {
    return findSignatureProblem(rule.name, nonce, connect.signature, checks.verifySignature);
  }
  return isSecret(password, rule.password, checks) ? undefined : "";
}
