import { expect, test } from "bun:test";
import { encodeGoJson } from "./go_json.ts";
import { type HealthzOptions, healthz, healthzReport } from "./healthz.ts";

function answer(options: Partial<HealthzOptions>, listenersNotReady: string[] = [], showsStatusCode = false) {
  const health = healthz({ listenersNotReady }, options);
  const hasDetails = options.hasDetails ?? false;
  return `${health.statusCode} ${encodeGoJson(healthzReport(health, hasDetails, showsStatusCode), 0)}`;
}

test("healthz() is ok without JetStream", () => {
  expect(answer({})).toBe('200 {"status":"ok"}');
  expect(answer({ hasDetails: true })).toBe('200 {"status":"ok"}');
  expect(answer({ account: "A", stream: "S", consumer: "C" })).toBe('200 {"status":"ok"}');
  expect(answer({}, [], true)).toBe('200 {"status":"ok","status_code":200}');
});

test("healthz() refuses a stream without its account and a consumer without its stream", () => {
  expect(answer({ stream: "S" })).toBe(
    '400 {"status":"error","error":"\\"account\\" must not be empty when checking stream health"}',
  );
  expect(answer({ consumer: "C" })).toBe(
    '400 {"status":"error","error":"\\"stream\\" must not be empty when checking consumer health"}',
  );
  expect(answer({ stream: "S", hasDetails: true }, ["server"])).toBe(
    '400 {"status":"error","errors":[{"type":"BAD_REQUEST","error":"\\"account\\" must not be empty when checking stream health"}]}',
  );
});

test("healthz() names the listeners that are not open", () => {
  expect(answer({}, ["server"])).toBe(
    '500 {"status":"error","error":"failed to be ready for connections after 1ms: server"}',
  );
  expect(answer({ hasDetails: true }, ["server", "route"])).toBe(
    '500 {"status":"error","errors":[{"type":"CONNECTION","error":"failed to be ready for connections after 1ms: server, route"}]}',
  );
});
