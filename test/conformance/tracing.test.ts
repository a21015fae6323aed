import { expect } from "bun:test";
import { subscribe } from "../support/account_config.ts";
import { headerValues, readMessage } from "../support/message.ts";
import type { RawClient } from "../support/raw_client.ts";
import { row, sharedServer } from "../support/row.ts";
import type { ServerProcess } from "../support/server_process.ts";
import { headed, inOrder, readTrace, sortedEvents } from "../support/tracing.ts";

const server = sharedServer({
  config: `
    server_name: S1
    mappings: { "from.*": "to.$1" }
    max_payload: 1000
  `,
});

/** A publisher and a client that takes traces, as `traces`. */
async function withTracer(
  body: (publisher: RawClient, tracer: RawClient) => Promise<void>,
  fields: Record<string, unknown> = {},
  of: () => ServerProcess = server,
): Promise<void> {
  const publisher = await of().connectAs({ name: "pub", ...fields });
  const tracer = await of().connectAs({ name: "tracer" });
  await subscribe(tracer, "traces");
  try {
    await body(publisher, tracer);
  } finally {
    for (const client of [publisher, tracer]) client.destroy();
  }
}

const DEST = "Nats-Trace-Dest: traces";
const ONLY = "Nats-Trace-Only: true";

const arrival = (client: RawClient, subject: string, error?: string) => ({
  type: "in",
  kind: 0,
  cid: client.info.client_id,
  name: "pub",
  acc: "$G",
  subj: subject,
  ...(error === undefined ? {} : { error }),
});

const gone = (client: RawClient, name: string, sub: string, more = {}) => ({
  type: "eg",
  kind: 0,
  cid: client.info.client_id,
  name,
  sub,
  ...more,
});

row("§19 a trace says who sent the message and who got it, and the message is delivered as it came", () =>
  withTracer(async (publisher, tracer) => {
    const one = await server().connectAs({ name: "one" });
    const two = await server().connectAs({ name: "two" });
    await subscribe(one, "a.b");
    await subscribe(two, "a.*");
    const headers = ["A: 1", "a:  2 ", DEST, "A: 3", "Empty:"];
    publisher.send(headed("a.b", headers));
    for (const [client, sid] of [
      [one, "1"],
      [two, "1"],
    ] as const) {
      const message = await readMessage(client);
      expect([message.subject, message.sid, message.payload]).toEqual(["a.b", sid, "hi"]);
      expect(message.headers).toBe(`NATS/1.0\r\n${headers.join("\r\n")}\r\n\r\n`);
    }
    const trace = await readTrace(tracer);
    expect(Object.keys(trace)).toEqual(["server", "request", "events"]);
    expect(trace.server.name).toBe("S1");
    expect(trace.request.header).toEqual({ A: ["1", "3"], a: ["2"], "Nats-Trace-Dest": ["traces"] });
    const block = headed("a.b", headers);
    expect(trace.request.msgsize).toBe(Number(/ (\d+)\r\n/.exec(block)![1]));
    expect(sortedEvents(trace)).toEqual(
      inOrder(arrival(publisher, "a.b"), gone(one, "one", "a.b"), gone(two, "two", "a.*")),
    );
    for (const client of [one, two]) client.destroy();
  }),
);

row("§19 the members of a trace and of its events are in nats-server's order, times are RFC 3339", () =>
  withTracer(async (publisher, tracer) => {
    await subscribe(publisher, "b");
    publisher.send("SUB b q 7\r\n", headed("b", [DEST]));
    const { payload } = await readMessage(tracer);
    const trace = JSON.parse(payload);
    expect(Object.keys(trace.request)).toEqual(["header", "msgsize"]);
    expect(Object.keys(trace.events[0])).toEqual(["type", "ts", "kind", "cid", "name", "acc", "subj"]);
    const queued = trace.events.find((event: { queue?: string }) => event.queue === "q");
    expect(Object.keys(queued)).toEqual(["type", "ts", "kind", "cid", "name", "sub", "queue"]);
    for (const { ts } of trace.events)
      expect(ts).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/);
  }),
);

row("§19 one member of a queue group is told of", () =>
  withTracer(async (publisher, tracer) => {
    const members = await Promise.all(["m1", "m2", "m3"].map((name) => server().connectAs({ name })));
    for (const member of members) {
      member.send("SUB q.> workers 3\r\n");
      await member.roundTrip();
    }
    publisher.send(headed("q.1", [DEST]));
    const { events } = await readTrace(tracer);
    expect(events.length).toBe(2);
    const served = members.find(({ info }) => info.client_id === events[1]!.cid)!;
    expect((await readMessage(served)).subject).toBe("q.1");
    expect(events[1]).toEqual(gone(served, `m${members.indexOf(served) + 1}`, "q.>", { queue: "workers" }));
    for (const member of members) {
      await member.roundTrip();
      member.destroy();
    }
  }),
);

row("§19 nobody gets a message, and a trace says so", () =>
  withTracer(async (publisher, tracer) => {
    publisher.send(headed("nobody", [DEST]));
    expect((await readTrace(tracer)).events).toEqual([arrival(publisher, "nobody")]);
  }),
);

for (const value of ["true", "TRUE", "1", "on"]) {
  row(`§19 Nats-Trace-Only: ${value} is traced and not delivered`, () =>
    withTracer(async (publisher, tracer) => {
      await subscribe(publisher, "only", "in");
      publisher.send(headed("only in", [DEST, `Nats-Trace-Only: ${value}`]));
      expect((await readTrace(tracer)).events).toEqual([
        arrival(publisher, "only"),
        gone(publisher, "pub", "only"),
      ]);
      await publisher.roundTrip();
    }),
  );
}

row("§19 Nats-Trace-Only: yes is delivered", () =>
  withTracer(async (publisher, tracer) => {
    await subscribe(publisher, "yes");
    publisher.send(headed("yes", [DEST, "Nats-Trace-Only: yes"]));
    expect((await readMessage(publisher)).payload).toBe("hi");
    expect((await readTrace(tracer)).events.length).toBe(2);
  }),
);

row("§19 trace only of a request that nobody takes gets its 503, one that somebody would take does not", () =>
  withTracer(async (publisher, tracer) => {
    await subscribe(publisher, "in", "taken");
    publisher.send(headed("no.one in", [DEST, ONLY]));
    await publisher.expect("HMSG in 1 38 38\r\nNATS/1.0 503\r\nNats-Subject: no.one\r\n\r\n\r\n");
    expect((await readTrace(tracer)).events.length).toBe(1);
    publisher.send(headed("taken in", [DEST, ONLY]));
    expect((await readTrace(tracer)).events.length).toBe(2);
    await publisher.roundTrip();
  }),
);

row("§19 a client that wants no echo is told of with an error", () =>
  withTracer(
    async (publisher, tracer) => {
      await subscribe(publisher, "echo");
      publisher.send(headed("echo", [DEST]));
      expect((await readTrace(tracer)).events).toEqual([
        arrival(publisher, "echo"),
        gone(publisher, "pub", "echo", { error: "Not delivered because of no echo" }),
      ]);
      await publisher.roundTrip();
    },
    { echo: false },
  ),
);

row("§19 the mapping of a subject is an event of its own", () =>
  withTracer(async (publisher, tracer) => {
    await subscribe(publisher, "to.>");
    publisher.send(headed("from.x", [DEST]));
    expect((await readMessage(publisher)).subject).toBe("to.x");
    expect((await readTrace(tracer)).events).toEqual([
      arrival(publisher, "from.x"),
      { type: "sm", to: "to.x" },
      gone(publisher, "pub", "to.>"),
    ]);
  }),
);

row("§19 a subscriber that asked for one message gets it, and is told of no more", () =>
  withTracer(async (publisher, tracer) => {
    await subscribe(publisher, "max");
    publisher.send("UNSUB 1 1\r\n", headed("max", [DEST]), headed("max", [DEST]));
    expect((await readMessage(publisher)).subject).toBe("max");
    expect((await readTrace(tracer)).events.length).toBe(2);
    expect((await readTrace(tracer)).events).toEqual([arrival(publisher, "max")]);
  }),
);

row("§19 trace only takes nothing from what a subscriber asked for", () =>
  withTracer(async (publisher, tracer) => {
    await subscribe(publisher, "max.only");
    publisher.send("UNSUB 1 1\r\n", headed("max.only", [DEST, ONLY]), headed("max.only", [DEST]));
    expect((await readMessage(publisher)).subject).toBe("max.only");
    for (let i = 0; i < 2; i++) expect((await readTrace(tracer)).events.length).toBe(2);
  }),
);

row("§19 a subscriber without headers gets the payload of a traced message alone", () =>
  withTracer(async (publisher, tracer) => {
    const plain = await server().connectAs({ headers: false, no_responders: false });
    await subscribe(plain, "plain");
    publisher.send(headed("plain re", [DEST]));
    await plain.expect("MSG plain 1 re 2\r\nhi\r\n");
    expect((await readTrace(tracer)).events.length).toBe(2);
    plain.destroy();
  }),
);

row("§19 traced messages keep their place among others", () =>
  withTracer(async (publisher, tracer) => {
    const others = await Promise.all(["a", "b", "c"].map((name) => server().connectAs({ name })));
    for (const other of others) await subscribe(other, "place");
    const count = 30;
    for (let i = 0; i < count; i++) {
      if (i % 3 === 0) publisher.send(headed("place", [DEST], `${i}`));
      else publisher.send(`PUB place ${`${i}`.length}\r\n${i}\r\n`);
    }
    for (const other of others) {
      for (let i = 0; i < count; i++) expect((await readMessage(other)).payload).toBe(`${i}`);
      other.destroy();
    }
    for (let i = 0; i < count / 3; i++) expect((await readTrace(tracer)).events.length).toBe(4);
  }),
);

const REFUSED: readonly (readonly [string, readonly string[], boolean])[] = [
  ["a destination with a wildcard", ["Nats-Trace-Dest: a.*"], true],
  ["a destination that is no subject", ["Nats-Trace-Dest: a..b"], true],
  ["a destination with a blank", ["Nats-Trace-Dest: a b"], true],
  ["a wrong destination of what is only to be traced", ["Nats-Trace-Dest: a.*", ONLY], false],
  ["the destination that says no", ["Nats-Trace-Dest: trace disabled", DEST, ONLY], true],
  ["no destination", ["Nats-Trace-Dest:", ONLY], true],
  ["a destination in lower case", ["nats-trace-dest: traces", ONLY], true],
  ["a blank before the colon", ["Nats-Trace-Dest : traces", ONLY], true],
  ["traceparent in an account that does not listen", ["traceparent: 00-1-2-01"], true],
  ["Nats-Trace-Origin-Account and trace only", [DEST, ONLY, "Nats-Trace-Origin-Account: A"], false],
];

for (const [what, headers, isDelivered] of REFUSED) {
  row(`§19 ${what} traces nothing and ${isDelivered ? "is delivered" : "goes nowhere"}`, () =>
    withTracer(async (publisher, tracer) => {
      await subscribe(publisher, "refused");
      publisher.send(headed("refused", headers), headed("refused", [DEST], "end"));
      if (isDelivered) expect((await readMessage(publisher)).payload).toBe("hi");
      expect((await readMessage(publisher)).payload).toBe("end");
      expect((await readTrace(tracer)).request.header).toEqual({ "Nats-Trace-Dest": ["traces"] });
      await tracer.roundTrip();
    }),
  );
}

row("§19 with Nats-Trace-Origin-Account no server traces the message", () =>
  withTracer(async (publisher, tracer) => {
    await subscribe(publisher, "origin");
    publisher.send(headed("origin", [DEST, "Nats-Trace-Origin-Account: A"]));
    const message = await readMessage(publisher);
    expect(headerValues(message, "Nats-Trace-Dest")).toEqual(["trace disabled"]);
    await tracer.roundTrip();
  }),
);

row("§19 traces cannot go where only servers publish", () =>
  withTracer(async (publisher) => {
    await subscribe(publisher, "reserved");
    publisher.send(headed("reserved", ["Nats-Trace-Dest: _GR_.a.b.c"]));
    await publisher.expect("-ERR 'Permissions Violation for Publish to \"_GR_.a.b.c\"'\r\n");
    await publisher.roundTrip();
  }),
);

row("§19 the first destination counts", () =>
  withTracer(async (publisher, tracer) => {
    publisher.send(headed("first", [DEST, "Nats-Trace-Dest: elsewhere"]));
    expect((await readTrace(tracer)).request.header).toEqual({ "Nats-Trace-Dest": ["traces", "elsewhere"] });
  }),
);

row("§19 a message above max_payload is told of before the connection ends", () =>
  withTracer(async (publisher, tracer) => {
    publisher.send(headed("large", [DEST], "x".repeat(1000)));
    await publisher.expect("-ERR 'Maximum Payload Violation'\r\n");
    const trace = await readTrace(tracer);
    expect(trace.events).toEqual([arrival(publisher, "large", "maximum payload exceeded")]);
    expect(trace.request.header).toEqual({ "Nats-Trace-Dest": ["traces"] });
  }),
);

row("§19 what asks for a trace behind the headers asks for none", () =>
  withTracer(async (publisher, tracer) => {
    await subscribe(publisher, "behind");
    const payload = `\r\n${DEST}\r\n\r\n`;
    publisher.send(headed("behind", ["A: b"], payload));
    expect((await readMessage(publisher)).payload).toBe(payload);
    await tracer.roundTrip();
  }),
);

row("§19 verbose and pedantic clients are traced", () =>
  withTracer(
    async (publisher, tracer) => {
      publisher.send(headed("verbose", [DEST]), headed("verbose", ["Nats-Trace-Dest: a.*", ONLY]));
      await publisher.expect("+OK\r\n");
      expect((await readTrace(tracer)).events.length).toBe(1);
      publisher.send("PING\r\n");
      await publisher.expect("PONG\r\n");
    },
    { verbose: true, pedantic: true },
  ),
);

row("§19 Accept-Encoding: gzip compresses the trace", () =>
  withTracer(async (publisher, tracer) => {
    publisher.send(headed("zip", [DEST, "Accept-Encoding: gzip"]));
    const line = await tracer.readLine();
    const [verb, subject, , headerBytes, bytes] = line.replace("  ", " ").split(" ");
    expect([verb, subject]).toEqual(["HMSG", "traces"]);
    const whole = await tracer.readBytes(Number(bytes) + 2);
    const header = new TextDecoder().decode(whole.subarray(0, Number(headerBytes)));
    expect(header).toBe("NATS/1.0\r\nContent-Encoding: gzip\r\n\r\n");
    const { gunzipSync } = await import("node:zlib");
    const text = gunzipSync(whole.subarray(Number(headerBytes), Number(bytes))).toString();
    expect(JSON.parse(text).events.length).toBe(1);
  }),
);

row("§19 a large message is traced", () =>
  withTracer(async (publisher, tracer) => {
    const one = await server().connectAs({ name: "one" });
    await subscribe(one, "sized");
    publisher.send(headed("sized", [DEST], "y".repeat(900)));
    expect((await readMessage(one)).payload).toBe("y".repeat(900));
    expect((await readTrace(tracer)).events.length).toBe(2);
    one.destroy();
  }),
);
