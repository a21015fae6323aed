import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  ClientParser,
  CONNECT,
  ERR,
  HPUB,
  INFO,
  NEED_MORE,
  OK,
  PING,
  PONG,
  PUB,
  SKIP,
  SUB,
  UNSUB,
} from "./client_parser.ts";
import {
  ERROR_ARGUMENTS,
  ERROR_HEADERS_NOT_NEGOTIATED,
  ERROR_MAXIMUM_CONTROL_LINE,
  ERROR_MAXIMUM_PAYLOAD,
  ERROR_UNKNOWN_OPERATION,
} from "./errors.ts";

const NAMES: Record<number, string> = {
  [PUB]: "PUB",
  [HPUB]: "HPUB",
  [SUB]: "SUB",
  [UNSUB]: "UNSUB",
  [CONNECT]: "CONNECT",
  [PING]: "PING",
  [PONG]: "PONG",
  [INFO]: "INFO",
  [OK]: "OK",
  [ERR]: "ERR",
  [ERROR_UNKNOWN_OPERATION]: "unknown operation",
  [ERROR_ARGUMENTS]: "bad arguments",
  [ERROR_HEADERS_NOT_NEGOTIATED]: "headers not negotiated",
  [ERROR_MAXIMUM_CONTROL_LINE]: "maximum control line",
  [ERROR_MAXIMUM_PAYLOAD]: "maximum payload",
};

interface Limits {
  maxControlLineBytes?: number;
  maxPayloadBytes?: number;
  headersAllowed?: boolean;
}

function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function text(bytes: Uint8Array, start: number, end: number): string {
  return Array.from(bytes.slice(start, end), (byte) => String.fromCharCode(byte)).join("");
}

/** One line for an operation: its code and the fields that belong to it. */
function describeOperation(parser: ClientParser, code: number, bytes: Uint8Array): string {
  const name = NAMES[code]!;
  switch (code) {
    case PUB:
    case HPUB: {
      const subject = text(bytes, parser.subjectStart, parser.subjectEnd);
      const reply = text(bytes, parser.replyStart, parser.replyEnd);
      const payload = text(bytes, parser.payloadStart, parser.payloadStart + parser.totalSize);
      return `${name} <${subject}> <${reply}> ${parser.headerSize} <${payload}>`;
    }
    case SUB:
      return `SUB <${text(bytes, parser.subjectStart, parser.subjectEnd)}> <${text(bytes, parser.queueStart, parser.queueEnd)}> <${text(bytes, parser.sidStart, parser.sidEnd)}>`;
    case UNSUB:
      return `UNSUB <${text(bytes, parser.sidStart, parser.sidEnd)}> ${parser.maxMessages}`;
    case CONNECT:
    case INFO:
    case ERR:
      return `${name} <${text(bytes, parser.argStart, parser.argEnd)}>`;
    default:
      return name;
  }
}

/**
 * A connection as the shard keeps one: unconsumed bytes are kept and given again with what follows.
 * The buffer has garbage around the received bytes, so that a read outside [start, end) shows.
 */
class Connection {
  readonly operations: string[] = [];
  keptBytesMax = 0;
  #kept = "";
  #skipState = 0;
  #isClosed = false;
  readonly #parser = new ClientParser();

  constructor(limits: Limits) {
    this.#parser.headersAllowed = true;
    Object.assign(this.#parser, limits);
  }

  receive(piece: string): void {
    if (this.#isClosed) return;
    const received = this.#kept + piece;
    const bytes = latin1(`\nPI${received}\r\nPING\r\n`);
    const end = 3 + received.length;
    let start = 3;
    for (;;) {
      this.#parser.skipState = this.#skipState;
      const code = this.#parser.parse(bytes, start, end);
      this.#skipState = this.#parser.skipState;
      if (code === NEED_MORE) break;
      if (code !== SKIP) this.operations.push(describeOperation(this.#parser, code, bytes));
      if (code < 0) {
        this.#isClosed = true;
        return;
      }
      expect(this.#parser.next).toBeGreaterThan(start);
      expect(this.#parser.next).toBeLessThanOrEqual(end);
      start = this.#parser.next;
    }
    this.#kept = received.slice(start - 3);
    this.keptBytesMax = Math.max(this.keptBytesMax, this.#kept.length);
  }
}

function operationsOf(pieces: Iterable<string>, limits: Limits = {}): string[] {
  const connection = new Connection(limits);
  for (const piece of pieces) connection.receive(piece);
  return connection.operations;
}

/** Checks a stream in one piece, byte by byte, and cut in two at every point. */
function expectOperations(stream: string, expected: string[], limits: Limits = {}): void {
  expect(operationsOf([stream], limits)).toEqual(expected);
  expect(operationsOf(stream, limits)).toEqual(expected);
  for (let cut = 1; cut < Math.min(stream.length, 200); cut++) {
    expect(operationsOf([stream.slice(0, cut), stream.slice(cut)], limits)).toEqual(expected);
  }
}

describe("parse() reads", () => {
  const cases: [stream: string, expected: string[]][] = [
    ["PING\r\n", ["PING"]],
    ["ping\npOnG\r\n+ok\r\n", ["PING", "PONG", "OK"]],
    ["PINGxyz foo\rbar\r\nPONG", ["PING"]],
    ["SUB foo 1\r\nPUB foo 2\r\nhi\r\n", ["SUB <foo> <> <1>", "PUB <foo> <> 0 <hi>"]],
    ["SUB\tfoo\t1\r\nPUB \t foo \t 2 \t\r\nhi\r\n", ["SUB <foo> <> <1>", "PUB <foo> <> 0 <hi>"]],
    ["PUB foo 0\r\n\r\nPING\r\n", ["PUB <foo> <> 0 <>", "PING"]],
    ["PUB foo reply 000000002\n\r\n\r\n", ["PUB <foo> <reply> 0 <\r\n>"]],
    ["hPub foo rep 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", ["HPUB <foo> <rep> 12 <NATS/1.0\r\n\r\nhi>"]],
    ["HPUB foo 0 2\r\nhi\r\n", ["HPUB <foo> <> 0 <hi>"]],
    ["SUB foo*.b>r q 9\r\nSUB foo.>.x 2\r\n", ["SUB <foo*.b>r> <q> <9>", "SUB <foo.>.x> <> <2>"]],
    ["SUB a\0\xff \x01 s\x7f\r\n", ["SUB <a\0\xff> <\x01> <s\x7f>"]],
    ["UNSUB 1\r\nUNSUB 1 5\r\n", ["UNSUB <1> 0", "UNSUB <1> 5"]],
    ["UNSUB 1 abc\r\nUNSUB 1 -3\r\n", ["UNSUB <1> 0", "UNSUB <1> 0"]],
    ["UNSUB 1 0000000001\r\nUNSUB 1 999999999\r\n", ["UNSUB <1> 0", "UNSUB <1> 999999999"]],
    ["CONNECT{}\r\nCONNECT \t {} \r\nCONNECT\r\n", ["CONNECT <{}>", "CONNECT <{} >", "CONNECT <>"]],
    ["INFO{}\nINFO  {}\r\n", ["INFO <{}>", "INFO <{}>"]],
    ["-ERR 'x'\r\n", ["ERR <'x'>"]],
    ["-err \r\n", ["ERR <>"]],
  ];
  for (const [stream, expected] of cases) {
    test(JSON.stringify(stream), () => expectOperations(stream, expected));
  }
});

describe("parse() refuses", () => {
  const cases: [error: string, streams: string[]][] = [
    [
      "unknown operation",
      [
        "\r\n",
        "\n",
        " PING\r\n",
        "PUB\r\n",
        "PUB\n",
        "UNSUB\r\n",
        "SUBfoo 1\r\n",
        "-ERR\r\n",
        "-ERRx",
        "MSG foo 1 2\r\nhi\r\n",
        "HMSG",
        "HMSG a b\r\n\r\n",
        "RS+ x",
        "GET / HTTP/1.1\r\n",
        "PX",
        "PUx",
        "PINK",
        "+OX",
        "CONNEXT {}",
        "\xb0UB",
        // The byte after the payload must be CR, the next one LF.
        "PUB foo 2\r\nhello\r\n",
        "PUB foo 2\r\nhi\n",
        "PUB foo 2\r\nhi\rx",
        // A CR inside a control line.
        "SUB foo\rbar 1\r\n",
        "SUB foo 1\r\r\n",
        "CONNECT \r{}\r\n",
      ],
    ],
    [
      "bad arguments",
      [
        "PUB \r\n",
        "PUB \n",
        "PUB foo\r\n",
        "PUB a b 2 3\r\n",
        "PUB foo -1\r\n",
        "PUB foo +1\r\n",
        "PUB foo 1x\r\n",
        "PUB foo 0000000002\r\n",
        "SUB foo\r\n",
        "SUB \r\n",
        "SUB a b c d\r\n",
        "UNSUB 1 1 1\r\n",
        "UNSUB \t\r\n",
        "HPUB foo 5 2\r\nhi\r\n",
        "HPUB foo 5\r\n",
        "HPUB foo x 5\r\n",
        "HPUB a b c 1 2\r\n",
      ],
    ],
    ["maximum payload", ["PUB foo 1048577\r\n", "HPUB foo 0 1048577\r\n", "PUB foo 999999999\r\n"]],
  ];
  for (const [error, streams] of cases) {
    for (const stream of streams) {
      test(`${JSON.stringify(stream)}: ${error}`, () => {
        expectOperations(stream, [error]);
        expectOperations(`PING\r\n${stream}PING\r\nPING\r\n`, ["PING", error]);
      });
    }
  }

  test("HPUB where headers are not allowed, before its arguments are looked at", () => {
    expectOperations("HPUB x\r\n", ["headers not negotiated"], { headersAllowed: false });
  });

  test("no payload size where the limit is negative", () => {
    const parser = new ClientParser();
    parser.maxPayloadBytes = -1;
    const bytes = latin1("PUB foo 999999999\r\nxx");
    expect(parser.parse(bytes, 0, bytes.length)).toBe(NEED_MORE);
    expect(parser.lineComplete).toBe(true);
    expect(parser.totalSize).toBe(999_999_999);
  });

  test("one byte above max_control_line, and not the last one below it", () => {
    const full = "a".repeat(4096);
    expect(operationsOf([`CONNECT  \t${full}\r\n`])).toEqual([`CONNECT <${full}>`]);
    expect(operationsOf([`CONNECT ${full}\n`])).toEqual([`CONNECT <${full}>`]);
    expect(operationsOf(["CONNECT ", full, "\r", "\n"])).toEqual([`CONNECT <${full}>`]);
    expect(operationsOf([`SUB ${full}a`])).toEqual(["maximum control line"]);
    expect(operationsOf(["SUB ", full, "a"])).toEqual(["maximum control line"]);
    const limits = { maxControlLineBytes: 9 };
    for (const verb of ["PUB", "HPUB", "SUB", "UNSUB", "CONNECT", "INFO", "-ERR"]) {
      expectOperations(`${verb} 123456789 \r\n`, ["maximum control line"], limits);
    }
    expectOperations("SUB subject 1\r\nUNSUB 1 9      \r\n", ["SUB <subject> <> <1>", "UNSUB <1> 9"], {
      maxControlLineBytes: 9,
    });
  });
});

describe("parse() and unfinished input", () => {
  test("announces a publication whose payload is still to come", () => {
    const parser = new ClientParser();
    parser.headersAllowed = true;
    const line = "..HPUB a.b inbox 12 4000\r\n";
    const bytes = latin1(`${line}NATS/1.0\r\n`);
    expect(parser.parse(bytes, 2, bytes.length)).toBe(NEED_MORE);
    expect(parser.lineComplete).toBe(true);
    expect(parser.publishCode).toBe(HPUB);
    expect(parser.next).toBe(2);
    expect([parser.headerSize, parser.totalSize, parser.payloadStart]).toEqual([12, 4000, line.length]);
    expect(text(bytes, parser.subjectStart, parser.subjectEnd)).toBe("a.b");

    expect(parser.parse(bytes, 2, line.length - 1)).toBe(NEED_MORE);
    expect(parser.lineComplete).toBe(false);

    // The line was good, so a pedantic connection still hears of its subject.
    const spoiled = latin1("PUB a..b 1\r\nxx");
    expect(parser.parse(spoiled, 0, spoiled.length)).toBe(ERROR_UNKNOWN_OPERATION);
    expect(parser.lineComplete).toBe(true);
    expect(parser.publishCode).toBe(PUB);
  });

  test("keeps only a few bytes of endless filler", () => {
    for (const [start, rest, operation] of [
      ["PING", "x", "PING"],
      ["PONG", " ", "PONG"],
      ["+OK", "\r", "OK"],
      ["SUB ", "\t", "SUB <a> <> <1>"],
      ["CONNECT", " ", "CONNECT <a 1>"],
    ] as const) {
      const connection = new Connection({});
      connection.receive(start);
      for (let i = 0; i < 1000; i++) connection.receive(rest.repeat(7));
      connection.receive(start === "SUB " || start === "CONNECT" ? "a 1" : "a");
      connection.receive("\r\nPING\r\n");
      expect(connection.operations).toEqual([operation, "PING"]);
      expect(connection.keptBytesMax).toBeLessThan(80);
    }
  });

  const blanks = fc.constantFrom(" ", "\t", "  ", " \t ");
  const lineEnd = fc.constantFrom("\r\n", "\n");
  const word = fc.constantFrom("a", "foo.bar", "*", "\0\xff", "9", "x>");
  const payload = fc.constantFrom("", "x", "\r\n", "PING\r\n", "hello world");
  const verb = (name: string) =>
    fc.constantFrom(name, name.toLowerCase(), name[0] + name.slice(1).toLowerCase());
  const line = (name: string, words: fc.Arbitrary<string[]>) =>
    fc
      .tuple(verb(name), blanks, words, blanks, lineEnd)
      .map(([v, b, ws, b2, e]) => `${v}${b}${ws.join(b2)}${b2 === "\t" ? "" : b2}${e}`);
  const validOperation = fc.oneof(
    line("SUB", fc.array(word, { minLength: 2, maxLength: 3 })),
    line("UNSUB", fc.array(word, { minLength: 1, maxLength: 2 })),
    line("CONNECT", fc.constant(['{"a":"b c"}'])),
    fc
      .tuple(verb("PUB"), blanks, word, payload, lineEnd)
      .map(([v, b, w, p, e]) => `${v}${b}${w}${b}${p.length}${e}${p}\r\n`),
    fc
      .tuple(verb("HPUB"), blanks, word, payload, payload, lineEnd)
      .map(([v, b, w, h, p, e]) => `${v}${b}${w}${b}r${b}${h.length} ${h.length + p.length}${e}${h}${p}\r\n`),
    fc.constantFrom(
      "PING\r\n",
      "pong\n",
      "+OK\r\n",
      `PING${"y".repeat(150)}\r\n`,
      `SUB ${" ".repeat(90)}a 1\r\n`,
    ),
  );
  const mutation = fc.tuple(
    fc.nat(),
    fc.constantFrom("", " ", "\r", "\n", "\r\n", "x", "1", "PUB", "999999999999", "12345678901234567890"),
  );
  const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 20 });

  function cutUp(stream: string, lengths: number[]): string[] {
    const pieces: string[] = [];
    for (let at = 0, i = 0; at < stream.length; i++) {
      const length = lengths[i % lengths.length]!;
      pieces.push(stream.slice(at, at + length));
      at += length;
    }
    return pieces;
  }

  const limits = { maxControlLineBytes: 24, maxPayloadBytes: 16 };

  test("accepts every well-formed stream however it is cut", () => {
    fc.assert(
      fc.property(fc.array(validOperation, { maxLength: 8 }), cuts, (operations, lengths) => {
        const stream = operations.join("");
        const whole = operationsOf([stream]);
        expect(whole.length).toBe(operations.length);
        expect(operationsOf(stream)).toEqual(whole);
        expect(operationsOf(cutUp(stream, lengths))).toEqual(whole);
      }),
    );
  });

  test("gives the same operations and the same error for a damaged stream however it is cut", () => {
    fc.assert(
      fc.property(
        fc.array(validOperation, { maxLength: 6 }),
        fc.array(mutation, { maxLength: 3 }),
        cuts,
        (operations, mutations, lengths) => {
          let stream = operations.join("");
          for (const [position, inserted] of mutations) {
            const at = position % (stream.length + 1);
            stream = stream.slice(0, at) + inserted + stream.slice(inserted === "" ? at + 1 : at);
          }
          const whole = operationsOf([stream], limits);
          expect(operationsOf(stream, limits)).toEqual(whole);
          expect(operationsOf(cutUp(stream, lengths), limits)).toEqual(whole);
        },
      ),
      { numRuns: 1000 },
    );
  });
});
