import { describe, expect, test } from "bun:test";
import { PayloadBuffers } from "./payload_buffers.ts";

const MIB = 1024 * 1024;

describe("PayloadBuffers", () => {
  test("a buffer comes back once all who hold it have released it", () => {
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

  test("views of a buffer stand for it, and other buffers are nobody's business", () => {
    const buffers = new PayloadBuffers();
    const first = buffers.take(200_000);
    buffers.release(first.subarray(10, 20));
    const other = new Uint8Array(262_144);
    buffers.hold(other);
    buffers.release(other);
    buffers.release(other);
    // Released already.
    buffers.release(first);
    const taken = [buffers.take(262_144), buffers.take(262_144)].map(({ buffer }) => buffer);
    expect(taken.filter((buffer) => buffer === first.buffer).length).toBe(1);
    expect(taken).not.toContain(other.buffer);
  });

  test("keeps four megabytes at most, and nothing that is larger", () => {
    const buffers = new PayloadBuffers();
    const taken = Array.from({ length: 6 }, () => buffers.take(MIB));
    for (const bytes of taken) buffers.release(bytes);
    const known = new Set(taken.map(({ buffer }) => buffer));
    const again = Array.from({ length: 6 }, () => buffers.take(MIB));
    expect(again.filter(({ buffer }) => known.has(buffer)).length).toBe(4);
    const large = buffers.take(4 * MIB + 1);
    expect(large.length).toBe(4 * MIB + 1);
    buffers.release(large);
    expect(buffers.take(4 * MIB + 1).buffer).not.toBe(large.buffer);
  });
});
