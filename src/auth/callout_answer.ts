import { GLOBAL_ACCOUNT } from "../config/account_names.ts";
import { goQuoteText } from "../protocol/go_quote.ts";
import type { CalloutSeal } from "./callout_request.ts";
import { connectWindow } from "./connect_times.ts";
import type { Claimed } from "./identity.ts";
import type { AuthorizationResponseClaims, UserClaims, UserRights } from "./jwt/claims.ts";
import { decodeAs } from "./jwt/decode.ts";
import { validate } from "./jwt/validate.ts";
import {
  type AccountResult,
  earlier,
  findRights,
  findTypeFault,
  type GrantTarget,
  grantOf,
  targetOf,
  UNKNOWN_ISSUER,
} from "./jwt_login.ts";
import type { LoadedAccount } from "./loaded_account.ts";
import {
  type Login,
  type LoginLog,
  type LoginRefusal,
  type LoginRequest,
  type NeedsAccount,
  type NeedsCallout,
  type RefusalReason,
  withoutRoom,
} from "./login.ts";
import type { OperatorTrust } from "./operator_trust.ts";
import { loginOf, protectCallout, refusalOf } from "./verdict.ts";

/**
 * Whether the answer of an auth callout service lets the client in. The service is trusted to say who the client is,
 * but only about the question asked, and only into accounts that are its business.
 * Source: nats-server auth_callout.go, processReply.
 */

export interface CalloutAnswerContext {
  readonly pending: NeedsCallout;
  readonly request: LoginRequest;
  /** The key that was made for the question. */
  readonly userNkey: string;
  /** This server's public key. */
  readonly serverId: string;
  /** How the question was sealed; undefined if it was not. */
  readonly seal: CalloutSeal | undefined;
  readonly mode: CalloutMode;
  /** Unix milliseconds. */
  readonly nowMs: number;
}

export type CalloutMode =
  | {
      readonly kind: "config";
      /** The configured account key that signs answers and users. */
      readonly issuer: string;
      readonly findTarget: (account: string) => GrantTarget | undefined;
    }
  | {
      readonly kind: "operator";
      readonly trust: OperatorTrust;
      /** The account that was asked. */
      readonly asked: LoadedAccount;
      readonly findAccount: (key: string) => LoadedAccount | undefined;
    };

/** A check that failed, in the words of the log. */
interface Fault {
  readonly text: string;
  readonly isProxyRequired?: boolean;
}

type Checked<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly fault: Fault };

/** Judges an answer. `fetched` is the account that an earlier call asked for, or why it was not found. */
export function judgeCalloutAnswer(
  payload: Uint8Array,
  context: CalloutAnswerContext,
  fetched?: AccountResult,
): Login | LoginRefusal | NeedsAccount {
  const user = readAnswer(payload, context);
  if (!user.ok) return refusedBy(user.fault, context);
  const fault = findUserFault(user.value, context);
  if (fault !== undefined) return refusedBy(fault, context);
  const place = findPlace(user.value, context, fetched);
  if ("kind" in place) return place;
  if (!place.ok) return refusedBy(place.fault, context);

  const { rights, target } = place.value;
  if (rights.proxyRequired && context.pending.proxyKey === "") return refusedBy(PROXY_REQUIRED, context);
  const account = goQuoteText(context.pending.account);
  const window = connectWindow(rights.times, rights.timesLocation, context.nowMs);
  if (!window.isOpen) {
    const refusal = refusedBy(
      { text: `authorized user on account ${account} outside of valid connect times` },
      context,
    );
    return { ...refusal, logs: [{ level: "error", text: "Outside connect times" }, ...refusal.logs] };
  }
  const typeFault = findTypeFault(rights.allowedConnectionTypes, context.request.connectionType);
  if (typeFault !== undefined) {
    const isKnown = typeFault === "Connection type not allowed";
    const what = isKnown ? "not allowed to use connection type" : "using invalid connection type";
    return refusedBy({ text: `authorized user on account ${account} ${what}` }, context);
  }
  return grantLogin(user.value, rights, target, window.endsAtMs, context);
}

/** The refusal when nobody answered in time, or nobody was there to answer. */
export function calloutTimedOut(pending: NeedsCallout): LoginRefusal {
  const text = `Authorization callout response not received in time on account ${goQuoteText(pending.account)}`;
  const logs = [{ level: "debug", text }] as const;
  return calloutRefusal(pending, "authorization violation", logs, "");
}

/** The refusal when the account of the one who asks has no room for it, so that there is nothing to ask. */
export function accountIsFull(pending: NeedsCallout): LoginRefusal {
  const bound = pending.bound.kind === "login" ? withoutRoom(pending.bound) : null;
  return refusalOf(claimedBy(pending), "account connections", pending.bound.account, [], { bound });
}

/** The refusal when no question could be put. */
export function calloutFailed(pending: NeedsCallout, problem: string): LoginRefusal {
  const logs = [{ level: "warning", text: problem }] as const;
  return calloutRefusal(pending, "authorization violation", logs, problem);
}

/** The user JWT in the answer, if the service that was asked gave it, and to this question. */
function readAnswer(payload: Uint8Array, context: CalloutAnswerContext): Checked<UserClaims> {
  const account = goQuoteText(context.pending.account);
  if (payload.length === 0) {
    return failed(`auth callout violation: "no reason supplied" on account ${account}`);
  }
  const opened = open(payload, context);
  if (!opened.ok) return opened;
  const { token, wasSealed } = opened.value;
  const decoded = decodeAs("authorization_response", token);
  if (!decoded.ok) return failed(decoded.text);
  const { claims } = decoded;
  const [issue] = validate(claims, context.nowMs / 1000);
  if (issue !== undefined) return failed(`authorization response had validation errors: ${issue.text}`);
  if (claims.subject !== context.userNkey) {
    return failed("auth callout violation: auth callout response is not for expected user");
  }
  if (claims.audience !== context.serverId) {
    return failed("auth callout violation: auth callout response is not for server");
  }
  const signerFault = wasSealed ? undefined : findSignerFault(claims, context.mode);
  if (signerFault !== undefined) return failed(signerFault);
  if (claims.nats.error !== "") return failed(`auth callout service returned an error: ${claims.nats.error}`);
  const user = decodeAs("user", claims.nats.jwt);
  return user.ok ? { ok: true, value: user.claims } : failed(user.text);
}

/** All tokens begin like this: a brace and a quote in base64. */
const TOKEN_START = "eyJ";
const UTF8 = new TextDecoder("utf-8", { ignoreBOM: true });

function open(
  payload: Uint8Array,
  { seal, pending }: CalloutAnswerContext,
): Checked<{ token: string; wasSealed: boolean }> {
  const token = UTF8.decode(payload);
  if (seal === undefined || token.startsWith(TOKEN_START))
    return { ok: true, value: { token, wasSealed: false } };
  const opened = seal.key.open(payload, seal.xkey);
  if (opened.ok) return { ok: true, value: { token: UTF8.decode(opened.bytes), wasSealed: true } };
  const account = goQuoteText(pending.account);
  return failed(`error decrypting auth callout response on account ${account}: ${opened.text}`);
}

/** What is wrong with the signer. A sealed answer may be signed by any key: only the service has its curve key. */
function findSignerFault(
  { issuer, nats }: AuthorizationResponseClaims,
  mode: CalloutMode,
): string | undefined {
  const unknown = "auth callout signing key is unknown";
  if (mode.kind === "config") return issuer === mode.issuer ? undefined : unknown;
  const { key, claims } = mode.asked;
  if (nats.issuerAccount !== "" && nats.issuerAccount !== key) {
    return `auth callout response issuer account ${goQuoteText(nats.issuerAccount)} is not the callout account`;
  }
  return issuer === key || claims.nats.signingKeys.has(issuer) ? undefined : unknown;
}

const PROXY_REQUIRED: Fault = { text: "proxy connection required", isProxyRequired: true };

function findUserFault(
  user: UserClaims,
  { pending, userNkey, nowMs }: CalloutAnswerContext,
): Fault | undefined {
  const isProxyRequired = pending.isProxyRequired || user.nats.proxyRequired;
  if (isProxyRequired && pending.proxyKey === "") return PROXY_REQUIRED;
  const [issue] = validate(user, nowMs / 1000);
  if (issue !== undefined) return { text: `Error validating user JWT: ${issue.text}` };
  if (user.subject === userNkey) return undefined;
  const [expected, got] = [userNkey, user.subject].map(goQuoteText);
  const account = goQuoteText(pending.account);
  return { text: `Expected authorized user of ${expected} but got ${got} on account ${account}` };
}

interface Place {
  readonly rights: UserRights;
  readonly target: GrantTarget;
}

/** The account the user is put into, and the rights it has there. */
function findPlace(
  user: UserClaims,
  context: CalloutAnswerContext,
  fetched: AccountResult | undefined,
): Checked<Place> | NeedsAccount {
  const account = goQuoteText(context.pending.account);
  const { mode } = context;
  const { issuerAccount } = user.nats;
  const noAccount = (name: string, problem: string) => {
    const text = `no valid account ${goQuoteText(name)} for auth callout response on account ${account}: ${problem}`;
    return failed(text);
  };
  if (mode.kind === "config") {
    if (issuerAccount !== "") {
      return failed(`error non operator mode account ${account}: attempted to use issuer_account`);
    }
    if (user.issuer !== mode.issuer) {
      const [expected, got] = [mode.issuer, user.issuer].map(goQuoteText);
      return failed(
        `wrong issuer for auth callout response on account ${account}, expected ${expected} got ${got}`,
      );
    }
    const target = mode.findTarget(user.audience);
    return target === undefined
      ? noAccount(user.audience, "account missing")
      : { ok: true, value: { rights: user.nats, target } };
  }

  const key = issuerAccount || user.issuer;
  const { allowedAccounts } = mode.asked.claims.nats.authorization;
  const isAllowed = key === mode.asked.key || allowedAccounts.includes(key) || isAny(allowedAccounts);
  if (!isAllowed) {
    const issuer = goQuoteText(user.issuer);
    return failed(
      `account ${issuer} not permitted as valid account option for auth callout for account ${account}`,
    );
  }
  const loaded = mode.findAccount(key);
  const found = loaded === undefined ? fetched : ({ ok: true, account: loaded } as const);
  if (found === undefined) return { kind: "needs account", account: key };
  if (!found.ok) return noAccount(key, found.problem);
  const rights = findRights(user, found.account, mode.trust);
  if (rights.ok) return { ok: true, value: { rights: rights.rights, target: targetOf(found.account) } };
  const { problem, detail } = rights;
  if (problem === UNKNOWN_ISSUER) return failed(`user JWT issuer ${goQuoteText(user.issuer)} is not known`);
  return failed(detail === undefined ? problem : `${problem}: ${detail}`);
}

function isAny(allowedAccounts: readonly string[]): boolean {
  return allowedAccounts.length === 1 && allowedAccounts[0] === "*";
}

function grantLogin(
  user: UserClaims,
  rights: UserRights,
  target: GrantTarget,
  windowEndsAtMs: number | null,
  { pending, request, nowMs }: CalloutAnswerContext,
): Login {
  const { bound } = pending;
  const named = claimedBy(pending);
  // Without its JWT, the client is called by its token, if it sent one too.
  const sent = bound.identityKind === "jwt" ? { ...named, authToken: request.connect.authToken } : named;
  // A name in the JWT replaces the name that the client gave itself.
  const claimed = user.name === "" ? sent : { ...sent, user: user.name, nkey: "", authToken: "" };
  const grant = grantOf(user, rights, target, windowEndsAtMs, nowMs);
  const login = loginOf(claimed, {
    ...grant,
    // The client's own JWT ends the login, too.
    expiresAtMs: bound.kind === "login" ? earlier(bound.expiresAtMs, grant.expiresAtMs) : grant.expiresAtMs,
    // Neither is enforced for users of a callout service.
    maxSubscriptions: -1,
    maxPayloadBytes: -1,
    // Reports go on showing the JWT that the client sent.
    nameTag: bound.kind === "login" ? bound.nameTag : "",
    tags: bound.kind === "login" ? bound.tags : [],
    issuerKey: user.nats.issuerAccount === "" ? target.account : user.issuer,
    proxyKey: pending.proxyKey,
  });
  return protectCallout(login, pending.account);
}

/** Who the client said it is, without the JWT that it sent. */
function claimedBy({ bound: { identityKind, user } }: NeedsCallout): Claimed {
  return {
    nkey: identityKind === "nkey" ? user : "",
    user: identityKind === "user" ? user : "",
    authToken: identityKind === "token" ? user : "",
    password: "",
    jwt: "",
    publicKey: "",
  };
}

function failed(text: string): { readonly ok: false; readonly fault: Fault } {
  return { ok: false, fault: { text } };
}

function refusedBy(
  { text, isProxyRequired = false }: Fault,
  { pending }: CalloutAnswerContext,
): LoginRefusal {
  const eventReason = text.charAt(0).toUpperCase() + text.slice(1);
  const reason = isProxyRequired ? "proxy required" : "authorization violation";
  return calloutRefusal(pending, reason, [{ level: "warning", text: eventReason }], eventReason);
}

/** The refusal of a client that stays, until it is gone, who its own credentials made it. */
function calloutRefusal(
  pending: NeedsCallout,
  reason: RefusalReason,
  logs: readonly LoginLog[],
  eventReason: string,
): LoginRefusal {
  const { account, bound } = pending;
  return refusalOf(claimedBy(pending), reason, account || GLOBAL_ACCOUNT, logs, {
    eventReason,
    bound: bound.kind === "login" ? bound : null,
  });
}
