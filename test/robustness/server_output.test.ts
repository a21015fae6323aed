import { describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { ServerOutput } from "./server_output.ts";

function collector(): { seen: string[]; output: ServerOutput } {
  const seen: string[] = [];
  const output = new ServerOutput({
    message: (subject, sid, payload, headerBytes, reply) =>
      seen.push(`${subject}|${sid}|${reply}|${headerBytes}|${payload.toString("latin1")}`),
    line: (text) => seen.push(text),
  });
  return { seen, output };
}

const STREAM =
  "INFO {} \r\nPONG\r\nMSG a 1 5\r\nx\r\nyz\r\nHMSG b.c 22 r 12 14\r\nNATS/1.0\r\n\r\nok\r\n+OK\r\n-ERR 'Stale'\r\nMSG d 3 0\r\n\r\n";
const OPERATIONS = [
  "INFO {} ",
  "PONG",
  "a|1||0|x\r\nyz",
  "b.c|22|r|12|NATS/1.0\r\n\r\nok",
  "+OK",
  "-ERR 'Stale'",
  "d|3||0|",
];

describe("ServerOutput", () => {
  test("gives the same operations wherever the stream is cut", () => {
    for (let cut = 0; cut <= STREAM.length; cut++) {
      const { seen, output } = collector();
      output.feed(Buffer.from(STREAM.slice(0, cut)));
      output.feed(Buffer.from(STREAM.slice(cut)));
      expect(seen).toEqual(OPERATIONS);
      expect(output.waitingBytes).toBe(0);
    }
  });

  test("takes one byte at a time", () => {
    const { seen, output } = collector();
    for (const character of STREAM) output.feed(Buffer.from(character));
    expect(seen).toEqual(OPERATIONS);
  });

  test("throws at what no server sends", () => {
    for (const wrong of [
      "MSG a 1 5\r\nabcdef\r\n",
      "MSG a 1 05\r\nabcde\r\n",
      "MSG a 5\r\nabcde\r\n",
      "HMSG a 1 6 5\r\nabcde\r\n",
      "PONG\n",
      "PUB a 1\r\nx\r\n",
      "-ERR Stale\r\n",
    ]) {
      expect(() => collector().output.feed(Buffer.from(wrong))).toThrow("the server sent");
    }
  });
});
