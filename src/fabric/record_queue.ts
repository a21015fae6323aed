/**
 * Sends what a thread with an event loop has for other nodes, in order. What a ring has no room for waits here and is
 * tried again.
 */
import type { Engine } from "../engine/engine.ts";
import {
  RECORD_BODY,
  RECORD_KIND,
  RECORD_KIND_PIECE,
  RECORD_LENGTH,
  RECORD_REST_LENGTH,
} from "../memory/layout.ts";
import type { SharedMemory } from "../memory/shared_memory.ts";
import { controlPieces, sendPiece } from "./control.ts";
import { type Delivery, recordBytes, writeRecord } from "./message_record.ts";
import type { Wake } from "./wake.ts";

/** How long to wait for room in a ring. There is some as soon as its node has its next turn. */
const RETRY_MS = 1;
/** Payload of one piece of a large message. It is small compared with a ring, so that pieces flow. */
const PIECE_BYTES = 32 * 1024;

/** Writes one record. False if there is no room for it yet. */
type Writer = () => boolean;

export class RecordQueue {
  readonly #engine: Engine;
  readonly #shared: SharedMemory;
  readonly #wake: Wake;
  readonly #waiting = new Map<number, Writer[]>();
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(engine: Engine, shared: SharedMemory, wake: Wake) {
    this.#engine = engine;
    this.#shared = shared;
    this.#wake = wake;
  }

  /** Sends a command, as JSON. */
  sendControl(node: number, command: unknown): void {
    const pieces = controlPieces(command);
    this.#send(
      node,
      pieces.map((piece) => () => sendPiece(this.#engine, this.#shared, node, piece)),
    );
  }

  sendMessage(node: number, delivery: Delivery): void {
    const writers: Writer[] = [
      () => this.#write(node, recordBytes(delivery), (at) => writeRecord(this.#shared, at, delivery)),
    ];
    const { bytes, isLarge } = delivery.message;
    for (let from = 0; isLarge && from < bytes.length; from += PIECE_BYTES) {
      const piece = bytes.subarray(from, from + PIECE_BYTES);
      writers.push(() => this.#write(node, RECORD_BODY + piece.length, (at) => this.#writePiece(at, piece)));
    }
    this.#send(node, writers);
  }

  /** Wakes the links shard, because interest has changed that other servers are to be told. */
  wakeLinks(): void {
    const { linksNode } = this.#shared.map;
    if (linksNode !== 0) this.#wake.ifAsleep(linksNode);
  }

  /** Forgets what waits for a node that is gone. */
  forget(node: number): void {
    this.#waiting.delete(node);
  }

  #send(node: number, writers: Writer[]): void {
    const waiting = this.#waiting.get(node);
    if (waiting !== undefined) {
      waiting.push(...writers);
      return;
    }
    this.#writeAll(node, writers);
    if (writers.length === 0) return;
    this.#waiting.set(node, writers);
    this.#timer ??= setTimeout(() => this.#retry(), RETRY_MS);
  }

  #retry(): void {
    this.#timer = null;
    for (const [node, writers] of this.#waiting) {
      this.#writeAll(node, writers);
      if (writers.length === 0) this.#waiting.delete(node);
    }
    if (this.#waiting.size > 0) this.#timer = setTimeout(() => this.#retry(), RETRY_MS);
  }

  /** Writes as long as there is room, and takes what was written off the list. */
  #writeAll(node: number, writers: Writer[]): void {
    while (writers.length > 0 && writers[0]!()) writers.shift();
    // If there was no room, the node may be asleep although its ring is full, so it is woken in any case.
    this.#wake.ifAsleep(node);
  }

  #write(node: number, bytes: number, write: (record: number) => void): boolean {
    const length = (bytes + 15) & ~15;
    const record = this.#engine.reserve(node, length);
    if (record === 0) return false;
    this.#shared.words[(record + RECORD_LENGTH) >> 2] = length;
    write(record);
    this.#engine.commit(node, length);
    this.#engine.publish(node);
    return true;
  }

  #writePiece(record: number, piece: Uint8Array): void {
    const { words, bytes } = this.#shared;
    words[(record + RECORD_KIND) >> 2] = RECORD_KIND_PIECE;
    words[(record + RECORD_REST_LENGTH) >> 2] = piece.length;
    bytes.set(piece, record + RECORD_BODY);
  }
}
