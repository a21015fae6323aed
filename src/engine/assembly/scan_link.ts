// Hot: takes the plain messages of other servers. Everything else that they send goes back to the host: interest,
// messages for queue groups or from clusters of leaf nodes, and what only servers use.

import {
  ACCOUNT_NAME_ID,
  ACCOUNT_NAME_LENGTH_MAX,
  AREA_ACCOUNT,
  AREA_ACCOUNT_LENGTH,
  AREA_CONTEXT,
  AREA_CONTROL_LINE_MAX,
  AREA_FULL_NODE,
  AREA_IN_BYTES,
  AREA_IN_MESSAGES,
  AREA_LINK_COUNTERS,
  CONNECTION_CONTEXT,
  CONNECTION_IN_BYTES,
  CONNECTION_IN_MESSAGES,
  CONTEXT_ACCOUNTS,
  CONTEXT_FROM_GATEWAY,
  CONTEXT_FROM_ROUTE,
  CONTEXT_IS_ANSWER,
  LINK_COUNTERS_IN,
  LINK_COUNTERS_OF_GATEWAYS,
  LINK_COUNTERS_SHIFT,
  MAPPED_REPLY_PREFIX_BYTES,
  PLAN_ACCOUNT,
  PLAN_ALL_NODES,
  PLAN_FLAGS,
  PLAN_HEADED_REPLIES_ARE_FOR_HOST,
  PLAN_IS_FOR_HOST,
  PLAN_QUEUES_ARE_FOR_HOST,
  PLAN_REPLIES_ARE_FOR_HOST,
  REASON_ACCOUNT,
  REASON_DONE,
  REASON_HOST_PLAN,
  REASON_LOOK,
  REASON_MISS,
  REASON_OTHER,
  REASON_RING_FULL,
} from "../../memory/layout";
import { accountSlot } from "./account_names";
import { found, resume } from "./answer";
import { area, connectionAt, isLookDue } from "./area";
import { findBlank } from "./bytes";
import { countMessage, deliver, fullNode } from "./deliver";
import { describe, hideReplyPrefix } from "./message";
import {
  hasMappedReply,
  headerLength,
  mayBeReserved,
  payloadLength,
  readEnd,
  replyLength,
} from "./message_line";
import { planFor } from "./plan";
import { isMapped, isOwnMapped, remember } from "./replies";

const RMSG: u32 = 0x47534d52;
const LMSG: u32 = 0x47534d4c;
const HMSG: u32 = 0x47534d48;
const REPLIES_FOR_HOST: u32 = PLAN_REPLIES_ARE_FOR_HOST | PLAN_HEADED_REPLIES_ARE_FOR_HOST;
/** `| ` and `+ ` stand where a reply would, and mean that queue groups follow. */
const GROUPS_WITHOUT_REPLY: u16 = 0x207c;
const GROUPS_WITH_REPLY: u16 = 0x202b;

/**
 * Publishes the messages in `[start, end)` of a link's input, up to the first that needs the host. It takes `RMSG` and
 * `HMSG` of routes and gateways, which name the account if the connection's context has none, and `LMSG` and `HMSG` of
 * leaf nodes. Messages that name no queue group go to none, except for answers. Returns a REASON_… as scan() does. With
 * REASON_ACCOUNT the name is in ACCOUNT, and the message is described as with REASON_MISS.
 */
export function scanLink(slot: u32, start: u32, end: u32): i32 {
  const connection = connectionAt(slot);
  const origin = load<u32>(connection, CONNECTION_CONTEXT);
  const isOfLeaf = (origin & (CONTEXT_FROM_ROUTE | CONTEXT_FROM_GATEWAY)) == 0;
  const namesAccount = !isOfLeaf && (origin & (CONTEXT_ACCOUNTS - 1)) == 0;
  const plainVerb = isOfLeaf ? LMSG : RMSG;
  let at = start;
  while (at != end) {
    // The shortest message is `LMSG a 0␍␊␍␊`; anything shorter is incomplete.
    if (end - at < 12) return resume(REASON_OTHER, at);
    const verb = load<u32>(at);
    const isWithHeaders = verb == HMSG;
    if ((!isWithHeaders && verb != plainVerb) || load<u8>(at, 4) != 0x20) return resume(REASON_OTHER, at);
    const account = at + 5;
    let accountLength: u32 = 0;
    let subject = account;
    if (namesAccount) {
      const accountEnd = findBlank(account, end);
      accountLength = accountEnd - account;
      if (accountLength == 0 || accountLength > <u32>ACCOUNT_NAME_LENGTH_MAX) return resume(REASON_OTHER, at);
      if (accountEnd == end || load<u8>(accountEnd) != 0x20) return resume(REASON_OTHER, at);
      subject = accountEnd + 1;
    }
    const subjectEnd = findBlank(subject, end);
    if (subjectEnd == subject || subjectEnd == end || load<u8>(subjectEnd) != 0x20)
      return resume(REASON_OTHER, at);
    let context = origin;
    if (mayBeReserved(subject)) {
      // This is an answer to a request of this server. It goes on under the reply that the request had here.
      if (isOfLeaf || !isMapped(subject, subjectEnd - subject) || !isOwnMapped(subject))
        return resume(REASON_OTHER, at);
      subject += MAPPED_REPLY_PREFIX_BYTES;
      if (mayBeReserved(subject)) return resume(REASON_OTHER, at);
      context |= CONTEXT_IS_ANSWER;
    }

    const rest = subjectEnd + 1;
    const payload = readEnd(connection, rest, end, isWithHeaders, true);
    if (payload == 0) return resume(REASON_OTHER, at);
    if (payload - 2 - account > load<u32>(area, AREA_CONTROL_LINE_MAX)) return resume(REASON_OTHER, at);
    if (replyLength != 0 && announcesGroups(rest)) return resume(REASON_OTHER, at);
    const messageEnd = payload + payloadLength + 2;

    const subjectLength = subjectEnd - subject;
    const lineLength = payload - rest;
    if (namesAccount) {
      const slot = accountSlot(connection, account, accountLength);
      if (slot == 0) {
        found(0, subject, subjectLength, rest, replyLength, lineLength, headerLength, messageEnd);
        store<u32>(area, account, AREA_ACCOUNT);
        store<u32>(area, accountLength, AREA_ACCOUNT_LENGTH);
        return resume(REASON_ACCOUNT, at);
      }
      context |= load<u32>(slot, ACCOUNT_NAME_ID);
    }
    const plan = planFor(connection, context, subject, subjectLength);
    describe(connection, rest, lineLength, headerLength, payloadLength, false);
    if (plan == 0 || isLineForHost(load<u32>(plan, PLAN_FLAGS), context, replyLength, headerLength)) {
      found(plan, subject, subjectLength, rest, replyLength, lineLength, headerLength, messageEnd);
      store<u32>(area, context, AREA_CONTEXT);
      return resume(plan == 0 ? REASON_MISS : REASON_HOST_PLAN, at);
    }
    const full = fullNode(plan);
    if (full >= 0) {
      store<u32>(area, full, AREA_FULL_NODE);
      return resume(REASON_RING_FULL, at);
    }
    store<u64>(connection, load<u64>(connection, CONNECTION_IN_MESSAGES) + 1, CONNECTION_IN_MESSAGES);
    store<u64>(connection, load<u64>(connection, CONNECTION_IN_BYTES) + payloadLength, CONNECTION_IN_BYTES);
    store<u64>(area, load<u64>(area, AREA_IN_MESSAGES) + 1, AREA_IN_MESSAGES);
    store<u64>(area, load<u64>(area, AREA_IN_BYTES) + payloadLength, AREA_IN_BYTES);
    if (!isOfLeaf) countForAccount(context, payloadLength);
    at = messageEnd;
    if (hasMappedReply) {
      hideReplyPrefix(MAPPED_REPLY_PREFIX_BYTES);
      if (load<u32>(plan, PLAN_ALL_NODES) != 0) remember(load<u32>(plan, PLAN_ACCOUNT), rest, replyLength);
    }
    deliver(plan, false);
    if (isLookDue()) return resume(REASON_LOOK, at);
  }
  return resume(REASON_DONE, at);
}

function countForAccount(context: u32, bytes: u32): void {
  const table = load<u32>(area, AREA_LINK_COUNTERS);
  if (table == 0) return;
  const ofAccount = table + ((context & (CONTEXT_ACCOUNTS - 1)) << LINK_COUNTERS_SHIFT);
  const isFromGateway = (context & CONTEXT_FROM_GATEWAY) != 0;
  countMessage(ofAccount + LINK_COUNTERS_IN + (isFromGateway ? LINK_COUNTERS_OF_GATEWAYS : 0), bytes);
}

/** Whether the word where a reply would stand says that queue groups follow. */
function announcesGroups(word: u32): bool {
  const start = load<u16>(word);
  return start == GROUPS_WITHOUT_REPLY || start == GROUPS_WITH_REPLY;
}

/** Whether the host serves the message at hand, whose line names no queue groups. */
function isLineForHost(flags: u32, context: u32, replyLength: u32, headerLength: i32): bool {
  if (flags == 0) return false;
  if ((flags & PLAN_IS_FOR_HOST) != 0) return true;
  // Answers go to all queue groups. Other messages whose line names none go to none.
  if ((context & CONTEXT_IS_ANSWER) != 0 && (flags & PLAN_QUEUES_ARE_FOR_HOST) != 0) return true;
  if (replyLength == 0) return false;
  const reasons = headerLength > 0 ? REPLIES_FOR_HOST : PLAN_REPLIES_ARE_FOR_HOST;
  return (flags & reasons) != 0;
}
