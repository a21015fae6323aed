/** What the timers of a shard do once they fire. Cold. */
import * as errors from "../protocol/errors.ts";
import type { ClientProtocol } from "./client/client_protocol.ts";
import type { Handshakes } from "./client/handshakes.ts";
import { onPingTimer } from "./client/pings.ts";
import type { Upgrades } from "./client/upgrades.ts";
import type { Closings } from "./closings.ts";
import { PHASE_SETTLED, STATE_CLOSED, STATE_CLOSING, STATE_NEW } from "./connection.ts";
import type { ShardContext } from "./context.ts";
import type { LinkHost } from "./links/link_host.ts";
import type { SlowConsumers } from "./output/slow_consumers.ts";
import type { Services } from "./services/services.ts";
import {
  TIMER_AUTHENTICATION,
  TIMER_EXCESS,
  TIMER_EXPIRY,
  TIMER_LINKS,
  TIMER_PING,
  TIMER_SERVICES,
  TIMER_TRACES,
  TIMER_WRITE,
  TIMERS_PER_CONNECTION,
} from "./timers.ts";
import type { Tracing } from "./tracing/tracing.ts";

/** The parts of the shard that have timers. */
export interface TimedParts {
  readonly protocol: ClientProtocol;
  readonly services: Services;
  readonly tracing: Tracing;
  readonly handshakes: Handshakes;
  readonly slowConsumers: SlowConsumers;
  readonly closings: Closings;
  /** Null for shards of clients. */
  readonly links: LinkHost | null;
  /** Null without WebSockets. */
  readonly upgrades: Upgrades | null;
}

/** `id` is one of `timers.ts`. */
export function onTimer(shard: ShardContext, parts: TimedParts, id: number): void {
  if (id === TIMER_SERVICES) {
    parts.services.expire();
    return;
  }
  if (id === TIMER_TRACES) {
    parts.tracing.expire();
    return;
  }
  if (id === TIMER_LINKS) {
    parts.links?.onTimer();
    return;
  }
  const slot = Math.floor(id / TIMERS_PER_CONNECTION);
  const connection = shard.connections[slot];
  if (connection == null) {
    parts.upgrades?.onTimer(slot);
    return;
  }
  switch (id % TIMERS_PER_CONNECTION) {
    case TIMER_PING:
      if (connection.state < STATE_CLOSING) onPingTimer(shard, connection);
      break;
    case TIMER_AUTHENTICATION:
      if (connection.phase !== PHASE_SETTLED) parts.handshakes.onTimer(connection);
      else if (connection.state === STATE_NEW) shard.fail(connection, errors.ERROR_AUTHENTICATION_TIMEOUT);
      break;
    case TIMER_WRITE:
      // What is queued for a closing connection has had its time.
      if (connection.state === STATE_CLOSING) parts.closings.end(connection);
      else if (connection.state < STATE_CLOSED) parts.slowConsumers.onDeadline(connection);
      break;
    case TIMER_EXCESS:
      if (connection.state < STATE_CLOSING) parts.slowConsumers.onExcess(connection);
      break;
    case TIMER_EXPIRY:
      parts.protocol.memberships.onExpiry(connection);
      break;
  }
}
