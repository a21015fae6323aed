// Every error a client can meet, once. Clients match on the wire texts, so their wording and case
// stay as nats-server has them.

import { CloseReason } from "./close_reason.ts";
import { goQuote } from "./go_quote.ts";

/** No verb begins like this, or no CR LF follows a payload. */
export const ERROR_UNKNOWN_OPERATION = -1;
/** A known verb with a wrong number of arguments or a bad size. */
export const ERROR_ARGUMENTS = -2;
/** HPUB without `headers` in CONNECT, or on a server without headers. */
export const ERROR_HEADERS_NOT_NEGOTIATED = -3;
export const ERROR_MAXIMUM_CONTROL_LINE = -4;
export const ERROR_MAXIMUM_PAYLOAD = -5;
/** The document of CONNECT or INFO is no JSON object, or a field has the wrong type. */
export const ERROR_JSON = -6;
/** The client itself sent -ERR. */
export const ERROR_PEER_ERROR = -7;
/** Credentials refused, a command before CONNECT, or `account` in CONNECT. */
export const ERROR_AUTHORIZATION_VIOLATION = -8;
export const ERROR_PROXY_NOT_TRUSTED = -9;
export const ERROR_PROXY_REQUIRED = -10;
export const ERROR_AUTHENTICATION_TIMEOUT = -11;
export const ERROR_USER_AUTHENTICATION_EXPIRED = -12;
export const ERROR_ACCOUNT_AUTHENTICATION_EXPIRED = -13;
export const ERROR_USER_AUTHENTICATION_REVOKED = -14;
export const ERROR_MAXIMUM_CONNECTIONS = -15;
export const ERROR_MAXIMUM_ACCOUNT_CONNECTIONS = -16;
/** One SUB too many: only that SUB is refused. */
export const ERROR_MAXIMUM_SUBSCRIPTIONS = -17;
/** The limit has been lowered to what the connection already holds, or less. */
export const ERROR_MAXIMUM_SUBSCRIPTIONS_LOWERED = -18;
export const ERROR_INVALID_CLIENT_PROTOCOL = -19;
export const ERROR_NO_RESPONDERS_REQUIRES_HEADERS = -20;
export const ERROR_INVALID_SUBJECT = -21;
export const ERROR_INVALID_PUBLISH_SUBJECT = -22;
export const ERROR_STALE_CONNECTION = -23;
export const ERROR_CONNECTION_THROTTLING = -24;
export const ERROR_TLS_REQUIRED = -25;
export const ERROR_FAILED_ACCOUNT_REGISTRATION = -26;
export const ERROR_CONNECTED_TO_ROUTE_PORT = -27;
export const ERROR_CONNECTED_TO_LEAF_NODE_PORT = -28;
export const ERROR_CONNECTED_TO_GATEWAY_PORT = -29;

export type LogLevel = "error" | "warning" | "debug" | "none";

export interface ErrorEntry {
  /** What stands between the quotes of `-ERR '…'`; null where the peer is told nothing. */
  readonly wireText: string | null;
  /** Why the connection is closed; null where it stays open. */
  readonly closeReason: CloseReason | null;
  /** How loudly the log says it; "none" where it is not logged, or only as a line that counts many. */
  readonly logLevel: LogLevel;
  /** How often the log may have the error for one account, or for all clients without one; 0 for every time. */
  readonly logEveryMs: number;
  /** The line ends with account and user. */
  readonly logsLogin: boolean;
}

/** Errors whose lines nats-server limits by their text. Source: `sendErrAndErr`, `sendErrAndDebug`. */
const LIMITED = new Set([
  ERROR_AUTHENTICATION_TIMEOUT,
  ERROR_USER_AUTHENTICATION_EXPIRED,
  ERROR_ACCOUNT_AUTHENTICATION_EXPIRED,
  ERROR_USER_AUTHENTICATION_REVOKED,
  ERROR_MAXIMUM_CONNECTIONS,
  ERROR_MAXIMUM_ACCOUNT_CONNECTIONS,
]);
/** Errors that it logs for an account every other second at most. Source: `shouldLogMaxSubErr`. */
const LIMITED_BY_ACCOUNT = new Set([ERROR_MAXIMUM_SUBSCRIPTIONS, ERROR_MAXIMUM_SUBSCRIPTIONS_LOWERED]);

// Index: minus the code.
const ENTRIES: readonly (ErrorEntry | undefined)[] = (() => {
  const entries: (ErrorEntry | undefined)[] = [];
  function add(code: number, wireText: string | null, closeReason: CloseReason | null, logLevel: LogLevel) {
    const logsLogin = LIMITED.has(code);
    const logEveryMs = logsLogin ? 1000 : LIMITED_BY_ACCOUNT.has(code) ? 2000 : 0;
    entries[-code] = { wireText, closeReason, logLevel, logEveryMs, logsLogin };
  }
  const R = CloseReason;
  add(ERROR_UNKNOWN_OPERATION, "Unknown Protocol Operation", R.ProtocolViolation, "error");
  add(ERROR_ARGUMENTS, null, R.ProtocolViolation, "error");
  add(ERROR_HEADERS_NOT_NEGOTIATED, null, R.ProtocolViolation, "error");
  add(ERROR_MAXIMUM_CONTROL_LINE, "maximum control line exceeded", R.MaximumControlLineExceeded, "error");
  add(ERROR_MAXIMUM_PAYLOAD, "Maximum Payload Violation", R.MaximumPayloadExceeded, "error");
  add(ERROR_JSON, null, R.ProtocolViolation, "error");
  add(ERROR_PEER_ERROR, null, R.ParseError, "error");
  // The log says who was refused, instead of this text.
  add(ERROR_AUTHORIZATION_VIOLATION, "Authorization Violation", R.AuthenticationFailure, "none");
  add(ERROR_PROXY_NOT_TRUSTED, "Authorization Violation", R.ProxyNotTrusted, "none");
  add(ERROR_PROXY_REQUIRED, "Authorization Violation", R.ProxyRequired, "none");
  add(ERROR_AUTHENTICATION_TIMEOUT, "Authentication Timeout", R.AuthenticationTimeout, "debug");
  add(ERROR_USER_AUTHENTICATION_EXPIRED, "User Authentication Expired", R.AuthenticationExpired, "debug");
  add(
    ERROR_ACCOUNT_AUTHENTICATION_EXPIRED,
    "Account Authentication Expired",
    R.AuthenticationExpired,
    "debug",
  );
  add(ERROR_USER_AUTHENTICATION_REVOKED, "User Authentication Revoked", R.CredentialsRevoked, "debug");
  add(ERROR_MAXIMUM_CONNECTIONS, "maximum connections exceeded", R.MaximumConnectionsExceeded, "error");
  add(
    ERROR_MAXIMUM_ACCOUNT_CONNECTIONS,
    "maximum account active connections exceeded",
    R.MaximumAccountConnectionsExceeded,
    "error",
  );
  add(ERROR_MAXIMUM_SUBSCRIPTIONS, "maximum subscriptions exceeded", null, "error");
  add(
    ERROR_MAXIMUM_SUBSCRIPTIONS_LOWERED,
    "maximum subscriptions exceeded",
    R.MaximumSubscriptionsExceeded,
    "error",
  );
  add(ERROR_INVALID_CLIENT_PROTOCOL, "invalid client protocol", R.BadClientProtocolVersion, "error");
  add(
    ERROR_NO_RESPONDERS_REQUIRES_HEADERS,
    "no responders requires headers support",
    R.NoRespondersRequiresHeaders,
    "error",
  );
  add(ERROR_INVALID_SUBJECT, "Invalid Subject", null, "none");
  add(ERROR_INVALID_PUBLISH_SUBJECT, "Invalid Publish Subject", null, "none");
  add(ERROR_STALE_CONNECTION, "Stale Connection", R.StaleConnection, "none");
  add(
    ERROR_CONNECTION_THROTTLING,
    "Connection throttling is active. Please try again later.",
    R.MaximumConnectionsExceeded,
    "none",
  );
  add(ERROR_TLS_REQUIRED, "Secure Connection - TLS Required", R.TlsHandshakeFailure, "debug");
  add(ERROR_FAILED_ACCOUNT_REGISTRATION, "Failed Account Registration", R.MissingAccount, "error");
  add(ERROR_CONNECTED_TO_ROUTE_PORT, "attempted to connect to route port", R.IncorrectPort, "error");
  add(ERROR_CONNECTED_TO_LEAF_NODE_PORT, "attempted to connect to leaf node port", R.IncorrectPort, "error");
  add(ERROR_CONNECTED_TO_GATEWAY_PORT, "attempted to connect to gateway port", R.IncorrectPort, "error");
  return entries;
})();

/**
 * Says what the peer is told of `code`, one of the `ERROR_…` above, and what becomes of the connection.
 */
export function errorEntry(code: number): ErrorEntry {
  const entry = ENTRIES[-code];
  if (entry === undefined) throw new RangeError("errorEntry: the code must be one of the ERROR_ constants");
  return entry;
}

// The permission violations name what was refused. They close nothing and go to the log as errors, in
// other words: the wire text first, its log text after it.

export function publishViolationText(subject: Uint8Array): string {
  return `Permissions Violation for Publish to ${goQuote(subject)}`;
}

export function publishViolationLogText(subject: Uint8Array): string {
  return `Publish Violation - Subject ${goQuote(subject)}`;
}

export function replyViolationText(reply: Uint8Array): string {
  return `Permissions Violation for Publish with Reply of ${goQuote(reply)}`;
}

export function replyViolationLogText(reply: Uint8Array): string {
  return `Publish Violation - Reply ${goQuote(reply)}`;
}

/** A null queue means a plain subscription. */
export function subscribeViolationText(subject: Uint8Array, queue: Uint8Array | null): string {
  const using = queue === null ? "" : ` using queue ${goQuote(queue)}`;
  return `Permissions Violation for Subscription to ${goQuote(subject)}${using}`;
}

export function subscribeViolationLogText(
  subject: Uint8Array,
  queue: Uint8Array | null,
  sid: Uint8Array,
): string {
  const named = queue === null ? "" : ` Queue: ${goQuote(queue)},`;
  return `Subscription Violation - Subject ${goQuote(subject)},${named} SID ${decode(sid)}`;
}

export function tooManyTokensText(subject: Uint8Array): string {
  return `Permissions Violation for Subscription to ${goQuote(subject)}, too many tokens`;
}

export function tooManyTokensLogText(subject: Uint8Array, sid: Uint8Array): string {
  return `Subscription Violation Too Many Tokens - Subject ${goQuote(subject)}, SID ${decode(sid)}`;
}

/** The text for a subscription whose permission a reload has taken away. */
export function subscriptionRemovedText(
  subject: Uint8Array,
  queue: Uint8Array | null,
  sid: Uint8Array,
): string {
  return `${subscribeViolationText(subject, queue)} (sid ${goQuote(sid)})`;
}

export function subscriptionRemovedLogText(subject: Uint8Array, sid: Uint8Array, user: string): string {
  return `Removed sub ${goQuote(subject)} (sid ${goQuote(sid)}) for User ${JSON.stringify(user)} - not authorized`;
}

function decode(bytes: Uint8Array): string {
  // slice, because TextDecoder refuses shared memory.
  return new TextDecoder().decode(bytes.slice());
}
