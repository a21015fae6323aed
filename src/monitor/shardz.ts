import { formatTime } from "./go_json.ts";
import type { ServerSnapshot, ShardSnapshot } from "./snapshots/server.ts";

/** The load of each thread that serves connections. Midge's own: nats-server has no such threads. */
export function shardz({ identity, nowMs }: ServerSnapshot, shards: readonly ShardSnapshot[]) {
  return { server_id: identity.id, now: formatTime(nowMs), shards: shards.map(shardReport) };
}

function shardReport(shard: ShardSnapshot) {
  return {
    shard: shard.name,
    up: shard.isUp,
    connections: shard.connections,
    total_connections: shard.connectionsEver,
    subscriptions: shard.subscriptions,
    in_msgs: shard.inMessages,
    in_bytes: shard.inBytes,
    out_msgs: shard.outMessages,
    out_bytes: shard.outBytes,
    waiting_bytes: shard.waitingBytes,
    slow_consumers: shard.slowConsumers,
    stale_connections: shard.staleConnections,
    stalls: shard.stalls,
  };
}
