import { GLOBAL_ACCOUNT } from "../config/account_names.ts";
import { claimedBy } from "./identity.ts";
import type { Login, LoginRefusal, LoginRequest } from "./login.ts";
import type { LoginRules } from "./login_rules.ts";
import { type CredentialChecks, isSecret } from "./user_login.ts";
import { loginOf, refusalOf } from "./verdict.ts";

/**
 * The decision about a route or a gateway: it must be the one user of the `cluster` or `gateway` block, also in
 * operator mode, and belongs to no account. Null for a connection that is neither. Source: nats-server auth.go,
 * isRouterAuthorized, isGatewayAuthorized.
 */
export function judgeServer(
  { servers }: LoginRules,
  request: LoginRequest,
  checks: CredentialChecks,
): Login | LoginRefusal | null {
  const { server } = request;
  if (server === undefined) return null;
  const claimed = claimedBy(request, false);
  const { user, password } = claimed;
  const wanted = servers?.[server];
  const isIn = wanted === undefined || (user === wanted.user && isSecret(password, wanted.password, checks));
  return isIn
    ? loginOf(claimed, { account: GLOBAL_ACCOUNT, permissions: null, proxyKey: "" })
    : refusalOf(claimed, "authorization violation", GLOBAL_ACCOUNT, []);
}
