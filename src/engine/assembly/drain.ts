// Hot: delivers the messages that other nodes sent.

import {
  AREA_CONTEXT,
  AREA_STALLED_BY,
  AREA_NODE,
  AREA_NODE_COUNT,
  CONTEXT_ACCOUNTS,
  CONTEXT_IS_ANSWER,
  CONTEXT_IS_RESPONSE,
  MAPPED_REPLY_CLUSTER_BYTES,
  PLAN_FLAGS,
  PLAN_HEADED_REPLIES_ARE_FOR_HOST,
  PLAN_IS_FOR_HOST,
  PLAN_QUEUES_ARE_FOR_HOST,
  PLAN_REPLIES_ARE_FOR_HOST,
  REASON_DONE,
  REASON_HOST_PLAN,
  REASON_LOOK,
  REASON_MISS,
  REASON_OTHER,
  REASON_STALLED,
  REASON_UNSERVED,
  REASON_UNTAKEN,
  RECORD_BODY,
  RECORD_CONTEXT,
  RECORD_GOES_BACK,
  RECORD_HEADER_LENGTH,
  RECORD_IS_PLAIN,
  RECORD_KIND,
  RECORD_KIND_LENT,
  RECORD_KIND_MESSAGE,
  RECORD_LENGTH,
  RECORD_LINE_LENGTH,
  RECORD_ORIGIN,
  RECORD_ORIGIN_NODE_SHIFT,
  RECORD_QUEUE_COUNT,
  RECORD_REST_LENGTH,
  RECORD_SUBJECT_LENGTH,
  RECORD_TRIED,
  RECORD_WANTS_TAKER,
  REPLY_LENGTH,
  REPLY_TEXT,
} from "../../memory/layout";
import { found, resume } from "./answer";
import { area, connectionAt, hasLinks, isLookDue } from "./area";
import { deliverHere, unservedCount } from "./deliver";
import { describe, insert, rest, sizesAt } from "./message";
import { gatherFromRings } from "./outbox";
import { planFor } from "./plan";
import { recall } from "./replies";
import { answerFromNode } from "./requests";
import { peek, skip, taken } from "./ring";

/** Whether any node has published records that are not taken yet. */
export function hasInbound(): bool {
  const nodes = load<u32>(area, AREA_NODE_COUNT);
  for (let node: u32 = 0; node < nodes; node++) {
    if (peek(node) != 0) return true;
  }
  return false;
}

/**
 * Delivers the messages that another node sent, until `bytesMax` bytes of its ring are taken, or a little more: the
 * last record is taken whole. With available() for `bytesMax`, nothing is taken that was published after that call.
 * Iovecs may name the records' bytes, so outboxes must be flushed before release().
 *
 * Returns one of these reasons:
 *   REASON_DONE                                 RESUME is 1 if there may be more
 *   REASON_LOOK                                 the host should look at the clock
 *   REASON_MISS, REASON_HOST_PLAN, REASON_OTHER RESUME is the record, which was not taken; OTHER: of another kind
 *   REASON_UNTAKEN, REASON_UNSERVED             RESUME is the record, which was taken
 *   REASON_STALLED                              RESUME is the record's ORIGIN
 */
export function drain(node: u32, bytesMax: u32): i32 {
  gatherFromRings(true);
  const reason = drainSome(node, bytesMax);
  gatherFromRings(false);
  return reason;
}

function drainSome(node: u32, bytesMax: u32): i32 {
  const start = taken(node);
  while (taken(node) - start < bytesMax) {
    const record = peek(node);
    if (record == 0) return resume(REASON_DONE, 0);
    const kind = load<u32>(record, RECORD_KIND);
    if (kind != RECORD_KIND_MESSAGE && kind != RECORD_KIND_LENT) return resume(REASON_OTHER, record);
    const queueCount = load<u32>(record, RECORD_QUEUE_COUNT);
    let subjectLength = load<u32>(record, RECORD_SUBJECT_LENGTH);
    let subject = (record + RECORD_BODY + (queueCount << 2) + 15) & ~15;
    let context = load<u32>(record, RECORD_CONTEXT);
    const line =
      kind == RECORD_KIND_LENT
        ? load<u32>(record + load<u32>(record, RECORD_LENGTH) - 4)
        : subject + subjectLength;
    const account = context & (CONTEXT_ACCOUNTS - 1);
    const mapped =
      hasLinks && (context & CONTEXT_IS_RESPONSE) == 0 ? recall(account, subject, subjectLength) : 0;
    if (mapped != 0) {
      // An answer goes to the cluster that asked, whatever the rest of its subject is, so one plan serves all of them.
      subject = mapped + REPLY_TEXT;
      subjectLength = MAPPED_REPLY_CLUSTER_BYTES;
      context = account | CONTEXT_IS_ANSWER;
    } else if ((load<u32>(record, RECORD_IS_PLAIN) & RECORD_GOES_BACK) != 0) {
      // The mapping that it was to go back by is forgotten by now, so it is for everybody again. The publisher's shard
      // left them out: the host sends it to them.
      return resume(REASON_HOST_PLAN, record);
    }
    const lineLength = load<u32>(record, RECORD_LINE_LENGTH);
    const headerLength = load<i32>(record, RECORD_HEADER_LENGTH);
    const payloadLength = load<u32>(record, RECORD_REST_LENGTH) - lineLength - 2;
    describe(publisherOf(record), line, lineLength, headerLength, payloadLength, false);
    if ((context & CONTEXT_IS_RESPONSE) != 0 && answerFromNode(account, subject, subjectLength)) {
      skip(node, record);
      if (load<u32>(area, AREA_STALLED_BY) != 0)
        return resume(REASON_STALLED, load<u32>(record, RECORD_ORIGIN));
      if (isLookDue()) return resume(REASON_LOOK, 0);
      continue;
    }
    const plan = planFor(connectionAt(0), context, subject, subjectLength);
    if (plan == 0) {
      found(0, subject, subjectLength, line, 0, lineLength, headerLength, 0);
      store<u32>(area, context, AREA_CONTEXT);
      return resume(REASON_MISS, record);
    }
    if (mapped != 0) insert(mapped + REPLY_TEXT, load<u32>(mapped, REPLY_LENGTH) + 1);
    const flags = load<u32>(plan, PLAN_FLAGS);
    if (flags != 0 && isRecordForHost(flags, queueCount, headerLength))
      return resume(REASON_HOST_PLAN, record);
    const takers = deliverHere(
      plan,
      load<u32>(record, RECORD_IS_PLAIN) != 0,
      record + RECORD_BODY,
      queueCount,
    );
    skip(node, record);
    if (unservedCount != 0) {
      if (takers != 0) store<u32>(record, 0, RECORD_WANTS_TAKER);
      return resume(REASON_UNSERVED, record);
    }
    if (takers == 0 && mapped == 0 && load<u32>(record, RECORD_WANTS_TAKER) != 0)
      return resume(REASON_UNTAKEN, record);
    if (load<u32>(area, AREA_STALLED_BY) != 0)
      return resume(REASON_STALLED, load<u32>(record, RECORD_ORIGIN));
    if (isLookDue()) return resume(REASON_LOOK, 0);
  }
  return resume(REASON_DONE, 1);
}

/**
 * The connection that a record's message counts as published by: the fabric, unless the message was passed on and its
 * publisher is a connection of this node.
 */
function publisherOf(record: u32): u32 {
  if (load<u32>(record, RECORD_TRIED) == 0) return connectionAt(0);
  const origin = load<u32>(record, RECORD_ORIGIN);
  const isHome = origin >> RECORD_ORIGIN_NODE_SHIFT == load<u32>(area, AREA_NODE);
  return connectionAt(isHome ? origin & ((1 << RECORD_ORIGIN_NODE_SHIFT) - 1) : 0);
}

/** Whether the host serves the message at hand, whose record names `queueCount` queue groups. */
function isRecordForHost(flags: u32, queueCount: u32, headerLength: i32): bool {
  if ((flags & PLAN_IS_FOR_HOST) != 0) return true;
  if (queueCount != 0 && (flags & PLAN_QUEUES_ARE_FOR_HOST) != 0) return true;
  let reasons: u32 = PLAN_REPLIES_ARE_FOR_HOST;
  if (headerLength > 0) reasons |= PLAN_HEADED_REPLIES_ARE_FOR_HOST;
  return (flags & reasons) != 0 && sizesAt() != rest;
}
