/** A ring between two nodes as a list. Positions only grow here, while the engine's wrap at 2³². */
import { RING_RESTART_BYTES } from "../../memory/layout.ts";
import type { Message } from "./specification.ts";

export interface ModelRecord {
  context: number;
  message: Message;
  queues: number[];
  isPlain: boolean;
  origin: number;
  wantsTaker: boolean;
  length: number;
  /** Where it begins, behind what it skips of the ring's end. */
  start: number;
  end: number;
}

export class ModelRing {
  readonly capacity: number;
  /** Where the producer writes next, and how far it has published its records. */
  position: number;
  head: number;
  /** How far the consumer has taken records, and how far it has given the room back. */
  taken: number;
  tail: number;
  /** Records that are not taken yet. */
  records: ModelRecord[] = [];

  constructor(capacity: number, start: number) {
    this.capacity = capacity;
    this.position = start;
    this.head = start;
    this.taken = start;
    this.tail = start;
  }

  /** Where a record of `length` bytes would begin, or −1 while there is no room. */
  place(length: number): number {
    const index = this.position % this.capacity;
    const isEmpty = this.head === this.position && this.tail === this.position;
    const isRestart =
      index + length > this.capacity ||
      (isEmpty && index >= length && index >= Math.min(RING_RESTART_BYTES, this.capacity / 2));
    const start = isRestart ? this.position + this.capacity - index : this.position;
    return start + length - this.tail > this.capacity ? -1 : start;
  }

  add(record: Omit<ModelRecord, "start" | "end">): void {
    const start = this.place(record.length);
    if (start < 0) throw new Error("the model adds a record only where there is room");
    this.position = start + record.length;
    this.records.push({ ...record, start, end: this.position });
  }

  publish(): void {
    this.head = this.position;
  }

  /** The next record that is published, or undefined. What is skipped before it counts as taken then. */
  next(): ModelRecord | undefined {
    const [record] = this.records;
    if (record === undefined || record.end > this.head) return undefined;
    this.taken = record.start;
    return record;
  }

  /** Bytes that are published and not taken. */
  get available(): number {
    return this.head - this.taken;
  }

  take(): void {
    const record = this.records.shift();
    if (record !== undefined) this.taken = record.end;
  }

  release(): void {
    this.tail = this.taken;
  }
}
