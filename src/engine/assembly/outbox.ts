// Hot: the outbound side of a connection. An outbox is lent when there is something to frame. Bytes lie in it in order;
// iovecs are made only where a payload that lies elsewhere comes between. The host writes the outbox out and takes it
// back.
//
// Invariants: SEGMENT ≤ CURSOR ≤ LIMIT while an outbox is lent. IOVECS + 3 ≤ OUTBOX_IOVECS_MAX before a payload is
// gathered: one for the segment before it, one for the payload, one for the last segment.

import {
  AREA_DIRTY_COUNT,
  AREA_HAS_GATHERED,
  AREA_OUTBOX_FREE,
  CONNECTION_CURSOR,
  CONNECTION_IOVECS,
  CONNECTION_LIMIT,
  CONNECTION_OUTBOX,
  CONNECTION_SEGMENT,
  OUTBOX_BYTES,
  OUTBOX_DATA,
  OUTBOX_IOVECS_MAX,
  OUTBOX_IOVECS_RECEIVED_MAX,
  OUTBOX_SLACK,
} from "../../memory/layout";
import { area, dirtyList, memoryBase, slotOf } from "./area";
import { flush, reclaim } from "./host";

/** gather() writes an outbox out when it has no room for three more iovecs below this number. */
let iovecsMax: u32 = OUTBOX_IOVECS_RECEIVED_MAX;

/** Address of room for the next `bytes` of a connection: at most OUTBOX_BYTES − OUTBOX_DATA − OUTBOX_SLACK of them. */
export function room(connection: u32, bytes: u32): u32 {
  const cursor = load<u32>(connection, CONNECTION_CURSOR);
  if (cursor != 0) {
    if (cursor + bytes <= load<u32>(connection, CONNECTION_LIMIT)) return cursor;
    flush(slotOf(connection));
    return load<u32>(connection, CONNECTION_CURSOR);
  }
  return lend(connection);
}

function lend(connection: u32): u32 {
  let outbox = load<u32>(area, AREA_OUTBOX_FREE);
  if (outbox == 0) {
    reclaim();
    outbox = load<u32>(area, AREA_OUTBOX_FREE);
  }
  store<u32>(area, load<u32>(outbox), AREA_OUTBOX_FREE);
  const cursor = outbox + OUTBOX_DATA;
  store<u32>(connection, outbox, CONNECTION_OUTBOX);
  store<u32>(connection, cursor, CONNECTION_CURSOR);
  store<u32>(connection, cursor, CONNECTION_SEGMENT);
  store<u32>(connection, outbox + OUTBOX_BYTES - OUTBOX_SLACK, CONNECTION_LIMIT);
  store<u32>(connection, 0, CONNECTION_IOVECS);
  const count = load<u32>(area, AREA_DIRTY_COUNT);
  store<u32>(dirtyList + (count << 2), slotOf(connection));
  store<u32>(area, count + 1, AREA_DIRTY_COUNT);
  return cursor;
}

/** Ends the segment being framed, so that what comes next gets an iovec of its own. */
export function closeSegment(connection: u32): void {
  const cursor = load<u32>(connection, CONNECTION_CURSOR);
  const segment = load<u32>(connection, CONNECTION_SEGMENT);
  if (cursor == segment) return;
  addIovec(connection, segment, cursor - segment);
  store<u32>(connection, cursor, CONNECTION_SEGMENT);
}

/**
 * Sends `length` bytes at `address` from where they lie. The caller has just framed something, so an outbox is lent.
 */
export function gather(connection: u32, address: u32, length: u32): void {
  closeSegment(connection);
  addIovec(connection, address, length);
  store<u32>(area, 1, AREA_HAS_GATHERED);
  if (load<u32>(connection, CONNECTION_IOVECS) + 3 > iovecsMax) flush(slotOf(connection));
}

/** Says whether the payloads that follow were sent by other nodes or received here. */
export function gatherFromRings(isFromRings: bool): void {
  iovecsMax = isFromRings ? OUTBOX_IOVECS_MAX : OUTBOX_IOVECS_RECEIVED_MAX;
}

function addIovec(connection: u32, address: u32, length: u32): void {
  const count = load<u32>(connection, CONNECTION_IOVECS);
  const iovec = load<u32>(connection, CONNECTION_OUTBOX) + (count << 4);
  store<u64>(iovec, memoryBase + <u64>address);
  store<u64>(iovec, <u64>length, 8);
  store<u32>(connection, count + 1, CONNECTION_IOVECS);
}
