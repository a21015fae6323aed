import { expect, test } from "bun:test";
import { MeasuredRequests } from "./measured_requests.ts";

const RESPONDER = { account: "A", rttNs: 2e6 };

test("respond() measures from the delivery to the answer, once", () => {
  const requests = new MeasuredRequests();
  requests.note("A", "_R_.a.b.hash.T", 1000);
  expect(requests.respond("_R_.a.b.hash.T", RESPONDER, 1010)).toEqual({
    account: "A",
    requestId: "_R_.a.b.hash.T",
    sample: {
      status: 200,
      responder: RESPONDER,
      startedAtMs: 1000,
      serviceNs: 8e6,
      systemNs: 0,
      totalNs: 10e6,
    },
  });
  expect(requests.respond("_R_.a.b.hash.T", RESPONDER, 1020)).toBe(null);
});

test("a request is forgotten when it is too old to be answered", () => {
  const requests = new MeasuredRequests();
  requests.note("A", "old", 0);
  requests.note("A", "newer", 60_000);
  requests.note("A", "newest", 120_000);
  expect(requests.respond("old", RESPONDER, 120_000)).toBe(null);
  expect(requests.respond("newer", RESPONDER, 120_000)?.account).toBe("A");
});
