import { describe, expect, test } from "bun:test";
import { clientFault, payloadFault } from "./client_fault.ts";
import { ClientParser } from "./client_parser.ts";

/** What is said of the first operation that cannot be done, all bytes being there at once. */
function faultOf(input: string, headersAllowed = true) {
  const parser = new ClientParser();
  parser.headersAllowed = headersAllowed;
  parser.maxPayloadBytes = 1000;
  const bytes = new TextEncoder().encode(input);
  let at = 0;
  for (;;) {
    const code = parser.parse(bytes, at, bytes.length);
    if (code === 0) throw new Error("nothing is wrong with it");
    if (code < 0) return clientFault(parser, code, bytes, at, 0, bytes.length);
    at = parser.next;
  }
}

const ARGUMENTS: readonly [input: string, statement: string, rest: string][] = [
  ["PUB foo -1\r\n", "processPub Bad or Missing Size", `: "foo -1"`],
  ["PUB foo 99999999999999\r\n", "processPub Bad or Missing Size", `: "foo 99999999999999"`],
  ["PUB foo 1 2 3 4\r\n", "processPub Parse Error", `: "foo 1 2 3 4"`],
  ["PUB f\x01\té 1 x x\r\n", "processPub Parse Error", `: "f\\x01\\té 1 x x"`],
  ["PUB foo 1001\r\n", "maximum payload exceeded", ": 1001 vs 1000"],
  ["SUB a b c d\r\n", "processSub Parse Error", `: "a b c d"`],
  ["UNSUB 1 2 3\r\n", "processUnsub Parse Error", `: "1 2 3"`],
  ["HPUB foo 1\r\n", "processHeaderPub Parse Error", `: "foo 1"`],
  ["HPUB foo x 12\r\n", "processHeaderPub Bad or Missing Header Size", `: "foo x 12"`],
  ["HPUB foo 1 y\r\n", "processHeaderPub Bad or Missing Total Size", `: "foo 1 y"`],
  ["HPUB foo 20 12\r\n", "processHeaderPub Header Size larger then TotalSize", `: "foo 20 12"`],
  [`SUB ${"a".repeat(5000)} 1\r\n`, "maximum control line exceeded", ""],
];

/** The states were read off nats-server 2.15.2. */
const OPERATIONS: readonly [input: string, state: number, i: number, proto: string][] = [
  ["GET / HTTP/1.1\r\nHost: a.b.c.d.e.f.g.h\r\n", 0, 0, `"GET / HTTP/1.1\\r\\nHost: a.b.c.d.e."`],
  ["MSG a 1 1\r\nx\r\n", 0, 0, `"MSG a 1 1\\r\\nx\\r\\n"`],
  ["PUBX foo\r\n", 31, 3, `"X foo\\r\\n"`],
  ["PX", 29, 1, `"X"`],
  ["PINK", 35, 3, `"K"`],
  ["+OX", 2, 2, `"X"`],
  ["-ERX", 6, 3, `"X"`],
  ["INFX", 73, 3, `"X"`],
  ["UNSUX", 62, 4, `"X"`],
  ["PING\r\nPUB foo 1\r\nab\r\n", 41, 18, `"b\\r\\n"`],
  ["PUB foo 1\r\na\rb\n", 42, 13, `"b\\n"`],
  ["PUB a\rb 1\r\n", 33, 5, `"\\rb 1\\r\\n"`],
  // Nothing of a document is shown.
  [`CONNEC T {"pass":"p"}\r\n`, 15, 6, `" T "`],
  [`\r\nCONNECT {"pass":"p"}\r\n`, 0, 0, `"\\r\\nCONNECT "`],
  [`CONNECT {"a":1,\r"pass":"p"}\r\n`, 17, 15, `"[REDACTED]"`],
];

describe("clientFault()", () => {
  test.each(ARGUMENTS)("%p", (input, statement, rest) => {
    expect(faultOf(input)).toEqual({ statement, text: statement + rest });
  });

  test.each(OPERATIONS)("%p", (input, state, i, proto) => {
    const statement = "Client parser ERROR";
    const text = `${statement}, state=${state}, i=${i}: proto='${proto}...'`;
    expect(faultOf(input)).toEqual({ statement, text });
  });

  test("headers that were not agreed on", () => {
    const text = "message headers not supported";
    expect(faultOf("HPUB foo 2 2\r\n", false)).toEqual({ statement: text, text });
  });

  test("payloadFault() begins with what this read has brought", () => {
    const { text } = payloadFault(false, new TextEncoder().encode("xabPING"), 0, 2, 7);
    expect(text).toBe(`Client parser ERROR, state=41, i=0: proto='"bPING"...'`);
  });
});
