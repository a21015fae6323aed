import { describe, expect, test } from "bun:test";
import { createEngine } from "../../engine/engine.ts";
import { NO_HOST } from "../../engine/no_host.ts";
import { NODE_SHARD_FIRST } from "../../memory/map.ts";
import { createSharedMemory } from "../../memory/shared_memory.ts";
import { ForwardedRequests } from "./forwarded_requests.ts";
import { type PendingRequest, PendingRequests } from "./pending_requests.ts";

const shared = createSharedMemory(1, new Uint32Array([1, 2, 3, 4]), false);
const engine = createEngine(shared.memory, shared.map.area(NODE_SHARD_FIRST).area, NO_HOST);
const forwarded = new ForwardedRequests(shared, engine, NODE_SHARD_FIRST);

const IMPORTER = 5;
const OTHER = 6;

let count = 0;
function pendingOf(reply: string, more: Partial<PendingRequest> = {}): PendingRequest {
  return {
    token: `t${++count}`,
    exporter: 4,
    requestor: IMPORTER,
    reply,
    isShared: false,
    responseType: "singleton",
    thresholdMs: 100,
    deadlineMs: 100,
    measurement: null,
    ways: null,
    askedBy: null,
    responder: undefined,
    remote: null,
    ...more,
  };
}

test("surplus() is the oldest of those that are the most, once there is no room for one more", () => {
  const requests = new PendingRequests(
    forwarded,
    () => {
      throw new Error("nothing was forwarded");
    },
    3,
  );
  const [alone, first, second] = [
    pendingOf("b", { thresholdMs: 50, deadlineMs: 90 }),
    pendingOf("a"),
    pendingOf("c"),
  ];
  for (const pending of [first, alone]) requests.add(pending);
  expect(requests.surplus()).toEqual([]);
  requests.add(second);
  expect(requests.surplus()).toEqual([first]);
  requests.remove(first);
  requests.add(pendingOf("d"));
  expect(requests.surplus()).toEqual([second]);
});

function requestsOf(...pendings: readonly PendingRequest[]): PendingRequests {
  const requests = new PendingRequests(forwarded, () => {
    throw new Error("nothing was forwarded");
  });
  for (const pending of pendings) requests.add(pending);
  return requests;
}

const repliesOf = (pendings: Iterable<PendingRequest>) => [...pendings].map(({ reply }) => reply).sort();

describe("PendingRequests", () => {
  test("answeredTo() finds those whose reply a subscription took, literal or with wildcards", () => {
    const replies = ["a", "a.b", "a.b.c", "a.b.d", "a.x.c", "_INBOX.me.1", "_INBOX.me.2", "_INBOX.you.1"];
    const requests = requestsOf(
      ...replies.map((reply) => pendingOf(reply)),
      pendingOf("a.b.c"),
      pendingOf("_INBOX.me.3", { requestor: OTHER }),
    );
    const taken = (subject: string) => repliesOf(requests.answeredTo(IMPORTER, subject));
    expect(taken("a")).toEqual(["a"]);
    expect(taken("a.b.c")).toEqual(["a.b.c", "a.b.c"]);
    expect(taken("a.*")).toEqual(["a.b"]);
    expect(taken("a.>")).toEqual(["a.b", "a.b.c", "a.b.c", "a.b.d", "a.x.c"]);
    expect(taken("a.b.*")).toEqual(["a.b.c", "a.b.c", "a.b.d"]);
    expect(taken("*.*.c")).toEqual(["a.b.c", "a.b.c", "a.x.c"]);
    expect(taken("_INBOX.me.*")).toEqual(["_INBOX.me.1", "_INBOX.me.2"]);
    expect(taken("_INBOX.me.>")).toEqual(["_INBOX.me.1", "_INBOX.me.2"]);
    expect(taken("_INBOX.*.1")).toEqual(["_INBOX.me.1", "_INBOX.you.1"]);
    expect(taken(">").length).toBe(replies.length + 1);
    expect(taken("_INBOX.no.*")).toEqual([]);
    expect(repliesOf(requests.answeredTo(7, ">"))).toEqual([]);
  });

  test("answeredTo() knows wildcard characters within a token as what they are", () => {
    const requests = requestsOf(pendingOf("a*b.c.d"), pendingOf("x.y.z>"));
    expect(repliesOf(requests.answeredTo(IMPORTER, "a*b.c.d"))).toEqual(["a*b.c.d"]);
    expect(repliesOf(requests.answeredTo(IMPORTER, "x.y.z>"))).toEqual(["x.y.z>"]);
    expect(repliesOf(requests.answeredTo(IMPORTER, "a*b.*.d"))).toEqual(["a*b.c.d"]);
  });

  test("those that are found may be removed at once", () => {
    const pendings = ["i.1.a", "i.1.b", "i.2.a", "i.1.a"].map((reply) => pendingOf(reply));
    for (const subject of ["i.1.*", ">", "i.1.a"]) {
      const requests = requestsOf(...pendings);
      const taken = repliesOf(requests.answeredTo(IMPORTER, subject)).length;
      let removed = 0;
      for (const pending of requests.answeredTo(IMPORTER, subject)) {
        requests.remove(pending);
        removed++;
      }
      expect(removed).toBe(taken);
      expect(requests.size).toBe(pendings.length - taken);
    }
  });

  test("overdue() yields those whose time is over, and not one that was renewed", () => {
    const first = pendingOf("r.1", { deadlineMs: 100 });
    const second = pendingOf("r.2", { deadlineMs: 110 });
    const long = pendingOf("r.3", { deadlineMs: 1000, thresholdMs: 1000 });
    const requests = requestsOf(first, second, long);
    expect(repliesOf(requests.overdue(99))).toEqual([]);
    expect(repliesOf(requests.overdue(100))).toEqual(["r.1"]);
    requests.renew(first, 90);
    expect(first.deadlineMs).toBe(190);
    expect(repliesOf(requests.overdue(150))).toEqual(["r.2"]);
    for (const pending of requests.overdue(2000)) requests.remove(pending);
    expect(requests.size).toBe(0);
  });

  test("what is removed is gone from everywhere, and may be removed again", () => {
    const [one, two] = [pendingOf("r.1"), pendingOf("r.1")];
    const requests = requestsOf(one, two);
    requests.remove(one);
    requests.remove(one);
    expect([requests.has(one.token), requests.get(two.token)]).toEqual([false, two]);
    expect([...requests.all()]).toEqual([two]);
    expect([...requests.answeredTo(IMPORTER, "r.1")]).toEqual([two]);
    requests.remove(two);
    expect([...requests.overdue(1e9)]).toEqual([]);
  });
});
