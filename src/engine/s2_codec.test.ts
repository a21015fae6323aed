import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { numbers } from "../base/testing/numbers.ts";
import { MEMORY_PAGES } from "../memory/map.ts";
import { unframeS2 } from "../protocol/s2_stream.ts";
import { maskedChecksum } from "../protocol/testing/chunks.ts";
import {
  S2_ARRIVED,
  S2_BETTER,
  S2_BLOCK_BYTES_MAX,
  S2_CHECKSUM_BYTES,
  S2_CHUNK_HEAD_BYTES,
  S2_COMPRESSED,
  S2_DECODED,
  S2_FAST,
  S2_OWN_BLOCK_BYTES,
  S2_OWN_BLOCK_GROWTH_BYTES,
  S2_PLAIN,
  S2_REGION_BYTES,
  S2_SLACK,
  S2_STORED,
} from "../runtime/s2/s2_region.ts";
import { createS2Codec } from "./s2_codec.ts";

const REGION = 65536;
const HEAD_BYTES = S2_CHUNK_HEAD_BYTES + S2_CHECKSUM_BYTES;
const CANARY = 0xa5;
const memory = new WebAssembly.Memory({ initial: MEMORY_PAGES, maximum: MEMORY_PAGES, shared: true });
const bytes = new Uint8Array(memory.buffer, 0, REGION + S2_REGION_BYTES + 4096);
const codec = createS2Codec(memory, REGION);

const PLAIN = REGION + S2_PLAIN;
const COMPRESSED = REGION + S2_COMPRESSED;
const ARRIVED = REGION + S2_ARRIVED;
const DECODED = REGION + S2_DECODED;

/** Makes a chunk of these bytes. Nothing behind the room for it may be touched. */
function encode(plain: Uint8Array, effort: number): Uint8Array {
  bytes.set(plain, PLAIN);
  const roomEnd = COMPRESSED + HEAD_BYTES + S2_OWN_BLOCK_BYTES + S2_OWN_BLOCK_GROWTH_BYTES + 16;
  bytes.fill(CANARY, COMPRESSED, roomEnd + 32);
  const length = codec.encodeChunk(COMPRESSED, PLAIN, plain.length, effort);
  expect(bytes.subarray(roomEnd, roomEnd + 32).every((byte) => byte === CANARY)).toBe(true);
  return bytes.slice(COMPRESSED, COMPRESSED + length);
}

/** Decodes a block; null if the unit refuses it. Nothing behind the length that it says may be touched. */
function decode(block: Uint8Array): Uint8Array | null {
  bytes.set(block, ARRIVED);
  // What lies behind the block must not matter.
  bytes.fill(0xff, ARRIVED + block.length, ARRIVED + block.length + S2_SLACK);
  const length = codec.decodedLength(ARRIVED, block.length);
  if (length < 0) return null;
  bytes.fill(CANARY, DECODED + length, DECODED + length + S2_SLACK);
  const isWhole = codec.decode(DECODED, ARRIVED, block.length) !== 0;
  expect(bytes.subarray(DECODED + length, DECODED + length + S2_SLACK).every((byte) => byte === CANARY)).toBe(
    true,
  );
  return isWhole ? bytes.slice(DECODED, DECODED + length) : null;
}

/** Decodes a block with the slow reader. */
function decodeSlowly(block: Uint8Array): Uint8Array | null {
  const length = block.length + S2_CHECKSUM_BYTES;
  const head = [0, length & 0xff, (length >> 8) & 0xff, length >> 16, 0, 0, 0, 0];
  return unframeS2(Uint8Array.of(...head, ...block), S2_BLOCK_BYTES_MAX);
}

const hex = (text: string) => Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
const ascii = (text: string) => new TextEncoder().encode(text);

/** Lines as on links: similar, but not the same. */
function lines(totalBytes: number): Uint8Array {
  const next = numbers(7);
  let text = "";
  while (text.length < totalBytes) {
    text += `RMSG $G orders.eu.${next(900)} 64\r\n{"id":${next(1e6)},"state":"${["new", "paid", "sent"][next(3)]}"}\r\n`;
  }
  return ascii(text.slice(0, totalBytes));
}

function noise(totalBytes: number): Uint8Array {
  const next = numbers(3);
  return Uint8Array.from({ length: totalBytes }, () => next(256));
}

const CONTENTS: readonly (readonly [string, Uint8Array])[] = [
  ["a line", ascii("PING\r\n")],
  ["one byte", Uint8Array.of(7)],
  ["zeros", new Uint8Array(S2_OWN_BLOCK_BYTES)],
  ["a short period", Uint8Array.from({ length: 5000 }, (_, i) => i % 3)],
  ["a period of nine", Uint8Array.from({ length: 5000 }, (_, i) => i % 9)],
  ["lines", lines(S2_OWN_BLOCK_BYTES)],
  ["a few lines", lines(700)],
  ["noise", noise(S2_OWN_BLOCK_BYTES)],
  [
    "noise, twice",
    Uint8Array.from({ length: 60_000 }, (_, i) => (i * i * 7 + ((i % 30_000) >> 3) * 31) & 0xff),
  ],
];
const EFFORTS = [
  ["stored", S2_STORED],
  ["fast", S2_FAST],
  ["better", S2_BETTER],
] as const;

describe("encodeChunk()", () => {
  for (const [name, effort] of EFFORTS) {
    for (const [what, plain] of CONTENTS) {
      test(`${name}: ${what} comes back, by both readers`, () => {
        const chunk = encode(plain, effort);
        expect(unframeS2(chunk, S2_BLOCK_BYTES_MAX)).toEqual(new Uint8Array(plain));
        const checksum = new DataView(chunk.buffer).getInt32(S2_CHUNK_HEAD_BYTES, true);
        expect(codec.checksum(PLAIN, plain.length)).toBe(checksum);
        if (chunk[0] === 0) expect(decode(chunk.subarray(HEAD_BYTES))).toEqual(new Uint8Array(plain));
        expect(chunk.length).toBeLessThanOrEqual(plain.length + HEAD_BYTES);
      });
    }
  }

  test("PING is the chunk that nats-server 2.15.2 sends", () => {
    const expected = Uint8Array.of(...hex("010a0000ab90cc24"), ...ascii("PING\r\n"));
    for (const [, effort] of EFFORTS) expect(encode(ascii("PING\r\n"), effort)).toEqual(expected);
  });

  test("noise is stored, lines get a third as long, and shorter still with more effort", () => {
    const sizes = (plain: Uint8Array) => EFFORTS.map(([, effort]) => encode(plain, effort).length);
    expect(sizes(noise(4096))).toEqual([4104, 4104, 4104]);
    const [stored, fast, better] = sizes(lines(S2_OWN_BLOCK_BYTES)) as [number, number, number];
    expect(stored).toBe(S2_OWN_BLOCK_BYTES + HEAD_BYTES);
    expect(fast).toBeLessThan(stored / 3);
    expect(better).toBeLessThan(fast);
  });

  test("anything comes back", () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 80 }),
      fc
        .tuple(fc.uint8Array({ minLength: 1, maxLength: 12 }), fc.integer({ min: 1, max: 80 }))
        .map(([unit, times]) =>
          Uint8Array.from({ length: unit.length * times }, (_, i) => unit[i % unit.length]!),
        ),
      fc.nat(900).map((number) => ascii(`RMSG $G a.${number} 5\r\nhello\r\n`)),
    );
    fc.assert(
      fc.property(
        fc.array(piece, { minLength: 1, maxLength: 60 }),
        fc.constantFrom(S2_FAST, S2_BETTER),
        (pieces, effort) => {
          const plain = Uint8Array.from(pieces.flatMap((each) => [...each])).subarray(0, S2_OWN_BLOCK_BYTES);
          fc.pre(plain.length > 0);
          const chunk = encode(plain, effort);
          expect(unframeS2(chunk, S2_BLOCK_BYTES_MAX)).toEqual(new Uint8Array(plain));
          if (chunk[0] === 0) expect(decode(chunk.subarray(HEAD_BYTES))).toEqual(new Uint8Array(plain));
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe("decode()", () => {
  const cases: readonly (readonly [string, string, string | null])[] = [
    ["nothing", "00", ""],
    ["no length", "", null],
    ["a length without an end", "8080808080", null],
    ["a length beyond any block's", "81808002", null],
    ["a literal", "03 08 616263", "abc"],
    ["a literal with its length in a byte", "03 f0 02 616263", "abc"],
    ["in two", "03 f4 0200 616263", "abc"],
    ["in three", "03 f8 020000 616263", "abc"],
    ["in four", "03 fc 02000000 616263", "abc"],
    ["a literal of 2^32 bytes", "03 fc ffffffff 616263", null],
    ["a literal that is cut short", "03 08 6162", null],
    ["a literal longer than the block", "02 08 616263", null],
    ["a literal without its length", "03 f4 02", null],
    ["a copy of two bytes", "08 0c 61626364 01 04", "abcdabcd"],
    ["a copy of three", "06 08 616263 0a 0300", "abcabc"],
    ["a copy of five", "06 08 616263 0b 03000000", "abcabc"],
    ["a copy into itself", "0c 00 61 2a 0100", "aaaaaaaaaaaa"],
    ["of two bytes each", "0c 04 6162 26 0200", "abababababab"],
    ["a repeat", "0c 0c 61626364 01 04 01 00", "abcdabcdabcd"],
    ["a repeat of nine", "11 0c 61626364 01 04 15 00 01", "abcdabcdabcdabcda"],
    ["a repeat with nothing to repeat", "08 0c 61626364 01 00", null],
    ["a copy from before the beginning", "08 0c 61626364 01 05", null],
    ["a copy from nowhere", "07 0c 61626364 0a 0000", null],
    ["a copy beyond the end", "07 0c 61626364 01 04", null],
    ["a copy that is cut short", "08 0c 61626364 01", null],
    ["a longer one that is", "08 0c 61626364 0e 04", null],
    ["the longest that is", "08 0c 61626364 0f 040000", null],
    ["a repeat that is", "11 0c 61626364 01 04 15 00", null],
    ["too little", "05 0c 61626364", null],
    ["something behind", "03 08 616263 00", null],
  ];
  for (const [what, block, plain] of cases) {
    test(`${what}: ${plain === null ? "refused" : "decoded"}`, () => {
      const encoded = hex(block.replaceAll(" ", ""));
      const expected = plain === null ? null : new Uint8Array(ascii(plain));
      expect(decode(encoded)).toEqual(expected);
    });
  }

  test("the longest repeats", () => {
    const repeat = (code: string, count: number) => {
      const length = 4 + 4 + count;
      const varint = [(length & 0x7f) | 0x80, ((length >> 7) & 0x7f) | 0x80, length >> 14];
      return Uint8Array.of(...varint, ...hex(`0c61626364${"0104"}${code}`));
    };
    for (const [code, count] of [
      ["1900ffff", 65_795],
      ["1d00000000", 65_540],
      ["1d00ff0100", 66_051],
    ] as const) {
      const decoded = decode(repeat(code, count))!;
      expect(decoded.length).toBe(8 + count);
      expect(decoded.every((byte, i) => byte === 0x61 + (i % 4))).toBe(true);
    }
  });

  test("a block of the largest size, and one byte more", () => {
    // A literal, and copies of 64 bytes each.
    const block = (length: number, copies: number) => {
      const varint = [length & 0x7f, (length >> 7) & 0x7f, (length >> 14) & 0x7f].map(
        (seven) => seven | 0x80,
      );
      const all = new Uint8Array(4 + 65 + 3 * copies + 1);
      all.set([...varint, length >> 21, 0xf0, 63]);
      for (let i = 0; i < copies; i++) all.set([0xfe, 64, 0], 4 + 66 + 3 * i);
      return all;
    };
    const copies = S2_BLOCK_BYTES_MAX / 64 - 1;
    expect(decode(block(S2_BLOCK_BYTES_MAX, copies))!.length).toBe(S2_BLOCK_BYTES_MAX);
    expect(decode(block(S2_BLOCK_BYTES_MAX + 1, copies))).toBeNull();
  });

  test("what is broken anywhere, or cut short, is what the slow reader makes of it", () => {
    const blocks = CONTENTS.flatMap(([, plain]) =>
      [S2_FAST, S2_BETTER]
        .map((effort) => encode(plain.subarray(0, 3000), effort))
        .filter((chunk) => chunk[0] === 0)
        .map((chunk) => chunk.slice(HEAD_BYTES)),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...blocks),
        fc.nat(),
        fc.nat(255),
        fc.nat(),
        fc.boolean(),
        (block, place, bits, cut, isCut) => {
          const broken = isCut ? block.slice(0, cut % (block.length + 1)) : block.slice();
          if (broken.length > 0) broken[place % broken.length]! ^= bits;
          expect(decode(broken)).toEqual(decodeSlowly(broken) as Uint8Array<ArrayBuffer> | null);
        },
      ),
      { numRuns: 2000 },
    );
  });

  test("noise is what the slow reader makes of it", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.integer({ min: 1, max: 127 }), (body, length) => {
        const block = Uint8Array.of(length, ...body);
        expect(decode(block)).toEqual(decodeSlowly(block) as Uint8Array<ArrayBuffer> | null);
      }),
      { numRuns: 2000 },
    );
  });
});

test("checksum() is CRC-32C, masked, at any length", () => {
  // Source: RFC 3720, B.4: 32 bytes of zeros, of ones, and from 0 on.
  const vectors: readonly (readonly [Uint8Array, number])[] = [
    [new Uint8Array(32), 0x8a9136aa],
    [new Uint8Array(32).fill(0xff), 0x62a8ab43],
    [Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
  ];
  for (const [plain, sum] of vectors) {
    bytes.set(plain, PLAIN + 3);
    const masked = (((sum >>> 15) | (sum << 17)) + 0xa282ead8) | 0;
    expect(codec.checksum(PLAIN + 3, plain.length)).toBe(masked);
  }
  for (const length of [0, 1, 7, 8, 1023, 1024, 1025, 2048, 5000]) {
    const plain = noise(length);
    bytes.set(plain, PLAIN);
    expect(codec.checksum(PLAIN, length)).toBe(maskedChecksum(plain) | 0);
  }
});
