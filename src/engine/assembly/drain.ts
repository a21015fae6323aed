// Hot: what other nodes sent.

import {
  AREA_CONTEXT,
  AREA_IS_STALLED,
  AREA_NODE_COUNT,
  PLAN_FLAGS,
  PLAN_HEADED_REPLIES_ARE_FOR_HOST,
  PLAN_IS_FOR_HOST,
  PLAN_QUEUES_ARE_FOR_HOST,
  PLAN_REPLIES_ARE_FOR_HOST,
  REASON_DONE,
  REASON_HOST_PLAN,
  REASON_MISS,
  REASON_OTHER,
  REASON_STALLED,
  REASON_UNTAKEN,
  RECORD_BODY,
  RECORD_CONTEXT,
  RECORD_HEADER_LENGTH,
  RECORD_IS_PLAIN,
  RECORD_KIND,
  RECORD_KIND_MESSAGE,
  RECORD_LINE_LENGTH,
  RECORD_ORIGIN,
  RECORD_QUEUE_COUNT,
  RECORD_REST_LENGTH,
  RECORD_SUBJECT_LENGTH,
  RECORD_WANTS_TAKER,
} from "../../memory/layout";
import { found, resume } from "./answer";
import { area, connectionAt } from "./area";
import { deliverHere } from "./deliver";
import { describe, rest, sizesAt } from "./message";
import { planFor } from "./plan";
import { peek, skip, taken } from "./ring";

/** Whether any node has published records that were not taken yet. */
export function hasInbound(): bool {
  const nodes = load<u32>(area, AREA_NODE_COUNT);
  for (let node: u32 = 0; node < nodes; node++) {
    if (peek(node) != 0) return true;
  }
  return false;
}

/**
 * Delivers the messages another node sent, until `bytesMax` bytes of its ring are taken or a little more: the last
 * record is taken whole. With available() for `bytesMax`, nothing that was published since is taken. Their bytes may be
 * named by iovecs: flush before release(). Returns REASON_DONE (RESUME is 1 if there may be more), REASON_MISS or
 * REASON_HOST_PLAN (RESUME is the record, which was not taken), REASON_UNTAKEN (RESUME is the record, which was),
 * REASON_STALLED (RESUME is the origin), or REASON_OTHER for a record of another kind.
 */
export function drain(node: u32, bytesMax: u32): i32 {
  const start = taken(node);
  while (taken(node) - start < bytesMax) {
    const record = peek(node);
    if (record == 0) return resume(REASON_DONE, 0);
    if (load<u32>(record, RECORD_KIND) != RECORD_KIND_MESSAGE) return resume(REASON_OTHER, record);
    const queueCount = load<u32>(record, RECORD_QUEUE_COUNT);
    const subjectLength = load<u32>(record, RECORD_SUBJECT_LENGTH);
    const subject = (record + RECORD_BODY + (queueCount << 2) + 15) & ~15;
    const context = load<u32>(record, RECORD_CONTEXT);
    const line = subject + subjectLength;
    const lineLength = load<u32>(record, RECORD_LINE_LENGTH);
    const headerLength = load<i32>(record, RECORD_HEADER_LENGTH);
    const plan = planFor(connectionAt(0), context, subject, subjectLength);
    if (plan == 0) {
      found(0, subject, subjectLength, line, 0, lineLength, headerLength, 0);
      store<u32>(area, context, AREA_CONTEXT);
      return resume(REASON_MISS, record);
    }
    const payloadLength = load<u32>(record, RECORD_REST_LENGTH) - lineLength - 2;
    describe(connectionAt(0), line, lineLength, headerLength, payloadLength, false);
    const flags = load<u32>(plan, PLAN_FLAGS);
    if (flags != 0 && isForHost(flags, queueCount, headerLength)) return resume(REASON_HOST_PLAN, record);
    const takers = deliverHere(
      plan,
      load<u32>(record, RECORD_IS_PLAIN) != 0,
      record + RECORD_BODY,
      queueCount,
    );
    skip(node, record);
    if (takers == 0 && load<u32>(record, RECORD_WANTS_TAKER) != 0) return resume(REASON_UNTAKEN, record);
    if (load<u32>(area, AREA_IS_STALLED) != 0)
      return resume(REASON_STALLED, load<u32>(record, RECORD_ORIGIN));
  }
  return resume(REASON_DONE, 1);
}

/** Whether the host serves the message at hand, of a record that names `queueCount` groups. */
function isForHost(flags: u32, queueCount: u32, headerLength: i32): bool {
  if ((flags & PLAN_IS_FOR_HOST) != 0) return true;
  if (queueCount != 0 && (flags & PLAN_QUEUES_ARE_FOR_HOST) != 0) return true;
  let reasons: u32 = PLAN_REPLIES_ARE_FOR_HOST;
  if (headerLength > 0) reasons |= PLAN_HEADED_REPLIES_ARE_FOR_HOST;
  return (flags & reasons) != 0 && sizesAt() != rest;
}
