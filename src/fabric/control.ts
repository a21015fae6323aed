/** Control records: what main, the logins thread and the acceptor tell a node, as JSON in the rings that carry messages. */
import { assert } from "../base/assert.ts";
import type { Engine } from "../engine/engine.ts";
import {
  RECORD_BODY,
  RECORD_IS_PLAIN,
  RECORD_KIND,
  RECORD_KIND_CONTROL,
  RECORD_LENGTH,
  RECORD_REST_LENGTH,
} from "../memory/layout.ts";
import type { SharedMemory } from "../memory/shared_memory.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Bytes of JSON in one record; small against a ring, so that whatever is longer flows through it. */
const PIECE_BYTES = 32 * 1024;

/** What RECORD_IS_PLAIN of a control record says of its piece: bits. */
const PIECE_IS_LAST = 1;
const PIECE_IS_FIRST = 2;

/** One record's worth of a message. */
export interface ControlPiece {
  readonly json: Uint8Array;
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

/** A message in pieces, to be sent in their order. */
export function controlPieces(message: unknown): ControlPiece[] {
  const json = encoder.encode(JSON.stringify(message));
  const pieces: ControlPiece[] = [];
  for (let at = 0; at < json.length; at += PIECE_BYTES) {
    const end = at + PIECE_BYTES;
    pieces.push({ json: json.subarray(at, end), isFirst: at === 0, isLast: end >= json.length });
  }
  return pieces;
}

/**
 * Writes and publishes a piece to a node; false when its ring is full and the caller must try again. The node still
 * has to be woken.
 */
export function sendPiece(
  engine: Engine,
  shared: SharedMemory,
  node: number,
  { json, isFirst, isLast }: ControlPiece,
): boolean {
  const length = (RECORD_BODY + json.length + 15) & ~15;
  const record = engine.reserve(node, length);
  if (record === 0) return false;
  const { words, bytes } = shared;
  words[(record + RECORD_LENGTH) >> 2] = length;
  words[(record + RECORD_KIND) >> 2] = RECORD_KIND_CONTROL;
  words[(record + RECORD_REST_LENGTH) >> 2] = json.length;
  words[(record + RECORD_IS_PLAIN) >> 2] = (isFirst ? PIECE_IS_FIRST : 0) | (isLast ? PIECE_IS_LAST : 0);
  bytes.set(json, record + RECORD_BODY);
  engine.commit(node, length);
  engine.publish(node);
  return true;
}

/**
 * Puts the pieces that one node sends together again. Either side may be a successor of one that died in the middle of
 * a message: then the rest of it comes to who has not seen its beginning, or a new one before the old one's end. Both
 * fragments are dropped, as all is that was in the rings of who died.
 */
export class ControlReader {
  #kept: Uint8Array[] = [];

  /** The message that a control record completes; undefined for none. */
  read(shared: SharedMemory, record: number): unknown {
    const { words, bytes } = shared;
    assert(words[(record + RECORD_KIND) >> 2] === RECORD_KIND_CONTROL, "the record is a control record");
    const length = words[(record + RECORD_REST_LENGTH) >> 2]!;
    const flags = words[(record + RECORD_IS_PLAIN) >> 2]!;
    if ((flags & PIECE_IS_FIRST) !== 0) this.#kept = [];
    else if (this.#kept.length === 0) return undefined;
    this.#kept.push(bytes.slice(record + RECORD_BODY, record + RECORD_BODY + length));
    if ((flags & PIECE_IS_LAST) === 0) return undefined;
    const pieces = this.#kept;
    this.#kept = [];
    return JSON.parse(decoder.decode(pieces.length === 1 ? pieces[0] : joined(pieces)));
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
