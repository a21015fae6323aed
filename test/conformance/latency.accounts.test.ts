import { expect } from "bun:test";
import { login, loginAll, settle, subscribe } from "../support/account_config.ts";
import { type Message, readMessage } from "../support/message.ts";
import type { RawClient } from "../support/raw_client.ts";
import { row, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";
import { REWRITTEN_REPLY } from "../support/services.ts";
import { headed } from "../support/tracing.ts";

const TRACKED_REPLY = /^_R_\.[0-9A-Za-z]{6}\.[0-9A-Za-z]{6}\.sQnRv29R\.T$/;

const server = sharedServer({
  config: `
    server_name: S1
    accounts {
      EXP {
        users: [ { user: EXP, password: p } ]
        exports: [
          { service: always, latency: lat.always }
          { service: half, latency: { sampling: "50%", subject: lat.half } }
          { service: one, latency: { sampling: 1, subject: lat.one } }
          { service: traced, latency: { sampling: headers, subject: lat.traced } }
          { service: slow, threshold: "250ms", latency: lat.slow }
          { service: "wild.*", latency: lat.wild }
          { service: unmeasured }
          { stream: "lat.>" }
        ]
      }
      IMP {
        users: [ { user: IMP, password: p } ]
        imports: [
          { service: { account: EXP, subject: always } }
          { service: { account: EXP, subject: half } }
          { service: { account: EXP, subject: one } }
          { service: { account: EXP, subject: traced } }
          { service: { account: EXP, subject: slow } }
          { service: { account: EXP, subject: "wild.*" }, to: "tame.*" }
        ]
      }
      FRONT {
        users: [ { user: FRONT, password: p } ]
        imports: [
          { service: { account: EXP, subject: always }, to: front }
          { service: { account: EXP, subject: unmeasured }, to: alone }
        ]
        exports: [ { service: front, latency: lat.front }, { service: alone, latency: lat.alone } ]
      }
      FAR {
        users: [ { user: FAR, password: p } ]
        imports: [
          { service: { account: FRONT, subject: front } }
          { service: { account: FRONT, subject: alone } }
        ]
      }
      FRANK { users: [ { user: FRANK, password: p } ], imports: [ { service: { account: FRONT, subject: front }, share: true } ] }
      TELLS {
        users: [ { user: TELLS, password: p } ]
        imports: [ { service: { account: EXP, subject: always }, to: told, share: true } ]
        exports: [ { service: told, latency: lat.told } ]
      }
      SHY { users: [ { user: SHY, password: p } ], imports: [ { service: { account: TELLS, subject: told } } ] }
      OPEN {
        users: [ { user: OPEN, password: p } ]
        imports: [ { service: { account: EXP, subject: always }, share: true }, { stream: { account: EXP, subject: "lat.>" } } ]
      }
    }
  `,
});

interface ClientInfo {
  acc: string;
  rtt: number;
  [field: string]: unknown;
}

interface Sample {
  type: string;
  id: string;
  timestamp: string;
  status: number;
  description?: string;
  requestor?: ClientInfo;
  responder?: ClientInfo;
  header?: Record<string, string[]>;
  start: string;
  service: number;
  system: number;
  total: number;
}

/** A responder in EXP, a requester in IMP with `SUB in.> 1`, and a listener in EXP to `lat.>`. */
interface Parties {
  readonly responder: RawClient;
  readonly requester: RawClient;
  readonly listener: RawClient;
}

async function withParties(
  service: string | null,
  body: (parties: Parties) => Promise<void>,
  requesterUser = "IMP",
): Promise<void> {
  const responder = await login(server(), "EXP", { name: "answers", lang: "raw", version: "9" });
  const [requester, listener] = await loginAll(server(), requesterUser, "EXP");
  if (service !== null) await subscribe(responder, service);
  await subscribe(requester!, "in.>");
  await subscribe(listener!, "lat.>");
  try {
    await body({ responder, requester: requester!, listener: listener! });
  } finally {
    for (const client of [responder, requester!, listener!]) client.destroy();
  }
}

/** Request and answer on that service, with these header lines. Returns what the responder saw. */
async function exchange(
  { responder, requester }: Parties,
  service: string,
  headers: string[] = [],
): Promise<Message> {
  const block = `NATS/1.0\r\n${headers.map((line) => `${line}\r\n`).join("")}\r\n`;
  if (headers.length === 0) requester.send(`PUB ${service} in.1 2\r\nhi\r\n`);
  else requester.send(`HPUB ${service} in.1 ${block.length} ${block.length + 2}\r\n${block}hi\r\n`);
  const message = await readMessage(responder);
  responder.send(`PUB ${message.reply} 2\r\nok\r\n`);
  await requester.expect("MSG in.1 1 2\r\nok\r\n");
  return message;
}

async function readSample(listener: RawClient, subject: string): Promise<Sample> {
  const message = await readMessage(listener);
  expect([message.subject, message.reply, message.headers]).toEqual([subject, "", ""]);
  return JSON.parse(message.payload) as Sample;
}

function expectFailure(sample: Sample, status: number, description: string): void {
  expect([sample.status, sample.description]).toEqual([status, description]);
  expect([sample.service, sample.system, sample.total]).toEqual([0, 0, 0]);
  expect(sample.type).toBe("io.nats.server.metric.v1.service_latency");
  expect(sample.requestor?.acc).toBe("IMP");
  expect(sample.responder).toBe(undefined);
}

row("§4.7 §8.89 200: the whole document", () =>
  withParties("always", async (parties) => {
    const { reply } = await exchange(parties, "always");
    expect(reply).toMatch(TRACKED_REPLY);
    const sample = await readSample(parties.listener, "lat.always");
    expect(Object.keys(sample)).toEqual([
      ...[
        "type",
        "id",
        "timestamp",
        "status",
        "requestor",
        "responder",
        "start",
        "service",
        "system",
        "total",
      ],
    ]);
    expect([sample.type, sample.status]).toEqual(["io.nats.server.metric.v1.service_latency", 200]);
    expect(sample.id).toMatch(/^[0-9A-Za-z]{22}$/);
    for (const time of [sample.timestamp, sample.start]) {
      expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/);
      expect(Math.abs(Date.parse(time) - Date.now())).toBeLessThan(60_000);
    }
    const { rtt: requestorRtt, ...requestor } = sample.requestor!;
    expect(requestor).toEqual({ acc: "IMP" });
    const { start, rtt: responderRtt, ...responder } = sample.responder!;
    expect(responder).toEqual({
      host: "127.0.0.1",
      id: parties.responder.info.client_id,
      acc: "EXP",
      user: "EXP",
      name: "answers",
      lang: "raw",
      ver: "9",
      server: "S1",
      kind: "Client",
      client_type: "nats",
    });
    expect(Number.isNaN(Date.parse(String(start)))).toBe(false);
    for (const count of [sample.service, sample.system, sample.total, requestorRtt, responderRtt]) {
      expect(Number.isInteger(count)).toBe(true);
      expect(count).toBeGreaterThanOrEqual(0);
    }
    if (sample.service > 0) {
      expect(sample.total).toBe(sample.service + sample.system + requestorRtt + responderRtt);
    }
  }),
);

row("§4.7 in a cluster the responder's part names it, as a requestor's that is shared does", async () => {
  await using own = await ServerProcess.start({
    config: `server_name: S1
      cluster { name: C1, listen: "127.0.0.1:-1" }
      accounts {
        EXP { users: [ { user: EXP, password: p } ], exports: [ { service: s, latency: lat } ] }
        IMP { users: [ { user: IMP, password: p } ], imports: [ { service: { account: EXP, subject: s }, share: true } ] }
      }`,
  });
  const [responder, requester] = await loginAll(own, "EXP", "IMP");
  await subscribe(responder!, "s", "lat");
  await subscribe(requester!, "in");
  requester!.send("PUB s in 0\r\n\r\n");
  responder!.send(`PUB ${(await readMessage(responder!)).reply} 0\r\n\r\n`);
  const sample = JSON.parse((await readMessage(responder!)).payload) as Sample;
  for (const who of [sample.responder, sample.requestor])
    expect([who?.server, who?.cluster]).toEqual(["S1", "C1"]);
});

row("§4.7 the service time is what the responder takes", () =>
  withParties("always", async ({ responder, requester, listener }) => {
    requester.send("PUB always in.1 2\r\nhi\r\n");
    const { reply } = await readMessage(responder);
    await new Promise((resolve) => setTimeout(resolve, 120));
    responder.send(`PUB ${reply} 2\r\nok\r\n`);
    await requester.expect("MSG in.1 1 2\r\nok\r\n");
    const sample = await readSample(listener, "lat.always");
    expect(sample.service).toBeGreaterThan(80_000_000);
    expect(sample.total).toBeGreaterThanOrEqual(sample.service);
    expect(sample.total).toBeLessThan(5_000_000_000);
  }),
);

row("§4.7 what the server publishes has an empty reply field: two blanks", () =>
  withParties("always", async (parties) => {
    await exchange(parties, "always");
    expect(await parties.listener.readLine()).toMatch(/^MSG lat\.always 1 {2}\d+$/);
  }),
);

row("§4.7 a second answer makes no second sample", () =>
  withParties("always", async (parties) => {
    const { reply } = await exchange(parties, "always");
    await readSample(parties.listener, "lat.always");
    parties.responder.send(`PUB ${reply} 2\r\nno\r\n`);
    await settle(parties.responder, parties.requester, parties.listener);
  }),
);

row("§4.7 an answer that is traced is measured as any other", () =>
  withParties("always", async ({ responder, requester, listener }) => {
    requester.send("PUB always in.1 2\r\nhi\r\n");
    const { reply } = await readMessage(responder);
    responder.send(headed(reply, ["Nats-Trace-Dest: traces"]));
    await readMessage(requester);
    const { status, responder: who } = await readSample(listener, "lat.always");
    expect([status, who?.name]).toEqual([200, "answers"]);
  }),
);

row("§4.7 share: the requestor in detail", () =>
  withParties(
    "always",
    async (parties) => {
      await exchange(parties, "always");
      const sample = await readSample(parties.listener, "lat.always");
      expect(sample.requestor).toMatchObject({
        host: "127.0.0.1",
        id: parties.requester.info.client_id,
        acc: "OPEN",
        user: "OPEN",
        server: "S1",
        kind: "Client",
        client_type: "nats",
      });
    },
    "OPEN",
  ),
);

row("§4.7 samples reach stream imports of the results", () =>
  withParties("always", async (parties) => {
    const importer = await login(server(), "OPEN");
    await subscribe(importer, "lat.>");
    await exchange(parties, "always");
    expect((await readSample(importer, "lat.always")).status).toBe(200);
    importer.destroy();
  }),
);

row("§4.7 a wildcard export, imported under another name", () =>
  withParties("wild.*", async (parties) => {
    const message = await exchange(parties, "tame.x");
    expect([message.subject, TRACKED_REPLY.test(message.reply)]).toEqual(["wild.x", true]);
    expect((await readSample(parties.listener, "lat.wild")).status).toBe(200);
  }),
);

row("§4.7 §4.8 a chain of services: each account gets its own sample, both name the first requestor", () =>
  withParties(
    "always",
    async (parties) => {
      const front = await login(server(), "FRONT");
      await subscribe(front, "lat.>");
      const { reply } = await exchange(parties, "front");
      expect(reply).toMatch(TRACKED_REPLY);
      const samples = [
        await readSample(parties.listener, "lat.always"),
        await readSample(front, "lat.front"),
      ];
      for (const sample of samples) {
        expect([sample.status, sample.requestor!.acc, sample.responder!.acc]).toEqual([200, "FAR", "EXP"]);
      }
      await settle(front, parties.listener);
      front.destroy();
    },
    "FAR",
  ),
);

row("§4.7 §4.8 in a chain a service is measured, though the one behind it is not", () =>
  withParties(
    "unmeasured",
    async (parties) => {
      const listener = await login(server(), "FRONT");
      await subscribe(listener, "lat.>");
      const { reply } = await exchange(parties, "alone");
      expect(reply).toMatch(REWRITTEN_REPLY);
      const { status, responder } = await readSample(listener, "lat.alone");
      expect([status, responder?.name]).toEqual([200, "answers"]);
      listener.destroy();
    },
    "FAR",
  ),
);

for (const [user, middle, service, isToldFirst, isToldLast] of [
  ["FAR", "FRONT", "front", false, false],
  ["FRANK", "FRONT", "front", true, false],
  ["SHY", "TELLS", "told", false, true],
] as const) {
  row(`§4.7 §4.8 in a chain each import decides what its exporter is told of the requestor: ${user}`, () =>
    withParties(
      "always",
      async (parties) => {
        const listener = await login(server(), middle);
        await subscribe(listener, "lat.>");
        await exchange(parties, service);
        const { rtt: _, ...last } = (await readSample(parties.listener, "lat.always")).requestor!;
        const { rtt: __, ...first } = (await readSample(listener, `lat.${service}`)).requestor!;
        const details = {
          id: parties.requester.info.client_id,
          acc: user,
          user,
          server: "S1",
          kind: "Client",
        };
        for (const [requestor, isTold] of [
          [first, isToldFirst],
          [last, isToldLast],
        ] as const) {
          if (isTold) expect(requestor).toMatchObject(details);
          else expect(requestor).toEqual({ acc: user });
          expect(requestor).not.toHaveProperty("svc");
        }
        listener.destroy();
      },
      user,
    ),
  );
}

row("§4.7 200: an answer that nobody listens for", () =>
  withParties("always", async ({ responder, requester, listener }) => {
    requester.send("PUB always unheard 2\r\nhi\r\n");
    const { reply } = await readMessage(responder);
    responder.send(`PUB ${reply} 2\r\nok\r\n`);
    const sample = await readSample(listener, "lat.always");
    expect([sample.status, sample.responder?.acc]).toEqual([200, "EXP"]);
  }),
);

row("§4.7 §8.90 400: a request without reply, which is delivered", () =>
  withParties("always", async ({ responder, requester, listener }) => {
    requester.send("PUB always 2\r\nhi\r\n");
    expect((await readMessage(responder)).payload).toBe("hi");
    expectFailure(await readSample(listener, "lat.always"), 400, "Bad Request");
  }),
);

row(
  "§4.7 §8.90 what is only traced, no further than to the service, is measured as a request that nobody gets",
  () =>
    withParties("always", async ({ responder, requester, listener }) => {
      const headers = ["Nats-Trace-Dest: traces", "Nats-Trace-Only: true"];
      requester.send(headed("always", headers));
      expectFailure(await readSample(listener, "lat.always"), 400, "Bad Request");
      requester.send(headed("always in.1", headers));
      expectFailure(await readSample(listener, "lat.always"), 503, "Service Unavailable");
      await responder.roundTrip();
    }),
);

row("§4.7 §8.90 408: the requestor's interest ends before the answer", () =>
  withParties("always", async ({ responder, requester, listener }) => {
    requester.send("PUB always in.1 2\r\nhi\r\n");
    const { reply } = await readMessage(responder);
    requester.send("UNSUB 1\r\n");
    await requester.roundTrip();
    expectFailure(await readSample(listener, "lat.always"), 408, "Request Timeout");
    responder.send(`PUB ${reply} 2\r\nno\r\n`);
    await settle(responder, requester, listener);
  }),
);

row("§4.7 §8.90 503: nobody gets the request", () =>
  withParties(null, async ({ requester, listener }) => {
    requester.send("PUB always in.1 2\r\nhi\r\n");
    await requester.expect("HMSG in.1 1 38 38\r\nNATS/1.0 503\r\nNats-Subject: always\r\n\r\n\r\n");
    expectFailure(await readSample(listener, "lat.always"), 503, "Service Unavailable");
  }),
);

row("§4.7 §8.76 §8.90 504: the response threshold passes", () =>
  withParties("slow", async ({ responder, requester, listener }) => {
    requester.send("PUB slow in.1 2\r\nhi\r\n");
    const { reply } = await readMessage(responder);
    expectFailure(await readSample(listener, "lat.slow"), 504, "Service Timeout");
    responder.send(`PUB ${reply} 2\r\nno\r\n`);
    await settle(responder, requester, listener);
  }),
);

row("§4.7 sampling by percent: about that share, and only sampled replies end in .T", () =>
  withParties("half", async (parties) => {
    let tracked = 0;
    for (let index = 0; index < 300; index++) {
      const { reply } = await exchange(parties, "half");
      if (!TRACKED_REPLY.test(reply)) {
        expect(reply).toMatch(REWRITTEN_REPLY);
        continue;
      }
      tracked++;
      expect((await readSample(parties.listener, "lat.half")).status).toBe(200);
    }
    expect(tracked).toBeGreaterThan(90);
    expect(tracked).toBeLessThan(215);
    await settle(parties.responder, parties.listener);
  }),
);

const TRACE_ID = "463ac35c9f6413ad48485a3953bb6124";
const PARENT = `00-${TRACE_ID}-a2fb4a1d1a96d312`;

/** What request headers ask for, and which of them the sample echoes; null: no sample. */
const traced: Record<string, readonly [headers: string[], echo: Record<string, string[]> | null]> = {
  "no header": [[], null],
  "an unrelated header": [["A: b"], null],
  "Uber-Trace-Id, sampled": [
    [
      "Uber-Trace-Id: 479fefe9525eddb:5adb976bfc1f95c1:479fefe9525eddb:1",
      "Uberctx-A: x",
      "Uberctx-B: y",
      "Other: z",
    ],
    {
      "Uber-Trace-Id": ["479fefe9525eddb:5adb976bfc1f95c1:479fefe9525eddb:1"],
      "Uberctx-A": ["x"],
      "Uberctx-B": ["y"],
    },
  ],
  "uber-trace-id in lower case, two digits": [["uber-trace-id: a:b:c:03"], { "Uber-Trace-Id": ["a:b:c:03"] }],
  "Uber-Trace-Id, not sampled": [["Uber-Trace-Id: a:b:c:0"], null],
  "Uber-Trace-Id, even flags": [["Uber-Trace-Id: a:b:c:2"], null],
  "Uber-Trace-Id of three parts": [["Uber-Trace-Id: a:b:1"], null],
  "X-B3-Sampled 1": [
    [
      "X-B3-Sampled: 1",
      `X-B3-TraceId: ${TRACE_ID}`,
      "X-B3-ParentSpanId: p",
      "X-B3-SpanId: s",
      "X-B3-Flags: 1",
    ],
    { "X-B3-Sampled": ["1"], "X-B3-Traceid": [TRACE_ID], "X-B3-Parentspanid": ["p"], "X-B3-Spanid": ["s"] },
  ],
  "X-B3-Sampled 0 though there is a trace id": [["X-B3-Sampled: 0", `X-B3-TraceId: ${TRACE_ID}`], null],
  "X-B3-TraceId alone": [[`X-B3-TraceId: ${TRACE_ID}`], { "X-B3-Traceid": [TRACE_ID] }],
  "B3 with flag 1": [["B3: t-s-1-p"], { B3: ["t-s-1-p"] }],
  "b3 with flag d": [["b3: t-s-d"], { B3: ["t-s-d"] }],
  "B3 without flag": [["B3: t-s"], { B3: ["t-s"] }],
  "B3 0": [["B3: 0"], null],
  "B3 with flag 0": [["B3: t-s-0-p"], null],
  "Traceparent 01": [
    [`Traceparent: ${PARENT}-01`, "Tracestate: vendor=1"],
    { Traceparent: [`${PARENT}-01`], Tracestate: ["vendor=1"] },
  ],
  "traceparent 03": [[`traceparent: ${PARENT}-03`], { Traceparent: [`${PARENT}-03`] }],
  "Traceparent 00": [[`Traceparent: ${PARENT}-00`], null],
  "Traceparent 81": [[`Traceparent: ${PARENT}-81`], null],
  "Traceparent of three parts": [[`Traceparent: 00-${TRACE_ID}-01`], null],
  "the first of the table decides": [["Uber-Trace-Id: a:b:c:0", "X-B3-Sampled: 1", "B3: t-s-1"], null],
};

for (const [name, [headers, echo]] of Object.entries(traced)) {
  row(`§4.7 §8.91 sampling by headers: ${name}`, () =>
    withParties("traced", async (parties) => {
      const { reply } = await exchange(parties, "traced", headers);
      expect(reply).toMatch(echo === null ? REWRITTEN_REPLY : TRACKED_REPLY);
      if (echo !== null) expect((await readSample(parties.listener, "lat.traced")).header).toEqual(echo);
      await settle(parties.responder, parties.listener);
    }),
  );
}

row("§4.7 where the draw of a percentage fails, trace headers still count", () =>
  withParties("one", async (parties) => {
    for (let index = 0; index < 20; index++) {
      await exchange(parties, "one", ["X-B3-Sampled: 1"]);
      expect((await readSample(parties.listener, "lat.one")).status).toBe(200);
    }
  }),
);

row("§4.7 no header in the sample when a percentage decided", () =>
  withParties("always", async (parties) => {
    await exchange(parties, "always", ["A: b"]);
    expect((await readSample(parties.listener, "lat.always")).header).toBe(undefined);
  }),
);
