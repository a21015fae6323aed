import { expect, test } from "bun:test";
import type { ClientInfo } from "../../account/client_info.ts";
import { type LatencySample, respondedSample } from "../../account/latency.ts";
import { byteStringOf } from "../../subject/byte_string.ts";
import { Latencies } from "./latencies.ts";
import type { Measurement, PendingRequest } from "./pending_requests.ts";

const EXPORTER = 5;
const MEASUREMENT: Measurement = {
  request: { requestor: { account: "IMP" }, receivedAtMs: 1000 },
  latency: { subject: "lat", sampling: 100 },
  exporter: EXPORTER,
};
const RESPONDER: ClientInfo = { account: "EXP", name: "far" };
/** The responder's server took 3 of the 10 ms that passed until the answer arrived. */
const REMOTE = respondedSample(RESPONDER, 1004, 1007);
const ANSWERED_AT_MS = 1010;

function pendingOf(token: string, remote: LatencySample | null = null): PendingRequest {
  return {
    token,
    exporter: EXPORTER,
    requestor: 6,
    reply: "in",
    isShared: false,
    responseType: "singleton",
    thresholdMs: 100,
    deadlineMs: 100,
    measurement: MEASUREMENT,
    ways: null,
    askedBy: null,
    responder: undefined,
    remote,
  };
}

function setUp() {
  const clock = { nowMs: 0, wallMs: () => ANSWERED_AT_MS };
  /** Published latencies, by account and subject. */
  const published: (readonly [at: string, sample: Record<string, unknown>])[] = [];
  const latencies = new Latencies(clock, ({ context, subject, bytes }) => {
    return published.push([`${context} ${byteStringOf(subject)}`, JSON.parse(byteStringOf(bytes))]);
  });
  return { clock, latencies, published };
}

test("answered() publishes at once whose responder is known, or measured by the other server already", () => {
  const { latencies, published } = setUp();
  latencies.answered(pendingOf("t1"), () => ({ account: "EXP", name: "near" }), ANSWERED_AT_MS);
  latencies.answered(pendingOf("t2", REMOTE), undefined, ANSWERED_AT_MS);
  latencies.answered({ ...pendingOf("t3"), measurement: null }, undefined, ANSWERED_AT_MS);
  expect(latencies.size).toBe(0);
  expect(published).toMatchObject([
    ["5 lat", { status: 200, responder: { name: "near" }, service: 10e6, system: 0 }],
    ["5 lat", { status: 200, responder: { name: "far" }, service: 3e6, system: 7e6 }],
  ]);
});

test("complete() publishes what waited for the other server's half, once", () => {
  const { latencies, published } = setUp();
  latencies.answered(pendingOf("t1"), undefined, ANSWERED_AT_MS);
  expect([latencies.size, published.length]).toEqual([1, 0]);
  expect(latencies.complete("t2", REMOTE)).toBe(false);
  expect(latencies.complete("t1", REMOTE)).toBe(true);
  expect(latencies.complete("t1", REMOTE)).toBe(false);
  expect(published).toMatchObject([["5 lat", { responder: { name: "far" }, service: 3e6, system: 7e6 }]]);
});

test("expire() forgets a half after ten seconds, unpublished", () => {
  const { clock, latencies, published } = setUp();
  latencies.answered(pendingOf("t1"), undefined, ANSWERED_AT_MS);
  clock.nowMs = 9_999;
  latencies.expire();
  expect(latencies.size).toBe(1);
  clock.nowMs = 10_000;
  latencies.expire();
  expect([latencies.size, published.length, latencies.complete("t1", REMOTE)]).toEqual([0, 0, false]);
});

test("fail() publishes why a request that is measured has no answer", () => {
  const { latencies, published } = setUp();
  latencies.fail(null, "service timeout");
  latencies.fail(MEASUREMENT, "service timeout");
  expect(published).toMatchObject([["5 lat", { status: 504, description: "Service Timeout" }]]);
});
