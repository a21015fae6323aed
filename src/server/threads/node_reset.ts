/** Makes a dead shard's part of the shared memory fit for its successor. Main does this while nobody runs the node. */
import {
  AREA_SUBSCRIPTIONS_ADDED,
  AREA_SUBSCRIPTIONS_REMOVED,
  REPLIES_HEAD,
  REPLIES_TAIL,
  RING_END_OTHER,
  RING_END_POSITION,
  RING_HEAD,
  RING_TAIL,
} from "../../memory/layout.ts";
import { NODE_ACCEPTOR } from "../../memory/map.ts";
import { inEndWord, layOutArea, outEndWord, type SharedMemory } from "../../memory/shared_memory.ts";

/**
 * Empties the shard's area, and moves its ends of the rings to where its peers' ends are, so that what was under way in
 * them is dropped. Connections that the acceptor has handed over and the shard never took are left for the successor.
 */
export function resetNode(shared: SharedMemory, node: number, seeds: Uint32Array): void {
  const { words, map } = shared;
  const { area, planSets, planArena } = map.area(node);
  const handedOver = words[inEndWord(area, NODE_ACCEPTOR, RING_END_POSITION)]!;
  layOutArea(shared, node, seeds);
  words.fill(0, planSets >> 2, planArena >> 2);
  // Their time was the dead thread's.
  if (node === map.linksNode)
    Atomics.store(words, (map.replies + REPLIES_TAIL) >> 2, words[(map.replies + REPLIES_HEAD) >> 2]!);
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
      words[inEndWord(area, other, RING_END_POSITION)] = position;
      words[inEndWord(area, other, RING_END_OTHER)] = position;
      Atomics.store(words, (inward + RING_TAIL) >> 2, position);
    }
    const outward = map.ring(node, other);
    if (outward !== 0) {
      words[outEndWord(area, other, RING_END_POSITION)] = Atomics.load(words, (outward + RING_HEAD) >> 2);
      words[outEndWord(area, other, RING_END_OTHER)] = Atomics.load(words, (outward + RING_TAIL) >> 2);
    }
  }
}
