import { expect, test } from "bun:test";
import {
  isMeasuredReply,
  isReplyKept,
  ReplySubjects,
  remoteLatencySubject,
  serverHash,
} from "./reply_subject.ts";

const HASH = serverHash("S1");

/** Gives 0, 1, 2 … below the bound. */
function counting() {
  let next = 0;
  return (bound: number) => next++ % bound;
}

test("serverHash() is nats-server's", () => {
  expect(HASH).toBe("sQnRv29R");
});

test("ReplySubjects keeps one prefix and makes a token for each request", () => {
  const replies = new ReplySubjects(HASH, counting());
  expect(replies.pattern).toBe("_R_.012345.>");
  expect(replies.next(false)).toBe("_R_.012345.6789AB");
  expect(replies.next(true)).toBe("_R_.012345.CDEFGH.sQnRv29R.T");
  expect(replies.next(false)).toHaveLength(17);
});

test("ReplySubjects uses all of its alphabet", () => {
  const replies = new ReplySubjects(HASH, counting());
  const tokens = Array.from({ length: 20 }, () => replies.next(false).slice(11)).join("");
  expect([...new Set(tokens)].sort().join("")).toBe(
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
  );
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
