import { CloseReason } from "../../protocol/close_reason.ts";
import { byteStringOfText } from "../../subject/byte_string.ts";
import type { LinkLogLevel } from "./link.ts";
import { quoted } from "./quoted.ts";

/** Something after which a link cannot go on. */
export interface LinkFault {
  /** As nats-server logs it; "" where it logs nothing. */
  readonly logText: string;
  /** An error, where nothing is said. */
  readonly logLevel?: LinkLogLevel;
  /** What stands between the quotes of `-ERR '…'`; null where the peer is told nothing. */
  readonly wireText: string | null;
  readonly closeReason: CloseReason;
  /** The log says it once a second of all whom it concerns, as nats-server does. */
  readonly isLimited?: boolean;
}

/** Nobody has said who they are in time. */
export const AUTHENTICATION_TIMEOUT: LinkFault = {
  logText: "Authentication Timeout",
  logLevel: "debug",
  isLimited: true,
  wireText: "Authentication Timeout",
  closeReason: CloseReason.AuthenticationTimeout,
};

/** Nobody has answered in time. */
export const STALE_CONNECTION: LinkFault = {
  logText: "",
  wireText: "Stale Connection",
  closeReason: CloseReason.StaleConnection,
};

/** A server may not connect that says it is this user, "" for none. */
export function authorizationFault(user: string): LinkFault {
  return {
    logText: `authentication error${user === "" ? "" : ` - User ${quoted(user)}`}`,
    wireText: "Authorization Violation",
    closeReason: CloseReason.AuthenticationFailure,
  };
}

/** One that peer and log are told in the same words. */
export function faultOf(text: string, closeReason: CloseReason): LinkFault {
  return { logText: text, wireText: byteStringOfText(text), closeReason };
}

/** What the peer sends breaks the protocol; it is not told. */
export function violation(logText: string): LinkFault {
  return { logText, wireText: null, closeReason: CloseReason.ProtocolViolation };
}

/** The line that tells a peer what is wrong with it; `wireText` is a byte string. */
export function errorLine(wireText: string): string {
  return `-ERR '${wireText}'\r\n`;
}
