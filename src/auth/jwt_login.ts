import { CONNECTION_TYPES, type ConnectionType } from "../config/authorization.ts";
import type { Permissions } from "../config/permissions.ts";
import { goQuoteText } from "../protocol/go_quote.ts";
import { connectWindow } from "./connect_times.ts";
import { type Claimed, claimedBy } from "./identity.ts";
import type { UserClaims, UserRights } from "./jwt/claims.ts";
import { areBlocking } from "./jwt/issues.ts";
import { validate } from "./jwt/validate.ts";
import { permissionsOf } from "./jwt_permissions.ts";
import { isRevoked, type LoadedAccount } from "./loaded_account.ts";
import type { Login, LoginLog, LoginRequest, NeedsAccount, RefusalReason } from "./login.ts";
import type { LoginRules } from "./login_rules.ts";
import type { OperatorTrust } from "./operator_trust.ts";
import { expandScope, hasRightsOfItsOwn } from "./scope.ts";
import type { SignatureCheck } from "./signature.ts";
import { isSourceAllowed } from "./source_address.ts";
import { findSignatureProblem } from "./user_login.ts";

/**
 * The decision about a login in operator mode, where the user JWT decides: there must be a chain from a trusted
 * operator over the account to the user, and the user must have signed the nonce. Source: nats-server auth.go,
 * processClientOrLeafAuthentication.
 */

/** The outcome of the search for an account. */
export type AccountResult =
  | { readonly ok: true; readonly account: LoadedAccount }
  | { readonly ok: false; readonly problem: string };

export interface JwtContext {
  readonly trust: OperatorTrust;
  /** The claims of a user JWT that its issuer has signed; undefined for any other text. */
  readonly readUser: (token: string) => UserClaims | undefined;
  readonly rules: Pick<LoginRules, "pinnedAccounts" | "defaultSentinel">;
  /** Finds an account that is loaded and has not expired. */
  readonly findAccount: (key: string) => LoadedAccount | undefined;
  readonly verifySignature: SignatureCheck;
  readonly nowMs: number;
}

export type JwtDecision = JwtAcceptance | JwtRefusal | NeedsAccount;

export interface JwtAcceptance {
  readonly kind: "accepted";
  readonly claimed: Claimed;
  readonly account: LoadedAccount;
  readonly grant: JwtGrant;
  readonly isProxyRequired: boolean;
}

export interface JwtRefusal {
  readonly kind: "refused";
  readonly claimed: Claimed;
  readonly reason: RefusalReason;
  /** See `LoginRefusal`. */
  readonly jwt: string;
  readonly isPinnedAccountFailure: boolean;
  /** The account that the JWT names, once it was found. */
  readonly account: LoadedAccount | undefined;
  readonly log: LoginLog;
}

/** What a login gets from a user JWT. */
export type JwtGrant = Pick<
  Login,
  | "account"
  | "permissions"
  | "hasDefaultPermissions"
  | "maxSubscriptions"
  | "maxPayloadBytes"
  | "expiresAtMs"
  | "publicKey"
  | "issuerKey"
  | "nameTag"
  | "tags"
  | "accountNameTag"
  | "isBearer"
  | "issuedAtS"
>;

/**
 * Decides about `request`. `proxyKey` is the key of the trusted proxy that vouched for it, "" for none. `fetched` is
 * the outcome of the search that an earlier "needs account" asked for.
 */
export function decideJwt(
  request: LoginRequest,
  proxyKey: string,
  context: JwtContext,
  fetched?: AccountResult,
): JwtDecision {
  const sent = claimedBy(request, true);
  const chosen = chooseJwt(sent.jwt, context);
  if (chosen === undefined) return { ...refused(sent, "Authentication requires a user JWT"), jwt: sent.jwt };
  const { user } = chosen;
  const claimed = { ...sent, jwt: chosen.jwt };
  const decision = decideUserJwt(claimed, user, request, proxyKey, context, fetched);
  const isShown = decision.kind === "refused" && !user.nats.bearerToken;
  return isShown ? { ...decision, jwt: chosen.jwt } : decision;
}

/** Decides by a user JWT that could be read; `claimed` has its text. */
function decideUserJwt(
  claimed: Claimed,
  user: UserClaims,
  request: LoginRequest,
  proxyKey: string,
  context: JwtContext,
  fetched: AccountResult | undefined,
): JwtDecision {
  const { trust, rules, nowMs } = context;
  if (user.nats.proxyRequired && proxyKey === "") return refusedWithoutProxy(claimed);
  const issues = validate(user, nowMs / 1000);
  if (areBlocking(issues, { withTimeChecks: true })) {
    const list = issues.map(({ text }) => text).join(" ");
    return refused(claimed, `User JWT no longer valid: &{Issues:[${list}]}`);
  }

  const accountKey = user.nats.issuerAccount || user.issuer;
  if (!isAdmitted(accountKey, rules.pinnedAccounts, trust)) {
    const refusal = refused(claimed, `Account ${accountKey} not listed as operator pinned account`);
    return { ...refusal, isPinnedAccountFailure: true };
  }
  const found = fetched ?? resultOf(context.findAccount(accountKey));
  if (found === undefined) return { kind: "needs account", account: accountKey };
  if (!found.ok) return refused(claimed, `Account JWT lookup error: ${found.problem}`);

  const { account } = found;
  const decision = decideInAccount(claimed, user, account, request, proxyKey, context);
  return decision.kind === "refused" ? { ...decision, account } : decision;
}

function decideInAccount(
  claimed: Claimed,
  user: UserClaims,
  account: LoadedAccount,
  request: LoginRequest,
  proxyKey: string,
  context: JwtContext,
): JwtAcceptance | JwtRefusal {
  const { trust, nowMs } = context;
  const rights = findRights(user, account, trust);
  if (!rights.ok) return refused(claimed, rights.problem);
  if (rights.rights.proxyRequired && proxyKey === "") return refusedWithoutProxy(claimed);
  const fault = findFault(user, rights.rights, account, request, context);
  if (fault !== undefined) return { ...refused(claimed, fault.text), log: fault };
  const window = connectWindow(rights.rights.times, rights.rights.timesLocation, nowMs);
  if (!window.isOpen)
    return { ...refused(claimed, ""), log: { level: "error", text: "Outside connect times" } };
  return {
    kind: "accepted",
    claimed: { ...claimed, publicKey: user.subject },
    account,
    grant: grantOf(user, rights.rights, targetOf(account), window.endsAtMs, nowMs),
    isProxyRequired: rights.rights.proxyRequired,
  };
}

/**
 * Whether an account is among the pinned ones, if there are such. An operator's system account need not be listed,
 * unless the list is empty. Source: nats-server validateTrustedOperators.
 */
function isAdmitted(accountKey: string, pinned: LoginRules["pinnedAccounts"], trust: OperatorTrust): boolean {
  if (pinned === undefined || pinned.includes(accountKey)) return true;
  return pinned.length > 0 && trust.operator !== undefined && accountKey === trust.systemAccount;
}

/**
 * Chooses the JWT of CONNECT if it is a user JWT, else the one for clients that bring none; undefined if neither is.
 */
function chooseJwt(jwt: string, { rules: { defaultSentinel }, readUser }: JwtContext) {
  for (const candidate of [jwt, defaultSentinel]) {
    const user = candidate === "" ? undefined : readUser(candidate);
    if (user !== undefined) return { jwt: candidate, user };
  }
  return undefined;
}

function resultOf(account: LoadedAccount | undefined): AccountResult | undefined {
  return account && { ok: true, account };
}

export const UNKNOWN_ISSUER = "User JWT issuer is not known";

export type FoundRights =
  | { readonly ok: true; readonly rights: UserRights }
  /** `detail` says more than nats-server tells at a login. */
  | { readonly ok: false; readonly problem: string; readonly detail?: string };

/** Finds the user's rights: its own, or those of the scope of the key that signed it. */
export function findRights(user: UserClaims, account: LoadedAccount, trust: OperatorTrust): FoundRights {
  if (!trust.trustedKeys.includes(account.claims.issuer)) {
    return { ok: false, problem: "Account JWT not signed by trusted operator" };
  }
  if (!account.userIssuers.has(user.issuer)) return { ok: false, problem: UNKNOWN_ISSUER };
  const scope = account.userIssuers.get(user.issuer);
  if (scope === undefined) return { ok: true, rights: user.nats };
  if (hasRightsOfItsOwn(user)) {
    return { ok: false, problem: "User JWT is not valid: scoped users require no permissions or limits set" };
  }
  const { subject, name, nats } = account.claims;
  const expansion = expandScope(scope.template, {
    user: { subject: user.subject, name: user.name, tags: user.nats.tags },
    account: { subject, name, tags: nats.tags },
  });
  if (expansion.ok) return expansion;
  return { ok: false, problem: "User JWT generated invalid permissions", detail: expansion.problem };
}

/** The reason to refuse a user whose issuer is known; undefined if there is none. */
function findFault(
  user: UserClaims,
  rights: UserRights,
  account: LoadedAccount,
  { connectionType, connect, nonce, ip }: LoginRequest,
  { verifySignature }: JwtContext,
): LoginLog | undefined {
  const { limits, revocations } = account.claims.nats;
  if (account.isExpired) return debug("Account JWT has expired");
  if (rights.bearerToken && limits.disallowBearer) return debug("Account does not allow bearer tokens");
  const typeFault = findTypeFault(rights.allowedConnectionTypes, connectionType);
  if (typeFault !== undefined) return debug(typeFault);
  const signatureProblem = rights.bearerToken
    ? undefined
    : findSignatureProblem(user.subject, nonce, connect.signature, verifySignature);
  if (signatureProblem !== undefined) return debug(signatureProblem);
  if (isRevoked(revocations, user.subject, user.issuedAtSeconds)) return debug("User authentication revoked");
  return isSourceAllowed(ip, rights.sources) ? undefined : { level: "error", text: `Bad src Ip ${ip}` };
}

/**
 * The fault of the connection type; undefined if it is allowed. Listed types that this version does not know are
 * ignored; if all are unknown, nobody may connect.
 */
export function findTypeFault(listed: readonly string[], type: ConnectionType): string | undefined {
  const names = listed.map((name) => name.toUpperCase());
  const known = names.filter((name) => CONNECTION_TYPES.some((other) => other === name));
  if (names.length > 0 && known.length === 0) {
    return `invalid connection types [${names.map(goQuoteText).join(" ")}]`;
  }
  return known.length === 0 || known.includes(type) ? undefined : "Connection type not allowed";
}

/** The account that a user JWT gives access to. */
export interface GrantTarget {
  readonly account: string;
  readonly accountNameTag: string;
  /** The permissions of users whose JWT has none. */
  readonly defaultPermissions: Permissions | null;
}

export function targetOf({ key, claims }: LoadedAccount): GrantTarget {
  const defaultPermissions = permissionsOf(claims.nats.defaultPermissions);
  return { account: key, accountNameTag: claims.name, defaultPermissions };
}

/** What a user with `rights` gets in an account, until its JWT or its daily time window ends. */
export function grantOf(
  user: UserClaims,
  rights: UserRights,
  { account, accountNameTag, defaultPermissions }: GrantTarget,
  windowEndsAtMs: number | null,
  nowMs: number,
): JwtGrant {
  const permissions = permissionsOf(rights);
  return {
    account,
    accountNameTag,
    permissions: permissions ?? defaultPermissions,
    hasDefaultPermissions: permissions === null,
    maxSubscriptions: rights.maxSubscriptions,
    maxPayloadBytes: rights.maxPayloadBytes,
    expiresAtMs: earlier(expiryOf(user, nowMs), windowEndsAtMs),
    publicKey: user.subject,
    issuerKey: user.issuer,
    nameTag: user.name,
    tags: user.nats.tags,
    isBearer: rights.bearerToken,
    issuedAtS: user.issuedAtSeconds,
  };
}

/** When a JWT expires, or null. As in nats-server, that is whole seconds from now. */
function expiryOf({ expiresAtSeconds }: UserClaims, nowMs: number): number | null {
  return expiresAtSeconds === 0 ? null : expiresAtSeconds * 1000 + (nowMs % 1000);
}

/** The earlier of two times; null is never. */
export function earlier(aMs: number | null, bMs: number | null): number | null {
  return aMs === null || bMs === null ? (aMs ?? bMs) : Math.min(aMs, bMs);
}

function refused(claimed: Claimed, text: string): JwtRefusal {
  const reason = "authorization violation";
  return {
    kind: "refused",
    claimed,
    reason,
    jwt: "",
    isPinnedAccountFailure: false,
    account: undefined,
    log: debug(text),
  };
}

function refusedWithoutProxy(claimed: Claimed): JwtRefusal {
  return { ...refused(claimed, "proxy connection required"), reason: "proxy required" };
}

function debug(text: string): LoginLog {
  return { level: "debug", text };
}
