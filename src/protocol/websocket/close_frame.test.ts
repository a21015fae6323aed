import { expect, test } from "bun:test";
import { answerClose, closePayload } from "./close_frame.ts";

const bytes = (status: number, text = "") =>
  new Uint8Array([status >> 8, status & 0xff, ...new TextEncoder().encode(text)]);

test("answerClose() says the same back", () => {
  for (const payload of [new Uint8Array(0), bytes(1000), bytes(1001, "bye"), bytes(3000, "ü"), bytes(4999)]) {
    expect(answerClose(payload)).toEqual({ ok: true, payload });
  }
});

test("answerClose() refuses codes that no frame may carry, and half a code", () => {
  for (const status of [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535]) {
    expect(answerClose(bytes(status))).toEqual({
      ok: false,
      violation: `invalid close status code ${status}`,
    });
  }
  expect(answerClose(new Uint8Array([3]))).toEqual({
    ok: false,
    violation: "close frame payload cannot be 1 byte",
  });
});

test("answerClose() answers text that is no UTF-8 with 1007", () => {
  expect(answerClose(new Uint8Array([3, 0xe8, 0xff, 0xfe]))).toEqual({
    ok: true,
    payload: bytes(1007, "invalid utf8 body in close frame"),
  });
});

test("closePayload() cuts text so that the frame is a control frame", () => {
  expect(closePayload(1008, "no")).toEqual(bytes(1008, "no"));
  expect(closePayload(1008, "x".repeat(123))).toEqual(bytes(1008, "x".repeat(123)));
  expect(closePayload(1008, "x".repeat(124))).toEqual(bytes(1008, `${"x".repeat(120)}...`));
});
