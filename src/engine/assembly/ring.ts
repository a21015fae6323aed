// Hot: both ends of the rings between nodes. A ring has one producer and one consumer. Records are 16-aligned and
// contiguous; a WRAP record skips to the start. Positions count bytes and wrap at 2³². Capacities are powers of two.

import {
  AREA_IN_RINGS,
  AREA_OUT_RINGS,
  AREA_UNPUBLISHED,
  RECORD_KIND,
  RECORD_KIND_WRAP,
  RECORD_LENGTH,
  RING_DATA,
  RING_END_CAPACITY,
  RING_END_OTHER,
  RING_END_POSITION,
  RING_END_RING,
  RING_END_SHIFT,
  RING_END_START,
  RING_HEAD,
  RING_RESTART_BYTES,
  RING_TAIL,
} from "../../memory/layout";
import { area } from "./area";

function producerEnd(node: u32): u32 {
  return area + AREA_OUT_RINGS + (node << RING_END_SHIFT);
}

function consumerEnd(node: u32): u32 {
  return area + AREA_IN_RINGS + (node << RING_END_SHIFT);
}

/**
 * Finds room for a record of `bytes` (a multiple of 16, at most half the capacity) to a node. Returns its address, or 0
 * while the ring is full. An empty ring starts over once it has got far enough, so that the bytes in use stay in the
 * cache. What is skipped counts as used until the consumer has passed it.
 * Nothing is taken or written until commit(), because a message may ask several rings for room and then use none. A
 * skip to the start that no record follows would hold its room for good.
 */
export function reserve(node: u32, bytes: u32): u32 {
  const end = producerEnd(node);
  const ring = load<u32>(end, RING_END_RING);
  if (ring == 0) return 0;
  const capacity = load<u32>(end, RING_END_CAPACITY);
  const position = load<u32>(end, RING_END_POSITION);
  const index = position & (capacity - 1);
  let start = position;
  if (
    index + bytes > capacity ||
    (index >= min(<u32>RING_RESTART_BYTES, capacity >> 1) &&
      index >= bytes &&
      atomic.load<u32>(ring, RING_HEAD) == position &&
      atomic.load<u32>(ring, RING_TAIL) == position)
  ) {
    start += capacity - index;
  }
  if (!hasRoom(end, ring, capacity, start, bytes)) return 0;
  store<u32>(end, start, RING_END_START);
  return ring + RING_DATA + (start & (capacity - 1));
}

function hasRoom(end: u32, ring: u32, capacity: u32, position: u32, bytes: u32): bool {
  if (position + bytes - load<u32>(end, RING_END_OTHER) <= capacity) return true;
  const tail = atomic.load<u32>(ring, RING_TAIL);
  store<u32>(end, tail, RING_END_OTHER);
  return position + bytes - tail <= capacity;
}

/** Adds the record that was written where the last reserve() for this node said. The node sees it after publish(). */
export function commit(node: u32, bytes: u32): void {
  const end = producerEnd(node);
  const position = load<u32>(end, RING_END_POSITION);
  const start = load<u32>(end, RING_END_START);
  if (start != position) {
    const index = position & (load<u32>(end, RING_END_CAPACITY) - 1);
    const skipped = load<u32>(end, RING_END_RING) + RING_DATA + index;
    store<u32>(skipped, start - position, RECORD_LENGTH);
    store<u32>(skipped, RECORD_KIND_WRAP, RECORD_KIND);
  }
  store<u32>(end, start + bytes, RING_END_POSITION);
  store<u32>(area, load<u32>(area, AREA_UNPUBLISHED) | (1 << node), AREA_UNPUBLISHED);
}

/** Shows a node every record committed so far. */
export function publish(node: u32): void {
  const end = producerEnd(node);
  const ring = load<u32>(end, RING_END_RING);
  if (ring != 0) atomic.store<u32>(ring, load<u32>(end, RING_END_POSITION), RING_HEAD);
  store<u32>(area, load<u32>(area, AREA_UNPUBLISHED) & ~(1 << node), AREA_UNPUBLISHED);
}

/** Address of the next record from a node, or 0 if there is none. */
export function peek(node: u32): u32 {
  const end = consumerEnd(node);
  const ring = load<u32>(end, RING_END_RING);
  if (ring == 0) return 0;
  const mask = load<u32>(end, RING_END_CAPACITY) - 1;
  let position = load<u32>(end, RING_END_POSITION);
  let record: u32 = 0;
  do {
    if (record != 0) {
      position += load<u32>(record, RECORD_LENGTH);
      store<u32>(end, position, RING_END_POSITION);
    }
    if (position == load<u32>(end, RING_END_OTHER)) {
      const head = atomic.load<u32>(ring, RING_HEAD);
      if (head == position) return 0;
      store<u32>(end, head, RING_END_OTHER);
    }
    record = ring + RING_DATA + (position & mask);
  } while (load<u32>(record, RECORD_KIND) == RECORD_KIND_WRAP);
  return record;
}

/** Moves past the record that peek() gave. Its bytes stay valid until release(). */
export function skip(node: u32, record: u32): void {
  const end = consumerEnd(node);
  store<u32>(end, load<u32>(end, RING_END_POSITION) + load<u32>(record, RECORD_LENGTH), RING_END_POSITION);
}

/** Bytes of a node's ring taken since it began, skipped ends included; wraps at 2³². */
export function taken(node: u32): u32 {
  return load<u32>(consumerEnd(node), RING_END_POSITION);
}

/** Bytes that a node has published and that are not taken yet, skipped ends included. */
export function available(node: u32): u32 {
  const ring = load<u32>(consumerEnd(node), RING_END_RING);
  return ring == 0 ? 0 : atomic.load<u32>(ring, RING_HEAD) - taken(node);
}

/** Gives the room of everything taken back to the producer. */
export function release(node: u32): void {
  const end = consumerEnd(node);
  const ring = load<u32>(end, RING_END_RING);
  if (ring != 0) atomic.store<u32>(ring, load<u32>(end, RING_END_POSITION), RING_TAIL);
}
