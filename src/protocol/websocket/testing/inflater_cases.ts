/** What every inflater does. */
import { describe, expect, test } from "bun:test";
import { deflateRawSync } from "node:zlib";
import type { InflatedMessage, Inflater } from "../compression.ts";
import { deflated } from "./deflated.ts";
import { concat } from "./frames.ts";

const MIB = 1024 * 1024;
const text = (message: InflatedMessage | null) => message && new TextDecoder().decode(takeAll(message));
/** RFC 7692, section 7.2.3.1: "Hello". */
const HELLO = new Uint8Array([0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);

/** An inflated message, taken in three parts. */
function takeAll(message: InflatedMessage): Uint8Array {
  const whole = new Uint8Array(new ArrayBuffer(message.leftBytes));
  let at = 0;
  for (const end of [Math.min(1, whole.length), whole.length >> 1, whole.length]) {
    at += message.take(whole.subarray(at, end));
  }
  if (at !== whole.length || message.leftBytes !== 0) throw new Error(`${at} of ${whole.length} bytes taken`);
  return whole;
}

export function testInflater(name: string, open: () => Inflater): void {
  describe(name, () => {
    test("inflate() takes a message in pieces", () => {
      const inflater = open();
      expect(text(inflater.inflate([HELLO], 5))).toBe("Hello");
      expect(text(inflater.inflate([HELLO.subarray(0, 2), HELLO.subarray(2)], 5))).toBe("Hello");
      expect(text(inflater.inflate([new Uint8Array([0x00])], 5))).toBe("");
    });

    test("inflate() takes the other forms of RFC 7692: stored, a final block, two blocks", () => {
      const inflater = open();
      const stored = new Uint8Array([0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00]);
      const final = new Uint8Array([0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00]);
      const twoBlocks = concat(
        new Uint8Array([0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff]),
        new Uint8Array([0xca, 0xc9, 0xc9, 0x07, 0x00]),
      );
      for (const form of [stored, final, twoBlocks]) {
        expect(text(inflater.inflate([form], 100))).toBe("Hello");
      }
    });

    test("inflate() refuses what would be too large, however small it comes, and what is no deflate data", () => {
      const inflater = open();
      expect(inflater.inflate([HELLO], 4)).toBe(null);
      const bomb = deflateRawSync(new Uint8Array(64 * MIB));
      expect(inflater.inflate([bomb], MIB)).toBe(null);
      expect(inflater.inflate([], 100)).toBe(null);
      expect(inflater.inflate([HELLO.subarray(0, 3)], 100)).toBe(null);
      expect(inflater.inflate([new Uint8Array([1, 2, 3, 4, 5, 6, 7])], 100)).toBe(null);
      expect(text(inflater.inflate([HELLO], 5))).toBe("Hello");
    });

    test("a message that is not taken yet is not touched by the next one", () => {
      const inflater = open();
      const payloads = ["first", "second"].map((value) => deflated(value));
      const [first, second] = payloads.map((payload) => inflater.inflate([payload], 100));
      expect(text(second!)).toBe("second");
      expect(text(first!)).toBe("first");
    });

    test("messages of any length and kind come back, one after the other, whatever was expected of them", () => {
      const inflater = open();
      for (const length of [0, 1, 65, 1000, 70_000, 3 * MIB, 66]) {
        const noise = new Uint8Array(new ArrayBuffer(length));
        for (let at = 0; at < length; at += 65_536) crypto.getRandomValues(noise.subarray(at, at + 65_536));
        for (const message of [noise, new Uint8Array(new ArrayBuffer(length))]) {
          const payload = deflated(message);
          for (const expectedBytes of [0, length, 2 * length]) {
            const inflated = inflater.inflate([payload], Math.max(length, 1), expectedBytes);
            expect(Buffer.from(takeAll(inflated!)).equals(message)).toBe(true);
          }
        }
      }
    });
  });
}
