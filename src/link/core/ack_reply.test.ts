import { expect, test } from "bun:test";
import { splitAckReply } from "./ack_reply.ts";

const ACK = "$JS.ACK.ORDERS.consumer.1.5.7.1700000000000000000.3";

test("the subject that a consumer's client sees is taken off the reply", () => {
  expect(splitAckReply(`${ACK}@orders.new`)).toEqual({ reply: ACK, subject: "orders.new" });
  const marked = "$JS.ACK.S@x.C.1.1.1.1620.0";
  expect(splitAckReply(`${marked}@a`)).toEqual({ reply: marked, subject: "a" });
  expect(splitAckReply(`${ACK}@a@b`)).toEqual({ reply: ACK, subject: "a@b" });
});

test("other replies stay whole", () => {
  for (const reply of [ACK, `${ACK}@`, "_INBOX.1@x", "$JS.ACK.a@b.c.d.e.f.g", ""]) {
    expect(splitAckReply(reply)).toBe(null);
  }
});
