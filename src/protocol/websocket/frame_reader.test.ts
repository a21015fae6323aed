import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { FRAMES_CONTROL, FRAMES_PIECE, FRAMES_TAKEN, FRAMES_VIOLATION, FrameReader } from "./frame_reader.ts";
import { createUnmask } from "./mask.ts";
import { concat, type FrameParts, frame } from "./testing/frames.ts";

/** What a reader made of bytes that came in pieces. */
interface Outcome {
  text: string;
  controls: [opcode: number, payload: string][];
  /** Payloads of compressed messages. */
  messages: string[];
  violation: string;
}

const decoder = new TextDecoder();

/** Reads pieces as a poller does: each to the same place of a memory, at an odd address. */
function readAll(reader: FrameReader, pieces: readonly Uint8Array[]): Outcome {
  const outcome: Outcome = { text: "", controls: [], messages: [], violation: "" };
  const memory = new Uint8Array(new ArrayBuffer(1024 * 1024));
  const unmask = createUnmask(memory, new Int32Array(memory.buffer));
  let message = "";
  for (const piece of pieces) {
    const start = 4095;
    memory.set(piece, start);
    const end = start + piece.length;
    let to = reader.read(memory, unmask, start, end, start);
    while (reader.reason !== FRAMES_TAKEN) {
      if (reader.reason === FRAMES_CONTROL) {
        const { opcode, control, controlBytes } = reader;
        outcome.controls.push([opcode, decoder.decode(control.subarray(0, controlBytes))]);
      } else if (reader.reason === FRAMES_PIECE) {
        message += decoder.decode(memory.subarray(reader.pieceStart, reader.pieceEnd));
        if (reader.isPieceLast) {
          outcome.messages.push(message);
          message = "";
        }
      } else if (reader.reason === FRAMES_VIOLATION) {
        outcome.violation = reader.violation;
        outcome.text += decoder.decode(memory.subarray(start, to));
        return outcome;
      }
      to = reader.read(memory, unmask, reader.at, end, to);
    }
    outcome.text += decoder.decode(memory.subarray(start, to));
  }
  return outcome;
}

const read = (...pieces: readonly Uint8Array[]) => readAll(new FrameReader(true, false), pieces);

/** `bytes` cut at these places, which may be anything. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const ends = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [...ends, bytes.length].map((end, i) => bytes.subarray(i === 0 ? 0 : ends[i - 1], end));
}

describe("FrameReader", () => {
  test("payloads become one stream, whatever the frames, and wherever they are cut", () => {
    const aFrame = fc.record({
      opcode: fc.constantFrom(1, 2),
      payload: fc.string({ maxLength: 300 }),
      mask: fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)),
      lengthBytes: fc.constantFrom(0 as const, 2 as const, 8 as const),
      ping: fc.option(fc.string({ maxLength: 30, unit: "binary-ascii" })),
      parts: fc.integer({ min: 1, max: 3 }),
    });
    fc.assert(
      fc.property(
        fc.array(aFrame, { maxLength: 8 }),
        fc.array(fc.nat(4000), { maxLength: 30 }),
        (all, places) => {
          const bytes = concat(
            ...all.flatMap(({ opcode, payload, mask, lengthBytes, ping, parts }) => {
              const whole = new TextEncoder().encode(payload);
              const size = Math.ceil(whole.length / parts);
              const frames = Array.from({ length: parts }, (_, i) =>
                frame({
                  opcode: i === 0 ? opcode : 0,
                  payload: whole.subarray(i * size, (i + 1) * size),
                  mask,
                  lengthBytes,
                  isFinal: i === parts - 1,
                }),
              );
              const [first, ...rest] = frames;
              return ping === null ? frames : [first!, frame({ opcode: 9, payload: ping, mask }), ...rest];
            }),
          );
          const outcome = read(...cut(bytes, places));
          expect(outcome.text).toBe(all.map(({ payload }) => payload).join(""));
          expect(outcome.controls).toEqual(all.flatMap(({ ping }) => (ping === null ? [] : [[9, ping]])));
          expect(outcome.violation).toBe("");
        },
      ),
    );
  });

  test("a frame of 200 KB in pieces, after others in the same read", () => {
    const large = "0123456789".repeat(20_000);
    const bytes = concat(
      frame({ payload: "PING\r\n" }),
      frame({ payload: large }),
      frame({ payload: "end" }),
    );
    const pieces = Array.from({ length: Math.ceil(bytes.length / 9001) }, (_, i) =>
      bytes.subarray(i * 9001, (i + 1) * 9001),
    );
    expect(read(...pieces).text).toBe(`PING\r\n${large}end`);
  });

  test("control frames stand between the frames of a message, and may be empty", () => {
    const outcome = read(
      frame({ payload: "a", isFinal: false }),
      frame({ opcode: 9 }),
      frame({ opcode: 10, payload: "x" }),
      frame({ opcode: 0, payload: "b" }),
      frame({ opcode: 8, payload: "\x03\xe8" }),
    );
    expect(outcome.text).toBe("ab");
    expect(outcome.controls.map(([opcode]) => opcode)).toEqual([9, 10, 8]);
  });

  test("a mask of zeroes is a mask", () => {
    expect(read(frame({ payload: "abc", mask: [0, 0, 0, 0] })).text).toBe("abc");
  });

  test("without masks, frames with and without one are taken", () => {
    const reader = new FrameReader(false, false);
    const pieces = [frame({ payload: "a", mask: null }), frame({ payload: "b" })];
    expect(readAll(reader, pieces).text).toBe("ab");
  });

  test("compressed messages are given in pieces, others beside them are not", () => {
    const bytes = concat(
      frame({ payload: "zip", reserved: 0x40, isFinal: false }),
      frame({ opcode: 9, payload: "p" }),
      frame({ opcode: 0, payload: "ped" }),
      frame({ payload: "plain" }),
      frame({ payload: "", reserved: 0x40 }),
      frame({ payload: "again", reserved: 0x40 }),
    );
    for (let at = 0; at <= bytes.length; at++) {
      const outcome = readAll(new FrameReader(true, true), cut(bytes, [at]));
      expect(outcome.messages).toEqual(["zipped", "", "again"]);
      expect(outcome.text).toBe("plain");
      expect(outcome.controls).toEqual([[9, "p"]]);
    }
  });

  const big = "x".repeat(126);
  const violations: [what: string, frames: FrameParts[], violation: string][] = [
    ["no mask", [{ mask: null }], "mask bit missing"],
    ["RSV2", [{ reserved: 0x20 }], "RSV2 and RSV3 must be clear"],
    ["RSV3", [{ reserved: 0x10 }], "RSV2 and RSV3 must be clear"],
    [
      "RSV1 that nobody agreed on",
      [{ reserved: 0x40 }],
      "compressed frame received without negotiated permessage-deflate",
    ],
    ["opcode 3", [{ opcode: 3 }], "unknown opcode 3"],
    ["opcode 7", [{ opcode: 7 }], "unknown opcode 7"],
    ["opcode 11", [{ opcode: 11 }], "unknown opcode 11"],
    ["opcode 15", [{ opcode: 15 }], "unknown opcode 15"],
    [
      "a long ping",
      [{ opcode: 9, payload: big }],
      "control frame length bigger than maximum allowed of 125 bytes",
    ],
    [
      "a long close",
      [{ opcode: 8, payload: big }],
      "control frame length bigger than maximum allowed of 125 bytes",
    ],
    ["a ping in parts", [{ opcode: 9, isFinal: false }], "control frame does not have final bit set"],
    ["a continuation of nothing", [{ opcode: 0 }], "invalid continuation frame"],
    ["one after the end", [{ payload: "a" }, { opcode: 0 }], "invalid continuation frame"],
    [
      "a message inside a message",
      [{ isFinal: false }, { payload: "b" }],
      "new message started before final frame for previous message was received",
    ],
  ];
  for (const [what, frames, violation] of violations) {
    test(`a violation: ${what}`, () => {
      const bytes = concat(frame({ payload: "before" }), ...frames.map(frame), frame({ payload: "after" }));
      for (const places of [[], [1], [2], [3], [13], [14], [15], [bytes.length - 3]]) {
        const outcome = read(...cut(bytes, places));
        expect(outcome.violation).toBe(violation);
        expect(outcome.text).toStartWith("before");
        expect(outcome.text).not.toContain("after");
      }
    });
  }

  test("a violation: what is compressed must be the start of a message", () => {
    const reader = () => new FrameReader(true, true);
    expect(readAll(reader(), [frame({ opcode: 9, reserved: 0x40 })]).violation).toBe(
      "control frame must not be compressed",
    );
    const parts = [frame({ isFinal: false }), frame({ opcode: 0, reserved: 0x40 })];
    expect(readAll(reader(), parts).violation).toBe("invalid continuation frame");
  });

  test("a violation: lengths of 2⁶³ and more; less is only never complete", () => {
    const header = (first: number) => new Uint8Array([0x82, 0xff, first, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5]);
    expect(read(header(0x80)).violation).toBe("invalid 64-bit payload length");
    expect(read(header(0xff)).violation).toBe("invalid 64-bit payload length");
    expect(read(header(0x7f), new Uint8Array(100)).violation).toBe("");
  });

  test("never throws and never writes past what it read, whatever comes", () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 6 }),
        fc.boolean(),
        (pieces, masks) => {
          const reader = new FrameReader(masks, true);
          const memory = new Uint8Array(256).fill(0xaa);
          const unmask = createUnmask(memory, new Int32Array(memory.buffer));
          for (const piece of pieces) {
            memory.set(piece, 100);
            const end = 100 + piece.length;
            let to = reader.read(memory, unmask, 100, end, 100);
            while (reader.reason !== FRAMES_TAKEN && reader.reason !== FRAMES_VIOLATION) {
              to = reader.read(memory, unmask, reader.at, end, to);
            }
            expect(to).toBeLessThanOrEqual(reader.at);
            expect(reader.at).toBeLessThanOrEqual(end);
            expect(memory.subarray(0, 100).every((byte) => byte === 0xaa)).toBe(true);
            expect(memory.subarray(160).every((byte) => byte === 0xaa)).toBe(true);
            if (reader.reason === FRAMES_VIOLATION) return;
          }
        },
      ),
    );
  });
});
