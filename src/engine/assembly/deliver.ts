// Hot: delivers the message at hand to everyone that its plan names: local subscribers, links, one member of each queue
// group, other nodes.

import {
  AREA_DROPS_NOTHING,
  AREA_EXPIRED,
  AREA_STALLED_BY,
  AREA_LENDS,
  AREA_LENDS_BYTES,
  AREA_LENT_TO,
  AREA_OUT_BYTES,
  AREA_OUT_MESSAGES,
  AREA_RANDOM,
  CONNECTION_DROPS,
  CONNECTION_FLAGS,
  CONNECTION_HAS_NO_ECHO,
  CONNECTION_IS_CLOSED,
  CONNECTION_IS_CONGESTED,
  CONNECTION_IS_LINK,
  CONNECTION_IS_NOTED,
  CONNECTION_OUT_BYTES,
  CONNECTION_OUT_MESSAGES,
  GATHER_BYTES_MIN,
  GROUP_LOCAL_COUNT,
  GROUP_LOCALS,
  GROUP_NODE_COUNT,
  GROUP_NODES,
  GROUP_QUEUE,
  GROUP_STRIDE,
  GROUP_WEIGHT,
  PLAN_ACCOUNT,
  PLAN_ALL_NODES,
  PLAN_DELIVERED,
  PLAN_DELIVERED_LENGTH,
  PLAN_FLAGS,
  PLAN_GOES_BACK,
  PLAN_GROUP_COUNT,
  PLAN_GROUPS,
  PLAN_PLAIN,
  PLAN_PLAIN_COUNT,
  PLAN_PLAIN_NODES,
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
  RECORD_QUEUE_COUNT,
  RECORD_REST_LENGTH,
  RECORD_SUBJECT_LENGTH,
  RECORD_TRIED,
  RECORD_WANTS_TAKER,
  SUBSCRIPTION_DELIVERED,
  SUBSCRIPTION_EXPIRED_NEXT,
  SUBSCRIPTION_MAX,
  TARGET_CONNECTION,
  TARGET_STRIDE,
  TARGET_SUBSCRIPTION,
} from "../../memory/layout";
import { area, picks, slotOf } from "./area";
import { copy } from "./bytes";
import { frameForClient, frameForLink } from "./frames";
import { note, sendLarge } from "./host";
import { headerLength, hiddenLength, isLarge, lineLength, payloadLength, publisher, rest } from "./message";
import { commit, reserve } from "./ring";

/** −1 if every ring that a message of this plan may need has room for it, else a node whose ring has none. */
export function fullNode(plan: u32): i32 {
  let nodes = load<u32>(plan, PLAN_ALL_NODES);
  const bytes = recordLength(load<u32>(plan, PLAN_DELIVERED_LENGTH), load<u32>(plan, PLAN_GROUP_COUNT));
  while (nodes != 0) {
    const node = ctz(nodes);
    if (reserve(node, bytes) == 0) return node;
    nodes &= nodes - 1;
  }
  return -1;
}

/** Length in bytes of a record for the message at hand. */
export function recordLength(subjectLength: u32, queueCount: u32): u32 {
  const body = isLarge ? lineLength : mayLend() ? 4 : lineLength + payloadLength + 2;
  return (RECORD_BODY + (queueCount << 2) + 15 + subjectLength + body + 15 + 15) & ~15;
}

/** Whether other nodes read the message at hand where it was received: it is not small, and lies in the lent buffer. */
function mayLend(): bool {
  if (payloadLength < <u32>GATHER_BYTES_MIN || isLarge) return false;
  return rest - load<u32>(area, AREA_LENDS) < load<u32>(area, AREA_LENDS_BYTES);
}

/**
 * Delivers the message at hand to local subscribers and other nodes. Returns how many took it, counting one for each
 * other node with plain interest and one for each queue group that another node serves. If the publisher `wantsTaker`,
 * nobody here took the message and only one other node gets it, that node is asked to report if nobody takes it there.
 */
export function deliver(plan: u32, wantsTaker: bool): u32 {
  let delivered: u32 = 0;
  const goesBack = (load<u32>(plan, PLAN_FLAGS) & PLAN_GOES_BACK) != 0;
  let target = load<u32>(plan, PLAN_PLAIN);
  for (let left = goesBack ? 0 : load<u32>(plan, PLAN_PLAIN_COUNT); left != 0; left--) {
    delivered += <u32>deliverTo(target);
    target += load<u32>(target, TARGET_STRIDE);
  }
  let pickCount: u32 = 0;
  let local = delivered;
  let group = load<u32>(plan, PLAN_GROUPS);
  for (let left = goesBack ? 0 : load<u32>(plan, PLAN_GROUP_COUNT); left != 0; left--) {
    const taken = deliverToGroup(group);
    if (taken == TAKEN_HERE) local++;
    else if (taken >= 0) pickCount = addPick(pickCount, taken, load<u32>(group, GROUP_QUEUE));
    group += load<u32>(group, GROUP_STRIDE);
  }
  delivered = local + pickCount;
  const plainNodes = load<u32>(plan, PLAN_PLAIN_NODES);
  let nodes = plainNodes;
  for (let i: u32 = 0; i < pickCount; i++) nodes |= 1 << load<u32>(picks + (i << 3));
  const asks: u32 = <u32>(wantsTaker && local == 0 && (nodes & (nodes - 1)) == 0);
  while (nodes != 0) {
    const node = ctz(nodes);
    const isPlain = (plainNodes >> node) & 1;
    const plain = isPlain | (goesBack ? RECORD_GOES_BACK : 0);
    if (isLarge) sendLarge(node, plain, pickCount, asks);
    else {
      const length = load<u32>(plan, PLAN_DELIVERED_LENGTH);
      send(
        node,
        load<u32>(plan, PLAN_ACCOUNT),
        load<u32>(plan, PLAN_DELIVERED),
        length,
        plain,
        pickCount,
        asks,
      );
    }
    delivered += isPlain;
    nodes &= nodes - 1;
  }
  countOut(local);
  return delivered;
}

/** In how many of the queue groups that the last deliverHere() was given nobody here took the message. */
export let unservedCount: u32 = 0;

/**
 * Delivers what another node sent, to plain subscriptions if `isPlain` and to the queue groups that it picked this node
 * for. The ids of the groups that are served become 0.
 */
export function deliverHere(plan: u32, isPlain: bool, queues: u32, queueCount: u32): u32 {
  let delivered: u32 = 0;
  unservedCount = queueCount;
  if (isPlain) {
    let target = load<u32>(plan, PLAN_PLAIN);
    for (let left = load<u32>(plan, PLAN_PLAIN_COUNT); left != 0; left--) {
      delivered += <u32>deliverTo(target);
      target += load<u32>(target, TARGET_STRIDE);
    }
  }
  if (queueCount != 0) {
    let group = load<u32>(plan, PLAN_GROUPS);
    for (let left = load<u32>(plan, PLAN_GROUP_COUNT); left != 0; left--) {
      for (let i: u32 = 0; i < queueCount; i++) {
        if (load<u32>(queues + (i << 2)) != load<u32>(group, GROUP_QUEUE) || !deliverToLocal(group)) continue;
        store<u32>(queues + (i << 2), 0);
        unservedCount--;
        delivered++;
      }
      group += load<u32>(group, GROUP_STRIDE);
    }
  }
  countOut(delivered);
  return delivered;
}

function countOut(deliveries: u32): void {
  store<u64>(area, load<u64>(area, AREA_OUT_MESSAGES) + deliveries, AREA_OUT_MESSAGES);
  store<u64>(area, load<u64>(area, AREA_OUT_BYTES) + <u64>deliveries * payloadLength, AREA_OUT_BYTES);
}

/** Delivers one copy to one subscription. False if it cannot take the message. */
function deliverTo(target: u32): bool {
  const connection = load<u32>(target, TARGET_CONNECTION);
  const flags = load<u32>(connection, CONNECTION_FLAGS);
  if ((flags & (CONNECTION_IS_CLOSED | CONNECTION_DROPS)) != 0 && takesNothing(flags)) return false;
  if (connection == publisher && (flags & CONNECTION_HAS_NO_ECHO) != 0) return false;
  if ((flags & CONNECTION_IS_LINK) != 0) return deliverToLink(connection, flags, target);
  const subscription = load<u32>(target, TARGET_SUBSCRIPTION);
  const deliveredSoFar = load<u64>(subscription, SUBSCRIPTION_DELIVERED) + 1;
  const max = load<u32>(subscription, SUBSCRIPTION_MAX);
  if (max != 0 && deliveredSoFar >= max) {
    if (deliveredSoFar > max) return false;
    expire(subscription);
  }
  store<u64>(subscription, deliveredSoFar, SUBSCRIPTION_DELIVERED);
  if ((flags & CONNECTION_IS_CONGESTED) != 0) store<u32>(area, connection, AREA_STALLED_BY);

  const bytes = frameForClient(connection, flags, target);
  countSent(connection, flags, target, bytes);
  return true;
}

/** Whether a connection that is closed, or drops what clients send, takes nothing now. */
function takesNothing(flags: u32): bool {
  return (flags & CONNECTION_IS_CLOSED) != 0 || load<u32>(area, AREA_DROPS_NOTHING) == 0;
}

/** Delivers one copy to a link, which always takes it. */
function deliverToLink(connection: u32, flags: u32, target: u32): bool {
  if ((flags & CONNECTION_IS_CONGESTED) != 0) store<u32>(area, connection, AREA_STALLED_BY);
  const bytes = frameForLink(connection, flags, target);
  // A client's target names its subscription; a link's names counters of messages and bytes instead, or nothing.
  const counters = load<u32>(target, TARGET_SUBSCRIPTION);
  countSent(connection, flags, target, bytes);
  if (counters != 0) countMessage(counters, bytes);
  return true;
}

function countSent(connection: u32, flags: u32, target: u32, bytes: u32): void {
  store<u64>(connection, load<u64>(connection, CONNECTION_OUT_MESSAGES) + 1, CONNECTION_OUT_MESSAGES);
  store<u64>(connection, load<u64>(connection, CONNECTION_OUT_BYTES) + bytes, CONNECTION_OUT_BYTES);
  if ((flags & CONNECTION_IS_NOTED) != 0) {
    note(slotOf(connection), target, rest, lineLength, headerLength, payloadLength, isLarge);
  }
}

/** Adds one message to two u64 counters, of messages and of bytes. */
export function countMessage(counters: u32, bytes: u32): void {
  store<u64>(counters, load<u64>(counters) + 1);
  store<u64>(counters, load<u64>(counters, 8) + bytes, 8);
}

function expire(subscription: u32): void {
  store<u32>(subscription, load<u32>(area, AREA_EXPIRED), SUBSCRIPTION_EXPIRED_NEXT);
  store<u32>(area, subscription, AREA_EXPIRED);
}

const TAKEN_HERE: i32 = -1;
const TAKEN_BY_NOBODY: i32 = -2;

/**
 * Delivers to one member of a queue group: the one that is drawn by weight, or else the next one that takes the
 * message. Returns TAKEN_HERE, TAKEN_BY_NOBODY, or the node picked to serve the group.
 */
function deliverToGroup(group: u32): i32 {
  const locals = load<u32>(group, GROUP_LOCAL_COUNT);
  const candidates = locals + load<u32>(group, GROUP_NODE_COUNT);
  const nodes = load<u32>(group, GROUP_NODES);
  let draw = random(load<u32>(group, GROUP_WEIGHT));
  let at = draw;
  if (draw >= locals) {
    draw -= locals;
    at = locals;
    while (at + 1 < candidates) {
      const weight = load<u32>(nodes + ((at - locals) << 3), 4);
      if (draw < weight) break;
      draw -= weight;
      at++;
    }
  }
  // A node of weight 0 serves only if nobody else can.
  let last = TAKEN_BY_NOBODY;
  for (let left = candidates; left != 0; left--) {
    if (at >= locals) {
      const node = nodes + ((at - locals) << 3);
      if (load<u32>(node, 4) != 0) return load<i32>(node);
      if (last == TAKEN_BY_NOBODY) last = load<i32>(node);
    } else if (deliverTo(load<u32>(load<u32>(group, GROUP_LOCALS) + (at << 2)))) return TAKEN_HERE;
    at++;
    if (at == candidates) at = 0;
  }
  return last;
}

function deliverToLocal(group: u32): bool {
  const locals = load<u32>(group, GROUP_LOCAL_COUNT);
  if (locals == 0) return false;
  let at = random(locals);
  for (let left = locals; left != 0; left--) {
    if (deliverTo(load<u32>(load<u32>(group, GROUP_LOCALS) + (at << 2)))) return true;
    at++;
    if (at == locals) at = 0;
  }
  return false;
}

function random(below: u32): u32 {
  let state = load<u64>(area, AREA_RANDOM);
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  store<u64>(area, state, AREA_RANDOM);
  return <u32>(((state >> 32) * below) >> 32);
}

function addPick(count: u32, node: u32, queue: u32): u32 {
  store<u32>(picks + (count << 3), node);
  store<u32>(picks + (count << 3), queue, 4);
  return count + 1;
}

/** Writes the message at hand into a node's ring. The caller has checked that there is room for `recordLength()`. */
export function send(
  node: u32,
  context: u32,
  from: u32,
  subjectLength: u32,
  isPlain: u32,
  pickCount: u32,
  asks: u32,
): void {
  const length = recordLength(subjectLength, pickCount);
  const record = reserve(node, length);
  if (record == 0) unreachable();
  let queueCount: u32 = 0;
  for (let i: u32 = 0; i < pickCount; i++) {
    const pick = picks + (i << 3);
    if (load<u32>(pick) != node) continue;
    store<u32>(record + RECORD_BODY + (queueCount << 2), load<u32>(pick, 4));
    queueCount++;
  }
  store<u32>(record, length, RECORD_LENGTH);
  const isLent = mayLend();
  store<u32>(record, isLent ? RECORD_KIND_LENT : RECORD_KIND_MESSAGE, RECORD_KIND);
  store<u32>(record, context, RECORD_CONTEXT);
  store<u32>(record, subjectLength, RECORD_SUBJECT_LENGTH);
  const shownLength = lineLength - hiddenLength;
  store<u32>(record, shownLength, RECORD_LINE_LENGTH);
  store<u32>(record, shownLength + payloadLength + 2, RECORD_REST_LENGTH);
  store<u32>(record, headerLength, RECORD_HEADER_LENGTH);
  store<u32>(record, queueCount, RECORD_QUEUE_COUNT);
  store<u32>(record, isPlain, RECORD_IS_PLAIN);
  store<u32>(record, slotOf(publisher), RECORD_ORIGIN);
  store<u32>(record, asks, RECORD_WANTS_TAKER);
  store<u32>(record, 0, RECORD_TRIED);
  const subject = (record + RECORD_BODY + (queueCount << 2) + 15) & ~15;
  copy(subject, from, subjectLength);
  if (isLent) {
    store<u32>(record + length - 4, rest + hiddenLength);
    store<u32>(area, load<u32>(area, AREA_LENT_TO) | (1 << node), AREA_LENT_TO);
  } else copy(subject + subjectLength, rest + hiddenLength, shownLength + payloadLength + 2);
  commit(node, length);
}
