import { describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { inflateRawSync } from "node:zlib";
import fc from "fast-check";
import { numbers } from "../base/testing/numbers.ts";
import { MEMORY_PAGES } from "../memory/map.ts";
import { FINAL_BLOCK, SYNC_FLUSH_TAIL } from "../protocol/websocket/compression.ts";
import { deflated } from "../protocol/websocket/testing/deflated.ts";
import {
  DEFLATE_BLOCK_BYTES,
  DEFLATE_BLOCK_GROWTH_BYTES,
  DEFLATE_OUTPUT,
  DEFLATE_SLACK,
} from "../runtime/websocket/deflate_region.ts";
import { createDeflater } from "./deflater.ts";

const REGION = 65536;
const MESSAGE_BYTES_MAX = 3 * DEFLATE_BLOCK_BYTES;
const OUTPUT = REGION + DEFLATE_OUTPUT;
const MESSAGE = OUTPUT + 2 * MESSAGE_BYTES_MAX;
const CANARY = 0xa5;
const memory = new WebAssembly.Memory({ initial: MEMORY_PAGES, maximum: MEMORY_PAGES, shared: true });
const bytes = new Uint8Array(memory.buffer, 0, MESSAGE + 2 * MESSAGE_BYTES_MAX);
const deflater = createDeflater(memory, REGION);

/** Deflates a message. Nothing behind the room for the result may be touched. */
function deflate(message: Uint8Array): Uint8Array {
  bytes.set(message, MESSAGE);
  // What lies behind the message must not matter.
  bytes.set(message.subarray(0, DEFLATE_SLACK), MESSAGE + message.length);
  const growth = Math.ceil(message.length / DEFLATE_BLOCK_BYTES) * DEFLATE_BLOCK_GROWTH_BYTES;
  const roomEnd = OUTPUT + message.length + growth + DEFLATE_SLACK;
  bytes.fill(CANARY, roomEnd, roomEnd + 32);
  const length = deflater.deflate(OUTPUT, MESSAGE, message.length);
  expect(bytes.subarray(roomEnd, roomEnd + 32).every((byte) => byte === CANARY)).toBe(true);
  expect(length).toBeLessThanOrEqual(message.length + growth + 1);
  return new Uint8Array(bytes.subarray(OUTPUT, OUTPUT + length));
}

function expectDeflated(message: Uint8Array): Uint8Array {
  const payload = deflate(message);
  const inflated = inflateRawSync(Buffer.concat([payload, SYNC_FLUSH_TAIL, FINAL_BLOCK]));
  expect(inflated.equals(message)).toBe(true);
  return payload;
}

const ascii = (text: string) => new TextEncoder().encode(text);

function noise(length: number, next = numbers(1), values = 256): Uint8Array {
  return Uint8Array.from({ length }, () => next(values));
}

/** Records that are similar, but not the same. */
function records(length: number): Uint8Array {
  const next = numbers(5);
  let text = "";
  while (text.length < length) {
    text += `{"id":${next(1e6)},"state":"${["new", "paid", "sent"][next(3)]}","total":${next(1e4)}},`;
  }
  return ascii(text.slice(0, length));
}

describe("deflate()", () => {
  test("messages of every length around what is read at a time, and around a block", () => {
    const around = (length: number) => Array.from({ length: 21 }, (_, i) => length - 10 + i);
    for (const length of [...around(10), ...around(65), ...around(258), ...around(DEFLATE_BLOCK_BYTES)]) {
      for (const whole of [records(length), noise(length), new Uint8Array(length)]) expectDeflated(whole);
    }
  });

  test("whatever a message repeats, from however far back", () => {
    const piece = fc.oneof(
      fc.record({ fresh: fc.uint8Array({ maxLength: 300 }) }),
      fc.record({ back: fc.integer({ min: 1, max: 40_000 }), count: fc.integer({ min: 1, max: 1000 }) }),
      fc.record({ fill: fc.integer({ min: 0, max: 20_000 }) }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), fc.integer(), (pieces, seed) => {
        const next = numbers(seed);
        const message = new Uint8Array(MESSAGE_BYTES_MAX);
        let at = 0;
        for (const each of pieces) {
          const room = MESSAGE_BYTES_MAX - at;
          if ("fresh" in each) {
            message.set(each.fresh.subarray(0, room), at);
            at += Math.min(each.fresh.length, room);
          } else if ("fill" in each) {
            const count = Math.min(each.fill, room);
            message.set(noise(count, next, 1 + next(255)), at);
            at += count;
          } else {
            const back = Math.min(each.back, at);
            for (let i = 0; back > 0 && i < Math.min(each.count, room); i++, at++)
              message[at] = message[at - back]!;
          }
        }
        expectDeflated(message.subarray(0, at));
      }),
      { numRuns: 300 },
    );
  });

  test("codes are cut to the lengths that may be sent, whatever a skewed message asks for", () => {
    // If symbols are used as often as Fibonacci's numbers say, each has a code one bit longer than the next.
    const counts = [1, 1];
    while (counts.length < 20) counts.push(counts.at(-1)! + counts.at(-2)!);
    const symbols = counts.flatMap((count, symbol) => Array.from({ length: count }, () => symbol * 7));
    const next = numbers(3);
    for (let i = symbols.length - 1; i > 0; i--) {
      const other = next(i + 1);
      [symbols[i], symbols[other]] = [symbols[other]!, symbols[i]!];
    }
    expect(symbols.length).toBeLessThan(DEFLATE_BLOCK_BYTES);
    expectDeflated(Uint8Array.from(symbols));
  });

  test("each kind of block is used where it is the shortest", () => {
    const kindOf = (message: Uint8Array) => (expectDeflated(message)[0]! >> 1) & 3;
    expect(kindOf(noise(1000))).toBe(0);
    expect(kindOf(ascii("hello, hello, hello"))).toBe(1);
    expect(kindOf(records(1000))).toBe(2);
  });

  test("records become no longer than zlib makes them at its best speed", () => {
    for (const length of [300, 1000, 65_536]) {
      const message = records(length);
      expect(deflate(message).length).toBeLessThanOrEqual(deflated(message, 1).length);
    }
  });

  test("what does not compress grows by five bytes a block at most, and the end of the flush", () => {
    expect(expectDeflated(noise(2 * DEFLATE_BLOCK_BYTES)).length).toBe(2 * (DEFLATE_BLOCK_BYTES + 5) + 1);
  });
});
