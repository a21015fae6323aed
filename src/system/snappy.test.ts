import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { unframeSnappy } from "../../test/support/snappy.ts";
import { frameSnappy } from "./snappy.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);

describe("frameSnappy()", () => {
  test("of nothing is the identifier", () => {
    expect([...frameSnappy(new Uint8Array(0))]).toEqual([0xff, 6, 0, 0, ...bytesOf("sNaPpY")]);
  });

  test("keeps what cannot be made smaller, with the checksum of the format", () => {
    // CRC-32C of "123456789" is e3069283.
    const masked = ((0xe3069283 >>> 15) | (0xe3069283 << 17)) + 0xa282ead8;
    const checksum = [0, 8, 16, 24].map((shift) => (masked >>> shift) & 0xff);
    const stream = frameSnappy(bytesOf("123456789"));
    expect([...stream.subarray(10)]).toEqual([1, 13, 0, 0, ...checksum, ...bytesOf("123456789")]);
  });

  test("makes what repeats itself small", () => {
    const plain = bytesOf('{"name":"value","other":1}'.repeat(10_000));
    const stream = frameSnappy(plain);
    expect(stream.length).toBeLessThan(plain.length / 10);
    expect(unframeSnappy(stream)).toEqual(plain);
  });

  test("comes back whole, whatever it is", () => {
    const pieces = fc.array(
      fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.constant(bytesOf("abcdabcdabcd"))),
      {
        maxLength: 30,
      },
    );
    fc.assert(
      fc.property(pieces, fc.integer({ min: 1, max: 400 }), (parts, times) => {
        const once = parts.flatMap((part) => [...part]);
        const plain = Uint8Array.from({ length: once.length * times }, (_, i) => once[i % once.length]!);
        expect(unframeSnappy(frameSnappy(plain))).toEqual(plain);
      }),
      { numRuns: 60 },
    );
  });
});
