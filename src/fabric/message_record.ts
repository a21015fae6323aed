/** Messages as records of a ring, written by TypeScript; the engine writes most of them by itself. */
import {
  RECORD_BODY,
  RECORD_CONTEXT,
  RECORD_HEADER_LENGTH,
  RECORD_IS_PLAIN,
  RECORD_KIND,
  RECORD_KIND_LARGE,
  RECORD_KIND_MESSAGE,
  RECORD_LINE_LENGTH,
  RECORD_ORIGIN,
  RECORD_QUEUE_COUNT,
  RECORD_REST_LENGTH,
  RECORD_SUBJECT_LENGTH,
  RECORD_WANTS_TAKER,
} from "../memory/layout.ts";
import type { SharedMemory } from "../memory/shared_memory.ts";
import { HeldMessage } from "./held_message.ts";

/** Room for copies in steps of 16, before and after. */
const SLACK_BYTES = 32;

/** A message and whom the receiving node is to serve: plain subscriptions, and queue groups by their ids. */
export interface Delivery {
  readonly message: HeldMessage;
  readonly isPlain: boolean;
  readonly queues: Int32Array;
  /** The publisher wants to know if nobody takes it, and nobody but the receiving node can. */
  readonly wantsTaker: boolean;
}

/** Bytes of its record; of a large message, of the record that goes before its pieces. */
export function recordBytes({ message, queues }: Delivery): number {
  const { subject, line, bytes } = message;
  const start = RECORD_BODY + queues.length * 4 + SLACK_BYTES + subject.length + line.length;
  return message.isLarge ? start : start + bytes.length;
}

/** Writes all of the record but its length. */
export function writeRecord(
  { words, bytes }: SharedMemory,
  record: number,
  { message, isPlain, queues, wantsTaker }: Delivery,
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
  words[at + (RECORD_IS_PLAIN >> 2)] = isPlain ? 1 : 0;
  words[at + (RECORD_ORIGIN >> 2)] = message.origin;
  words[at + (RECORD_WANTS_TAKER >> 2)] = wantsTaker ? 1 : 0;
  words.set(queues, at + (RECORD_BODY >> 2));
  const body = (record + RECORD_BODY + queues.length * 4 + 15) & ~15;
  bytes.set(subject, body);
  bytes.set(line, body + subject.length);
  if (!message.isLarge) bytes.set(message.bytes, body + subject.length + line.length);
}

/** Reads a message's record: all of it, or of a large one what goes before its pieces, which fill it. */
export function readRecord({ words, bytes }: SharedMemory, record: number): Delivery & { origin: number } {
  const word = (offset: number) => words[(record + offset) >> 2]!;
  const queueCount = word(RECORD_QUEUE_COUNT);
  const firstQueue = (record + RECORD_BODY) >> 2;
  const subjectAt = (record + RECORD_BODY + queueCount * 4 + 15) & ~15;
  const lineAt = subjectAt + word(RECORD_SUBJECT_LENGTH);
  const lineLength = word(RECORD_LINE_LENGTH);
  const message = HeldMessage.parse(
    word(RECORD_CONTEXT),
    bytes.slice(subjectAt, lineAt),
    bytes.slice(lineAt, lineAt + lineLength),
    word(RECORD_HEADER_LENGTH),
    word(RECORD_REST_LENGTH) - lineLength - 2,
  );
  if (word(RECORD_KIND) === RECORD_KIND_MESSAGE) {
    message.fill(bytes, lineAt + lineLength, lineAt + word(RECORD_REST_LENGTH));
  }
  return {
    message,
    isPlain: word(RECORD_IS_PLAIN) !== 0,
    queues: words.slice(firstQueue, firstQueue + queueCount),
    origin: word(RECORD_ORIGIN),
    wantsTaker: word(RECORD_WANTS_TAKER) !== 0,
  };
}
