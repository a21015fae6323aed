import type { DistinguishedName } from "../base/x509.ts";
import type { ConnectionType } from "../config/authorization.ts";
import type { Permissions } from "../config/permissions.ts";
import type { ConnectOptions } from "../protocol/connect_options.ts";

/**
 * A login: what a client presents, and the verdict on it. All of it is plain data that crosses threads, because
 * signatures and bcrypt hashes are checked on the logins thread. A text is empty if there is nothing to say.
 */

/** The fields of CONNECT that decide, or that an auth callout service is told. */
export type LoginFields = Pick<
  ConnectOptions,
  | "user"
  | "password"
  | "authToken"
  | "nkey"
  | "signature"
  | "jwt"
  | "proxySignature"
  | "name"
  | "lang"
  | "version"
  | "protocol"
  | "account"
  | "isNewAccount"
>;

/** Who the verified certificate of a client says it is. */
export interface PeerIdentity {
  /** The subject alternative names, in the order of the certificate. */
  readonly emails: readonly string[];
  readonly dnsNames: readonly string[];
  readonly uris: readonly string[];
  /** The subject: relative names in the order of the certificate, each with all its attributes. */
  readonly subject: DistinguishedName;
  /** The subject as Go shows it, for people: `CN=alice,OU=Eng`. */
  readonly rfc2253: string;
}

/** The port of the other server on which a server logs in. */
export type ServerKind = "route" | "gateway";

export interface LoginRequest {
  readonly connectionType: ConnectionType;
  /** Set for a route or gateway, where only user and password count; absent for clients and leaf nodes. */
  readonly server?: ServerKind;
  /** The peer's address, without port. */
  readonly ip: string;
  /** The nonce as it stood in INFO; empty if there was none. */
  readonly nonce: string;
  /** Texts from cookies of a WebSocket are filled in where CONNECT left them empty. */
  readonly connect: LoginFields;
  /** Null without TLS, and where the client showed no certificate. */
  readonly tls: PeerIdentity | null;
  /** The account that the client is in already, when a reload asks about it again; absent for a new client. */
  readonly currentAccount?: string;
  /** The first operation was no CONNECT, so the client may only be the user of those without credentials. */
  readonly isImplicit: boolean;
}

/** What identifies a client: the first of these that CONNECT has. */
export type IdentityKind = "nkey" | "user" | "jwt" | "token" | "none";

/** A line for the log that tells an operator why. Source: nats-server auth.go, auth_callout.go. */
export interface LoginLog {
  readonly level: "debug" | "warning" | "error";
  readonly text: string;
}

/** Whether a line is the server's own: it comes last, and does not name the client. */
export function isServersOwn({ level }: LoginLog): boolean {
  return level === "warning";
}

/** The client is in. */
export interface Login {
  readonly kind: "login";
  readonly identityKind: IdentityKind;
  /** Name, public key, or `[REDACTED]` for a token: what connz, events and traces show. */
  readonly user: string;
  /** The public user key of an nkey login. */
  readonly nkey: string;
  /** The name of a config account, or the public key of one in operator mode. */
  readonly account: string;
  /** Null permits everything. */
  readonly permissions: Permissions | null;
  /** The permissions are the account's default ones, so a change of those is theirs too. */
  readonly hasDefaultPermissions: boolean;
  /** The user's own limits, before those of account and server; -1 for none. */
  readonly maxSubscriptions: number;
  readonly maxPayloadBytes: number;
  /** When the user JWT or its window of the day ends, Unix milliseconds; null for never. */
  readonly expiresAtMs: number | null;
  /** The user JWT, forgotten after a callout. */
  readonly jwt: string;
  /** The subject of the user JWT: what revocations name. */
  readonly publicKey: string;
  /** The account key or signing key that issued the user JWT; for an nkey of the configuration, its account. */
  readonly issuerKey: string;
  /** The name and tags in the user JWT. */
  readonly nameTag: string;
  readonly tags: readonly string[];
  /** The name in the account JWT. */
  readonly accountNameTag: string;
  readonly isBearer: boolean;
  /** When the user JWT was issued, Unix seconds: a revocation at or after it ends the login. 0 without a JWT. */
  readonly issuedAtS: number;
  /** The key of the trusted proxy that vouched for the connection. */
  readonly proxyKey: string;
  readonly logs: readonly LoginLog[];
}

/**
 * Why a login is refused. The client is told `Authorization Violation` in every case but two. No decision gives
 * `account connections`: that is for the thread that the connection is on, which counts them.
 */
export type RefusalReason =
  | "authorization violation"
  /** So many logins came at once that this one was not judged in time. The client is told so. */
  | "authentication timeout"
  | "account connections"
  | "proxy not trusted"
  | "proxy required";

export interface LoginRefusal {
  readonly kind: "refusal";
  readonly reason: RefusalReason;
  /** The account the client was bound to, which hears of the failure: `$G` before another was found. */
  readonly account: string;
  /** As in a Login: who the client says it is. */
  readonly identityKind: IdentityKind;
  readonly user: string;
  /** The user JWT that was judged. Empty for a bearer token, with which anybody who reads it could log in. */
  readonly jwt: string;
  /** The same, bearer token or not: for the system account, which hears what clients present. */
  readonly judgedJwt: string;
  /** As in a Login. */
  readonly proxyKey: string;
  /** What a callout service has refused although the client's credentials are good; null elsewhere. */
  readonly bound: Login | null;
  /** The reason in the event of the failure: a closed reason, or what the callout service said. */
  readonly eventReason: string;
  /** The account is not among `resolver_pinned_accounts`, which varz counts. */
  readonly isPinnedAccountFailure: boolean;
  readonly logs: readonly LoginLog[];
}

/**
 * What shows of a login for which its account has no room: the user that a token names counts only once its client is
 * in. Source: nats-server RegisterNkeyUser.
 */
export function withoutRoom(login: Login): Login {
  if (login.issuerKey === "") return login;
  const user = login.identityKind === "jwt" ? "" : login.user;
  return { ...login, user, issuerKey: "", nameTag: "", tags: [] };
}

/** Ask again once the account's JWT has been loaded, or could not be. */
export interface NeedsAccount {
  readonly kind: "needs account";
  readonly account: string;
}

/** An auth callout service decides; its answer replaces `bound`. */
export interface NeedsCallout {
  readonly kind: "needs callout";
  /** The account whose subscribers are asked. */
  readonly account: string;
  /** The verdict without the service. Until the service answers the client is bound to this account. */
  readonly bound: Login | LoginRefusal;
  /** The password that the client sent; for a client without credentials, that of the user it is taken for. */
  readonly password: string;
  /** The user must come through a trusted proxy. */
  readonly isProxyRequired: boolean;
  /** The key of the trusted proxy it came through; empty for none. */
  readonly proxyKey: string;
}

export type Verdict = Login | LoginRefusal | NeedsAccount | NeedsCallout;
