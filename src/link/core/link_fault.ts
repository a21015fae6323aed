import { CloseReason } from "../../protocol/close_reason.ts";
import { byteStringOfText } from "../../subject/byte_string.ts";
import type { LinkLogLevel } from "./link.ts";
import { quoted } from "./quoted.ts";

/** A reason to end a link. */
export interface LinkFault {
  /** The text that nats-server logs; "" if it logs nothing. */
  readonly logText: string;
  /** "error" if absent. */
  readonly logLevel?: LinkLogLevel;
  /** The text between the quotes of `-ERR '…'`; null if the peer is told nothing. */
  readonly wireText: string | null;
  readonly closeReason: CloseReason;
  /** Whether the text is logged at most once a second, counting all links together, as nats-server does. */
  readonly isLimited?: boolean;
}

/** The peer has not logged in in time. */
export const AUTHENTICATION_TIMEOUT: LinkFault = {
  logText: "Authentication Timeout",
  logLevel: "debug",
  isLimited: true,
  wireText: "Authentication Timeout",
  closeReason: CloseReason.AuthenticationTimeout,
};

/** The peer has not answered pings in time. */
export const STALE_CONNECTION: LinkFault = {
  logText: "",
  wireText: "Stale Connection",
  closeReason: CloseReason.StaleConnection,
};

/** A server that logs in as this user, "" for none, may not connect. */
export function authorizationFault(user: string): LinkFault {
  return {
    logText: `authentication error${user === "" ? "" : ` - User ${quoted(user)}`}`,
    wireText: "Authorization Violation",
    closeReason: CloseReason.AuthenticationFailure,
  };
}

/** A fault with the same text for peer and log. */
export function faultOf(text: string, closeReason: CloseReason): LinkFault {
  return { logText: text, wireText: byteStringOfText(text), closeReason };
}

/** The peer breaks the protocol; it is told nothing. */
export function violation(logText: string): LinkFault {
  return { logText, wireText: null, closeReason: CloseReason.ProtocolViolation };
}

/** The line that tells a peer about a fault; `wireText` is a byte string. */
export function errorLine(wireText: string): string {
  return `-ERR '${wireText}'\r\n`;
}
