import { GLOBAL_ACCOUNT } from "../config/account_names.ts";
import type { ConnectionType } from "../config/authorization.ts";
import { isLeafType } from "../config/authorization.ts";
import type { Permissions } from "../config/permissions.ts";
import { goQuoteText } from "../protocol/go_quote.ts";
import { decodeSignature } from "./base64.ts";
import { mapCertificate } from "./certificate.ts";
import { type Claimed, claimedBy } from "./identity.ts";
import type { LoginLog, LoginRequest, RefusalReason } from "./login.ts";
import type { ListenerRules, LoginRules, UserRule } from "./login_rules.ts";
import { type HashComparison, isBcryptHash, isSameSecret } from "./password.ts";
import { isNonceSigned, type SignatureCheck } from "./signature.ts";

/**
 * The decision where users stand in the configuration, in the order of nats-server: nkeys, certificates, users, then
 * the single token or user. Source: nats-server auth.go, processClientOrLeafAuthentication.
 */

/** The two checks that cost more than looking something up. */
export interface CredentialChecks {
  readonly verifySignature: SignatureCheck;
  readonly compareHash: HashComparison;
}

export interface UserDecision {
  /** What CONNECT said, with the user the decision took instead. */
  readonly claimed: Claimed;
  readonly outcome: { readonly account: string; readonly permissions: Permissions | null } | RefusalReason;
  readonly isProxyRequired: boolean;
  readonly logs: readonly LoginLog[];
}

/** The users and nkeys of the rules by name. */
export class UserTable {
  readonly users: ReadonlyMap<string, UserRule>;
  readonly nkeys: ReadonlyMap<string, UserRule>;

  constructor({ users, nkeys }: LoginRules) {
    this.users = new Map(users.map((user) => [user.name, user]));
    this.nkeys = new Map(nkeys.map((nkey) => [nkey.name, nkey]));
  }
}

/** What belongs to the listener a client came in by. */
function listenerRules(rules: LoginRules, type: ConnectionType): ListenerRules {
  switch (type) {
    case "WEBSOCKET":
      return rules.websocket;
    case "LEAFNODE":
      return rules.leafnode;
    case "LEAFNODE_WS":
      return rules.leafnodeWebSocket;
    default:
      return rules.client;
  }
}

/**
 * Whether a client whose first operation is not CONNECT may be judged as if it had sent an empty CONNECT. That takes a
 * user for clients without credentials, with a password, who may connect in this way; an nkey will not do.
 */
export function mayStartWithoutConnect(rules: LoginRules, table: UserTable, type: ConnectionType): boolean {
  const noAuthUser = (type === "WEBSOCKET" && rules.websocket.noAuthUser) || rules.client.noAuthUser;
  const user = table.users.get(noAuthUser);
  return user !== undefined && !user.isProxyRequired && isAllowedType(user, type);
}

/** Decides about `request`; `proxyKey` is the trusted proxy that vouched for it, empty for none. */
export function decideUser(
  rules: LoginRules,
  table: UserTable,
  request: LoginRequest,
  proxyKey: string,
  checks: CredentialChecks,
): UserDecision {
  const sent = claimedBy(request, false);
  const listener = listenerRules(rules, request.connectionType);
  if (!listener.isAuthRequired) {
    const account = isLeafType(request.connectionType) ? rules.leafAccount : GLOBAL_ACCOUNT;
    return accept(sent, { account, permissions: null });
  }

  const circumstances = { rules, table, listener, request, proxyKey, checks };
  const nkeyRule = selectNkey(sent, circumstances);
  if (nkeyRule === "refused") return refuse(sent);
  if (nkeyRule !== undefined) return judgeNkey(nkeyRule, sent, circumstances);

  if (table.users.size === 0) return judgeSingle(sent, circumstances);
  if (listener.mapsCertificates) return judgeCertificate(sent, circumstances);
  const claimed = withStandIn(sent, circumstances);
  if (claimed.user === "") return judgeSingle(claimed, circumstances);
  const rule = table.users.get(claimed.user);
  if (rule === undefined || !isAllowedType(rule, request.connectionType)) return refuse(claimed);
  const needsCertificate =
    rule.isCertificateIdentity && rule.password === "" && rule.name !== listener.noAuthUser;
  return judgeUser(rule, claimed, { needsCertificate, logs: [] }, circumstances);
}

/** What the steps of one decision look at. */
interface Circumstances {
  readonly rules: LoginRules;
  readonly table: UserTable;
  readonly listener: ListenerRules;
  readonly request: LoginRequest;
  readonly proxyKey: string;
  readonly checks: CredentialChecks;
}

/** The nkey that CONNECT names, or that a client without credentials is taken for; undefined if there is neither. */
function selectNkey(
  { nkey, user, password, authToken }: Claimed,
  { table: { nkeys }, listener: { noAuthUser }, request }: Circumstances,
): UserRule | "refused" | undefined {
  if (nkeys.size === 0) return undefined;
  const isAnonymous = user === "" && password === "" && authToken === "" && nkey === "";
  if (isAnonymous) {
    const standIn = nkeys.get(noAuthUser);
    if (standIn === undefined || isAllowedType(standIn, request.connectionType)) return standIn;
    return "refused";
  }
  if (nkey === "") return undefined;
  const rule = nkeys.get(nkey);
  return rule !== undefined && isAllowedType(rule, request.connectionType) ? rule : "refused";
}

function judgeNkey(
  rule: UserRule,
  sent: Claimed,
  { listener, request: { connect, nonce }, proxyKey, checks }: Circumstances,
): UserDecision {
  const { isProxyRequired } = rule;
  const claimed = { ...sent, nkey: rule.name };
  if (isProxyRequired && proxyKey === "") return refuseWithoutProxy(claimed);
  if (rule.name !== listener.noAuthUser) {
    const problem = findSignatureProblem(rule.name, nonce, connect.signature, checks.verifySignature);
    if (problem !== undefined) return refuse(claimed, [debug(problem)], isProxyRequired);
  }
  return accept(claimed, rule, isProxyRequired);
}

/** What is wrong with the signed nonce, for the log; undefined for nothing. */
export function findSignatureProblem(
  publicKey: string,
  nonce: string,
  signature: string,
  verify: SignatureCheck,
): string | undefined {
  if (signature === "") return "Signature missing";
  const bytes = decodeSignature(signature);
  if (bytes === undefined) return "Signature not valid base64";
  return isNonceSigned(publicKey, nonce, bytes, verify) ? undefined : "Signature not verified";
}

/** The certificate names the user, so CONNECT must not; its password is still compared. */
function judgeCertificate(sent: Claimed, circumstances: Circumstances): UserDecision {
  const { table, request } = circumstances;
  const admitted = [...table.users.values()].filter((user) => isAllowedType(user, request.connectionType));
  const { rule, claimed, logs } = mapCertificate(request.tls, admitted, sent);
  if (rule === undefined) return refuse(sent, logs);
  return judgeUser(rule, claimed, { needsCertificate: false, logs }, circumstances);
}

/**
 * What the client sent; if that has no credentials, the name and password of the user that such clients are taken for.
 */
function withStandIn(sent: Claimed, { table, listener }: Circumstances): Claimed {
  const isAnonymous = sent.user === "" && sent.password === "" && sent.authToken === "";
  const standIn = isAnonymous ? table.users.get(listener.noAuthUser) : undefined;
  return standIn === undefined ? sent : { ...sent, user: standIn.name, password: standIn.password };
}

function judgeUser(
  rule: UserRule,
  claimed: Claimed,
  { needsCertificate, logs }: { readonly needsCertificate: boolean; readonly logs: readonly LoginLog[] },
  { proxyKey, checks }: Circumstances,
): UserDecision {
  const { isProxyRequired } = rule;
  if (isProxyRequired && proxyKey === "") return refuseWithoutProxy(claimed, logs);
  if (needsCertificate) {
    const log = debug(`User ${goQuoteText(rule.name)} requires a client certificate`);
    return refuse(claimed, [...logs, log], isProxyRequired);
  }
  if (!isSecret(claimed.password, rule.password, checks)) return refuse(claimed, logs, isProxyRequired);
  return accept(claimed, rule, isProxyRequired, logs);
}

/** The single token or the single user of the listener. */
function judgeSingle(
  claimed: Claimed,
  { rules: { isProxyRequired }, listener: { token, user, password }, proxyKey, checks }: Circumstances,
): UserDecision {
  if (isProxyRequired && proxyKey === "") return refuseWithoutProxy(claimed);
  const isKnown =
    token !== ""
      ? isSecret(claimed.authToken, token, checks)
      : user !== "" && user === claimed.user && isSecret(claimed.password, password, checks);
  if (!isKnown) return refuse(claimed, [], isProxyRequired);
  return accept(claimed, { account: GLOBAL_ACCOUNT, permissions: null }, isProxyRequired);
}

/** Whether what was sent is the secret that is stored, in clear or as a hash. */
export function isSecret(given: string, stored: string, checks: CredentialChecks): boolean {
  if (!isBcryptHash(stored)) return isSameSecret(given, stored);
  // The hash itself is no password: sent by somebody who saw it, or taken over from the user of anonymous clients.
  return given !== stored && checks.compareHash(given, stored);
}

function isAllowedType({ connectionTypes }: UserRule, type: ConnectionType): boolean {
  return connectionTypes === null || connectionTypes.includes(type);
}

function accept(
  claimed: Claimed,
  { account, permissions }: Pick<UserRule, "account" | "permissions">,
  isProxyRequired = false,
  logs: readonly LoginLog[] = [],
): UserDecision {
  return { claimed, outcome: { account, permissions }, isProxyRequired, logs };
}

function refuse(claimed: Claimed, logs: readonly LoginLog[] = [], isProxyRequired = false): UserDecision {
  return { claimed, outcome: "authorization violation", isProxyRequired, logs };
}

function refuseWithoutProxy(claimed: Claimed, logs: readonly LoginLog[] = []): UserDecision {
  const log = debug("proxy connection required");
  return { claimed, outcome: "proxy required", isProxyRequired: true, logs: [...logs, log] };
}

function debug(text: string): LoginLog {
  return { level: "debug", text };
}
