import { expect, test } from "bun:test";
import { WOULD_BLOCK } from "../poller.ts";
import { RECORD_BYTES_MAX } from "./libssl.ts";
import { RecordWriter } from "./record_writer.ts";

const SLOT = 3;
const RECORD = 1 << 20;
const PIECES = 2 << 20;

/** A writer over a memory of its own, in which addresses are offsets. The kernel takes as much as `room` says. */
function setUp() {
  const memory = new Uint8Array(4 << 20);
  const words = new Uint32Array(memory.buffer);
  const sent: number[] = [];
  const out: number[] = [];
  const kernel = { room: Number.POSITIVE_INFINITY };
  const memcpy = (target: number, source: number, length: number) => {
    memory.copyWithin(target, source, source + length);
    return target;
  };
  /** Like OpenSSL: a record that the kernel has no room for is made, and goes out when it is offered again. */
  let made: Uint8Array | null = null;
  const writer = new RecordWriter(memcpy, RECORD, words, 8, (slot, address, length) => {
    expect(slot).toBe(SLOT);
    made ??= memory.slice(address, address + length);
    expect(made.length).toBe(length);
    if (kernel.room < length) return WOULD_BLOCK;
    kernel.room -= length;
    sent.push(length);
    out.push(...made);
    made = null;
    return length;
  });
  /**
   * Puts pieces of so many bytes into the memory, and their iovecs at its start. The bytes count up over all pieces.
   */
  const pieces = (...lengths: number[]) => {
    let at = PIECES;
    let value = 0;
    for (const [i, length] of lengths.entries()) {
      words.set([at, 0, length, 0], i * 4);
      for (let j = 0; j < length; j++) memory[at + j] = value++;
      at += length + 64;
    }
    return value;
  };
  return { memory, writer, kernel, sent, out, pieces };
}

test("writePieces() fills records from many pieces, in order", () => {
  const { writer, sent, out, pieces } = setUp();
  const total = pieces(10, RECORD_BYTES_MAX - 20, 1, 0, 300);
  expect(writer.writePieces(SLOT, 0, 5)).toBe(total);
  expect(sent).toEqual([RECORD_BYTES_MAX, total - RECORD_BYTES_MAX]);
  expect(out.every((byte, i) => byte === (i & 255))).toBe(true);
});

test("writeRange() cuts what is longer than a record", () => {
  const { writer, sent } = setUp();
  expect(writer.writeRange(SLOT, PIECES, 2 * RECORD_BYTES_MAX + 5)).toBe(2 * RECORD_BYTES_MAX + 5);
  expect(sent).toEqual([RECORD_BYTES_MAX, RECORD_BYTES_MAX, 5]);
});

test("a record that is owed goes out once, however the caller cuts what it offers again", () => {
  const { memory, writer, kernel, out, pieces } = setUp();
  const total = pieces(100, 50);
  kernel.room = 0;
  expect(writer.writePieces(SLOT, 0, 2)).toBe(WOULD_BLOCK);
  expect(writer.isOwed(SLOT)).toBe(true);
  kernel.room = 1000;
  // Only the first piece is offered. The record with both is out, so the second is credit.
  expect(writer.writePiece(SLOT, 0)).toBe(100);
  expect(writer.isOwed(SLOT)).toBe(false);
  const rest = memory.slice(PIECES + 164, PIECES + 164 + 50);
  memory.set(rest, PIECES + 1000);
  expect(writer.writeRange(SLOT, PIECES + 1000, 50)).toBe(50);
  expect(out).toEqual(Array.from({ length: total }, (_, i) => i));
});

test("what is taken before the kernel is full counts", () => {
  const { writer, kernel } = setUp();
  kernel.room = RECORD_BYTES_MAX;
  expect(writer.writeRange(SLOT, PIECES, RECORD_BYTES_MAX + 5)).toBe(RECORD_BYTES_MAX);
  expect(writer.isOwed(SLOT)).toBe(true);
});
