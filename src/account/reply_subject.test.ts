import { expect, test } from "bun:test";
import { isMeasuredReply, isReplyKept, remoteLatencySubject, serverHash } from "./reply_subject.ts";

test("serverHash() is nats-server's", async () => {
  expect(await serverHash("S1")).toBe("sQnRv29R");
});

test("remoteLatencySubject() names the server that measures", () => {
  expect(remoteLatencySubject("_R_.012345.CDEFGH.sQnRv29R.T")).toBe("$SYS.LATENCY.M2.sQnRv29R");
  expect(remoteLatencySubject("_R_.012345.CDEFGH")).toBe(null);
  expect(isMeasuredReply("a.b.T")).toBe(true);
  expect(isMeasuredReply("aa.t")).toBe(false);
  expect(isMeasuredReply("ab.T")).toBe(false);
});

test("isReplyKept() for acknowledgements alone", () => {
  expect(isReplyKept("$JS.ACK.s.c.1")).toBe(true);
  expect(isReplyKept("$JS.ACK")).toBe(false);
});
