import { GLOBAL_ACCOUNT } from "../config/account_names.ts";
import { CloseReason, closeReasonEntry } from "../protocol/close_reason.ts";
import { type Claimed, claimedBy, identityOf } from "./identity.ts";
import { denyPublish } from "./jwt_permissions.ts";
import type { Login, LoginLog, LoginRefusal, LoginRequest, RefusalReason } from "./login.ts";

/** How decisions become verdicts. */

/** The subject on which an auth callout service is asked. Clients in its account may not publish there. */
export const AUTH_CALLOUT_SUBJECT = "$SYS.REQ.USER.AUTH";

/** The fields of a login without a user JWT. */
const WITHOUT_JWT = {
  hasDefaultPermissions: false,
  maxSubscriptions: -1,
  maxPayloadBytes: -1,
  expiresAtMs: null,
  publicKey: "",
  issuerKey: "",
  nameTag: "",
  accountNameTag: "",
  tags: [],
  isBearer: false,
  issuedAtS: 0,
  logs: [],
};

/** A login of `claimed`. Fields that are not given are those of a user of the configuration. */
export function loginOf(
  claimed: Claimed,
  granted: Pick<Login, "account" | "permissions" | "proxyKey"> & Partial<Login>,
): Login {
  const { nkey, jwt } = claimed;
  return { kind: "login", ...identityOf(claimed), nkey, jwt, ...WITHOUT_JWT, ...granted };
}

const EVENT_REASONS: Readonly<Record<RefusalReason, CloseReason>> = {
  "authorization violation": CloseReason.AuthenticationFailure,
  "authentication timeout": CloseReason.AuthenticationTimeout,
  "account connections": CloseReason.MaximumAccountConnectionsExceeded,
  "proxy not trusted": CloseReason.ProxyNotTrusted,
  "proxy required": CloseReason.ProxyRequired,
};

export function refusalOf(
  claimed: Claimed,
  reason: RefusalReason,
  account: string,
  logs: readonly LoginLog[],
  more: Partial<LoginRefusal> = {},
): LoginRefusal {
  const eventReason = closeReasonEntry(EVENT_REASONS[reason]).text;
  return {
    kind: "refusal",
    ...identityOf(claimed),
    reason,
    account,
    eventReason,
    jwt: "",
    judgedJwt: claimed.jwt,
    proxyKey: "",
    bound: null,
    isPinnedAccountFailure: false,
    logs,
    ...more,
  };
}

/** The refusal of a login for which no decision was reached. */
export function undecidedRefusal(request: LoginRequest, reason: RefusalReason): LoginRefusal {
  return refusalOf(claimedBy(request, true), reason, GLOBAL_ACCOUNT, []);
}

/** A client in the account of a callout service may not put its own questions. */
export function protectCallout(login: Login, calloutAccount: string): Login {
  if (login.account !== calloutAccount) return login;
  return { ...login, permissions: denyPublish(login.permissions, AUTH_CALLOUT_SUBJECT) };
}
