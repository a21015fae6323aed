/** Control records: what main, the logins thread and the acceptor tell a node, as JSON in the rings of messages. */
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

/** Bytes of JSON in one record. They are few compared with a ring, so that longer messages flow through it. */
const PIECE_BYTES = 32 * 1024;

/** Bits of RECORD_IS_PLAIN in a control record. */
const PIECE_IS_LAST = 1;
const PIECE_IS_FIRST = 2;

/** The part of a message that goes into one record. */
export interface ControlPiece {
  readonly json: Uint8Array;
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

/** Cuts a message into pieces, which are to be sent in this order. */
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
 * Writes a piece into the ring to a node and publishes it. False if the ring is full; then the caller must try again.
 * The node still has to be woken.
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
 * Puts the pieces that one node sends together again. Either node may have died in the middle of a message and have a
 * successor. Then a reader gets the rest of a message whose beginning it has not seen, or a new message before the end
 * of the old one. Both fragments are dropped, like everything that was in the rings of a node that died.
 */
export class ControlReader {
  #kept: Uint8Array[] = [];

  /** The message that a control record completes, or undefined. */
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
