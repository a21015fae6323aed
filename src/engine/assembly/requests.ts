// Hot: requests to a service of another account, and the answers to them. Only simple requests are forwarded here: one
// import, no latency measured, one answer, no headers but those that the server adds. The host forwards all others. It
// has written down for each plan where its requests go on, and for each client what services are told of it.

import {
  AREA_HAS_GATHERED,
  AREA_NODE,
  AREA_NODE_COUNT,
  AREA_REQUEST,
  AREA_REQUESTS,
  CONNECTION_DISCLOSURE,
  CONTEXT_IS_RESPONSE,
  CONTEXT_IS_STREAMLESS,
  DISCLOSURE_KEY,
  DISCLOSURE_LENGTH,
  DISCLOSURE_TEXT,
  FORWARD_CONTEXT,
  FORWARD_DISCLOSURE,
  FORWARD_INBOXES_ONLY,
  FORWARD_REPLY_HEAD,
  FORWARD_REQUESTOR,
  FORWARD_SUBJECT,
  FORWARD_SUBJECT_LENGTH,
  FORWARD_THRESHOLD_MS,
  GATHER_BYTES_MIN,
  IN_PLACE_BYTES_MAX,
  NODE_SHARD_FIRST,
  PLAN_ACCOUNT,
  PLAN_ALL_NODES,
  PLAN_DELIVERED,
  PLAN_DELIVERED_LENGTH,
  PLAN_FLAGS,
  PLAN_FORWARD,
  REQUEST_ASKER,
  REQUEST_BYTES,
  REQUEST_DEADLINE_MS,
  REQUEST_DISCLOSURE,
  REQUEST_EXPORTER,
  REQUEST_HEAD,
  REQUEST_HEAD_NEXT,
  REQUEST_HEAD_PREVIOUS,
  REQUEST_NEXT,
  REQUEST_NUMBER,
  REQUEST_NUMBERS_MAX,
  REQUEST_REPLY_BYTES,
  REQUEST_REPLY_HEAD_BYTES,
  REQUEST_REPLY_LENGTH,
  REQUEST_REQUESTOR,
  REQUEST_SUBJECT_LENGTH,
  REQUEST_TEXT,
  REQUEST_TEXT_BYTES_MAX,
  REQUEST_THRESHOLD_MS,
  REQUESTS_COUNT,
  REQUESTS_ENTRIES,
  REQUESTS_ENTRIES_COUNT,
  REQUESTS_FREE,
  REQUESTS_HAS_ASIDE,
  REQUESTS_HEADS,
  REQUESTS_HEADS_COUNT,
  REQUESTS_MESSAGES,
  REQUESTS_MESSAGES_BYTES,
  REQUESTS_MESSAGES_END,
  REQUESTS_NOW_MS,
  REQUESTS_NUMBERS,
  REQUESTS_NUMBERS_COUNT,
  REQUESTS_RANDOM,
  REQUESTS_RANDOM_LEFT,
  REQUESTS_USED,
} from "../../memory/layout";
import { area, connectionAt, hashSeed, slotOf } from "./area";
import { copy, hashBytes, writeDecimal } from "./bytes";
import { deliver, fullNode, recordLength, send } from "./deliver";
import { flushAll } from "./host";
import { isFiled } from "./interest";
import { describe, headerLength, lineLength, payloadLength, publisher, rest, sizesAt } from "./message";
import { planFor } from "./plan";
import { reserve } from "./ring";

/** `_R_.`: services publish their answers on subjects that begin with it. */
const R__: u32 = 0x2e5f525f;
const CR_LF: u16 = 0x0a0d;
const BLANK: u8 = 0x20;
const DOT: u8 = 0x2e;
const NUMBER_DIGITS: u32 = 5;
/** Longest line of a forwarded message, `<reply> <size> <size>␍␊`, with what copies write past its end. */
const LINE_BYTES_MAX: u32 = 64;
const NO_NUMBER: u32 = 0xffffffff;

/** `_INBOX.`: clients ask for answers below it. The last byte is not one of its seven. */
const INBOX_: u64 = 0x002e584f424e495f;
const INBOX_MASK: u64 = 0x00ffffffffffffff;

export function isServiceReply(subject: u32): bool {
  return load<u32>(subject) == R__;
}

/** What forward() and answer() return, if not the node whose ring has no room. */
export const DELIVERED: i32 = -1;
/** With these two nothing was delivered. */
export const FOR_HOST: i32 = -2;
export const ANSWER_MISS: i32 = -3;
/** How many took the message, if it was delivered. */
export let takers: u32 = 0;

/**
 * Delivers the message at hand by `plan`, and forwards it as a request to the account whose service it asks.
 * `wantsTaker`: its publisher wants to know if nobody takes it.
 */
export function forward(plan: u32, replyLength: u32, wantsTaker: bool): i32 {
  const requests = load<u32>(area, AREA_REQUESTS);
  const to = load<u32>(plan, PLAN_FORWARD);
  // If other nodes are sent it too, it turns out only later whether nobody took it: the host counts the ways it goes.
  if (headerLength >= 0 || load<u32>(plan, PLAN_ALL_NODES) != 0) return FOR_HOST;
  const told = load<u32>(publisher, CONNECTION_DISCLOSURE);
  const slot = slotOf(publisher);
  const kind = load<u32>(to, FORWARD_DISCLOSURE);
  if (told == 0 || load<u32>(told, DISCLOSURE_KEY) != ((slot << 2) | kind)) return FOR_HOST;
  const toldLength = load<u32>(told, DISCLOSURE_LENGTH);
  if (payloadLength + toldLength > <u32>IN_PLACE_BYTES_MAX) return FOR_HOST;
  if (
    replyLength != 0 &&
    load<u32>(to, FORWARD_INBOXES_ONLY) != 0 &&
    (load<u64>(rest) & INBOX_MASK) != INBOX_
  )
    return FOR_HOST;
  const onward = planFor(
    connectionAt(0),
    load<u32>(to, FORWARD_CONTEXT),
    to + FORWARD_SUBJECT,
    load<u32>(to, FORWARD_SUBJECT_LENGTH),
  );
  if (onward == 0 || load<u32>(onward, PLAN_FLAGS) != 0) return FOR_HOST;
  let number = NO_NUMBER;
  if (replyLength != 0) {
    if (replyLength + load<u32>(plan, PLAN_DELIVERED_LENGTH) > <u32>REQUEST_TEXT_BYTES_MAX) return FOR_HOST;
    number = newNumber(requests);
    if (number == NO_NUMBER) return FOR_HOST;
  }

  const from = publisher;
  const line = rest;
  const length = lineLength;
  const payload = payloadLength;
  const message = requests + REQUESTS_MESSAGES + placeOfMessage(requests, toldLength + payload);
  let at = message;
  if (number != NO_NUMBER) {
    at = writeReply(at, to + FORWARD_REPLY_HEAD, number);
    store<u8>(at++, BLANK);
  }
  at = writeDecimal(at, toldLength);
  store<u8>(at++, BLANK);
  at = writeDecimal(at, toldLength + payload);
  store<u16>(at, CR_LF);
  at += 2;
  const onwardLength = at - message;
  copy(at, told + DISCLOSURE_TEXT, toldLength);
  copy(at + toldLength, line + length, payload + 2);

  describe(from, message, onwardLength, toldLength, toldLength + payload, false);
  const full = fullNode(onward);
  if (full >= 0) {
    describe(from, line, length, -1, payload, false);
    return full;
  }
  describe(from, line, length, -1, payload, false);
  const taken = deliver(plan, false);
  describe(from, message, onwardLength, toldLength, toldLength + payload, false);
  const entry =
    number == NO_NUMBER
      ? 0
      : remember(requests, number, plan, line, replyLength, wantsTaker && taken == 0 ? slot : 0);
  const takenThere = deliver(onward, entry != 0);
  if (takenThere == 0 && entry != 0) forget(entry);
  takers = taken + takenThere;
  describe(from, line, length, -1, payload, false);
  return DELIVERED;
}

/**
 * Where a message with `bytes` of headers and payload is put together: over the last one, unless iovecs may name it.
 */
function placeOfMessage(requests: u32, bytes: u32): u32 {
  let at: u32 = load<u32>(area, AREA_HAS_GATHERED) != 0 ? load<u32>(requests, REQUESTS_MESSAGES_END) : 0;
  const length = (LINE_BYTES_MAX + bytes + 63) & ~63;
  if (at + length > <u32>REQUESTS_MESSAGES_BYTES) {
    flushAll();
    at = 0;
  }
  if (bytes >= <u32>GATHER_BYTES_MIN) store<u32>(requests, at + length, REQUESTS_MESSAGES_END);
  return at;
}

/** A number that no request has, or NO_NUMBER if the host has to make room or to provide random words. */
function newNumber(requests: u32): u32 {
  if (
    load<u32>(requests, REQUESTS_FREE) == 0 &&
    load<u32>(requests, REQUESTS_USED) == <u32>REQUESTS_ENTRIES_COUNT
  )
    return NO_NUMBER;
  let left = load<u32>(requests, REQUESTS_RANDOM_LEFT);
  while (left != 0) {
    left--;
    store<u32>(requests, left, REQUESTS_RANDOM_LEFT);
    const number = load<u32>(requests + (left << 2), REQUESTS_RANDOM) % REQUEST_NUMBERS_MAX;
    if (find(requests, number) == 0) return number;
  }
  return NO_NUMBER;
}

function remember(requests: u32, number: u32, plan: u32, reply: u32, replyLength: u32, asker: u32): u32 {
  const to = load<u32>(plan, PLAN_FORWARD);
  let entry = load<u32>(requests, REQUESTS_FREE);
  if (entry != 0) store<u32>(requests, load<u32>(entry), REQUESTS_FREE);
  else {
    const used = load<u32>(requests, REQUESTS_USED);
    store<u32>(requests, used + 1, REQUESTS_USED);
    entry = requests + REQUESTS_ENTRIES + used * REQUEST_BYTES;
  }
  store<u32>(requests, load<u32>(requests, REQUESTS_COUNT) + 1, REQUESTS_COUNT);
  const thresholdMs = load<u32>(to, FORWARD_THRESHOLD_MS);
  store<u32>(entry, number, REQUEST_NUMBER);
  store<u32>(entry, load<u32>(to, FORWARD_CONTEXT) & ~CONTEXT_IS_STREAMLESS, REQUEST_EXPORTER);
  store<u32>(entry, load<u32>(to, FORWARD_REQUESTOR), REQUEST_REQUESTOR);
  store<u32>(entry, load<u32>(requests, REQUESTS_NOW_MS) + thresholdMs, REQUEST_DEADLINE_MS);
  store<u32>(entry, thresholdMs, REQUEST_THRESHOLD_MS);
  store<u32>(entry, asker, REQUEST_ASKER);
  store<u32>(entry, load<u32>(to, FORWARD_DISCLOSURE), REQUEST_DISCLOSURE);
  store<u32>(entry, replyLength, REQUEST_REPLY_LENGTH);
  copy(entry + REQUEST_TEXT, reply, replyLength);
  const subjectLength: u32 = asker != 0 ? load<u32>(plan, PLAN_DELIVERED_LENGTH) : 0;
  store<u32>(entry, subjectLength, REQUEST_SUBJECT_LENGTH);
  if (subjectLength != 0)
    copy(entry + REQUEST_TEXT + replyLength, load<u32>(plan, PLAN_DELIVERED), subjectLength);

  const chain = numbersAt(requests, number);
  store<u32>(entry, load<u32>(chain), REQUEST_NEXT);
  store<u32>(chain, entry);
  const head = headAt(requests, entry + REQUEST_TEXT, replyLength);
  const first = load<u32>(head);
  store<u32>(entry, first, REQUEST_HEAD_NEXT);
  store<u32>(entry, 0, REQUEST_HEAD_PREVIOUS);
  store<u32>(entry, head, REQUEST_HEAD);
  if (first != 0) store<u32>(first, entry, REQUEST_HEAD_PREVIOUS);
  store<u32>(head, entry);
  return entry;
}

/** Forgets a request that is answered or given up. */
export function forget(entry: u32): void {
  const requests = load<u32>(area, AREA_REQUESTS);
  let link = numbersAt(requests, load<u32>(entry, REQUEST_NUMBER));
  while (load<u32>(link) != entry) link = load<u32>(link) + REQUEST_NEXT;
  store<u32>(link, load<u32>(entry, REQUEST_NEXT));
  const next = load<u32>(entry, REQUEST_HEAD_NEXT);
  const previous = load<u32>(entry, REQUEST_HEAD_PREVIOUS);
  if (next != 0) store<u32>(next, previous, REQUEST_HEAD_PREVIOUS);
  if (previous != 0) store<u32>(previous, next, REQUEST_HEAD_NEXT);
  else store<u32>(load<u32>(entry, REQUEST_HEAD), next);
  // A free entry belongs to no account.
  store<u32>(entry, 0, REQUEST_EXPORTER);
  store<u32>(entry, load<u32>(requests, REQUESTS_FREE));
  store<u32>(requests, entry, REQUESTS_FREE);
  store<u32>(requests, load<u32>(requests, REQUESTS_COUNT) - 1, REQUESTS_COUNT);
}

/** The request to a service of `account` that an answer on `subject` belongs to, 0 for none. */
function requestOf(account: u32, subject: u32, length: u32): u32 {
  const requests = load<u32>(area, AREA_REQUESTS);
  if (requests == 0 || length != REQUEST_REPLY_BYTES) return 0;
  const number = readNumber(subject + REQUEST_REPLY_HEAD_BYTES);
  const entry = number == NO_NUMBER ? 0 : find(requests, number);
  return entry != 0 && load<u32>(entry, REQUEST_EXPORTER) == account ? entry : 0;
}

/**
 * Delivers the message at hand, published on `subject`, to the requestor that it answers. `plan` is that of all answers
 * of its account. Returns ANSWER_MISS, with REQUEST set, if there is no plan for the requestor's reply.
 */
export function answer(plan: u32, subject: u32, length: u32): i32 {
  if (length != REQUEST_REPLY_BYTES) return FOR_HOST;
  const account = load<u32>(plan, PLAN_ACCOUNT);
  const node = valueOf(load<u8>(subject, REQUEST_REPLY_HEAD_BYTES - 1));
  if (node >= load<u32>(area, AREA_NODE_COUNT)) return FOR_HOST;
  // Somebody in the account may have subscribed to this very subject.
  if (isFiled(account, subject, length)) return FOR_HOST;
  if (node != load<u32>(area, AREA_NODE)) return passOn(node, account, subject);
  const request = requestOf(account, subject, length);
  if (request == 0 || !isPlainAnswer()) return FOR_HOST;
  const back = planOfAnswer(request);
  if (back == 0) {
    store<u32>(area, request, AREA_REQUEST);
    return ANSWER_MISS;
  }
  const full = fullNode(back);
  if (full >= 0) return full;
  forget(request);
  takers = deliver(back, false);
  return DELIVERED;
}

/** Sends the answer at hand to the shard that remembers the request. */
function passOn(node: u32, account: u32, subject: u32): i32 {
  if (node < <u32>NODE_SHARD_FIRST) return FOR_HOST;
  // A full ring may belong to a node that is not there, so that nobody reads it. The host knows which nodes are there,
  // and waits for those.
  if (reserve(node, recordLength(REQUEST_REPLY_BYTES, 0)) == 0) return FOR_HOST;
  send(node, account | CONTEXT_IS_RESPONSE, subject, REQUEST_REPLY_BYTES, 1, 0, 0);
  takers = 1;
  return DELIVERED;
}

/**
 * The same for an answer at hand that another node has passed on. False, with nothing done, if the host has to put it
 * aside: because it must look closer, because there is no plan or it needs a ring, or because an answer that came
 * before is put aside.
 */
export function answerFromNode(account: u32, subject: u32, length: u32): bool {
  const request = requestOf(account, subject, length);
  if (request == 0 || !isPlainAnswer()) return false;
  if (load<u32>(load<u32>(area, AREA_REQUESTS), REQUESTS_HAS_ASIDE) != 0) return false;
  const back = planOfAnswer(request);
  if (back == 0 || load<u32>(back, PLAN_ALL_NODES) != 0) return false;
  forget(request);
  deliver(back, false);
  return true;
}

/** Whether the message at hand can go on as it is: it has no headers and no reply of its own. */
function isPlainAnswer(): bool {
  return headerLength < 0 && sizesAt() == rest;
}

/** The plan for the reply that a request's answer goes to, 0 if there is none. */
function planOfAnswer(request: u32): u32 {
  return planFor(
    connectionAt(0),
    load<u32>(request, REQUEST_REQUESTOR) | CONTEXT_IS_STREAMLESS,
    request + REQUEST_TEXT,
    load<u32>(request, REQUEST_REPLY_LENGTH),
  );
}

function find(requests: u32, number: u32): u32 {
  let entry = load<u32>(numbersAt(requests, number));
  while (entry != 0 && load<u32>(entry, REQUEST_NUMBER) != number) entry = load<u32>(entry, REQUEST_NEXT);
  return entry;
}

function numbersAt(requests: u32, number: u32): u32 {
  return requests + REQUESTS_NUMBERS + ((number & (REQUESTS_NUMBERS_COUNT - 1)) << 2);
}

function headAt(requests: u32, reply: u32, length: u32): u32 {
  let dots = 0;
  let end: u32 = 0;
  for (; end < length; end++) {
    if (load<u8>(reply + end) == DOT && ++dots == 2) break;
  }
  const hash = hashBytes(reply, end, hashSeed);
  return requests + REQUESTS_HEADS + ((hash & (REQUESTS_HEADS_COUNT - 1)) << 2);
}

/** Writes the reply subject of a request. Returns where it ends. */
function writeReply(at: u32, head: u32, number: u32): u32 {
  copy(at, head, REQUEST_REPLY_HEAD_BYTES);
  const end = at + REQUEST_REPLY_BYTES;
  let left = number;
  for (let digit = end - 1; digit >= at + REQUEST_REPLY_HEAD_BYTES; digit--) {
    const value = left % 62;
    store<u8>(digit, <u8>(value < 10 ? 0x30 + value : value < 36 ? 0x37 + value : 0x3d + value));
    left /= 62;
  }
  return end;
}

function readNumber(at: u32): u32 {
  let number: u32 = 0;
  for (let i: u32 = 0; i < NUMBER_DIGITS; i++) {
    const value = valueOf(load<u8>(at + i));
    if (value >= 62) return NO_NUMBER;
    number = number * 62 + value;
  }
  return number;
}

/** The value of a digit to the base 62, or 62 for a byte that is none. */
function valueOf(digit: u8): u32 {
  const code = <u32>digit;
  if (code - 0x30 < 10) return code - 0x30;
  if (code - 0x41 < 26) return code - 0x37;
  if (code - 0x61 < 26) return code - 0x3d;
  return 62;
}
