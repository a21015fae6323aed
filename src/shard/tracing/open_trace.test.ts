import { expect, test } from "bun:test";
import { MessageTrace, TRACE_KIND } from "../../protocol/tracing/message_trace.ts";
import { OpenTrace } from "./open_trace.ts";

const PARTY = { kind: TRACE_KIND.client, id: 7, name: "pub", account: "A" };
const REQUEST = {
  headers: new Map([["Nats-Trace-Dest", ["t"]]]),
  destination: "t",
  isOnly: false,
  hop: "",
  originAccount: "",
  acceptEncoding: "gzip",
};

function openTrace(): OpenTrace {
  const trace = new MessageTrace({ account: "A", isOnly: false, hop: "" }, 3, 1, () => 0);
  const arrival = {
    party: PARTY,
    accountId: 5,
    subject: "a",
    request: REQUEST,
    destination: "t",
    messageBytes: 9,
  };
  return new OpenTrace(trace, arrival, 0, 100);
}

test("OpenTrace is complete once all is done here and all others have told", () => {
  const open = openTrace();
  open.awaitPart();
  open.awaitPart();
  expect(open.isComplete).toBe(false);
  open.takePart({ entries: [], hops: 0, taken: 0 });
  open.end();
  expect(open.isComplete).toBe(false);
  open.takePart({ entries: [], hops: 0, taken: 0 });
  expect(open.isComplete).toBe(true);
});

test("OpenTrace puts together what all have told, how the message came in first", () => {
  const open = openTrace();
  const ends: unknown[] = [];
  open.afterwards((hops, wasTaken) => ends.push(hops, wasTaken));
  open.trace.mapped("b");
  open.trace.nextHop();
  open.awaitPart();
  open.takePart({ entries: [{ type: "eg", cid: 1 }], hops: 2, taken: 1 });
  const { account, destination, acceptEncoding, report } = open.finish();
  expect([account, destination, acceptEncoding, report.hops, report.messageBytes]).toEqual([
    5,
    "t",
    "gzip",
    3,
    9,
  ]);
  expect(report.entries.map(({ type }) => type)).toEqual(["in", "sm", "eg"]);
  expect(ends).toEqual([3, true]);
});

test("OpenTrace knows that nobody took the message", () => {
  const open = openTrace();
  expect(open.wasTaken).toBe(false);
  open.awaitPart();
  open.takePart({ entries: [], hops: 0, taken: 0 });
  expect(open.wasTaken).toBe(false);
  open.noteTaken();
  expect(open.wasTaken).toBe(true);
});
