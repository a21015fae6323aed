import { describe, expect, test } from "bun:test";
import type { TraceResult } from "../shard_messages.ts";
import { ShardHarness } from "../testing/shard_harness.ts";

const HEADERS = { headers: true, no_responders: true };
const BLOCK = "NATS/1.0\r\nNats-Trace-Dest: t\r\n\r\n";
const ONLY = "NATS/1.0\r\nNats-Trace-Dest: t\r\nNats-Trace-Only: 1\r\n\r\n";

const hpub = (line: string, payload: string, block = BLOCK) =>
  `HPUB ${line} ${block.length} ${block.length + payload.length}\r\n${block}${payload}\r\n`;

const hmsg = (subject: string, sid: number, payload: string) =>
  `HMSG ${subject} ${sid} ${BLOCK.length} ${BLOCK.length + payload.length}\r\n${BLOCK}${payload}\r\n`;

const tracesOf = ({ reports }: ShardHarness): TraceResult[] =>
  reports.flatMap((report) => (report.type === "trace" ? [report.result] : []));

/** Three shards with a publisher on the first and, on each, a subscriber to `a` with sid 1. */
function setUp() {
  const harness = new ShardHarness(3);
  const publisher = harness.connect(0, { ...HEADERS, name: "pub" });
  const subscribers = [0, 1, 2].map((shard) => {
    const socket = harness.connect(shard, { ...HEADERS, name: `s${shard}` });
    socket.send("SUB a 1\r\n");
    return socket;
  });
  harness.settle();
  return { harness, publisher, subscribers };
}

const namesIn = ({ report }: TraceResult) =>
  report.entries
    .slice(1)
    .map(({ name }) => name)
    .sort();

describe("a traced message", () => {
  test("is delivered on all shards and told of once", () => {
    const { harness, publisher, subscribers } = setUp();
    publisher.send(hpub("a", "hi"));
    harness.settle();
    for (const socket of subscribers) expect(socket.take()).toBe(hmsg("a", 1, "hi"));
    const [trace, ...others] = tracesOf(harness);
    expect(others).toEqual([]);
    expect(namesIn(trace!)).toEqual(["s0", "s1", "s2"]);
    expect(trace!.report.entries[0]).toMatchObject({ type: "in", name: "pub", acc: "$G", subj: "a" });
    expect(trace!.destination).toBe("t");
  });

  test("is told of and not delivered where it is only to be traced", () => {
    const { harness, publisher, subscribers } = setUp();
    publisher.send(hpub("a", "hi", ONLY));
    harness.settle();
    for (const socket of subscribers) expect(socket.take()).toBe("");
    expect(tracesOf(harness).map(namesIn)).toEqual([["s0", "s1", "s2"]]);
  });

  test("crosses shards when it is large", () => {
    const { harness, publisher, subscribers } = setUp();
    const payload = "x".repeat(300_000);
    publisher.send(hpub("a", payload));
    harness.settle();
    for (const socket of subscribers) expect(socket.take() === hmsg("a", 1, payload)).toBe(true);
    expect(tracesOf(harness).map(namesIn)).toEqual([["s0", "s1", "s2"]]);
  });

  test("keeps its place among the messages of its publisher", () => {
    const { harness, publisher, subscribers } = setUp();
    publisher.send(`PUB a 1\r\n1\r\n${hpub("a", "2")}PUB a 1\r\n3\r\n`);
    harness.settle();
    for (const socket of subscribers)
      expect(socket.take()).toBe(`MSG a 1 1\r\n1\r\n${hmsg("a", 1, "2")}MSG a 1 1\r\n3\r\n`);
  });

  test("goes to one member of a queue group, wherever it is", () => {
    const { harness, publisher, subscribers } = setUp();
    for (const socket of subscribers) socket.send("SUB q w 2\r\n");
    harness.settle();
    const rounds = 60;
    for (let i = 0; i < rounds; i++) publisher.send(hpub("q", "hi"));
    harness.settle();
    const counts = subscribers.map((socket) => socket.take().split("HMSG").length - 1);
    expect(counts.reduce((sum, count) => sum + count)).toBe(rounds);
    for (const count of counts) expect(count).toBeGreaterThan(0);
    const traces = tracesOf(harness);
    expect(traces.length).toBe(rounds);
    for (const trace of traces) expect(namesIn(trace).length).toBe(1);
  });

  test("is counted like any other, and takes a subscription to its end", () => {
    const { harness, publisher, subscribers } = setUp();
    subscribers[1]!.send("UNSUB 1 2\r\n");
    harness.settle();
    for (let i = 0; i < 3; i++) publisher.send(hpub("a", `${i}`));
    harness.settle();
    expect(subscribers[1]!.take()).toBe(hmsg("a", 1, "0") + hmsg("a", 1, "1"));
    expect(tracesOf(harness).map((trace) => namesIn(trace).length)).toEqual([3, 3, 2]);
  });

  test("is answered 503 where nobody takes it", () => {
    const { harness, publisher } = setUp();
    publisher.send(`SUB in 3\r\n${hpub("none in", "hi")}`);
    harness.settle();
    expect(publisher.take()).toBe("HMSG in 3 36 36\r\nNATS/1.0 503\r\nNats-Subject: none\r\n\r\n\r\n");
    expect(tracesOf(harness).map(namesIn)).toEqual([[]]);
  });
});
