/** Messages as records in a ring, written and read by TypeScript. The engine handles most of them itself. */
import {
  RECORD_BODY,
  RECORD_CONTEXT,
  RECORD_GOES_BACK,
  RECORD_HEADER_LENGTH,
  RECORD_IS_PLAIN,
  RECORD_KIND,
  RECORD_KIND_LARGE,
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
} from "../memory/layout.ts";
import type { SharedMemory } from "../memory/shared_memory.ts";
import { FABRIC_SLOT, HeldMessage } from "./held_message.ts";

/** Room for alignment, and for copies in steps of 16. */
const SLACK_BYTES = 32;

/** A message, and to whom the receiving node is to deliver it: plain subscriptions, and queue groups by their ids. */
export interface Delivery {
  readonly message: HeldMessage;
  readonly isPlain: boolean;
  readonly queues: Int32Array;
  /** The publisher wants to know if nobody takes it, and only the receiving node can take it. */
  readonly wantsTaker: boolean;
  /** It answers a request from another cluster, and only the links' node is sent it: see RECORD_IS_PLAIN. */
  readonly goesBack?: boolean;
  /** Absent for a message that comes from its publisher's shard. */
  readonly passedOn?: PassedOn;
}

/**
 * Says where a message comes from that is sent once more, because the members that were to serve its queue groups have
 * gone: RECORD_TRIED and RECORD_ORIGIN.
 */
export interface PassedOn {
  readonly tried: number;
  readonly origin: number;
}

/** Bytes of a message's record. A large message's record is the one before its pieces. */
export function recordBytes({ message, queues }: Delivery): number {
  const { subject, line, bytes } = message;
  const start = RECORD_BODY + queues.length * 4 + SLACK_BYTES + subject.length + line.length;
  return message.isLarge ? start : start + bytes.length;
}

/** Writes everything of a record except for its length. */
export function writeRecord(
  { words, bytes }: SharedMemory,
  record: number,
  { message, isPlain, queues, wantsTaker, goesBack, passedOn }: Delivery,
): void {
  const { subject, line } = message;
  const at = record >> 2;
  words[at + (RECORD_KIND >> 2)] = message.isLarge ? RECORD_KIND_LARGE : RECORD_KIND_MESSAGE;
  words[at + (RECORD_CONTEXT >> 2)] = message.context;
  words[at + (RECORD_SUBJECT_LENGTH >> 2)] = subject.length;
  words[at + (RECORD_LINE_LENGTH >> 2)] = line.length;
  words[at + (RECORD_REST_LENGTH >> 2)] = line.length + message.payloadLength + 2;
  words[at + (RECORD_HEADER_LENGTH >> 2)] = message.headerLength;
  words[at + (RECORD_QUEUE_COUNT >> 2)] = queues.length;
  words[at + (RECORD_IS_PLAIN >> 2)] = isPlain ? (goesBack ? 1 | RECORD_GOES_BACK : 1) : 0;
  words[at + (RECORD_ORIGIN >> 2)] = passedOn?.origin ?? message.origin;
  words[at + (RECORD_TRIED >> 2)] = passedOn?.tried ?? 0;
  words[at + (RECORD_WANTS_TAKER >> 2)] = wantsTaker ? 1 : 0;
  words.set(queues, at + (RECORD_BODY >> 2));
  const body = (record + RECORD_BODY + queues.length * 4 + 15) & ~15;
  bytes.set(subject, body);
  bytes.set(line, body + subject.length);
  if (!message.isLarge) bytes.set(message.bytes, body + subject.length + line.length);
}

/** A delivery as the receiving node reads it. RECORD_ORIGIN and RECORD_TRIED say where it comes from. */
export interface Received extends Delivery {
  readonly origin: number;
  readonly tried: number;
}

/** The connection that published a message: its shard, and its slot there. */
export interface Publisher {
  readonly node: number;
  readonly slot: number;
}

/** The publisher of a message that came from `node`. */
export function publisherOf(node: number, { origin, tried }: Pick<Received, "origin" | "tried">): Publisher {
  return tried === 0
    ? { node, slot: origin }
    : { node: origin >>> RECORD_ORIGIN_NODE_SHIFT, slot: slotOfOrigin(origin) };
}

/** The publisher's slot, if its message has come back to its own node; the fabric's slot elsewhere. */
export function slotAt(node: number, publisher: Publisher): number {
  return publisher.node === node ? publisher.slot : FABRIC_SLOT;
}

/** RECORD_ORIGIN of a message that is passed on. */
export function originOf({ node, slot }: Publisher): number {
  return (node << RECORD_ORIGIN_NODE_SHIFT) | slot;
}

export function slotOfOrigin(origin: number): number {
  return origin & (2 ** RECORD_ORIGIN_NODE_SHIFT - 1);
}

/** Reads a message's record. The pieces of a large message come later, and fill `payload`. */
export function readRecord(
  { words, bytes }: SharedMemory,
  record: number,
  payload?: Uint8Array<ArrayBuffer>,
): Received {
  const word = (offset: number) => words[(record + offset) >> 2]!;
  const queueCount = word(RECORD_QUEUE_COUNT);
  const firstQueue = (record + RECORD_BODY) >> 2;
  const subjectAt = (record + RECORD_BODY + queueCount * 4 + 15) & ~15;
  const subjectEnd = subjectAt + word(RECORD_SUBJECT_LENGTH);
  const isLent = word(RECORD_KIND) === RECORD_KIND_LENT;
  const lineAt = isLent ? word(word(RECORD_LENGTH) - 4) : subjectEnd;
  const lineLength = word(RECORD_LINE_LENGTH);
  const message = HeldMessage.parse(
    word(RECORD_CONTEXT),
    bytes.slice(subjectAt, subjectEnd),
    bytes.slice(lineAt, lineAt + lineLength),
    word(RECORD_HEADER_LENGTH),
    word(RECORD_REST_LENGTH) - lineLength - 2,
    FABRIC_SLOT,
    payload,
  );
  if (isLent || word(RECORD_KIND) === RECORD_KIND_MESSAGE) {
    message.fill(bytes, lineAt + lineLength, lineAt + word(RECORD_REST_LENGTH));
  }
  return {
    message,
    isPlain: word(RECORD_IS_PLAIN) !== 0,
    goesBack: (word(RECORD_IS_PLAIN) & RECORD_GOES_BACK) !== 0,
    queues: words.slice(firstQueue, firstQueue + queueCount),
    origin: word(RECORD_ORIGIN),
    tried: word(RECORD_TRIED),
    wantsTaker: word(RECORD_WANTS_TAKER) !== 0,
  };
}
