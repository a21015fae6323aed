/**
 * How the login of a leaf node ends while it is connected: it expires, or the account no longer allows it.
 * Source: nats-server auth.go, setExpiration; accounts.go, updateAccountClaimsWithRefresh.
 */
import { type AccountTerms, END_ERRORS, findEnd } from "../../auth/account_terms.ts";
import type { Login } from "../../auth/login.ts";
import { CloseReason } from "../../protocol/close_reason.ts";
import * as errors from "../../protocol/errors.ts";
import type { LinkClock } from "../core/link.ts";
import type { LeafChannel } from "./leaf_channel.ts";

/** How often the wall clock is read, because it may be set meanwhile. */
const LOOK_MS = 60_000;

/** Ends the connection when the login's time is over; `wallMs` is Unix time. Returns a function that cancels this. */
export function watchExpiry(
  { expiresAtMs }: Login,
  channel: LeafChannel,
  clock: LinkClock,
  wallMs: () => number,
): () => void {
  if (expiresAtMs === null) return () => {};
  let cancel = () => {};
  const look = () => {
    const leftMs = expiresAtMs - wallMs();
    if (leftMs > 0) cancel = clock.after(Math.min(leftMs, LOOK_MS), look);
    else failWith(channel, errors.ERROR_USER_AUTHENTICATION_EXPIRED);
  };
  look();
  return () => cancel();
}

/** The account has changed: ends the connection if these terms do. `login` is null on the side that dialled. */
export function applyTerms(channel: LeafChannel, login: Login | null, terms: AccountTerms): void {
  const end = login !== null ? findEnd(login, terms) : terms.isExpired ? "expired" : null;
  if (end === "issuer changed") channel.close(CloseReason.SignerChanged);
  else if (end !== null) failWith(channel, END_ERRORS[end]);
}

/** Tells the peer about an error, and the log at the error's level, and ends the connection. */
export function failWith(channel: LeafChannel, code: number): void {
  const { wireText, closeReason, logLevel, logEveryMs } = errors.errorEntry(code);
  if (wireText === null || closeReason === null) return;
  const isLimited = logEveryMs > 0;
  channel.fail(wireText, closeReason, logLevel === "none" ? { logText: "" } : { logLevel, isLimited });
}
