/** The timers of a shard's connections, as ids of its timer wheel. */
import type { Connection } from "./connection.ts";

export const TIMER_PING = 0;
/** First for the TLS handshake, then for CONNECT. */
export const TIMER_AUTHENTICATION = 1;
export const TIMER_WRITE = 2;
/** The end of a login. */
export const TIMER_EXPIRY = 3;
/** For a connection that has more pending than it may have. */
export const TIMER_EXCESS = 4;
export const TIMERS_PER_CONNECTION = 5;
/** Slot 0 is no connection: its timers are those of requests to services, links and traces. */
export const TIMER_SERVICES = 0;
export const TIMER_LINKS = 1;
export const TIMER_TRACES = 2;

export function timerId({ slot }: Pick<Connection, "slot">, timer: number): number {
  return slot * TIMERS_PER_CONNECTION + timer;
}
