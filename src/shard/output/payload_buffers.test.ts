import { describe, expect, test } from "bun:test";
import { PayloadBuffers } from "./payload_buffers.ts";

const MIB = 1024 * 1024;

describe("PayloadBuffers", () => {
  test("a buffer comes back once all holds on it are released", () => {
    const buffers = new PayloadBuffers();
    const first = buffers.take(MIB);
    expect(first.length).toBe(MIB);
    buffers.hold(first);
    buffers.release(first);
    expect(buffers.take(MIB).buffer).not.toBe(first.buffer);
    buffers.release(first);
    const again = buffers.take(MIB - 1);
    expect(again.buffer).toBe(first.buffer);
    expect(again.length).toBe(MIB - 1);
  });

  test("a view stands for its buffer, and buffers from elsewhere never become spares", () => {
    const buffers = new PayloadBuffers();
    const first = buffers.take(200_000);
    buffers.release(first.subarray(10, 20));
    const other = new Uint8Array(262_144);
    buffers.hold(other);
    buffers.release(other);
    buffers.release(other);
    // The buffer is a spare already.
    buffers.release(first);
    const taken = [buffers.take(200_000), buffers.take(200_000)].map(({ buffer }) => buffer);
    expect(taken.filter((buffer) => buffer === first.buffer).length).toBe(1);
    expect(taken).not.toContain(other.buffer);
  });

  test("a spare is used for what it fits, and not for what would waste most of it", () => {
    const buffers = new PayloadBuffers();
    const first = buffers.take(MIB);
    buffers.release(first);
    expect(buffers.take(MIB + 1).buffer).not.toBe(first.buffer);
    expect(buffers.take(MIB / 4).buffer).not.toBe(first.buffer);
    expect(buffers.take(MIB / 2).buffer).toBe(first.buffer);
  });

  test("four megabytes are kept, the ones released last", () => {
    const buffers = new PayloadBuffers();
    const taken = Array.from({ length: 6 }, () => buffers.take(MIB));
    for (const bytes of taken) buffers.release(bytes);
    const kept = new Set(taken.slice(2).map(({ buffer }) => buffer));
    const again = Array.from({ length: 6 }, () => buffers.take(MIB));
    expect(again.filter(({ buffer }) => kept.has(buffer)).length).toBe(4);
    const large = buffers.take(4 * MIB + 1);
    buffers.release(large);
    expect(buffers.take(4 * MIB + 1).buffer).not.toBe(large.buffer);
  });
});
