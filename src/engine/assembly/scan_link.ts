// Hot: plain messages of other servers. What else they send (interest, messages for queue groups or of leaf nodes'
// clusters, whatever servers keep for themselves) goes back to the host.

import {
  ACCOUNT_NAME_ID,
  ACCOUNT_NAME_LENGTH,
  ACCOUNT_NAME_LENGTH_MAX,
  ACCOUNT_NAME_SHIFT,
  ACCOUNT_NAME_SLOTS,
  ACCOUNT_NAME_TEXT,
  AREA_ACCOUNT,
  AREA_ACCOUNT_LENGTH,
  AREA_ACCOUNT_NAMES,
  AREA_CONTEXT,
  AREA_CONTROL_LINE_MAX,
  AREA_FULL_NODE,
  AREA_IN_BYTES,
  AREA_IN_MESSAGES,
  AREA_LINK_COUNTERS,
  CONNECTION_CONTEXT,
  CONNECTION_IN_BYTES,
  CONNECTION_IN_MESSAGES,
  CONNECTION_LAST_ACCOUNT,
  CONTEXT_ACCOUNTS,
  CONTEXT_FROM_GATEWAY,
  CONTEXT_FROM_ROUTE,
  LINK_COUNTERS_IN,
  LINK_COUNTERS_OF_GATEWAYS,
  LINK_COUNTERS_SHIFT,
  PLAN_FLAGS,
  PLAN_HEADED_REPLIES_ARE_FOR_HOST,
  PLAN_IS_FOR_HOST,
  PLAN_REPLIES_ARE_FOR_HOST,
  REASON_ACCOUNT,
  REASON_DONE,
  REASON_HOST_PLAN,
  REASON_MISS,
  REASON_OTHER,
  REASON_RING_FULL,
} from "../../memory/layout";
import { found, resume } from "./answer";
import { area, connectionAt, hashSeed } from "./area";
import { equal, findBlank, hashBytes } from "./bytes";
import { countMessage, deliver, fullNode } from "./deliver";
import { describe } from "./message";
import { headerLength, mayBeReserved, payloadLength, readEnd, replyLength } from "./message_line";
import { planFor } from "./plan";

const RMSG: u32 = 0x47534d52;
const LMSG: u32 = 0x47534d4c;
const HMSG: u32 = 0x47534d48;
const REPLIES_FOR_HOST: u32 = PLAN_REPLIES_ARE_FOR_HOST | PLAN_HEADED_REPLIES_ARE_FOR_HOST;
/** `| ` and `+ `, which stand where a reply would and mean that queue groups follow. */
const GROUPS_WITHOUT_REPLY: u16 = 0x207c;
const GROUPS_WITH_REPLY: u16 = 0x202b;

/**
 * Publishes the messages in `[start, end)` of a link's input for as long as it can: `RMSG` and `HMSG` of routes and
 * gateways, with an account where the connection's context has none, `LMSG` and `HMSG` of leaf nodes. Messages that name
 * no queue group go to none. Returns a REASON_… as scan() does; REASON_ACCOUNT with the name in ACCOUNT, and how the
 * message lies as with REASON_MISS.
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
    if (mayBeReserved(subject)) return resume(REASON_OTHER, at);

    const rest = subjectEnd + 1;
    const payload = readEnd(connection, rest, end, isWithHeaders);
    if (payload == 0) return resume(REASON_OTHER, at);
    if (payload - 2 - account > load<u32>(area, AREA_CONTROL_LINE_MAX)) return resume(REASON_OTHER, at);
    if (replyLength != 0 && announcesGroups(rest)) return resume(REASON_OTHER, at);
    const messageEnd = payload + payloadLength + 2;

    const subjectLength = subjectEnd - subject;
    const lineLength = payload - rest;
    let context = origin;
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
    if (plan == 0 || isForHost(load<u32>(plan, PLAN_FLAGS), replyLength, headerLength)) {
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
    deliver(plan, false);
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

function isForHost(flags: u32, replyLength: u32, headerLength: i32): bool {
  if (flags == 0) return false;
  if ((flags & PLAN_IS_FOR_HOST) != 0) return true;
  if (replyLength == 0) return false;
  const reasons = headerLength > 0 ? REPLIES_FOR_HOST : PLAN_REPLIES_ARE_FOR_HOST;
  return (flags & reasons) != 0;
}

/** The slot that holds a name, 0 if none does. Most messages name the account of the connection's last one. */
function accountSlot(connection: u32, name: u32, length: u32): u32 {
  const last = load<u32>(connection, CONNECTION_LAST_ACCOUNT);
  if (last != 0 && holdsName(last, name, length)) return last;
  const index = hashBytes(name, length, hashSeed) & (ACCOUNT_NAME_SLOTS - 1);
  const slot = load<u32>(area, AREA_ACCOUNT_NAMES) + (index << ACCOUNT_NAME_SHIFT);
  if (!holdsName(slot, name, length)) return 0;
  store<u32>(connection, slot, CONNECTION_LAST_ACCOUNT);
  return slot;
}

function holdsName(slot: u32, name: u32, length: u32): bool {
  return load<u32>(slot, ACCOUNT_NAME_LENGTH) == length && equal(slot + ACCOUNT_NAME_TEXT, name, length);
}
