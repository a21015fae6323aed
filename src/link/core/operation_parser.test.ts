import { describe, expect, test } from "bun:test";
import { byteStringOf, bytesOf } from "../../subject/byte_string.ts";
import type { LinkKind } from "./link.ts";
import type { LinkOperation } from "./operation.ts";
import { type OperationRules, parseOperation } from "./operation_parser.ts";

function rulesOf(kind: LinkKind, changes: Partial<OperationRules> = {}): OperationRules {
  return {
    kind,
    controlLineBytesMax: 1024,
    payloadBytesMax: null,
    unsubscribeHasOrigin: true,
    firstLetters: "",
    ...changes,
  };
}

/** All operations of a stream that arrives in pieces of `pieceBytes`, and the fault that ends it. */
function parseAll(text: string, rules: OperationRules, pieceBytes = text.length) {
  const operations: LinkOperation[] = [];
  let kept: Uint8Array = new Uint8Array(0);
  for (let at = 0; at < text.length; at += pieceBytes) {
    const piece = bytesOf(text.slice(at, at + pieceBytes));
    // The start is not 0, and the bytes after the end must not be looked at.
    const bytes = Uint8Array.of(0x0a, 0x50, ...kept, ...piece, 0x0d, 0x0a);
    const end = bytes.length - 2;
    let next = 2;
    for (;;) {
      const parsed = parseOperation(bytes, next, end, rules);
      if (parsed.state === "error") return { operations, fault: parsed.fault, kept: "" };
      next = parsed.next;
      if (parsed.state === "incomplete") break;
      operations.push(parsed.operation);
    }
    kept = bytes.slice(next, end);
  }
  return { operations, fault: null, kept: byteStringOf(kept) };
}

function one(text: string, rules: OperationRules): LinkOperation {
  const { operations, fault, kept } = parseAll(text, rules);
  expect({ count: operations.length, fault, kept }).toEqual({ count: 1, fault: null, kept: "" });
  return operations[0]!;
}

function message(
  parts: Partial<Extract<LinkOperation, { kind: "message" }>>,
  content: string,
  headerBytes = 0,
) {
  return {
    kind: "message",
    account: "",
    origin: "",
    subject: "",
    reply: "",
    queues: [],
    ...parts,
    content: { bytes: bytesOf(content), headerBytes },
  };
}

describe("parseOperation()", () => {
  test("reads the verbs of the handshake in any case", () => {
    const route = rulesOf("route");
    expect(one('INFO {"a":1} \r\n', route)).toEqual({ kind: "info", json: '{"a":1} ' });
    expect(one('connect\t{"a":"\xc3\xa4"}\n', route)).toEqual({ kind: "connect", json: '{"a":"ä"}' });
    expect(one("Info{}\r\n", route)).toEqual({ kind: "info", json: "{}" });
    expect(one("PING\r\n", route)).toEqual({ kind: "ping" });
    expect(one("pong whatever\r\n", route)).toEqual({ kind: "pong" });
    expect(one("+OK\r\n", route)).toEqual({ kind: "ok" });
    expect(one("-ERR 'bye'\r\n", route)).toEqual({ kind: "error", text: "bye" });
  });

  test("reads interest of routes", () => {
    const route = rulesOf("route");
    const plain = { kind: "subscribe", account: "$G", origin: "", subject: "foo.>", queue: "", weight: 1 };
    expect(one("RS+ $G foo.>\r\n", route)).toEqual({ ...plain, isLeaf: false } as LinkOperation);
    expect(one("rs+  $G\tfoo.>  q  12 \r\n", route)).toEqual({
      ...plain,
      queue: "q",
      weight: 12,
      isLeaf: false,
    } as LinkOperation);
    expect(one("LS+ LC $G foo.>\r\n", route)).toEqual({
      ...plain,
      origin: "LC",
      isLeaf: true,
    } as LinkOperation);
    expect(one("RS+ $G foo.> q 0\r\n", route)).toMatchObject({ weight: 0 });
    expect(one("RS+ $G foo.> q x\r\n", route)).toMatchObject({ weight: 0 });
  });

  test("tells the words of an LS- apart by what the peer can do", () => {
    const withOrigin = {
      kind: "unsubscribe",
      account: "$G",
      origin: "LC",
      subject: "lf",
      queue: "",
      isLeaf: true,
    };
    expect(one("LS- LC $G lf\r\n", rulesOf("route"))).toEqual(withOrigin as LinkOperation);
    expect(one("LS- LC $G lf q\r\n", rulesOf("route"))).toEqual({
      ...withOrigin,
      queue: "q",
    } as LinkOperation);
    const without = rulesOf("route", { unsubscribeHasOrigin: false });
    expect(one("LS-  $G lf\r\n", without)).toEqual({ ...withOrigin, origin: "" } as LinkOperation);
    expect(one("LS-  $G lf q\r\n", without)).toEqual({
      ...withOrigin,
      origin: "",
      queue: "q",
    } as LinkOperation);
    expect(one("RS- $G lf\r\n", without)).toMatchObject({ account: "$G", origin: "", isLeaf: false });
  });

  test("reads lines without the account on a route of one alone", () => {
    const rules = rulesOf("route", { isOfOneAccount: true });
    const interest = { account: "", origin: "", subject: "foo", queue: "", isLeaf: false };
    expect(one("RS+ foo\r\n", rules)).toEqual({ kind: "subscribe", ...interest, weight: 1 });
    expect(one("RS+ foo q 2\r\n", rules)).toMatchObject({ subject: "foo", queue: "q", weight: 2 });
    expect(one("RS- foo q\r\n", rules)).toEqual({ kind: "unsubscribe", ...interest, queue: "q" });
    expect(one("LS+ LC foo\r\n", rules)).toMatchObject({ origin: "LC", subject: "foo", isLeaf: true });
    expect(one("LS- LC foo\r\n", rules)).toMatchObject({ origin: "LC", subject: "foo", isLeaf: true });
    expect(one("RMSG foo 2\r\nhi\r\n", rules)).toMatchObject({ account: "", subject: "foo", reply: "" });
    expect(one("HMSG foo r 1 2\r\nhi\r\n", rules)).toMatchObject({ account: "", subject: "foo", reply: "r" });
    const grouped = { account: "", origin: "LC", subject: "foo", reply: "r", queues: ["q"] };
    expect(one("LMSG LC foo + r q 0 2\r\nhi\r\n", rules)).toMatchObject(grouped);
    expect(one("RMSG foo | q 2\r\nhi\r\n", rules)).toMatchObject({ ...grouped, origin: "", reply: "" });
  });

  test("reads interest of leaf nodes and gateways", () => {
    const leaf = rulesOf("leaf");
    expect(one("LS+ foo\r\n", leaf)).toMatchObject({ account: "", subject: "foo", queue: "", isLeaf: false });
    expect(one("LS+ foo q 3\r\n", leaf)).toMatchObject({ subject: "foo", queue: "q", weight: 3 });
    expect(one("RS- foo q\r\n", leaf)).toMatchObject({ kind: "unsubscribe", subject: "foo", queue: "q" });
    const gateway = rulesOf("gateway");
    expect(one("RS+ A foo q 3\r\n", gateway)).toMatchObject({ account: "A", subject: "foo", weight: 3 });
    expect(one("A+ ACC\r\n", gateway)).toEqual({ kind: "account", account: "ACC", hasInterest: true });
    expect(one("A- ACC\r\n", gateway)).toEqual({ kind: "account", account: "ACC", hasInterest: false });
  });

  test("reads every form of message", () => {
    const route = rulesOf("route");
    const head = { account: "$G", subject: "foo" };
    const both = ["a", "b"];
    expect(one("RMSG $G foo 2\r\nhi\r\n", route)).toEqual(message(head, "hi") as LinkOperation);
    expect(one("RMSG $G foo re 2\r\nhi\r\n", route)).toEqual(
      message({ ...head, reply: "re" }, "hi") as LinkOperation,
    );
    expect(one("RMSG $G foo | a b 0\r\n\r\n", route)).toEqual(
      message({ ...head, queues: both }, "") as LinkOperation,
    );
    const full = { ...head, reply: "re", queues: both };
    expect(one("RMSG $G foo + re a b 2\r\nhi\r\n", route)).toEqual(message(full, "hi") as LinkOperation);
    expect(one("HMSG $G foo + re a b 1 3\r\nHhi\r\n", route)).toEqual(
      message(full, "Hhi", 1) as LinkOperation,
    );
    expect(one("HMSG $G foo 1 3\r\nHhi\r\n", route)).toEqual(message(head, "Hhi", 1) as LinkOperation);
    const leafMessage = { ...full, origin: "LC" };
    expect(one("LMSG LC $G foo + re a b 0 2\r\nhi\r\n", route)).toEqual(
      message(leafMessage, "hi") as LinkOperation,
    );
    expect(one("LMSG LC $G foo re 12 14\r\n0123456789abhi\r\n", route)).toEqual(
      message({ ...head, origin: "LC", reply: "re" }, "0123456789abhi", 12) as LinkOperation,
    );

    const leaf = rulesOf("leaf");
    expect(one("LMSG foo 2\r\nhi\r\n", leaf)).toEqual(message({ subject: "foo" }, "hi") as LinkOperation);
    expect(one("LMSG foo + re q 2\r\nhi\r\n", leaf)).toEqual(
      message({ subject: "foo", reply: "re", queues: ["q"] }, "hi") as LinkOperation,
    );
    expect(one("HMSG foo | q 1 2\r\nHi\r\n", leaf)).toEqual(
      message({ subject: "foo", queues: ["q"] }, "Hi", 1) as LinkOperation,
    );
  });

  test("steps over what means nothing on a route", () => {
    const { operations, kept } = parseAll("SUB foo 1\r\nA+ ACC\r\nPING\r\nA- ACC\r\n", rulesOf("route"));
    expect(operations).toEqual([{ kind: "ping" }]);
    expect(kept).toBe("");
  });

  test.each([
    ["route", "RMSG $G\r\n", "processRoutedMsgArgs Parse Error: '[$G]'"],
    ["route", "RMSG $G a b c d 2\r\n", "processRoutedMsgArgs Bad or Missing Reply Indicator: 'b'"],
    ["route", "RMSG $G foo x\r\n", "processRoutedMsgArgs Bad or Missing Size: '[$G foo x]'"],
    [
      "route",
      "RMSG $G foo 1234567890\r\n",
      "processRoutedMsgArgs Bad or Missing Size: '[$G foo 1234567890]'",
    ],
    [
      "route",
      "HMSG $G foo 20 10\r\n",
      "processRoutedHeaderMsgArgs Header Size larger then TotalSize: '$G foo 20 10'",
    ],
    [
      "route",
      "HMSG $G foo -1 10\r\n",
      "processRoutedHeaderMsgArgs Bad or Missing Header Size: '$G foo -1 10'",
    ],
    ["route", "LMSG a b c 1\r\n", "processRoutedOriginClusterMsgArgs Parse Error: '[a b c 1]'"],
    ["route", "RS+ $G foo q\r\n", "processRemoteSub Parse Error: 'R $G foo q'"],
    ["route", "RS+ $G\r\n", "processRemoteSub Parse Error: 'R $G'"],
    ["route", "LS+ LC $G\r\n", "processRemoteSub Parse Error: 'L LC $G'"],
    ["route", "RS- $G\r\n", "processRemoteUnsub parse error: '$G'"],
    ["gateway", "RS+ $G foo q\r\n", "processGatewaySubjectSub Parse Error: '$G foo q'"],
    ["gateway", "RS- $G foo q 1\r\n", "processGatewaySubjectUnsub parse error: '$G foo q 1'"],
    ["leaf", "LS+ a b\r\n", "processLeafSub Parse Error: 'a b'"],
    ["leaf", "LMSG foo\r\n", "processLeafMsgArgs Parse Error: '[foo]'"],
    ["leaf", "HMSG foo 1\r\n", "processLeafHeaderMsgArgs Parse Error: '[foo 1]'"],
  ] as [LinkKind, string, string][])("on a %s, %j closes silently", (kind, text, logText) => {
    const { fault } = parseAll(text, rulesOf(kind));
    expect(fault).toEqual({ logText, wireText: null, closeReason: 11 });
  });

  test.each([
    ["route", "FOO bar\r\n"],
    ["route", "MSG foo 1 2\r\n"],
    ["route", "PUB foo 2\r\n"],
    ["route", "RS+foo\r\n"],
    ["gateway", "LS+ $G foo\r\n"],
    ["gateway", "LMSG a b c 0 1\r\n"],
    ["route", "RS+ $G f\roo\r\n"],
    ["route", "RMSG $G foo 2\r\nhi!\r\n"],
  ] as [LinkKind, string][])("on a %s, %j is an unknown operation", (kind, text) => {
    for (const pieceBytes of [text.length, 1]) {
      expect(parseAll(text, rulesOf(kind), pieceBytes).fault).toMatchObject({
        wireText: "Unknown Protocol Operation",
        closeReason: 11,
      });
    }
  });

  test("says what an unknown operation looked like", () => {
    const fault = parseAll("FOO bar\r\n", rulesOf("route")).fault;
    expect(fault?.logText).toBe(`Router parser ERROR: proto='"FOO bar\\r\\n"...'`);
  });

  test("shows nothing of a document, which may hold a password", () => {
    const fault = parseAll('CONECT {"pass":"p"}\r\n', rulesOf("leaf")).fault;
    expect(fault?.logText).toContain(`parser ERROR: proto='"CONECT "...'`);
  });

  test("limits lines, complete or not, and leaf payloads", () => {
    const limited = rulesOf("leaf", { controlLineBytesMax: 8, payloadBytesMax: 4 });
    const overLine = { wireText: "maximum control line exceeded", closeReason: 17 };
    expect(parseAll("LS+ 12345678\r\n", limited).fault).toBe(null);
    expect(parseAll("LS+ 123456789\r\n", limited).fault).toMatchObject(overLine);
    expect(parseAll("LS+ 123456789", limited).fault).toMatchObject(overLine);
    expect(parseAll(`LS+${" ".repeat(9)}`, limited).fault).toMatchObject(overLine);
    expect(parseAll("PING 123456789", limited).fault).toMatchObject(overLine);
    expect(parseAll("LMSG f 4\r\n", limited).fault).toBe(null);
    expect(parseAll("LMSG f 5\r\n", limited).fault).toEqual({
      logText: "maximum payload exceeded: 5 vs 4",
      wireText: "Maximum Payload Violation",
      closeReason: 16,
    });
  });

  test("refuses everything but CONNECT, and what is allowed with it, from the first byte", () => {
    const strict = rulesOf("route", { firstLetters: "c" });
    expect(parseAll("P", strict).fault).toMatchObject({
      wireText: "Authorization Violation",
      closeReason: 3,
    });
    expect(parseAll("CONNECT {}\r\n", strict).operations).toHaveLength(1);
    expect(parseAll("INFO {}\r\n", rulesOf("leaf", { firstLetters: "ci" })).operations).toHaveLength(1);
  });

  test("says how many bytes a message takes once its line is there", () => {
    const bytes = bytesOf("RMSG $G foo 100\r\nhi");
    const parsed = parseOperation(bytes, 0, bytes.length, rulesOf("route"));
    expect(parsed).toEqual({ state: "incomplete", next: 0, bytesWanted: 119 });
  });

  test("reads the same operations however the stream is cut", () => {
    const text =
      'INFO {"a":1} \r\nRS+ $G foo q 2\r\nLS-  $G x\r\nRMSG $G foo | q 4\r\nhi\r\n\r\nA+ x\r\nPING\r\n' +
      "HMSG $G foo 1 3\r\nH\r\n\r\nLMSG LC $G foo 0 0\r\n\r\n-ERR 'x'\r\n";
    const rules = rulesOf("route", { unsubscribeHasOrigin: false });
    const whole = parseAll(text, rules);
    expect(whole.operations).toHaveLength(8);
    for (let pieceBytes = 1; pieceBytes < text.length; pieceBytes++) {
      expect(parseAll(text, rules, pieceBytes)).toEqual(whole);
    }
  });

  test("answers to any bytes, in any pieces, alike", () => {
    const fragments = [
      "RMSG ",
      "LMSG ",
      "HMSG ",
      "RS+ ",
      "LS- ",
      "$G ",
      "foo ",
      "| ",
      "+ ",
      "3 ",
      "2",
      "\r\n",
    ];
    fragments.push("\n", "\r", " ", "INFO ", "{}", "PING", "-ERR ", "A+ ", "\xff", "x", "99999999999 ");
    let seed = 42;
    const chance = () => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return (seed >>> 8) / 2 ** 24;
    };
    for (let round = 0; round < 3000; round++) {
      let text = "";
      const count = 1 + Math.floor(chance() * 12);
      for (let i = 0; i < count; i++) text += fragments[Math.floor(chance() * fragments.length)];
      for (const kind of ["route", "gateway", "leaf"] as const) {
        const rules = rulesOf(kind, { controlLineBytesMax: 16, payloadBytesMax: 64 });
        const whole = parseAll(text, rules);
        const pieces = parseAll(text, rules, 1 + Math.floor(chance() * 3));
        expect(pieces.operations).toEqual(whole.operations);
        expect(pieces.fault?.wireText).toBe(whole.fault?.wireText);
        expect(pieces.kept).toBe(whole.kept);
      }
    }
  });
});
