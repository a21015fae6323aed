/** Makes a dead shard's part of the shared memory fit for its successor. Main does this while nobody runs the node. */
import { ControlReader } from "../fabric/control.ts";
import {
  AREA_IN_RINGS,
  AREA_OUT_RINGS,
  AREA_SUBSCRIPTIONS_ADDED,
  AREA_SUBSCRIPTIONS_REMOVED,
  CONNECTION_ACCOUNT,
  CONNECTION_BYTES,
  CONNECTION_FD,
  CONNECTION_FLAGS,
  CONNECTION_IS_UPGRADING,
  RECORD_KIND,
  RECORD_KIND_CONTROL,
  RECORD_LENGTH,
  RING_DATA,
  RING_END_BYTES,
  RING_END_CAPACITY,
  RING_END_OTHER,
  RING_END_POSITION,
  RING_HEAD,
  RING_TAIL,
} from "../memory/layout.ts";
import { accountWord, NODE_ACCEPTOR, NODE_IS_UP, NODE_STATE } from "../memory/map.ts";
import { layOutArea, nodeWord, type SharedMemory } from "../memory/shared_memory.ts";
import type { ShardControl } from "../shard/shard_options.ts";

/** What a dead shard had open: sockets, and how many of its connections were no clients yet. */
export interface LostConnections {
  readonly sockets: number;
  readonly upgrading: number;
}

/** Calls `close` for each socket the shard had open, and empties its connections; returns how many there were. */
export function closeSockets(
  { words, map }: SharedMemory,
  node: number,
  close: (fd: number) => void,
): LostConnections {
  const first = map.area(node).connections;
  let sockets = 0;
  let upgrading = 0;
  const slotCount = map.slotCount(node);
  for (let slot = 1; slot < slotCount; slot++) {
    const at = (first + slot * CONNECTION_BYTES) >> 2;
    const fd = words[at + (CONNECTION_FD >> 2)]!;
    // A slot that was never used holds zeroes, and its page is not to be touched; a free one holds −1.
    if (fd === 0) continue;
    if ((words[at + (CONNECTION_FLAGS >> 2)]! & CONNECTION_IS_UPGRADING) !== 0) upgrading++;
    const account = words[at + (CONNECTION_ACCOUNT >> 2)]!;
    if (account !== 0) Atomics.sub(words, accountWord(map, account), 1);
    words.fill(0, at, at + (CONNECTION_BYTES >> 2));
    if (fd < 0) continue;
    close(fd);
    sockets++;
  }
  return { sockets, upgrading };
}

/**
 * Calls `close` for the socket of each leaf node that other shards handed over and the dead one never took; returns how
 * many there were. Before the node counts as dead: from then on what is in its rings may be written over.
 */
export function closeHandedOver(shared: SharedMemory, node: number, close: (fd: number) => void): number {
  const { words, map } = shared;
  const { area } = map.area(node);
  if (Atomics.load(words, nodeWord(node, NODE_STATE)) !== NODE_IS_UP) return 0;
  let count = 0;
  for (let other = 0; other < map.nodeCount; other++) {
    const ring = map.ring(other, node);
    if (ring === 0 || !map.isShard(other)) continue;
    const reader = new ControlReader();
    const mask = words[inwardEnd(area, other, RING_END_CAPACITY)]! - 1;
    const head = Atomics.load(words, (ring + RING_HEAD) >> 2);
    let position = words[inwardEnd(area, other, RING_END_POSITION)]!;
    while (position !== head) {
      const record = ring + RING_DATA + (position & mask);
      position = (position + words[(record + RECORD_LENGTH) >> 2]!) | 0;
      if (words[(record + RECORD_KIND) >> 2] !== RECORD_KIND_CONTROL) continue;
      const message = reader.read(shared, record) as ShardControl | undefined;
      if (message?.type !== "handedLeaf" || message.stream.kind !== "epoll") continue;
      close(message.stream.fd);
      count++;
    }
  }
  return count;
}

/**
 * Empties the shard's area, and moves its ends of the rings to where its peers' ends are: what was under way in them is
 * gone with its clients. Connections that the acceptor handed over and the shard never took are left for the successor.
 */
export function resetNode(shared: SharedMemory, node: number, seeds: Uint32Array): void {
  const { words, map } = shared;
  const { area, planSets, planArena } = map.area(node);
  const handedOver = words[inwardEnd(area, NODE_ACCEPTOR, RING_END_POSITION)]!;
  layOutArea(shared, node, seeds);
  words.fill(0, planSets >> 2, planArena >> 2);
  words.copyWithin(
    (area + AREA_SUBSCRIPTIONS_REMOVED) >> 2,
    (area + AREA_SUBSCRIPTIONS_ADDED) >> 2,
    (area + AREA_SUBSCRIPTIONS_ADDED + 8) >> 2,
  );
  for (let other = 0; other < map.nodeCount; other++) {
    const inward = map.ring(other, node);
    if (inward !== 0) {
      const head = Atomics.load(words, (inward + RING_HEAD) >> 2);
      const position = other === NODE_ACCEPTOR ? handedOver : head;
      words[inwardEnd(area, other, RING_END_POSITION)] = position;
      words[inwardEnd(area, other, RING_END_OTHER)] = position;
      Atomics.store(words, (inward + RING_TAIL) >> 2, position);
    }
    const outward = map.ring(node, other);
    if (outward !== 0) {
      const end = (area + AREA_OUT_RINGS + other * RING_END_BYTES) >> 2;
      words[end + (RING_END_POSITION >> 2)] = Atomics.load(words, (outward + RING_HEAD) >> 2);
      words[end + (RING_END_OTHER >> 2)] = Atomics.load(words, (outward + RING_TAIL) >> 2);
    }
  }
}

function inwardEnd(area: number, other: number, word: number): number {
  return (area + AREA_IN_RINGS + other * RING_END_BYTES + word) >> 2;
}
