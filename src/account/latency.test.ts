import { describe, expect, test } from "bun:test";
import {
  answeredSample,
  encodeLatency,
  encodeRemoteLatency,
  failedSample,
  readRemoteLatency,
  respondedSample,
  withResponder,
} from "./latency.ts";

const AT = Date.parse("2026-03-02T09:15:45.000Z");
const RESPONDER = {
  startedAtMs: AT - 1000,
  host: "127.0.0.1",
  clientId: 74,
  account: "A",
  user: "a",
  name: "svc",
  language: "nats.js",
  version: "3.2.0",
  rttNs: 300_000,
  server: "n1",
  kind: "Client",
  clientType: "nats",
};
const REQUEST = { requestor: { account: "B", rttNs: 500_000 }, receivedAtMs: AT };

describe("answeredSample()", () => {
  test("is published in nats-server's form", () => {
    const sample = answeredSample(REQUEST, RESPONDER, AT + 250, AT + 250.25);
    expect(encodeLatency(sample, "c47WQAmL9xVQ2zg4mZaouq", AT + 251)).toBe(
      '{"type":"io.nats.server.metric.v1.service_latency","id":"c47WQAmL9xVQ2zg4mZaouq",' +
        '"timestamp":"2026-03-02T09:15:45.251Z","status":200,"requestor":{"acc":"B","rtt":500000},' +
        '"responder":{"start":"2026-03-02T09:15:44Z","host":"127.0.0.1","id":74,"acc":"A","user":"a",' +
        '"name":"svc","lang":"nats.js","ver":"3.2.0","rtt":300000,"server":"n1","kind":"Client",' +
        '"client_type":"nats"},"start":"2026-03-02T09:15:44.9995Z",' +
        '"service":249700000,"system":250000,"total":250750000}',
    );
  });

  test("takes the responder's round trip from the service, down to nothing", () => {
    const sample = answeredSample(REQUEST, RESPONDER, AT + 0.125, AT + 0.125);
    expect(sample).toMatchObject({ serviceNs: 0, systemNs: 0, totalNs: 625_000 });
  });

  test("echoes the headers that asked for it", () => {
    const header = { "X-B3-Sampled": ["1"], "X-B3-Traceid": ["<t>"] };
    const sample = answeredSample({ ...REQUEST, header }, RESPONDER, AT, AT);
    const { requestor } = REQUEST;
    expect(encodeLatency(sample, "", AT)).toContain(
      `${JSON.stringify({ requestor: { acc: requestor.account, rtt: requestor.rttNs } }).slice(1, -1)},`,
    );
    expect(encodeLatency(sample, "", AT)).toContain(
      '"header":{"X-B3-Sampled":["1"],"X-B3-Traceid":["\\u003ct\\u003e"]},"start"',
    );
  });
});

test("failedSample() has a status for each reason, and no durations", () => {
  const statuses = (
    ["bad request", "request timeout", "service unavailable", "service timeout"] as const
  ).map((failure) => {
    const { status, description, serviceNs, systemNs, totalNs } = failedSample(REQUEST, failure);
    expect([serviceNs, systemNs, totalNs]).toEqual([0, 0, 0]);
    return `${status} ${description}`;
  });
  expect(statuses).toEqual([
    "400 Bad Request",
    "408 Request Timeout",
    "503 Service Unavailable",
    "504 Service Timeout",
  ]);
  expect(encodeLatency(failedSample(REQUEST, "bad request"), "x", AT)).toBe(
    '{"type":"io.nats.server.metric.v1.service_latency","id":"x","timestamp":"2026-03-02T09:15:45Z",' +
      '"status":400,"description":"Bad Request","requestor":{"acc":"B","rtt":500000},' +
      '"start":"2026-03-02T09:15:44.9995Z","service":0,"system":0,"total":0}',
  );
});

describe("a responder on another server", () => {
  const remote = {
    account: "A",
    requestId: "_R_.H7wz8R.TvD2yp.jCG0dLO4.T",
    sample: respondedSample(RESPONDER, AT + 2, AT + 12),
  };

  test("is told of in nats-server's form", () => {
    expect(encodeRemoteLatency(remote)).toBe(
      '{"account":"A","req_id":"_R_.H7wz8R.TvD2yp.jCG0dLO4.T","m2":{"type":"","id":"",' +
        '"timestamp":"0001-01-01T00:00:00Z","status":200,"responder":{"start":"2026-03-02T09:15:44Z",' +
        '"host":"127.0.0.1","id":74,"acc":"A","user":"a","name":"svc","lang":"nats.js","ver":"3.2.0",' +
        '"rtt":300000,"server":"n1","kind":"Client","client_type":"nats"},' +
        '"start":"2026-03-02T09:15:45.002Z","service":9700000,"system":0,"total":10000000}}',
    );
  });

  test("is read as it was told", () => {
    const payload = new TextEncoder().encode(encodeRemoteLatency(remote));
    expect(readRemoteLatency(payload)).toEqual(remote);
  });

  test("completes what the requestor's server knows", () => {
    const own = answeredSample(REQUEST, undefined, AT + 15, AT + 15);
    expect(own).toMatchObject({ serviceNs: 15_000_000, systemNs: 0, totalNs: 15_500_000 });
    expect(withResponder(own, remote.sample)).toEqual({
      ...own,
      responder: RESPONDER,
      serviceNs: 9_700_000,
      systemNs: 5_000_000,
      totalNs: 15_500_000,
    });
  });

  test("is not read from anything else", () => {
    for (const text of ["", "[]", "1", '{"account":"A"}', '{"account":"A","req_id":"r","m2":{}}', "{"]) {
      expect(readRemoteLatency(new TextEncoder().encode(text))).toBe(null);
    }
  });
});
