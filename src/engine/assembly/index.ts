// The engine: what runs for every message. It allocates nothing and throws nothing; it reads no byte it has not
// compared with the end of what was received (save up to 15 past it, which every region keeps free), and whatever is
// not a complete, plain PUB or HPUB on a subject with a valid plan goes back to the host with a reason and an offset.

import {
  AREA_CONTEXT,
  AREA_CONTROL_LINE_MAX,
  AREA_FULL_NODE,
  AREA_HEADER_LENGTH,
  AREA_IN_BYTES,
  AREA_IN_MESSAGES,
  AREA_IS_STALLED,
  AREA_LINE_LENGTH,
  AREA_MESSAGE_END,
  AREA_NODE_COUNT,
  AREA_REPLY,
  AREA_REPLY_LENGTH,
  AREA_REST,
  AREA_RESUME,
  AREA_SUBJECT,
  AREA_SUBJECT_HASH,
  AREA_SUBJECT_LENGTH,
  CONNECTION_CONTEXT,
  CONNECTION_FLAGS,
  CONNECTION_IN_BYTES,
  CONNECTION_IN_MESSAGES,
  CONNECTION_PAYLOAD_MAX,
  CONNECTION_TAKES_HEADERS,
  CONNECTION_WANTS_NO_RESPONDERS,
  IN_PLACE_BYTES_MAX,
  PLAN_DELIVERED,
  PLAN_DELIVERED_LENGTH,
  PLAN_FLAGS,
  PLAN_HASH,
  PLAN_IS_FOR_HOST,
  REASON_DONE,
  REASON_HOST_PLAN,
  REASON_MISS,
  REASON_NO_RESPONDERS,
  REASON_OTHER,
  REASON_RING_FULL,
  REASON_STALLED,
  RECORD_BODY,
  RECORD_CONTEXT,
  RECORD_HEADER_LENGTH,
  RECORD_IS_PLAIN,
  RECORD_KIND,
  RECORD_KIND_MESSAGE,
  RECORD_LENGTH,
  RECORD_LINE_LENGTH,
  RECORD_ORIGIN,
  RECORD_QUEUE_COUNT,
  RECORD_REST_LENGTH,
  RECORD_SUBJECT_LENGTH,
} from "../../memory/layout";
import { area, attachArea, connectionAt, hashSeed } from "./area";
import { findBlank, hashBytes } from "./bytes";
import { deliver, deliverHere, describe, fullNode } from "./deliver";
import { lookedUpHash, planFor } from "./plan";
import { peek, skip } from "./ring";

export { room } from "./outbox";
export { closeSegment } from "./outbox";
export { unmask } from "./mask";
export { commit, peek, publish, release, reserve, skip } from "./ring";

const PUB_: u32 = 0x20425550;
const HPUB: u32 = 0x42555048;
const CR_LF: u16 = 0x0a0d;

/** Names the node's area; once, before anything else. */
export function attach(address: u32): void {
  attachArea(address);
}

/** The hash of `length` bytes at `address` as plans hold it. */
export function hash(address: u32, length: u32): u32 {
  return hashBytes(address, length, hashSeed);
}

/** Length of a plain decimal at `at` (no sign, no leading zero, at most nine digits), 0 if there is none. Its value is in `number`. */
let number: u32 = 0;
function readNumber(at: u32): u32 {
  let value: u32 = 0;
  let length: u32 = 0;
  for (;;) {
    const digit = <u32>load<u8>(at + length) - 0x30;
    if (digit > 9) break;
    if (length == 9) return 0;
    value = value * 10 + digit;
    length++;
  }
  if (length > 1 && load<u8>(at) == 0x30) return 0;
  number = value;
  return length;
}

/** `_R…`, `_G…`, `$J…` and `$G…` may be reply subjects that only servers use: the host looks closer. */
function mayBeReserved(reply: u32): bool {
  const start = load<u16>(reply);
  return start == 0x525f || start == 0x475f || start == 0x4a24 || start == 0x4724;
}

/**
 * Publishes the messages in `[start, end)` of a connection's input for as long as it can. Returns a REASON_… and
 * leaves in the area's words where to resume and what was found there.
 */
export function scan(slot: u32, start: u32, end: u32): i32 {
  const connection = connectionAt(slot);
  const context = load<u32>(connection, CONNECTION_CONTEXT);
  let at = start;
  while (at != end) {
    // The shortest message is `PUB a 0␍␊␍␊`; anything shorter is incomplete.
    if (end - at < 11) return resume(REASON_OTHER, at);
    const verb = load<u32>(at);
    let subject = at + 4;
    let isWithHeaders = false;
    if (verb != PUB_) {
      if (verb != HPUB || load<u8>(at, 4) != 0x20) return resume(REASON_OTHER, at);
      if ((load<u32>(connection, CONNECTION_FLAGS) & CONNECTION_TAKES_HEADERS) == 0)
        return resume(REASON_OTHER, at);
      subject++;
      isWithHeaders = true;
    }
    const subjectEnd = findBlank(subject, end);
    if (subjectEnd == subject || subjectEnd == end || load<u8>(subjectEnd) != 0x20)
      return resume(REASON_OTHER, at);

    // `[reply ]size` or `[reply ]header-size size`: numbers are told from a reply by how many words there are.
    const rest = subjectEnd + 1;
    let word = rest;
    let wordEnd = findBlank(word, end);
    let replyLength: u32 = 0;
    const wordsWithoutReply: u32 = isWithHeaders ? 2 : 1;
    let words: u32 = 1;
    let previous = word;
    while (wordEnd != end && load<u8>(wordEnd) == 0x20) {
      if (++words > 3) return resume(REASON_OTHER, at);
      previous = word;
      word = wordEnd + 1;
      wordEnd = findBlank(word, end);
    }
    if (wordEnd + 2 > end || load<u16>(wordEnd) != CR_LF) return resume(REASON_OTHER, at);
    if (wordEnd - subject > load<u32>(area, AREA_CONTROL_LINE_MAX)) return resume(REASON_OTHER, at);
    if (words == wordsWithoutReply + 1) {
      replyLength = findBlank(rest, end) - rest;
      if (replyLength == 0 || mayBeReserved(rest)) return resume(REASON_OTHER, at);
    } else if (words != wordsWithoutReply) return resume(REASON_OTHER, at);
    if (word + readNumber(word) != wordEnd || word == wordEnd) return resume(REASON_OTHER, at);
    const payloadLength = number;
    let headerLength: i32 = -1;
    if (isWithHeaders) {
      if (previous + readNumber(previous) + 1 != word || previous + 1 == word)
        return resume(REASON_OTHER, at);
      if (number > payloadLength) return resume(REASON_OTHER, at);
      headerLength = number;
    }
    if (
      payloadLength > load<u32>(connection, CONNECTION_PAYLOAD_MAX) ||
      payloadLength > <u32>IN_PLACE_BYTES_MAX
    ) {
      return resume(REASON_OTHER, at);
    }
    const payload = wordEnd + 2;
    const messageEnd = payload + payloadLength + 2;
    if (messageEnd > end || load<u16>(payload + payloadLength) != CR_LF) return resume(REASON_OTHER, at);

    const plan = planFor(connection, context, subject, subjectEnd - subject);
    describe(connection, rest, payload - rest, headerLength, payloadLength, false);
    if (plan == 0 || (load<u32>(plan, PLAN_FLAGS) & PLAN_IS_FOR_HOST) != 0) {
      found(plan, subject, subjectEnd - subject, rest, replyLength, payload - rest, headerLength, messageEnd);
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
    at = messageEnd;
    if (
      deliver(plan) == 0 &&
      replyLength != 0 &&
      (load<u32>(connection, CONNECTION_FLAGS) & CONNECTION_WANTS_NO_RESPONDERS) != 0
    ) {
      const delivered = load<u32>(plan, PLAN_DELIVERED);
      const length = load<u32>(plan, PLAN_DELIVERED_LENGTH);
      found(plan, delivered, length, rest, replyLength, payload - rest, headerLength, messageEnd);
      return resume(REASON_NO_RESPONDERS, at);
    }
  }
  return resume(REASON_DONE, at);
}

function resume(reason: i32, at: u32): i32 {
  store<u32>(area, at, AREA_RESUME);
  return reason;
}

function found(
  plan: u32,
  subject: u32,
  subjectLength: u32,
  rest: u32,
  replyLength: u32,
  lineLength: u32,
  headerLength: i32,
  messageEnd: u32,
): void {
  store<u32>(area, subject, AREA_SUBJECT);
  store<u32>(area, subjectLength, AREA_SUBJECT_LENGTH);
  store<u32>(area, plan != 0 ? load<u32>(plan, PLAN_HASH) : lookedUpHash, AREA_SUBJECT_HASH);
  store<u32>(area, rest, AREA_REST);
  store<u32>(area, rest, AREA_REPLY);
  store<u32>(area, replyLength, AREA_REPLY_LENGTH);
  store<u32>(area, lineLength, AREA_LINE_LENGTH);
  store<i32>(area, headerLength, AREA_HEADER_LENGTH);
  store<u32>(area, messageEnd, AREA_MESSAGE_END);
}

/** The valid plan for a subject, for a message that the host has taken apart; 0 when it has to be built. */
export function findPlan(slot: u32, context: u32, subject: u32, length: u32): u32 {
  return planFor(connectionAt(slot), context, subject, length);
}

/**
 * Publishes one message that the host has taken apart: `[reply ][header size ]size␍␊` in plain form at `rest`,
 * followed by the payload unless it `isLarge`. Returns how many took it, or −1 with FULL_NODE set when a ring is full.
 */
export function publishOne(
  slot: u32,
  plan: u32,
  rest: u32,
  lineLength: u32,
  headerLength: i32,
  payloadLength: u32,
  isLarge: bool,
): i32 {
  describe(connectionAt(slot), rest, lineLength, headerLength, payloadLength, isLarge);
  const full = fullNode(plan);
  if (full >= 0) {
    store<u32>(area, full, AREA_FULL_NODE);
    return -1;
  }
  return deliver(plan);
}

/** Delivers a message of another node by a plan of ours; what publishOne() is for the publisher's side. */
export function deliverOne(
  plan: u32,
  isPlain: bool,
  queues: u32,
  queueCount: u32,
  rest: u32,
  lineLength: u32,
  headerLength: i32,
  payloadLength: u32,
  isLarge: bool,
): u32 {
  describe(connectionAt(0), rest, lineLength, headerLength, payloadLength, isLarge);
  return deliverHere(plan, isPlain, queues, queueCount);
}

/** Whether any node has published records that were not taken yet. */
export function hasInbound(): bool {
  const nodes = load<u32>(area, AREA_NODE_COUNT);
  for (let node: u32 = 0; node < nodes; node++) {
    if (peek(node) != 0) return true;
  }
  return false;
}

/**
 * Delivers the messages another node sent, up to about `bytesMax` of them. Their bytes may be named by iovecs: flush
 * before release(). Returns REASON_DONE (RESUME is 1 if there may be more), REASON_MISS (RESUME is the record),
 * REASON_STALLED, or REASON_OTHER for a record of another kind.
 */
export function drain(node: u32, bytesMax: u32): i32 {
  let bytes: u32 = 0;
  while (bytes < bytesMax) {
    const record = peek(node);
    if (record == 0) return resume(REASON_DONE, 0);
    if (load<u32>(record, RECORD_KIND) != RECORD_KIND_MESSAGE) return resume(REASON_OTHER, record);
    const queueCount = load<u32>(record, RECORD_QUEUE_COUNT);
    const subjectLength = load<u32>(record, RECORD_SUBJECT_LENGTH);
    const subject = (record + RECORD_BODY + (queueCount << 2) + 15) & ~15;
    const context = load<u32>(record, RECORD_CONTEXT);
    const rest = subject + subjectLength;
    const lineLength = load<u32>(record, RECORD_LINE_LENGTH);
    const plan = planFor(connectionAt(0), context, subject, subjectLength);
    if (plan == 0) {
      found(0, subject, subjectLength, rest, 0, lineLength, load<i32>(record, RECORD_HEADER_LENGTH), 0);
      store<u32>(area, context, AREA_CONTEXT);
      return resume(REASON_MISS, record);
    }
    const payloadLength = load<u32>(record, RECORD_REST_LENGTH) - lineLength - 2;
    describe(
      connectionAt(0),
      rest,
      lineLength,
      load<i32>(record, RECORD_HEADER_LENGTH),
      payloadLength,
      false,
    );
    deliverHere(plan, load<u32>(record, RECORD_IS_PLAIN) != 0, record + RECORD_BODY, queueCount);
    bytes += load<u32>(record, RECORD_LENGTH);
    skip(node, record);
    if (load<u32>(area, AREA_IS_STALLED) != 0)
      return resume(REASON_STALLED, load<u32>(record, RECORD_ORIGIN));
  }
  return resume(REASON_DONE, 1);
}
