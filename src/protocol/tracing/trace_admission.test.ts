import { describe, expect, test } from "bun:test";
import { admitTrace, type TraceSource } from "./trace_admission.ts";
import type { TraceRequest } from "./trace_request.ts";

const REQUEST: TraceRequest = {
  headers: new Map(),
  destination: "traces",
  isOnly: false,
  hop: "",
  originAccount: "",
  acceptEncoding: "",
};

const SOURCE: TraceSource = {
  isClient: true,
  accountTrace: undefined,
  mayPublish: () => true,
  randomBelow: () => 0,
};

const admit = (request: Partial<TraceRequest>, source: Partial<TraceSource> = {}) =>
  admitTrace({ ...REQUEST, ...request }, { ...SOURCE, ...source });

describe("admitTrace()", () => {
  test("traces to a destination that may be published to", () => {
    expect(admit({})).toEqual({ kind: "traced", destination: "traces" });
    expect(admit({}, { mayPublish: () => false })).toEqual({ kind: "refused", destination: "traces" });
  });

  test("goes by what the account says where the message has no destination", () => {
    const accountTrace = { destination: "acc", sampling: 100 };
    expect(admit({ destination: null })).toEqual({ kind: "untraced" });
    expect(admit({ destination: null }, { accountTrace })).toEqual({ kind: "traced", destination: "acc" });
    expect(admit({}, { accountTrace })).toEqual({ kind: "traced", destination: "traces" });
  });

  test("samples at the first server alone, and keeps the others from tracing the rest", () => {
    const accountTrace = { destination: "acc", sampling: 30 };
    const drawn = (number: number, isClient = true) =>
      admit({ destination: null }, { accountTrace, isClient, randomBelow: () => number }).kind;
    expect([drawn(0), drawn(30), drawn(31), drawn(99)]).toEqual(["traced", "traced", "disabled", "disabled"]);
    expect(drawn(99, false)).toBe("traced");
  });

  test("does not trace to what is no subject, and delivers only what was to be delivered", () => {
    for (const destination of ["a.*", "a b", "a..b", ".a", ">"]) {
      const log = `Destination "${destination}" is not valid, won't be able to trace events`;
      expect(admit({ destination })).toEqual({ kind: "untraced", log });
      expect(admit({ destination, isOnly: true })).toEqual({ kind: "dropped", log });
    }
  });

  test("does not believe what old servers wrote", () => {
    const log = 'Message tracing disabled because of header "Nats-Trace-Origin-Account" with value="A"';
    expect(admit({ originAccount: "A" })).toEqual({ kind: "disabled", log });
    expect(admit({ originAccount: "A", isOnly: true })).toEqual({ kind: "dropped", log });
  });
});
