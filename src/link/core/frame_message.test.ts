import { expect, test } from "bun:test";
import { byteStringOf, bytesOf } from "../../subject/byte_string.ts";
import { frameMessage } from "./frame_message.ts";

const PLAIN = { hasOrigin: false, takesHeaders: true };
const BARE = { hasOrigin: false, takesHeaders: false };
const ORIGIN = { hasOrigin: true, takesHeaders: true };

test.each([
  ["RMSG $G foo ", "", [], 0, PLAIN, "RMSG $G foo 3\r\nHhi\r\n"],
  ["RMSG $G foo ", "re", [], 0, PLAIN, "RMSG $G foo re 3\r\nHhi\r\n"],
  ["RMSG $G foo ", "", ["a", "b"], 0, PLAIN, "RMSG $G foo | a b 3\r\nHhi\r\n"],
  ["RMSG $G foo ", "re", ["a", "b"], 0, PLAIN, "RMSG $G foo + re a b 3\r\nHhi\r\n"],
  ["RMSG $G foo ", "re", ["a"], 1, PLAIN, "HMSG $G foo + re a 1 3\r\nHhi\r\n"],
  ["RMSG $G foo ", "re", [], 1, BARE, "RMSG $G foo re 2\r\nhi\r\n"],
  ["LMSG LC $G foo ", "", ["q"], 0, ORIGIN, "LMSG LC $G foo | q 0 3\r\nHhi\r\n"],
  ["LMSG LC $G foo ", "re", [], 1, ORIGIN, "LMSG LC $G foo re 1 3\r\nHhi\r\n"],
  ["LMSG LC $G foo ", "", [], 1, { hasOrigin: true, takesHeaders: false }, "LMSG LC $G foo 0 2\r\nhi\r\n"],
  ["LMSG foo ", "rp", ["q1"], 1, PLAIN, "HMSG foo + rp q1 1 3\r\nHhi\r\n"],
  ["LMSG foo ", "", [], 0, PLAIN, "LMSG foo 3\r\nHhi\r\n"],
] as const)(
  "frameMessage() after %j, reply %j, groups %j, header of %d",
  (prefix, reply, queues, headerBytes, form, wire) => {
    const content = { bytes: Uint8Array.from(bytesOf("Hhi")), headerBytes };
    const message = { account: "$G", origin: "", subject: "foo", reply, content };
    expect(byteStringOf(frameMessage(prefix, message, queues, form))).toBe(wire);
  },
);
