/// <reference lib="webworker" />
/** One side of a ring, in a thread of its own. It writes or checks records whose content follows from their number. */
import {
  AREA_IN_RINGS,
  AREA_OUT_RINGS,
  RECORD_BODY,
  RECORD_KIND,
  RECORD_KIND_MESSAGE,
  RECORD_LENGTH,
  RING_END_BYTES,
  RING_END_RING,
  RING_HEAD,
  RING_TAIL,
} from "../../memory/layout.ts";
import { createEngine } from "../engine.ts";
import { NO_HOST } from "../no_host.ts";

export interface RingWork {
  memory: WebAssembly.Memory;
  area: number;
  other: number;
  isProducer: boolean;
  recordCount: number;
  recordBytesMax: number;
}

declare const self: DedicatedWorkerGlobalScope;

self.onmessage = ({ data }: MessageEvent<RingWork>) => {
  try {
    self.postMessage(data.isProducer ? produce(data) : consume(data));
  } catch (error) {
    self.postMessage(`${error}`);
  }
};

/** Random numbers that are the same on both sides. */
function draws(): (below: number) => number {
  let state = 12345;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return Math.floor(((state >>> 0) / 2 ** 32) * below);
  };
}

function lengthOf(next: (below: number) => number, bytesMax: number): number {
  const isLong = next(4) === 0;
  return RECORD_BODY + 16 * next(((isLong ? bytesMax : 256) - RECORD_BODY) / 16 + 1);
}

function produce({ memory, area, other, recordCount, recordBytesMax }: RingWork): string {
  const engine = createEngine(memory, area, NO_HOST);
  const words = new Int32Array(memory.buffer);
  const ring = words[(area + AREA_OUT_RINGS + other * RING_END_BYTES + RING_END_RING) >> 2]!;
  const next = draws();
  const pace = draws();
  let fullCount = 0;
  for (let number = 1; number <= recordCount; number++) {
    const length = lengthOf(next, recordBytesMax);
    let record = engine.reserve(other, length);
    while (record === 0) {
      fullCount++;
      engine.publish(other);
      Atomics.notify(words, (ring + RING_HEAD) >> 2);
      const tail = Atomics.load(words, (ring + RING_TAIL) >> 2);
      record = engine.reserve(other, length);
      // It asks again after it has read the tail, because the tail moves before there is room.
      if (record === 0) Atomics.wait(words, (ring + RING_TAIL) >> 2, tail, 1000);
    }
    words[(record + RECORD_LENGTH) >> 2] = length;
    words[(record + RECORD_KIND) >> 2] = RECORD_KIND_MESSAGE;
    for (let at = record + 8; at < record + length; at += 4) words[at >> 2] = (number << 12) ^ (at - record);
    engine.commit(other, length);
    if (pace(20) === 0) {
      engine.publish(other);
      Atomics.notify(words, (ring + RING_HEAD) >> 2);
    }
  }
  engine.publish(other);
  Atomics.notify(words, (ring + RING_HEAD) >> 2);
  return fullCount > 0 ? "done" : "the ring was never full";
}

function consume({ memory, area, other, recordCount, recordBytesMax }: RingWork): string {
  const engine = createEngine(memory, area, NO_HOST);
  const words = new Int32Array(memory.buffer);
  const ring = words[(area + AREA_IN_RINGS + other * RING_END_BYTES + RING_END_RING) >> 2]!;
  const next = draws();
  const pace = draws();
  let emptyCount = 0;
  for (let number = 1; number <= recordCount; number++) {
    const length = lengthOf(next, recordBytesMax);
    let record = engine.peek(other);
    while (record === 0) {
      emptyCount++;
      engine.release(other);
      Atomics.notify(words, (ring + RING_TAIL) >> 2);
      const head = Atomics.load(words, (ring + RING_HEAD) >> 2);
      record = engine.peek(other);
      if (record === 0) Atomics.wait(words, (ring + RING_HEAD) >> 2, head, 1000);
    }
    if (words[(record + RECORD_LENGTH) >> 2] !== length) return `record ${number} has another length`;
    for (let at = record + 8; at < record + length; at += 4) {
      if (words[at >> 2] !== ((number << 12) ^ (at - record))) return `record ${number} has other bytes`;
    }
    engine.skip(other, record);
    if (pace(10) === 0) {
      engine.release(other);
      Atomics.notify(words, (ring + RING_TAIL) >> 2);
    }
  }
  engine.release(other);
  Atomics.notify(words, (ring + RING_TAIL) >> 2);
  if (engine.peek(other) !== 0) return "there is a record too many";
  return emptyCount > 0 ? "done" : "the ring was never empty";
}
