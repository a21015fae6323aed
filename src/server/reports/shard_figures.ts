/** The load of each thread that serves connections, read from the shared memory without asking any thread. */
import {
  AREA_CLIENTS_EVER,
  AREA_IN_BYTES,
  AREA_IN_MESSAGES,
  AREA_OUT_BYTES,
  AREA_OUT_MESSAGES,
  AREA_SLOW_CONSUMERS,
  AREA_STALE_CONNECTIONS,
  AREA_STALLS,
  AREA_SUBSCRIPTIONS_ADDED,
  AREA_SUBSCRIPTIONS_REMOVED,
  RING_HEAD,
  RING_TAIL,
} from "../../memory/layout.ts";
import { NODE_IS_UP, NODE_LOAD, NODE_SHARD_FIRST, NODE_STATE } from "../../memory/map.ts";
import { counterValue, nodeWord, type SharedMemory } from "../../memory/shared_memory.ts";
import type { ShardSnapshot } from "../../monitor/snapshots/server.ts";

/** All shards in their order, the links shard last. Their counters add up to those of the server. */
export function shardFigures(shared: SharedMemory): ShardSnapshot[] {
  const figures: ShardSnapshot[] = [];
  for (let node = NODE_SHARD_FIRST; node < shared.map.nodeCount; node++)
    figures.push(figuresOf(shared, node));
  return figures;
}

function figuresOf(shared: SharedMemory, node: number): ShardSnapshot {
  const { words, map } = shared;
  const { area } = map.area(node);
  const counter = (offset: number) => counterValue(words, area + offset);
  return {
    name: map.isShard(node) ? String(node - NODE_SHARD_FIRST) : "links",
    isUp: Atomics.load(words, nodeWord(node, NODE_STATE)) === NODE_IS_UP,
    connections: Atomics.load(words, nodeWord(node, NODE_LOAD)),
    connectionsEver: counter(AREA_CLIENTS_EVER),
    subscriptions: counter(AREA_SUBSCRIPTIONS_ADDED) - counter(AREA_SUBSCRIPTIONS_REMOVED),
    inMessages: counter(AREA_IN_MESSAGES),
    inBytes: counter(AREA_IN_BYTES),
    outMessages: counter(AREA_OUT_MESSAGES),
    outBytes: counter(AREA_OUT_BYTES),
    slowConsumers: counter(AREA_SLOW_CONSUMERS),
    staleConnections: counter(AREA_STALE_CONNECTIONS),
    stalls: counter(AREA_STALLS),
    waitingBytes: waitingBytes(shared, node),
  };
}

/** Heads and tails count bytes and wrap at 2³². */
function waitingBytes({ words, map }: SharedMemory, node: number): number {
  let bytes = 0;
  for (let other = 0; other < map.nodeCount; other++) {
    const ring = map.ring(other, node);
    if (ring === 0) continue;
    // The tail first: it never passes the head.
    const tail = Atomics.load(words, (ring + RING_TAIL) >> 2);
    bytes += (Atomics.load(words, (ring + RING_HEAD) >> 2) - tail) >>> 0;
  }
  return bytes;
}
