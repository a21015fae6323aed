import { expect, test } from "bun:test";
import fc from "fast-check";
import { applyMask, maskAt, rotateMask } from "./mask.ts";

const MASK = [0x11, 0x92, 0xa3, 0xf4];

test("applyMask() is byte by byte what RFC 6455 says, at any place, length and cut", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 0, maxLength: 80 }),
      fc.nat(7),
      fc.nat(80),
      (payload, place, cutAt) => {
        const memory = new Uint8Array(128);
        const words = new Int32Array(memory.buffer);
        memory.set(payload, place);
        const end = place + payload.length;
        const cut = Math.min(place + cutAt, end);
        const mask = maskAt(new Uint8Array(MASK), 0);
        applyMask(memory, words, place, cut, mask);
        applyMask(memory, words, cut, end, rotateMask(mask, cut - place));
        expect([...memory.subarray(place, end)]).toEqual([...payload].map((byte, i) => byte ^ MASK[i % 4]!));
        expect(memory.subarray(0, place).every((byte) => byte === 0)).toBe(true);
        expect(memory.subarray(end).every((byte) => byte === 0)).toBe(true);
      },
    ),
  );
});
