/**
 * Sends PINGs to clients: to silent ones, and occasionally to measure the round trip. Cold: a timer for each
 * connection.
 */
import { formatDuration } from "../../config/duration.ts";
import { AREA_STALE_CONNECTIONS } from "../../memory/layout.ts";
import { increment } from "../../memory/shared_memory.ts";
import * as errors from "../../protocol/errors.ts";
import { PING_LINE } from "../../protocol/messages.ts";
import type { Connection } from "../connection.ts";
import type { ShardContext } from "../context.ts";
import type { ShardOptions } from "../shard_options.ts";
import { TIMER_PING, timerId } from "../timers.ts";

const HOUR_MS = 3_600_000;

/** How long a client may be silent before it is pinged. */
export function pingIntervalMs({ webSocket }: Connection, options: ShardOptions): number {
  return webSocket === null || options.webSocket === null
    ? options.pingIntervalMs
    : options.webSocket.pingIntervalMs;
}

/** Handles the ping timer of an open connection: pings it, or gives it up. Source: nats-server `processPingTimer`. */
export function onPingTimer(
  shard: Pick<
    ShardContext,
    "node" | "shared" | "options" | "outbound" | "timers" | "nowMs" | "fail" | "log" | "traceLog"
  >,
  connection: Connection,
): void {
  const { options, nowMs: now } = shard;
  const intervalMs = pingIntervalMs(connection, options);
  const isActive = now - connection.lastInputMs < intervalMs;
  // The round trip is measured at the first expiry and then once an hour.
  const isDue = connection.pingSentMs === 0 || now - connection.pingSentMs >= HOUR_MS;
  const debug = (text: string) => {
    if (options.logsDebug) shard.log("debug", `${connection.label} - ${text}`);
  };
  debug("Client Ping Timer");
  if (isActive && !isDue) {
    const agoMs = Math.round((now - connection.lastInputMs) / 1000) * 1000;
    debug(`Delaying PING due to remote client data or ping ${formatDuration(agoMs)} ago`);
  } else {
    if (connection.pingsOutstanding + 1 > options.pingMax) {
      debug("Stale Client Connection - Closing");
      increment(shard.shared.words, shard.shared.map.area(shard.node).area + AREA_STALE_CONNECTIONS);
      shard.fail(connection, errors.ERROR_STALE_CONNECTION);
      return;
    }
    connection.pingsOutstanding++;
    connection.pingSentMs = performance.now();
    shard.traceLog.sent(connection, "PING");
    shard.outbound.append(connection, PING_LINE);
  }
  shard.timers.set(timerId(connection, TIMER_PING), now + intervalMs);
}
