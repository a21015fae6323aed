import { formatTime } from "./go_json.ts";
import { failed, type Outcome, succeeded } from "./outcome.ts";
import type { ServerSnapshot } from "./snapshots/server.ts";

export type Jsz = ReturnType<typeof disabled>;

/** JetStream, which this server does not have: all zeros. Source: nats-server `Jsz`. */
export function jsz(server: ServerSnapshot, isLeaderOnly = false): Outcome<Jsz> {
  return isLeaderOnly ? failed("filtered response: not leader") : succeeded(disabled(server));
}

function disabled({ identity, nowMs }: ServerSnapshot) {
  return {
    memory: 0,
    storage: 0,
    reserved_memory: 0,
    reserved_storage: 0,
    accounts: 0,
    ha_assets: 0,
    api: { level: 0, total: 0, errors: 0 },
    server_id: identity.id,
    now: formatTime(nowMs),
    disabled: true,
    config: { max_memory: 0, max_storage: 0 },
    streams: 0,
    consumers: 0,
    messages: 0,
    bytes: 0,
    total: 0,
  };
}
