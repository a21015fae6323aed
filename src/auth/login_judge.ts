import { Memo } from "../base/memo.ts";
import { GLOBAL_ACCOUNT } from "../config/account_names.ts";
import { goQuoteText } from "../protocol/go_quote.ts";
import { judgeByRules } from "./config_judge.ts";
import { claimedBy } from "./identity.ts";
import type { UserClaims } from "./jwt/claims.ts";
import { decodeAs } from "./jwt/decode.ts";
import { type AccountResult, decideJwt, type JwtAcceptance, type JwtContext } from "./jwt_login.ts";
import { judgeLeaf } from "./leaf_login.ts";
import type { LoadedAccount } from "./loaded_account.ts";
import type { LoginRequest, Verdict } from "./login.ts";
import type { LoginRules } from "./login_rules.ts";
import type { OperatorTrust } from "./operator_trust.ts";
import { checkProxy } from "./proxy.ts";
import { judgeServer } from "./server_login.ts";
import { type CredentialChecks, UserTable } from "./user_login.ts";
import { loginOf, protectCallout, refusalOf } from "./verdict.ts";

/** What the judge of the logins thread needs besides the rules. */
export interface JudgeTools extends CredentialChecks {
  /** Unix milliseconds. */
  readonly nowMs: () => number;
  /** In operator mode: whom to believe, and the accounts at hand that have not expired. */
  readonly operatorMode:
    | { readonly trust: OperatorTrust; readonly findAccount: (key: string) => LoadedAccount | undefined }
    | undefined;
}

/** How many user JWTs' claims a judge remembers. */
const USERS_KEPT_MAX = 2048;

/**
 * Judges every kind of login. It holds no state except the rules and what it has read of user JWTs; a reload makes another
 * judge. The text of a JWT alone decides what it claims and whether its issuer signed it, so that is worked out once.
 * Everything else (whom to trust, revocations, times, the nonce) is checked anew in each login.
 */
export class LoginJudge {
  readonly #rules: LoginRules;
  readonly #table: UserTable;
  readonly #tools: JudgeTools;
  readonly #users = new Memo(USERS_KEPT_MAX, readUser);

  constructor(rules: LoginRules, tools: JudgeTools) {
    this.#rules = rules;
    this.#table = new UserTable(rules);
    this.#tools = tools;
  }

  /** The verdict. After "needs account" it is asked for once more, with the result of the search for that account. */
  judge(request: LoginRequest, fetched?: AccountResult): Verdict {
    const { operatorMode, verifySignature, nowMs } = this.#tools;
    if (operatorMode === undefined) return judgeByRules(this.#rules, this.#table, request, this.#tools);
    const ofOthers =
      judgeServer(this.#rules, request, this.#tools) ?? judgeLeaf(this.#rules, request, this.#tools);
    if (ofOthers !== null) return ofOthers;
    const context = {
      ...operatorMode,
      readUser: (token: string) => this.#users.of(token),
      rules: this.#rules,
      verifySignature,
      nowMs: nowMs(),
    };
    return judgeByJwt(request, context, fetched);
  }
}

function readUser(token: string): UserClaims | undefined {
  const decoded = decodeAs("user", token);
  return decoded.ok ? decoded.claims : undefined;
}

/** The whole decision in operator mode. */
function judgeByJwt(
  request: LoginRequest,
  context: JwtContext & { readonly rules: LoginRules },
  fetched: AccountResult | undefined,
): Verdict {
  const { password, account, isNewAccount } = request.connect;
  const sent = claimedBy(request, true);
  if (request.isImplicit || account !== "" || isNewAccount) {
    return refusalOf(sent, "authorization violation", GLOBAL_ACCOUNT, []);
  }
  const { isRefused, proxyKey, logs } = checkProxy(
    request,
    context.rules.trustedProxies,
    context.verifySignature,
  );
  if (isRefused) return refusalOf(sent, "proxy not trusted", GLOBAL_ACCOUNT, logs);

  const decision = decideJwt(request, proxyKey, context, fetched);
  if (decision.kind === "needs account") return decision;
  if (decision.kind === "refused") {
    const { claimed, reason, jwt, isPinnedAccountFailure, account, log } = decision;
    const hearer = account !== undefined && hasCallout(account) ? account.key : GLOBAL_ACCOUNT;
    return refusalOf(claimed, reason, hearer, [log], { jwt, proxyKey, isPinnedAccountFailure });
  }
  const { claimed, grant, isProxyRequired } = decision;
  const log = { level: "debug", text: describe(decision, request) } as const;
  const login = loginOf(claimed, { ...grant, proxyKey, logs: [log] });
  if (!hasCallout(decision.account)) return login;
  const { authUsers } = decision.account.claims.nats.authorization;
  // By the verified key, not by what CONNECT calls itself: only the service's own users are let through.
  if (authUsers.includes(grant.publicKey)) return protectCallout(login, grant.account);
  return { kind: "needs callout", account: grant.account, bound: login, password, isProxyRequired, proxyKey };
}

/** Whether a callout service decides about the account's users, but its own. */
function hasCallout({ claims }: LoadedAccount): boolean {
  return claims.nats.authorization.authUsers.length > 0;
}

/** The chain from the operator to the user, for the log. */
function describe({ account, grant }: JwtAcceptance, { connectionType }: LoginRequest): string {
  const kind = connectionType.startsWith("LEAFNODE") ? "Leafnode" : "Client";
  const [user, signer, key, operator] = [
    grant.publicKey,
    grant.issuerKey,
    account.key,
    account.claims.issuer,
  ].map(goQuoteText);
  const claimsOf = (name: string, tags: readonly string[]) =>
    `(claim-name: ${goQuoteText(name)}, claim-tags: [${tags.map(goQuoteText).join(" ")}])`;
  const { name, nats } = account.claims;
  return (
    `Authenticated JWT: ${kind} ${user} ${claimsOf(grant.nameTag, grant.tags)} signed with ${signer} ` +
    `by Account ${key} ${claimsOf(name, nats.tags)} signed with ${operator} has mappings ${nats.mappings.size > 0}`
  );
}
