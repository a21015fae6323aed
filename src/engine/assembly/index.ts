// The engine: what runs for every message. It allocates nothing and throws nothing. Before it reads a byte, it compares
// the address with the end of what was received; it may read up to 15 bytes past that end, which every region keeps
// free. Whatever is not a complete, plain PUB or HPUB on a subject with a valid plan goes back to the host, with a
// reason and an offset.

import {
  AREA_CONTEXT,
  AREA_CONTROL_LINE_MAX,
  AREA_FULL_NODE,
  AREA_IN_BYTES,
  AREA_IN_MESSAGES,
  CONNECTION_CONTEXT,
  CONNECTION_FLAGS,
  CONNECTION_IN_BYTES,
  CONNECTION_IN_MESSAGES,
  CONNECTION_TAKES_HEADERS,
  CONNECTION_WANTS_NO_RESPONDERS,
  PLAN_DELIVERED,
  PLAN_DELIVERED_LENGTH,
  PLAN_FLAGS,
  PLAN_IS_FOR_HOST,
  PLAN_IS_FORWARDED,
  REASON_ANSWER_MISS,
  REASON_DONE,
  REASON_HOST_PLAN,
  REASON_LOOK,
  REASON_MISS,
  REASON_NO_RESPONDERS,
  REASON_OTHER,
  REASON_RING_FULL,
  REQUEST_ACCOUNT_BYTES,
} from "../../memory/layout";
import { found, resume } from "./answer";
import { area, attachArea, connectionAt, hashSeed, isLookDue } from "./area";
import { findBlank, hashBytes } from "./bytes";
import { deliver, fullNode } from "./deliver";
import { describe } from "./message";
import { headerLength, mayBeReserved, payloadLength, readEnd, replyLength } from "./message_line";
import { planFor } from "./plan";
import { ANSWER_MISS, answer, DELIVERED, FOR_HOST, forward, isServiceReply, takers } from "./requests";

export { deliverHere } from "./deliver";
export { drain, hasInbound } from "./drain";
export { fileInterest, fileLiteral, moveSlots } from "./interest";
export { unmask } from "./mask";
export { describe } from "./message";
export { closeSegment, room } from "./outbox";
export { available, commit, peek, publish, release, reserve, skip, taken } from "./ring";
export { forget } from "./requests";
export { forgetOver, isYoung, noteYoung, recall, remember } from "./replies";
export { scanLink } from "./scan_link";

const PUB_: u32 = 0x20425550;
const HPUB: u32 = 0x42555048;

/** Sets the node's area. Called once, before anything else. */
export function attach(address: u32): void {
  attachArea(address);
}

/** The hash of `length` bytes at `address`, as plans hold it. */
export function hash(address: u32, length: u32): u32 {
  return hashBytes(address, length, hashSeed);
}

/**
 * Publishes the messages in `[start, end)` of a connection's input, up to the first that needs the host. Returns a
 * REASON_…; the area's words say where to resume and what was found there.
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

    const rest = subjectEnd + 1;
    const payload = readEnd(connection, rest, end, isWithHeaders, false);
    if (payload == 0) return resume(REASON_OTHER, at);
    if (payload - 2 - subject > load<u32>(area, AREA_CONTROL_LINE_MAX)) return resume(REASON_OTHER, at);
    const messageEnd = payload + payloadLength + 2;

    const subjectLength = subjectEnd - subject;
    // All answers to requests for an account's services share one plan, so only the part that names the account counts.
    const isAnswer = isServiceReply(subject);
    const looked = isAnswer ? min<u32>(subjectLength, REQUEST_ACCOUNT_BYTES) : subjectLength;
    const plan = planFor(connection, context, subject, looked);
    const lineLength = payload - rest;
    describe(connection, rest, lineLength, headerLength, payloadLength, false);
    if (plan == 0) {
      found(0, subject, looked, rest, replyLength, lineLength, headerLength, messageEnd);
      store<u32>(area, context, AREA_CONTEXT);
      return resume(REASON_MISS, at);
    }
    const wantsTaker =
      replyLength != 0 && (load<u32>(connection, CONNECTION_FLAGS) & CONNECTION_WANTS_NO_RESPONDERS) != 0;
    const flags = load<u32>(plan, PLAN_FLAGS);
    let taken: u32 = 0;
    let came = DELIVERED;
    if ((flags & (PLAN_IS_FOR_HOST | PLAN_IS_FORWARDED)) == 0 && !isAnswer) {
      came = fullNode(plan);
      if (came < 0) taken = deliver(plan, wantsTaker);
    } else {
      if ((flags & PLAN_IS_FOR_HOST) != 0) came = FOR_HOST;
      else came = isAnswer ? answer(plan, subject, subjectLength) : forward(plan, replyLength, wantsTaker);
      if (came < DELIVERED) {
        found(plan, subject, subjectLength, rest, replyLength, lineLength, headerLength, messageEnd);
        store<u32>(area, context, AREA_CONTEXT);
        return resume(came == ANSWER_MISS ? REASON_ANSWER_MISS : REASON_HOST_PLAN, at);
      }
      taken = takers;
    }
    if (came >= 0) {
      store<u32>(area, came, AREA_FULL_NODE);
      return resume(REASON_RING_FULL, at);
    }
    store<u64>(connection, load<u64>(connection, CONNECTION_IN_MESSAGES) + 1, CONNECTION_IN_MESSAGES);
    store<u64>(connection, load<u64>(connection, CONNECTION_IN_BYTES) + payloadLength, CONNECTION_IN_BYTES);
    store<u64>(area, load<u64>(area, AREA_IN_MESSAGES) + 1, AREA_IN_MESSAGES);
    store<u64>(area, load<u64>(area, AREA_IN_BYTES) + payloadLength, AREA_IN_BYTES);
    at = messageEnd;
    if (taken == 0 && wantsTaker) {
      const delivered = load<u32>(plan, PLAN_DELIVERED);
      const length = load<u32>(plan, PLAN_DELIVERED_LENGTH);
      found(plan, delivered, length, rest, replyLength, lineLength, headerLength, messageEnd);
      return resume(REASON_NO_RESPONDERS, at);
    }
    if (isLookDue()) return resume(REASON_LOOK, at);
  }
  return resume(REASON_DONE, at);
}

/** The valid plan for the subject of a message that the host has parsed; 0 if it has to be built. */
export function findPlan(slot: u32, context: u32, subject: u32, length: u32): u32 {
  return planFor(connectionAt(slot), context, subject, length);
}

/**
 * Publishes the message that the host has described. Returns how many took it, or −1 with FULL_NODE set if a ring is
 * full. `wantsTaker`: see deliver().
 */
export function publishOne(plan: u32, wantsTaker: bool): i32 {
  const full = fullNode(plan);
  if (full >= 0) {
    store<u32>(area, full, AREA_FULL_NODE);
    return -1;
  }
  return deliver(plan, wantsTaker);
}
