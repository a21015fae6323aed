import type { ShardSnapshot } from "../snapshots/server.ts";
import type { Exposition, MetricType } from "./exposition.ts";

/** Midge's own: no server but this one has shards. */
const SHARD_METRICS: readonly [
  name: string,
  type: MetricType,
  read: (shard: ShardSnapshot) => number,
  help: string,
][] = [
  ["up", "gauge", ({ isUp }) => (isUp ? 1 : 0), "0 while the shard is being replaced."],
  ["connections", "gauge", ({ connections }) => connections, "Connections that the shard serves."],
  ["subscriptions", "gauge", (shard) => shard.subscriptions, "Subscriptions of those connections."],
  [
    "waiting_bytes",
    "gauge",
    (shard) => shard.waitingBytes,
    "What other threads have sent the shard that it has not taken yet.",
  ],
  ["accepted_total", "counter", (shard) => shard.connectionsEver, "Clients that came to the shard."],
  ["received_messages_total", "counter", (shard) => shard.inMessages, "Messages that its connections sent."],
  ["received_bytes_total", "counter", (shard) => shard.inBytes, "Payload of those messages."],
  ["sent_messages_total", "counter", (shard) => shard.outMessages, "Messages sent to its connections."],
  ["sent_bytes_total", "counter", (shard) => shard.outBytes, "Payload of those messages."],
  [
    "slow_consumers_total",
    "counter",
    (shard) => shard.slowConsumers,
    "Connections closed for reading slowly.",
  ],
  [
    "stale_connections_total",
    "counter",
    (shard) => shard.staleConnections,
    "Connections closed for not answering pings.",
  ],
  ["stalls_total", "counter", (shard) => shard.stalls, "How often a publisher was kept waiting."],
];

export function addShards(exposition: Exposition, shards: readonly ShardSnapshot[], serverId: string): void {
  for (const [name, type, read, help] of SHARD_METRICS) {
    for (const shard of shards) {
      const labels = { server_id: serverId, shard: shard.name };
      exposition.add(`midge_shard_${name}`, type, read(shard), labels, help);
    }
  }
}
