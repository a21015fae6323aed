import { describe, expect, test } from "bun:test";
import { SNAPPY_NAME, STREAM_NAME } from "../../protocol/s2_chunks.ts";
import { chunkOf } from "../../protocol/testing/chunks.ts";
import { READ_FAILED, WOULD_BLOCK } from "../poller.ts";
import { FakeStreams } from "../websocket/testing/fake_streams.ts";
import { createS2Context, type S2Context } from "./s2_context.ts";
import { S2Input } from "./s2_input.ts";
import { S2_BLOCK_BYTES_MAX, S2_CHUNK_GROWTH_BYTES } from "./s2_region.ts";
import { compressedChunk, MEMORY_BYTES, REGION, slowCodec } from "./testing/slow_codec.ts";

const READ = 1024 * 1024;
const READ_BYTES = 131_072;

function createContext(): S2Context {
  const memory = new Uint8Array(new ArrayBuffer(MEMORY_BYTES));
  return createS2Context(memory, REGION, slowCodec(memory));
}

function open(context = createContext()) {
  const streams = new FakeStreams(context);
  const problems: string[] = [];
  const input = new S2Input(streams, 0, context, (problem) => problems.push(problem));
  /** Makes one read. Returns its bytes, or the outcome if there are none. */
  const read = (lengthBytes = READ_BYTES): Uint8Array | number => {
    const count = input.read(READ, lengthBytes);
    return count > 0 ? context.bytes.slice(READ, READ + count) : count;
  };
  /** Reads as long as there is something. */
  const readAll = (lengthBytes = READ_BYTES): { text: Uint8Array; outcome: number } => {
    const all: number[] = [];
    for (;;) {
      const got = read(lengthBytes);
      if (typeof got === "number") {
        if (got === WOULD_BLOCK && (streams.incoming.length > 0 || input.hasNews)) continue;
        return { text: Uint8Array.from(all), outcome: got };
      }
      for (const byte of got) all.push(byte);
    }
  };
  return { context, streams, input, problems, read, readAll };
}

const joined = (...pieces: readonly Uint8Array[]) => Uint8Array.from(pieces.flatMap((piece) => [...piece]));
const ascii = (text: string) => new TextEncoder().encode(text);
const stored = (plain: Uint8Array) => compressedChunk(plain, false);
const run = (count: number, byte = 120) => compressedChunk(new Uint8Array(count).fill(byte), true);
const letters = (count: number, seed = 0) =>
  Uint8Array.from({ length: count }, (_, i) => 97 + ((i * 7 + seed) % 26));
/** A chunk that may be skipped. */
const skippable = (type: number, length: number) =>
  Uint8Array.of(type, length & 0xff, length >> 8, 0, ...new Uint8Array(length));

describe("S2Input", () => {
  const wire = joined(
    STREAM_NAME,
    stored(ascii("PING\r\n")),
    skippable(0xfe, 3),
    run(200),
    STREAM_NAME,
    skippable(0x99, 300),
    stored(ascii("")),
    skippable(0x80, 0),
    stored(ascii("PONG\r\n")),
  );
  const plain = joined(ascii("PING\r\n"), new Uint8Array(200).fill(120), ascii("PONG\r\n"));

  test("gives what is in the chunks, padding and indexes left out", () => {
    const { streams, readAll, input, problems } = open();
    streams.incoming.push(wire);
    expect(readAll()).toEqual({ text: plain, outcome: WOULD_BLOCK });
    expect([input.hasNews, input.violation, problems]).toEqual([false, "", []]);
  });

  test("wherever they are cut", () => {
    for (let cut = 1; cut < wire.length; cut++) {
      const { streams, readAll } = open();
      streams.incoming.push(wire.slice(0, cut), wire.slice(cut));
      expect(readAll().text).toEqual(plain);
    }
    const { streams, readAll } = open();
    for (const byte of wire) streams.incoming.push(Uint8Array.of(byte));
    expect(readAll().text).toEqual(plain);
  });

  test("a reader with little room gets it piece by piece, without the socket having more", () => {
    for (const lengthBytes of [1, 5, 6, 7, 100]) {
      const { context, input, read, readAll } = open();
      context.bytes.set(wire, READ);
      input.put(READ, READ + wire.length);
      const first = read(lengthBytes);
      expect(first).toEqual(plain.slice(0, Math.min(lengthBytes, 6)));
      expect(input.hasNews).toBe(true);
      expect(joined(first as Uint8Array, readAll(lengthBytes).text)).toEqual(plain);
    }
  });

  test("what was read before comes first", () => {
    for (const cut of [1, 4, 12, 30]) {
      const { context, streams, input, readAll } = open();
      context.bytes.set(wire.slice(0, cut), READ + 77);
      input.put(READ + 77, READ + 77 + cut);
      streams.incoming.push(wire.slice(cut));
      expect(readAll().text).toEqual(plain);
    }
  });

  test("two streams share the rooms, in whatever turns they are read", () => {
    const context = createContext();
    const streamOf = (seed: number) => {
      const chunks = [
        letters(70_000, seed),
        letters(3, seed + 1),
        letters(200_000, seed + 2),
        letters(9, seed + 3),
      ];
      const bytes = joined(STREAM_NAME, ...chunks.map(stored));
      return { bytes, plain: joined(...chunks), side: open(context), got: [] as number[], at: 0 };
    };
    const both = [streamOf(0), streamOf(10)];
    for (let turn = 0; turn < 400; turn++) {
      const stream = both[(turn * 7 + (turn >> 3)) % 2]!;
      if (!stream.side.input.hasNews) {
        const end = stream.at + 1 + ((turn * 7919) % 20_000);
        const piece = stream.bytes.slice(stream.at, end);
        stream.at = end;
        if (piece.length > 0) stream.side.streams.incoming.push(piece);
      }
      const got = stream.side.read(30_000);
      if (typeof got !== "number") for (const byte of got) stream.got.push(byte);
    }
    for (const { got, plain: expected } of both) expect(Uint8Array.from(got)).toEqual(expected);
  });

  test("however often others come in between, byte by byte", () => {
    const context = createContext();
    const sides = Array.from({ length: 3 }, () => ({ side: open(context), got: [] as number[] }));
    for (const byte of wire) {
      for (const { side, got } of sides) {
        side.streams.incoming.push(Uint8Array.of(byte));
        // What has come is decoded in one read, and taken between the reads of the others.
        const some = side.read(150);
        if (typeof some !== "number") got.push(...some);
      }
    }
    for (const { side, got } of sides) {
      got.push(...side.readAll(7).text);
      expect(Uint8Array.from(got)).toEqual(plain);
    }
  });

  test("chunks that hold more than the limit of the moment are refused", () => {
    const told = (bytes: Uint8Array, blockBytesMax: number) => {
      const { streams, input, readAll } = open();
      input.blockBytesMax = blockBytesMax;
      streams.incoming.push(joined(STREAM_NAME, bytes));
      const { text } = readAll();
      return text.length > 0 ? text.length : input.violation;
    };
    expect(told(stored(letters(1000)), 1000)).toBe(1000);
    expect(told(stored(letters(1020)), 1000)).toBe("s2: a chunk of 1024 bytes, which are more than 1012");
    expect(told(run(1000), 1000)).toBe(1000);
    expect(told(run(1001), 1000)).toBe("s2: a chunk that is too long, or does not say how long it is");
  });

  test("a refusal in clear that is longer than its reader's room comes piece by piece", () => {
    const { context, input, read } = open();
    const line = ascii("-ERR 'Authorization Violation'\r\n");
    context.bytes.set(line, READ);
    input.put(READ, READ + line.length);
    expect([read(20), read(20)]).toEqual([line.slice(0, 20), line.slice(20)]);
    expect(input.hasNews).toBe(false);
  });

  test("what was read before can only come before everything", () => {
    const { context, streams, input, read } = open();
    streams.incoming.push(wire.slice(0, 12));
    read();
    context.bytes.set(wire, READ);
    expect(() => input.put(READ, READ + wire.length)).toThrow("it comes before everything");
  });

  test("the largest chunks come through, one behind the other, and leave nothing", () => {
    const { streams, input } = open();
    const chunk = run(S2_BLOCK_BYTES_MAX);
    const large = joined(STREAM_NAME, chunk, chunk);
    for (let at = 0; at < large.length; at += READ_BYTES)
      streams.incoming.push(large.slice(at, at + READ_BYTES));
    let total = 0;
    while (streams.incoming.length > 0 || input.hasNews) total += Math.max(input.read(READ, READ_BYTES), 0);
    expect(total).toBe(2 * S2_BLOCK_BYTES_MAX);
  });

  test("the end of the stream is told once nothing is left", () => {
    const { context, streams, read, input } = open();
    const bytes = joined(STREAM_NAME, stored(ascii("ab")));
    context.bytes.set(bytes, READ);
    input.put(READ, READ + bytes.length);
    streams.end = 0;
    expect(read(1)).toEqual(ascii("a"));
    expect(input.hasNews).toBe(true);
    expect(read()).toEqual(ascii("b"));
    expect(read()).toBe(0);
  });

  test("a refusal that comes before any name is read as it is", () => {
    const { streams, readAll, problems } = open();
    streams.incoming.push(ascii("-ERR 'Authorization"), ascii(" Violation'\r\n"));
    expect(readAll(10).text).toEqual(ascii("-ERR 'Authorization Violation'\r\n"));
    expect(problems).toEqual([]);
  });

  const wrongChecksum = stored(ascii("PING\r\n"));
  wrongChecksum[5]! ^= 1;
  const longest = S2_BLOCK_BYTES_MAX + S2_CHUNK_GROWTH_BYTES;
  const tooLong = longest + 1;
  const head = (type: number, length: number) =>
    Uint8Array.of(type, length & 0xff, (length >> 8) & 0xff, length >> 16);
  const broken: readonly (readonly [string, Uint8Array, string])[] = [
    ["lines in clear", ascii("PING\r\n"), "what was sent is no stream of S2"],
    ["no name", stored(ascii("PING\r\n")), "what was sent is no stream of S2"],
    ["another name", ascii("\u{0}\u{6}\u{0}\u{0}sNaPpX").with(0, 0xff), "a stream of an unknown name"],
    ["a name of five", head(0xff, 5), "the name of a stream is as long as no name"],
    ["a wrong checksum", joined(STREAM_NAME, wrongChecksum), "a chunk whose checksum is another one"],
    ["an unknown type", joined(STREAM_NAME, head(2, 10)), "a chunk of unknown type 2"],
    ["the last of them", joined(STREAM_NAME, head(0x7f, 10)), "a chunk of unknown type 127"],
    ["no room for a checksum", joined(STREAM_NAME, head(1, 3)), "a chunk without a checksum"],
    [
      "too long a chunk",
      joined(STREAM_NAME, head(0, tooLong)),
      `a chunk of ${tooLong} bytes, which are more than ${longest}`,
    ],
    [
      "a block that grows beyond all bounds",
      joined(STREAM_NAME, chunkOf(0, Uint8Array.of(0x81, 0x80, 0x80, 0x02, 0, 0), 0)),
      "a chunk that is too long, or does not say how long it is",
    ],
    [
      "nothing in it",
      joined(STREAM_NAME, chunkOf(0, Uint8Array.of(), 0)),
      "a chunk that is too long, or does not say how long it is",
    ],
    [
      "a block that is broken",
      joined(STREAM_NAME, chunkOf(0, Uint8Array.of(9, 1, 1), 0)),
      "a chunk that cannot be decoded",
    ],
  ];
  for (const [what, bytes, problem] of broken) {
    test(`${what}: the read fails, and says why`, () => {
      const { streams, readAll, input, problems } = open();
      streams.incoming.push(bytes);
      expect(readAll()).toEqual({ text: new Uint8Array(0), outcome: READ_FAILED });
      expect([input.violation, problems]).toEqual([`s2: ${problem}`, [`s2: ${problem}`]]);
    });
  }

  test("what came before a broken chunk is given first", () => {
    const { streams, readAll } = open();
    streams.incoming.push(joined(wire, wrongChecksum));
    expect(readAll()).toEqual({ text: plain, outcome: READ_FAILED });
  });

  test("what Snappy writes is read", () => {
    const { streams, readAll } = open();
    streams.incoming.push(joined(SNAPPY_NAME, run(500)));
    expect(readAll().text.length).toBe(500);
  });

  test("a stream that is gone leaves the rooms", () => {
    const context = createContext();
    const first = open(context);
    first.streams.incoming.push(joined(STREAM_NAME, run(5000)));
    first.read(10);
    first.input.leave();
    expect([context.arrived[0]!.tenant, context.decoded[0]!.tenant]).toEqual([null, null]);
  });
});
