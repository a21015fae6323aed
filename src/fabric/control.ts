/** Control records: what main and the acceptor tell a shard, as JSON in the same rings that carry messages. */
import { assert } from "../base/assert.ts";
import type { Engine } from "../engine/engine.ts";
import {
  RECORD_BODY,
  RECORD_KIND,
  RECORD_KIND_CONTROL,
  RECORD_LENGTH,
  RECORD_REST_LENGTH,
} from "../memory/layout.ts";
import type { SharedMemory } from "../memory/shared_memory.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * Writes and publishes a control record to a node; false when its ring is full and the caller must try again. The
 * node still has to be woken.
 */
export function sendControl(engine: Engine, shared: SharedMemory, node: number, message: unknown): boolean {
  const json = encoder.encode(JSON.stringify(message));
  const length = (RECORD_BODY + json.length + 15) & ~15;
  const record = engine.reserve(node, length);
  if (record === 0) return false;
  const { words, bytes } = shared;
  words[(record + RECORD_LENGTH) >> 2] = length;
  words[(record + RECORD_KIND) >> 2] = RECORD_KIND_CONTROL;
  words[(record + RECORD_REST_LENGTH) >> 2] = json.length;
  bytes.set(json, record + RECORD_BODY);
  engine.commit(node, length);
  engine.publish(node);
  return true;
}

/** The message of a control record. */
export function readControl(shared: SharedMemory, record: number): unknown {
  assert(shared.words[(record + RECORD_KIND) >> 2] === RECORD_KIND_CONTROL, "the record is a control record");
  const length = shared.words[(record + RECORD_REST_LENGTH) >> 2]!;
  // TextDecoder refuses a shared buffer: copy first.
  return JSON.parse(decoder.decode(shared.bytes.slice(record + RECORD_BODY, record + RECORD_BODY + length)));
}
