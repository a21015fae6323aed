import { describe, expect, test } from "bun:test";
import { deflated } from "../../protocol/websocket/testing/deflated.ts";
import { concat, frame } from "../../protocol/websocket/testing/frames.ts";
import { READ_FAILED, WOULD_BLOCK } from "../poller.ts";
import { FrameInput } from "./frame_input.ts";
import { createFrameContext, FakeStreams } from "./testing/fake_streams.ts";
import type { FrameSide } from "./websocket_layer.ts";

const TERMS = { isMasked: true, isCompressed: true, frameBytesMax: 0, compressedFrameBytesMax: 0 };
const MESSAGE_BYTES_MAX = 100_000;
const READ_BYTES = 4096;
/** Where the caller reads to, behind what it kept. */
const OFFSET = 1001;

const decoder = new TextDecoder("latin1");

class Harness {
  readonly context = createFrameContext();
  readonly streams = new FakeStreams(this.context);
  readonly input: FrameInput;
  readonly pings: string[] = [];

  constructor(side: FrameSide = "server", behind?: Uint8Array) {
    this.input = new FrameInput(TERMS, side, this.context, behind);
  }

  send(...pieces: readonly Uint8Array[]): void {
    this.streams.incoming.push(...pieces);
  }

  /** Makes one read. Returns its result, and the text that it gave. */
  read(lengthBytes = READ_BYTES): [result: number, text: string] {
    const result = this.input.read(this.streams, 7, OFFSET, lengthBytes, MESSAGE_BYTES_MAX, (payload) => {
      this.pings.push(decoder.decode(payload));
    });
    return [result, decoder.decode(this.context.bytes.slice(OFFSET, OFFSET + Math.max(result, 0)))];
  }

  /** Reads until there is nothing, or the end. */
  readAll(lengthBytes = READ_BYTES): [result: number, text: string] {
    let all = "";
    while (true) {
      const [result, text] = this.read(lengthBytes);
      all += text;
      if (result === 0 || result === READ_FAILED) return [result, all];
      if (result === WOULD_BLOCK && this.streams.incoming.length === 0 && !this.input.hasNews)
        return [result, all];
    }
  }
}

describe("FrameInput", () => {
  test("frames that came with the handshake's answer are read before the socket; a server's have no mask", () => {
    const bytes = concat(frame({ payload: "INFO", mask: null }), frame({ payload: "PING", mask: null }));
    const harness = new Harness("client", bytes.subarray(0, 8));
    harness.send(bytes.subarray(8));
    expect(harness.input.hasNews).toBe(true);
    expect(harness.read()).toEqual([4, "INFO"]);
    expect(harness.input.hasNews).toBe(false);
    expect(harness.readAll()).toEqual([WOULD_BLOCK, "PING"]);
  });

  test("gives payloads, answers pings on the way, and blocks on half a frame", () => {
    const harness = new Harness();
    const bytes = concat(
      frame({ payload: "ab" }),
      frame({ opcode: 9, payload: "p" }),
      frame({ payload: "cd" }),
    );
    harness.send(
      bytes.subarray(0, bytes.length - 1),
      bytes.subarray(bytes.length - 1),
      frame({ opcode: 10 }),
    );
    expect(harness.read()).toEqual([3, "abc"]);
    expect(harness.pings).toEqual(["p"]);
    expect(harness.read()).toEqual([1, "d"]);
    expect(harness.read()).toEqual([WOULD_BLOCK, ""]);
    expect(harness.input.hasNews).toBe(false);
  });

  test("what was inflated comes before what stood behind it, whatever room the caller has", () => {
    const long = Array.from({ length: 9000 }, (_, i) => `${i}.`).join("");
    for (const lengthBytes of [100, 4096, 65536]) {
      const harness = new Harness();
      harness.send(
        concat(
          frame({ payload: "first " }),
          frame({ payload: deflated(long), reserved: 0x40 }),
          frame({ payload: deflated(" second "), reserved: 0x40 }),
          frame({ opcode: 9, payload: "late" }),
          frame({ payload: "last" }),
        ),
        frame({ payload: "!" }),
      );
      expect(harness.readAll(lengthBytes)).toEqual([WOULD_BLOCK, `first ${long} second last!`]);
      expect(harness.pings).toEqual(["late"]);
    }
  });

  test("one read gives what several compressed messages become", () => {
    const harness = new Harness();
    const messages = Array.from({ length: 20 }, (_, i) => `${i} `.repeat(20));
    harness.send(concat(...messages.map((message) => frame({ payload: deflated(message), reserved: 0x40 }))));
    const whole = messages.join("");
    expect(harness.read()).toEqual([whole.length, whole]);
    expect(harness.input.hasNews).toBe(false);
  });

  test("says while a read would give something without the socket", () => {
    const harness = new Harness();
    harness.send(
      concat(frame({ payload: deflated("x".repeat(5000)), reserved: 0x40 }), frame({ payload: "y" })),
    );
    harness.read(1000);
    expect(harness.input.hasNews).toBe(true);
    harness.readAll(1000);
    expect(harness.input.hasNews).toBe(false);
  });

  test("a goodbye is the end, after what came before it, and is answered with the same", () => {
    const harness = new Harness();
    const goodbye = new Uint8Array([3, 0xe8, 0x62, 0x79, 0x65]);
    harness.send(
      concat(frame({ payload: "ab" }), frame({ opcode: 8, payload: goodbye }), frame({ payload: "cd" })),
    );
    expect(harness.read()).toEqual([2, "ab"]);
    expect(harness.input.hasNews).toBe(true);
    expect(harness.read()).toEqual([0, ""]);
    expect(harness.read()).toEqual([0, ""]);
    expect(harness.input.goodbye).toEqual(goodbye);
    expect(harness.input.violation).toBe("");
  });

  test("a violation is a failure, after what came before it, and is told", () => {
    for (const [broken, violation] of [
      [frame({ opcode: 3 }), "unknown opcode 3"],
      [frame({ opcode: 8, payload: "x" }), "close frame payload cannot be 1 byte"],
    ] as const) {
      const harness = new Harness();
      harness.send(concat(frame({ payload: "ab" }), broken, frame({ payload: "cd" })));
      expect(harness.readAll()).toEqual([READ_FAILED, "ab"]);
      expect(harness.input.violation).toBe(violation);
      expect(decoder.decode(harness.input.goodbye!)).toBe(`\x03\xea${violation}`);
    }
  });

  test("messages that would become too large, or are no deflate data, fail without a goodbye", () => {
    for (const payload of [
      deflated("x".repeat(MESSAGE_BYTES_MAX + 1)),
      new Uint8Array([1, 2, 3, 4, 5, 6, 7]),
    ]) {
      const harness = new Harness();
      harness.send(frame({ payload, reserved: 0x40 }));
      expect(harness.readAll()).toEqual([READ_FAILED, ""]);
      expect(harness.input.goodbye).toBe(null);
    }
    const harness = new Harness();
    harness.send(frame({ payload: deflated("x".repeat(MESSAGE_BYTES_MAX)), reserved: 0x40 }));
    expect(harness.readAll()[1].length).toBe(MESSAGE_BYTES_MAX);
  });

  test("no more than eight times the limit of compressed bytes is kept", () => {
    const harness = new Harness();
    const nothing = concat(...Array.from({ length: 800 }, () => new Uint8Array([0, 0, 0, 0xff, 0xff])));
    harness.send(frame({ payload: nothing, reserved: 0x40, isFinal: false }));
    for (let i = 0; i < 300; i++) harness.send(frame({ opcode: 0, payload: nothing, isFinal: false }));
    expect(harness.readAll()).toEqual([READ_FAILED, ""]);
    expect(harness.streams.incoming.length).toBeGreaterThan(50);
  });

  test("the end of the stream is the end", () => {
    const harness = new Harness();
    harness.streams.end = 0;
    harness.send(frame({ payload: "ab" }));
    expect(harness.readAll()).toEqual([0, "ab"]);
    expect(harness.input.goodbye).toBe(null);
  });
});
