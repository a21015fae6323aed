/**
 * Cleans up after a shard that died: its sockets, including those on their way to it, and the interest of its clients.
 */
import { ControlReader } from "../../fabric/control.ts";
import type { InterestIndex } from "../../interest/interest_index.ts";
import {
  CONNECTION_ACCOUNT,
  CONNECTION_BYTES,
  CONNECTION_FD,
  CONNECTION_FLAGS,
  CONNECTION_IS_UPGRADING,
  RECORD_KIND,
  RECORD_KIND_CONTROL,
  RECORD_LENGTH,
  RING_DATA,
  RING_END_CAPACITY,
  RING_END_POSITION,
  RING_HEAD,
} from "../../memory/layout.ts";
import {
  accountWord,
  HEADER_CONNECTION_COUNT,
  NODE_FAR,
  NODE_IS_ASLEEP,
  NODE_IS_DEAD,
  NODE_IS_UP,
  NODE_LOAD,
  NODE_STATE,
} from "../../memory/map.ts";
import { inEndWord, nodeWord, type SharedMemory } from "../../memory/shared_memory.ts";
import type { ShardControl } from "../../shard/shard_messages.ts";

/**
 * Marks the node dead, which frees threads that wait for its ring, closes what it had open and takes that off the
 * counts. Returns how many connections are lost. `closeFd` is null with the runtime's sockets, which went with their
 * thread.
 */
export function leaveNode(
  shared: SharedMemory,
  node: number,
  closeFd: ((fd: number) => void) | null,
): number {
  const { words, map } = shared;
  const close = (fd: number) => closeFd?.(fd);
  const handedOver = closeHandedOver(shared, node, close);
  Atomics.sub(words, nodeWord(node, NODE_LOAD), handedOver);
  Atomics.store(words, nodeWord(node, NODE_STATE), NODE_IS_DEAD);
  Atomics.store(words, nodeWord(node, NODE_IS_ASLEEP), 0);
  const { sockets, upgrading } = closeSockets(shared, node, close);
  const lost = closeFd === null ? Atomics.load(words, nodeWord(node, NODE_LOAD)) : sockets;
  if (map.isShard(node)) Atomics.sub(words, HEADER_CONNECTION_COUNT, lost - upgrading);
  Atomics.sub(words, nodeWord(node, NODE_LOAD), lost);
  return lost;
}

/**
 * Drops the interest of a dead node. False if it died while it was changing the index, which then cannot be trusted.
 */
export function dropInterest(index: InterestIndex, node: number, { map }: SharedMemory): boolean {
  const nodes = node === map.linksNode ? [node, NODE_FAR] : [node];
  if (nodes.includes(index.lockOwner())) return false;
  for (const gone of nodes) index.removeNode(gone);
  return true;
}

/** What a dead shard had open: sockets, and how many of its connections were no clients yet. */
interface LostConnections {
  readonly sockets: number;
  readonly upgrading: number;
}

/** Calls `close` for each socket the shard had open, and empties its connections; returns how many there were. */
function closeSockets(
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
function closeHandedOver(shared: SharedMemory, node: number, close: (fd: number) => void): number {
  const { words, map } = shared;
  const { area } = map.area(node);
  if (Atomics.load(words, nodeWord(node, NODE_STATE)) !== NODE_IS_UP) return 0;
  let count = 0;
  for (let other = 0; other < map.nodeCount; other++) {
    const ring = map.ring(other, node);
    if (ring === 0 || !map.isShard(other)) continue;
    const reader = new ControlReader();
    const mask = words[inEndWord(area, other, RING_END_CAPACITY)]! - 1;
    const head = Atomics.load(words, (ring + RING_HEAD) >> 2);
    let position = words[inEndWord(area, other, RING_END_POSITION)]!;
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
