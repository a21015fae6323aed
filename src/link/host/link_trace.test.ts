import { describe, expect, test } from "bun:test";
import { bytesOf } from "../../subject/byte_string.ts";
import type { LinkKind } from "../core/link.ts";
import type { OperationRules } from "../core/operation_parser.ts";
import { parseOperation } from "../core/operation_parser.ts";
import { traceSent, traceTaken } from "./link_trace.ts";

const ALL = { maxTracedBytes: 0, headersOnly: false };

function taken(text: string, kind: LinkKind): readonly string[] {
  const bytes = bytesOf(text);
  const rules: OperationRules = {
    kind,
    controlLineBytesMax: 4096,
    payloadBytesMax: null,
    unsubscribeHasOrigin: true,
    firstLetters: "",
  };
  const parsed = parseOperation(bytes, 0, bytes.length, rules);
  return parsed.state === "operation" ? traceTaken(parsed.operation, kind, ALL) : [parsed.state];
}

describe("traceTaken() shows what came as it came", () => {
  test.each<[LinkKind, string, readonly string[]]>([
    ["route", "PING\r\n", ["<<- [PING]"]],
    ["route", "RS+ A foo\r\n", ["<<- [RS+ A foo]"]],
    ["route", "RS+ A foo q 2\r\n", ["<<- [RS+ A foo q 2]"]],
    ["route", "RS- A foo q\r\n", ["<<- [RS- A foo q]"]],
    ["route", "LS+ C A foo\r\n", ["<<- [LS+ C A foo]"]],
    ["gateway", "A- A\r\n", ["<<- [A- A]"]],
    ["leaf", "LS+ foo\r\n", ["<<- [LS+ foo]"]],
    ["leaf", "LS- foo q\r\n", ["<<- [LS- foo q]"]],
    ["route", "RMSG A foo re 5\r\nhello\r\n", ["<<- [RMSG A foo re 5]", '<<- MSG_PAYLOAD: ["hello"]']],
    ["route", "RMSG A foo | q1 q2 0\r\n\r\n", ["<<- [RMSG A foo | q1 q2 0]"]],
    ["leaf", "LMSG foo + re q 1\r\nx\r\n", ["<<- [LMSG foo + re q 1]", '<<- MSG_PAYLOAD: ["x"]']],
    ["route", "-ERR 'no'\r\n", ["<<- [-ERR no]"]],
    ["route", 'INFO {"server_id":"N"}\r\n', []],
    ["leaf", 'CONNECT {"user":"u","pass":"p"}\r\n', ['<<- [CONNECT {"user":"u","pass":"[REDACTED]"}]']],
  ])("%s %s", (kind, text, lines) => {
    expect(taken(text, kind)).toEqual(lines);
  });
});

describe("traceSent()", () => {
  test("shows each line", () => {
    expect(traceSent(bytesOf("RS+ A foo\r\nRS+ A bar q 1\r\n"), ALL)).toEqual([
      "->> [RS+ A foo]",
      "->> [RS+ A bar q 1]",
    ]);
  });

  test("leaves out who servers are, passwords and all", () => {
    const text = 'CONNECT {"pass":"secret"}\r\nINFO {"nonce":"x"}\r\nPING\r\n';
    expect(traceSent(bytesOf(text), ALL)).toEqual(["->> [PING]"]);
  });

  test("shows a message and its payload", () => {
    expect(traceSent(bytesOf("RMSG A foo 5\r\nRS+ x\r\n"), ALL)).toEqual([
      "->> [RMSG A foo 5]",
      '->> MSG_PAYLOAD: ["RS+ x"]',
    ]);
    const headers = "NATS/1.0\r\nA: b\r\n\r\n";
    const message = bytesOf(`HMSG A foo ${headers.length} ${headers.length + 2}\r\n${headers}hi\r\n`);
    expect(traceSent(message, { ...ALL, headersOnly: true })).toEqual([
      "->> [HMSG A foo 18 20]",
      '->> MSG_PAYLOAD: ["NATS/1.0\\r\\nA: b"]',
    ]);
  });
});
