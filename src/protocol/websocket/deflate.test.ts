import { expect, test } from "bun:test";
import { deflateRawSync } from "node:zlib";
import { deflateMessage, inflateMessage } from "./deflate.ts";
import { concat } from "./testing/frames.ts";

const text = (bytes: Uint8Array | null) => bytes && new TextDecoder().decode(bytes);
const bytes = (value: string) => new TextEncoder().encode(value);
/** RFC 7692, section 7.2.3.1: "Hello". */
const HELLO = new Uint8Array([0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);

test("inflateMessage() takes a message in pieces", () => {
  expect(text(inflateMessage([HELLO], 5))).toBe("Hello");
  expect(text(inflateMessage([HELLO.subarray(0, 2), HELLO.subarray(2)], 5))).toBe("Hello");
  expect(text(inflateMessage([new Uint8Array([0x00])], 5))).toBe("");
});

test("inflateMessage() takes the other forms of RFC 7692: stored, a final block, two blocks", () => {
  const stored = new Uint8Array([0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00]);
  const final = new Uint8Array([0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00]);
  const twoBlocks = concat(
    new Uint8Array([0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff]),
    new Uint8Array([0xca, 0xc9, 0xc9, 0x07, 0x00]),
  );
  for (const form of [stored, final, twoBlocks]) expect(text(inflateMessage([form], 100))).toBe("Hello");
});

test("inflateMessage() refuses what would be too large, however small it comes, and what is no deflate data", () => {
  expect(inflateMessage([HELLO], 4)).toBe(null);
  const bomb = deflateRawSync(new Uint8Array(64 * 1024 * 1024));
  expect(inflateMessage([bomb], 1024 * 1024)).toBe(null);
  expect(inflateMessage([], 100)).toBe(null);
  expect(inflateMessage([new Uint8Array([1, 2, 3, 4, 5, 6, 7])], 100)).toBe(null);
});

test("deflateMessage() is undone by inflateMessage(), and leaves out the end of its last block", () => {
  const message = "MSG a.b 1 5\r\nhello\r\n".repeat(100);
  const payload = deflateMessage(bytes(message));
  expect(payload.length).toBeLessThan(message.length / 10);
  expect([...payload.subarray(-4)]).not.toEqual([0, 0, 0xff, 0xff]);
  expect(text(inflateMessage([payload], message.length))).toBe(message);
});
