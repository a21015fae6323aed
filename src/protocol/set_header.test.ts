import { expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { withHeader } from "./set_header.ts";

/** The message after `H: v` was set, header block and payload apart. */
function set(block: string, payload = "P"): [block: string, payload: string] {
  const bytes = Uint8Array.from(Buffer.from(block + payload, "latin1"));
  const before = bytes.slice();
  const changed = withHeader({ bytes, headerBytes: block.length }, "H", "v");
  expect(bytes).toEqual(before);
  const text = Buffer.from(changed.bytes).toString("latin1");
  return [text.slice(0, changed.headerBytes), text.slice(changed.headerBytes)];
}

// Each seen on nats-server 2.15.2 with Nats-Request-Info.
const rows: readonly (readonly [what: string, block: string, result: string, payload?: string])[] = [
  ["makes a block", "", "NATS/1.0\r\nH: v\r\n\r\n"],
  ["adds to an empty block", "NATS/1.0\r\n\r\n", "NATS/1.0\r\nH: v\r\n\r\n"],
  ["comes last", "NATS/1.0\r\nA: b\r\n\r\n", "NATS/1.0\r\nA: b\r\nH: v\r\n\r\n"],
  ["replaces all of its name", "NATS/1.0\r\nH: x\r\nA: b\r\nH:y\r\n\r\n", "NATS/1.0\r\nA: b\r\nH: v\r\n\r\n"],
  ["replaces neighbours", "NATS/1.0\r\nH: x\r\nH: y\r\n\r\n", "NATS/1.0\r\nH: v\r\n\r\n"],
  [
    "keeps other spellings",
    "NATS/1.0\r\nh: x\r\nXH: y\r\nH : z\r\n\r\n",
    "NATS/1.0\r\nh: x\r\nXH: y\r\nH : z\r\nH: v\r\n\r\n",
  ],
  ["keeps the status", "NATS/1.0 503 hi\r\nH:z\r\n\r\n", "NATS/1.0 503 hi\r\nH: v\r\n\r\n"],
  ["keeps what is no block", "garbage", "garbaH: v\r\n\r\n"],
  ["keeps a header that does not end", "NATS/1.0\r\nH: z", "NATS/1.0\r\nH:H: v\r\n\r\n"],
  ["keeps lines that end in LF alone", "NATS/1.0\nH: z\n\n", "NATS/1.0\nH: zH: v\r\n\r\n"],
  ["takes two bytes for payload", "\r\n", "NATS/1.0\r\nH: v\r\n\r\n", "\r\nP"],
  ["keeps bytes that are no text", "NATS/1.0\r\nA: \xff\r\n\r\n", "NATS/1.0\r\nA: \xff\r\nH: v\r\n\r\n"],
];
for (const [what, block, result, payload = "P"] of rows) {
  test(`withHeader() ${what}`, () => expect(set(block)).toEqual([result, payload]));
}

test("withHeader() writes a value in UTF-8 and counts its bytes", () => {
  const { bytes, headerBytes } = withHeader({ bytes: new Uint8Array(), headerBytes: 0 }, "H", "é");
  expect(new TextDecoder().decode(bytes)).toBe("NATS/1.0\r\nH: é\r\n\r\n");
  expect(headerBytes).toBe(bytes.length);
});
