import { describe, expect, test } from "bun:test";
import { encodeTrace, ingressEntry, MessageTrace, TRACE_ERROR, TRACE_KIND } from "./message_trace.ts";

const AT_MS = Date.UTC(2026, 10, 29, 12, 0, 0, 250);
const TS = "2026-11-29T12:00:00.25Z";
const CLIENT = { kind: TRACE_KIND.client, id: 7, name: "", account: "A" };

function traceOf(hop = "", hops = 0): MessageTrace {
  return new MessageTrace({ account: "A", isOnly: false, hop }, 3, 1, () => AT_MS, hops);
}

const textsOf = ({ entries }: MessageTrace) => entries.map((entry) => JSON.stringify(entry));

describe("MessageTrace", () => {
  test("has the members of each kind of event in nats-server's order", () => {
    const trace = traceOf();
    trace.mapped("b");
    trace.serviceImported("EXP", "b", "svc");
    trace.streamExported("IMP", "in.b");
    trace.left({ ...CLIENT, name: "sub" }, { subscription: "b.*", queue: "q", error: TRACE_ERROR.noEcho });
    trace.left({ kind: TRACE_KIND.route, id: 9, name: "B", account: "" }, { hop: "1" });
    expect(textsOf(trace)).toEqual([
      `{"type":"sm","ts":"${TS}","to":"b"}`,
      `{"type":"si","ts":"${TS}","acc":"EXP","from":"b","to":"svc"}`,
      `{"type":"se","ts":"${TS}","acc":"IMP","to":"in.b"}`,
      `{"type":"eg","ts":"${TS}","kind":0,"cid":7,"name":"sub","sub":"b.*","queue":"q","error":"Not delivered because of no echo"}`,
      `{"type":"eg","ts":"${TS}","kind":1,"cid":9,"name":"B","hop":"1"}`,
    ]);
  });

  test("names the account of clients and leaf nodes where the message came in by another one", () => {
    const trace = traceOf();
    for (const kind of Object.values(TRACE_KIND)) trace.left({ kind, id: 1, name: "", account: "B" });
    expect(trace.entries.map(({ kind, acc }) => [kind, acc])).toEqual([
      [0, "B"],
      [1, undefined],
      [2, undefined],
      [4, "B"],
    ]);
  });

  test("numbers the links that a message leaves by, behind its hop so far", () => {
    const first = traceOf();
    expect([first.nextHop(), first.nextHop()]).toEqual(["1", "2"]);
    const later = traceOf("2.1", 3);
    expect(later.nextHop()).toBe("2.1.4");
    later.takeBackHop();
    expect([later.nextHop(), later.hops]).toEqual(["2.1.4", 4]);
  });
});

test("ingressEntry() and encodeTrace() make nats-server's message", () => {
  const entry = ingressEntry({ ...CLIENT, name: "pub" }, "a", AT_MS, "");
  const report = {
    headers: new Map([
      ["b", ["<"]],
      ["A", ["1", "2"]],
    ]),
    messageBytes: 9,
    hops: 0,
    entries: [entry],
  };
  const ingress = `{"type":"in","ts":"${TS}","kind":0,"cid":7,"name":"pub","acc":"A","subj":"a"}`;
  expect(encodeTrace({ name: "S" }, report)).toBe(
    `{"server":{"name":"S"},"request":{"header":{"A":["1","2"],"b":["\\u003c"]},"msgsize":9},"events":[${ingress}]}`,
  );
  expect(encodeTrace({}, { ...report, hops: 2, entries: [] })).toMatch(/,"hops":2,"events":\[\]}$/);
  expect(ingressEntry(CLIENT, "a", AT_MS, "no")).toMatchObject({ error: "no" });
});
