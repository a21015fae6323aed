/** The calls of an interest index with texts, for tests: subjects, queue groups and filters are encoded here. */
import type { InterestIndex } from "../interest_index.ts";
import { MatchResult } from "../match_result.ts";
import { createInspectedIndex, type InspectedIndex } from "./inspected_index.ts";
import { outcomeOf } from "./naive_interest.ts";

export const MEBIBYTE = 1024 * 1024;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Memory for an index; `byteOffset` is where it begins in its buffer. */
export function newRegion(byteLength = 4 * MEBIBYTE, byteOffset = 0) {
  return { buffer: new SharedArrayBuffer(byteOffset + byteLength), byteOffset, byteLength };
}

/** An index whose contents can be inspected, in a region of its own. */
export function newIndex(byteLength?: number): InspectedIndex {
  return createInspectedIndex(newRegion(byteLength), { hashSeed: [1, -2, 3, 0x7fffffff] });
}

export function addPlain(index: InterestIndex, node: number, accountId: number, subject: string): number {
  const bytes = encoder.encode(subject);
  return index.addPlain(node, accountId, bytes, 0, bytes.length);
}

export function addQueue(
  index: InterestIndex,
  node: number,
  accountId: number,
  subject: string,
  queue: string,
): number {
  const bytes = encoder.encode(`${subject} ${queue}`);
  return index.addQueue(node, accountId, bytes, 0, subject.length, bytes, subject.length + 1, bytes.length);
}

/** A member of a queue, or with "" a plain subscription, that is not to be sent what a pattern of `filter` matches. */
export function addFiltered(
  index: InterestIndex,
  node: number,
  accountId: number,
  subject: string,
  queue: string,
  filter: string,
): number {
  const bytes = encoder.encode(`${subject} ${queue}`);
  const from = subject.length;
  return index.addFiltered(
    node,
    accountId,
    bytes,
    0,
    from,
    bytes,
    from + 1,
    bytes.length,
    encoder.encode(filter),
  );
}

/** Id of the entry of exactly this subject, -1 for none. */
export function find(index: InterestIndex, accountId: number, subject: string): number {
  const bytes = encoder.encode(subject);
  return index.find(accountId, bytes, 0, bytes.length);
}

export function match(index: InterestIndex, accountId: number, subject: string, result = new MatchResult()) {
  // Somewhere inside a larger buffer, at an odd offset, as in a receive buffer.
  const bytes = encoder.encode(`PUB ${subject} 5`);
  index.match(accountId, bytes, 4, bytes.length - 2, result);
  return result;
}

/** What a match finds, by the names of queue groups. */
export function outcome(index: InterestIndex, accountId: number, subject: string, result?: MatchResult) {
  return outcomeOf(match(index, accountId, subject, result), (queueId) =>
    decoder.decode(index.queueNameOf(queueId)),
  );
}
