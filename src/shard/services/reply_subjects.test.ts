import { expect, test } from "bun:test";
import { ReplySubjects } from "./reply_subjects.ts";

const MEASURED = { measurement: {} };
const PLAIN = { measurement: null };
const replies = new ReplySubjects([1, 2, 3, 4], "sQnRv29R", 5);
const newToken = () => replies.newToken(() => false);

test("a reply subject has its account's part, its request's, and the server's where it is measured", () => {
  const subject = replies.subjectOf(7, { token: newToken(), ...PLAIN });
  expect(subject).toMatch(/^_R_\.[0-9A-Za-z]{6}\.[0-9A-Za-z]{6}$/);
  const measured = replies.subjectOf(7, { token: newToken(), ...MEASURED });
  expect(measured).toMatch(/^_R_\.[0-9A-Za-z]{6}\.[0-9A-Za-z]{6}\.sQnRv29R\.T$/);
  expect(measured.slice(0, 11)).toBe(subject.slice(0, 11));
  expect(replies.subjectOf(8, { token: newToken(), ...PLAIN }).slice(0, 11)).not.toBe(subject.slice(0, 11));
});

test("a subject tells its token and the node that remembers it, on every node with the same secret", () => {
  const other = new ReplySubjects([1, 2, 3, 4], "sQnRv29R", 9);
  for (const measurement of [null, {}]) {
    const token = newToken();
    const subject = replies.subjectOf(7, { token, measurement });
    expect(other.tokenOf(7, subject)).toBe(token);
    expect(other.nodeOf(7, subject)).toBe(5);
    expect(other.nodeOf(8, subject)).toBe(-1);
  }
});

test("other subjects are none", () => {
  const subject = replies.subjectOf(7, { token: newToken(), ...PLAIN });
  for (const wrong of [`${subject}x`, `${subject}.T`, subject.slice(0, -1), "_R_.a.b", "a"]) {
    expect([wrong, replies.nodeOf(7, wrong)]).toEqual([wrong, -1]);
  }
  const stranger = new ReplySubjects([4, 3, 2, 1], "sQnRv29R", 5);
  expect(stranger.nodeOf(7, subject)).toBe(-1);
});

test("a token is taken only where no request has it", () => {
  const seen: string[] = [];
  const token = replies.newToken((candidate) => seen.push(candidate) < 3);
  expect(seen).toHaveLength(3);
  expect(token).toBe(seen[2]!);
  expect(new Set(seen).size).toBe(3);
});

test("isNaming() knows the requests of which it matters who answers", () => {
  const naming = replies.newToken(() => false, true);
  expect(replies.isNaming(7, replies.subjectOf(7, { token: naming, ...PLAIN }))).toBe(true);
  expect(replies.isNaming(8, replies.subjectOf(7, { token: naming, ...PLAIN }))).toBe(false);
  for (let i = 0; i < 500; i++) {
    const token = newToken();
    expect(replies.isNaming(7, replies.subjectOf(7, { token, ...PLAIN }))).toBe(false);
    expect(replies.isNaming(7, replies.subjectOf(7, { token, ...MEASURED }))).toBe(true);
  }
});
