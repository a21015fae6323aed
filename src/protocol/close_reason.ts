/**
 * Why a connection was closed: a small integer that fits into shared memory and records of closed
 * connections.
 */
export const CloseReason = {
  ClientClosed: 1,
  AuthenticationTimeout: 2,
  AuthenticationFailure: 3,
  TlsHandshakeFailure: 4,
  SlowConsumerPendingBytes: 5,
  SlowConsumerWriteDeadline: 6,
  WriteError: 7,
  ReadError: 8,
  ParseError: 9,
  StaleConnection: 10,
  ProtocolViolation: 11,
  BadClientProtocolVersion: 12,
  IncorrectPort: 13,
  MaximumAccountConnectionsExceeded: 14,
  MaximumConnectionsExceeded: 15,
  MaximumPayloadExceeded: 16,
  MaximumControlLineExceeded: 17,
  MaximumSubscriptionsExceeded: 18,
  DuplicateRoute: 19,
  RouteRemoved: 20,
  ServerShutdown: 21,
  AuthenticationExpired: 22,
  WrongGateway: 23,
  MissingAccount: 24,
  CredentialsRevoked: 25,
  InternalClient: 26,
  MessageHeaderViolation: 27,
  NoRespondersRequiresHeaders: 28,
  ClusterNameConflict: 29,
  DuplicateRemoteLeafNodeConnection: 30,
  DuplicateClientId: 31,
  DuplicateServerName: 32,
  MinimumVersionRequired: 33,
  ClusterNamesIdentical: 34,
  Kicked: 35,
  ProxyNotTrusted: 36,
  ProxyRequired: 37,
  /**
   * Operator mode: the key that signed the user has changed. Shown like a refused login, but no event of one is sent.
   */
  SignerChanged: 38,
} as const;
export type CloseReason = (typeof CloseReason)[keyof typeof CloseReason];

export interface CloseReasonEntry {
  /** As /connz, disconnect events and the close frame of a WebSocket show it. */
  readonly text: string;
  /** Whether what is queued for the peer, an -ERR for instance, is still sent. */
  readonly flushesPending: boolean;
  /** Status code of the close frame on a WebSocket connection (RFC 6455, section 7.4.1). */
  readonly webSocketStatus: number;
}

const NORMAL = 1000;
const GOING_AWAY = 1001;
const PROTOCOL_ERROR = 1002;
const POLICY_VIOLATION = 1008;
const MESSAGE_TOO_BIG = 1009;
const SERVER_ERROR = 1011;
const TLS_FAILED = 1015;

/**
 * The one table of close reasons. Texts must stay as they are: tools match on them.
 * Source: nats-server `ClosedState`, `markConnAsClosed`, `wsEnqueueCloseMessage`.
 */
const ENTRIES: Readonly<Record<CloseReason, CloseReasonEntry>> = {
  [CloseReason.ClientClosed]: flushed("Client Closed", NORMAL),
  [CloseReason.AuthenticationTimeout]: flushed("Authentication Timeout", POLICY_VIOLATION),
  [CloseReason.AuthenticationFailure]: flushed("Authentication Failure", POLICY_VIOLATION),
  [CloseReason.TlsHandshakeFailure]: unflushed("TLS Handshake Failure", TLS_FAILED),
  [CloseReason.SlowConsumerPendingBytes]: unflushed("Slow Consumer (Pending Bytes)", POLICY_VIOLATION),
  [CloseReason.SlowConsumerWriteDeadline]: unflushed("Slow Consumer (Write Deadline)", POLICY_VIOLATION),
  [CloseReason.WriteError]: unflushed("Write Error", GOING_AWAY),
  [CloseReason.ReadError]: unflushed("Read Error", GOING_AWAY),
  [CloseReason.ParseError]: flushed("Parse Error", PROTOCOL_ERROR),
  [CloseReason.StaleConnection]: flushed("Stale Connection", GOING_AWAY),
  [CloseReason.ProtocolViolation]: flushed("Protocol Violation", PROTOCOL_ERROR),
  [CloseReason.BadClientProtocolVersion]: flushed("Bad Client Protocol Version", PROTOCOL_ERROR),
  [CloseReason.IncorrectPort]: flushed("Incorrect Port", SERVER_ERROR),
  [CloseReason.MaximumAccountConnectionsExceeded]: flushed(
    "Maximum Account Connections Exceeded",
    POLICY_VIOLATION,
  ),
  [CloseReason.MaximumConnectionsExceeded]: flushed("Maximum Connections Exceeded", POLICY_VIOLATION),
  [CloseReason.MaximumPayloadExceeded]: flushed("Maximum Message Payload Exceeded", MESSAGE_TOO_BIG),
  [CloseReason.MaximumControlLineExceeded]: flushed("Maximum Control Line Exceeded", POLICY_VIOLATION),
  [CloseReason.MaximumSubscriptionsExceeded]: flushed("Maximum Subscriptions Exceeded", POLICY_VIOLATION),
  [CloseReason.DuplicateRoute]: flushed("Duplicate Route", SERVER_ERROR),
  [CloseReason.RouteRemoved]: flushed("Route Removed", SERVER_ERROR),
  [CloseReason.ServerShutdown]: flushed("Server Shutdown", GOING_AWAY),
  [CloseReason.AuthenticationExpired]: flushed("Authentication Expired", POLICY_VIOLATION),
  [CloseReason.WrongGateway]: flushed("Wrong Gateway", SERVER_ERROR),
  [CloseReason.MissingAccount]: flushed("Missing Account", POLICY_VIOLATION),
  [CloseReason.CredentialsRevoked]: flushed("Credentials Revoked", POLICY_VIOLATION),
  [CloseReason.InternalClient]: flushed("Internal Client", SERVER_ERROR),
  [CloseReason.MessageHeaderViolation]: flushed("Message Header Violation", SERVER_ERROR),
  [CloseReason.NoRespondersRequiresHeaders]: flushed("No Responders Requires Headers", SERVER_ERROR),
  [CloseReason.ClusterNameConflict]: flushed("Cluster Name Conflict", SERVER_ERROR),
  [CloseReason.DuplicateRemoteLeafNodeConnection]: flushed(
    "Duplicate Remote LeafNode Connection",
    SERVER_ERROR,
  ),
  [CloseReason.DuplicateClientId]: flushed("Duplicate Client ID", SERVER_ERROR),
  [CloseReason.DuplicateServerName]: flushed("Duplicate Server Name", SERVER_ERROR),
  [CloseReason.MinimumVersionRequired]: flushed("Minimum Version Required", SERVER_ERROR),
  [CloseReason.ClusterNamesIdentical]: flushed("Cluster Names Identical", SERVER_ERROR),
  [CloseReason.Kicked]: flushed("Kicked", SERVER_ERROR),
  [CloseReason.ProxyNotTrusted]: flushed("Proxy Not Trusted", SERVER_ERROR),
  [CloseReason.ProxyRequired]: flushed("Proxy Required", SERVER_ERROR),
  [CloseReason.SignerChanged]: flushed("Authentication Failure", POLICY_VIOLATION),
};

/** Says how a connection closed for `reason` is shown and whether its pending output is sent first. */
export function closeReasonEntry(reason: CloseReason): CloseReasonEntry {
  return ENTRIES[reason];
}

function flushed(text: string, webSocketStatus: number): CloseReasonEntry {
  return { text, flushesPending: true, webSocketStatus };
}

function unflushed(text: string, webSocketStatus: number): CloseReasonEntry {
  return { text, flushesPending: false, webSocketStatus };
}
