import { expect } from "bun:test";
import { account, login, loginAll, subscribe } from "../support/account_config.ts";
import { headerValues, readMessage } from "../support/message.ts";
import type { RawClient } from "../support/raw_client.ts";
import { row, sharedServer } from "../support/row.ts";
import { headed, inOrder, readTrace, sortedEvents } from "../support/tracing.ts";

const server = sharedServer({
  config: `
    accounts {
      PERM {
        users: [
          { user: PERM, password: p }
          { user: NARROW, password: p, permissions: {
            publish: { allow: ["a.>", "traces"], deny: ["a.no"] }
            subscribe: { allow: ["a.>"], deny: ["a.secret"] }
          } }
          { user: LOST, password: p, permissions: { publish: { deny: [traces] } } }
        ]
      }
      ${account("EXP", "exports: [ { service: open, allow_trace: true }, { service: shut }, { service: deep.* , allow_trace: true } ]")}
      MID {
        users: [ { user: MID, password: p } ]
        imports: [ { service: { account: EXP, subject: deep.one }, to: mid } ]
        exports: [ { service: mid, allow_trace: true } ]
      }
      IMP {
        users: [ { user: IMP, password: p } ]
        imports: [
          { service: { account: EXP, subject: open }, to: my.open }
          { service: { account: EXP, subject: shut }, to: my.shut }
          { service: { account: MID, subject: mid }, to: my.deep }
        ]
      }
      ${account("STR", "exports: [ { stream: s.> } ]")}
      SEEN {
        users: [ { user: SEEN, password: p } ]
        imports: [ { stream: { account: STR, subject: s.> }, to: seen.>, allow_trace: true } ]
      }
      SAME {
        users: [ { user: SAME, password: p } ]
        imports: [ { stream: { account: STR, subject: s.a.* }, allow_trace: true } ]
      }
      UNSEEN {
        users: [ { user: UNSEEN, password: p } ]
        imports: [ { stream: { account: STR, subject: s.> }, prefix: un } ]
      }
      ${account("EXT", "msg_trace: acc.traces")}
      ${account("COLL", "exports: [ { service: collect.* }, { stream: kept } ]")}
      SENDS {
        users: [ { user: SENDS, password: p } ]
        imports: [ { service: { account: COLL, subject: collect.sends }, to: my.collect } ]
      }
      READS {
        users: [ { user: READS, password: p } ]
        imports: [ { stream: { account: COLL, subject: kept }, to: mine } ]
      }
      ${account("SAMPLED", "msg_trace: { dest: acc.traces, sampling: 30 }")}
    }
  `,
});

const DEST = "Nats-Trace-Dest: traces";
const ONLY = "Nats-Trace-Only: 1";
const PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";

const arrival = (client: RawClient, acc: string, subject: string, more = {}) => ({
  type: "in",
  kind: 0,
  cid: client.info.client_id,
  acc,
  subj: subject,
  ...more,
});

const gone = (client: RawClient, sub: string, more = {}) => ({
  type: "eg",
  kind: 0,
  cid: client.info.client_id,
  sub,
  ...more,
});

/** Logs in as these users, the last of which takes traces. */
async function withClients(
  users: readonly string[],
  body: (...clients: RawClient[]) => Promise<void>,
  destination = "traces",
): Promise<void> {
  const clients = await loginAll(server(), ...users);
  await subscribe(clients.at(-1)!, destination);
  try {
    await body(...clients);
  } finally {
    for (const client of clients) client.destroy();
  }
}

row("§19 a publish that is denied is told of, and refused as ever", () =>
  withClients(["NARROW", "PERM"], async (publisher, tracer) => {
    publisher!.send(headed("a.no", [DEST]));
    const error = 'Permissions Violation for Publish to "a.no"';
    await publisher!.expect(`-ERR '${error}'\r\n`);
    expect((await readTrace(tracer!)).events).toEqual([arrival(publisher!, "PERM", "a.no", { error })]);
  }),
);

row("§19 a reply that is reserved is told of", () =>
  withClients(["NARROW", "PERM"], async (publisher, tracer) => {
    publisher!.send(headed("a.b _R_.x.y", [DEST]));
    const error = 'Permissions Violation for Publish with Reply of "_R_.x.y"';
    await publisher!.expect(`-ERR '${error}'\r\n`);
    expect((await readTrace(tracer!)).events).toEqual([arrival(publisher!, "PERM", "a.b", { error })]);
  }),
);

row("§19 whoever may not publish to the destination publishes nothing", () =>
  withClients(["LOST", "PERM"], async (publisher, tracer) => {
    await subscribe(publisher!, "x");
    publisher!.send(headed("x", [DEST]));
    await publisher!.expect("-ERR 'Permissions Violation for Publish to \"traces\"'\r\n");
    await publisher!.roundTrip();
    await tracer!.roundTrip();
  }),
);

row("§19 a subscriber that is denied the subject is told of", () =>
  withClients(["PERM", "NARROW", "PERM"], async (publisher, narrow, tracer) => {
    await subscribe(narrow!, "a.*");
    publisher!.send(headed("a.secret", [DEST]), headed("a.secret", [DEST, ONLY]));
    const error = "Not delivered because subscription denies this subject";
    for (let i = 0; i < 2; i++) {
      expect((await readTrace(tracer!)).events).toEqual([
        arrival(publisher!, "PERM", "a.secret"),
        gone(narrow!, "a.*", { error }),
      ]);
    }
    await narrow!.roundTrip();
  }),
);

for (const isOnly of [false, true]) {
  const headers = isOnly ? [DEST, ONLY] : [DEST];
  const only = isOnly ? ", trace only" : "";

  row(`§19 a trace goes on in the account of a service that allows it${only}`, () =>
    withClients(["EXP", "IMP", "IMP"], async (responder, publisher, tracer) => {
      await subscribe(responder!, "open");
      await subscribe(publisher!, "in");
      publisher!.send(headed("my.open in", headers));
      expect((await readTrace(tracer!)).events).toEqual([
        arrival(publisher!, "IMP", "my.open"),
        { type: "si", acc: "EXP", from: "my.open", to: "open" },
        gone(responder!, "open", { acc: "EXP" }),
      ]);
      if (!isOnly) {
        const message = await readMessage(responder!);
        expect(headerValues(message, "Nats-Trace-Dest")[0]).toMatch(/^_R_\./);
        responder!.send(`PUB ${message.reply} 2\r\nok\r\n`);
        expect((await readMessage(publisher!)).payload).toBe("ok");
      }
      await responder!.roundTrip();
      await publisher!.roundTrip();
    }),
  );

  row(`§19 a trace ends at a service that does not allow it${only}`, () =>
    withClients(["EXP", "IMP", "IMP"], async (responder, publisher, tracer) => {
      await subscribe(responder!, "shut");
      await subscribe(publisher!, "in");
      publisher!.send(headed("my.shut in", headers));
      expect((await readTrace(tracer!)).events).toEqual([
        arrival(publisher!, "IMP", "my.shut"),
        { type: "si", acc: "EXP", from: "my.shut", to: "shut" },
      ]);
      if (isOnly)
        await publisher!.expect("HMSG in 1 39 39\r\nNATS/1.0 503\r\nNats-Subject: my.shut\r\n\r\n\r\n");
      else expect(headerValues(await readMessage(responder!), "Nats-Trace-Dest")).toEqual(["trace disabled"]);
      await responder!.roundTrip();
      await publisher!.roundTrip();
    }),
  );

  row(`§19 a trace goes on through two accounts${only}`, () =>
    withClients(["EXP", "IMP", "IMP"], async (responder, publisher, tracer) => {
      await subscribe(responder!, "deep.*");
      publisher!.send(headed("my.deep", headers));
      expect((await readTrace(tracer!)).events).toEqual([
        arrival(publisher!, "IMP", "my.deep"),
        { type: "si", acc: "MID", from: "my.deep", to: "mid" },
        { type: "si", acc: "EXP", from: "mid", to: "deep.one" },
        gone(responder!, "deep.*", { acc: "EXP" }),
      ]);
      if (!isOnly) expect((await readMessage(responder!)).subject).toBe("deep.one");
      await responder!.roundTrip();
    }),
  );

  row(`§19 a stream's importers are told of as far as they allow it${only}`, () =>
    withClients(["STR", "SEEN", "SAME", "UNSEEN", "STR"], async (publisher, seen, same, unseen, tracer) => {
      await subscribe(seen!, "seen.a.>", ">");
      await subscribe(same!, "s.a.b", "s.*.b");
      await subscribe(unseen!, "un.s.a.b");
      publisher!.send(headed("s.a.b", headers));
      const seenTo = { type: "se", acc: "SEEN", to: "seen.a.b" };
      const sameTo = { type: "se", acc: "SAME", to: "s.a.b" };
      const trace = await readTrace(tracer!);
      expect(sortedEvents(trace)).toEqual(
        inOrder(
          arrival(publisher!, "STR", "s.a.b"),
          seenTo,
          gone(seen!, "s.a.>", { acc: "SEEN" }),
          seenTo,
          gone(seen!, "s.>", { acc: "SEEN" }),
          sameTo,
          gone(same!, "s.a.b", { acc: "SAME" }),
          sameTo,
          gone(same!, "s.a.b", { acc: "SAME" }),
          { type: "se", acc: "UNSEEN", to: "un.s.a.b" },
        ),
      );
      for (const [client, subject, count] of [
        [seen, "seen.a.b", 2],
        [same, "s.a.b", 2],
        [unseen, "un.s.a.b", 1],
      ] as const) {
        for (let i = 0; i < (isOnly ? 0 : count); i++)
          expect((await readMessage(client!)).subject).toBe(subject);
        await client!.roundTrip();
      }
    }),
  );
}

row("§19 queue groups of a stream's importers are told of", () =>
  withClients(["STR", "SEEN", "STR"], async (publisher, seen, tracer) => {
    seen!.send("SUB seen.> q 5\r\n");
    await seen!.roundTrip();
    publisher!.send(headed("s.q", [DEST]));
    expect((await readTrace(tracer!)).events).toEqual([
      arrival(publisher!, "STR", "s.q"),
      { type: "se", acc: "SEEN", to: "seen.q" },
      gone(seen!, "s.>", { acc: "SEEN", queue: "q" }),
    ]);
    expect((await readMessage(seen!)).subject).toBe("seen.q");
  }),
);

row("§19 an answer to a service is traced as far as the account that exports it", () =>
  withClients(["EXP", "IMP", "EXP"], async (responder, requester, tracer) => {
    await subscribe(responder!, "open");
    await subscribe(requester!, "in");
    requester!.send("PUB my.open in 2\r\nhi\r\n");
    const { reply } = await readMessage(responder!);
    responder!.send(headed(reply, [DEST]));
    expect((await readTrace(tracer!)).events).toEqual([
      arrival(responder!, "EXP", reply),
      { type: "si", acc: "IMP", from: reply, to: "in" },
    ]);
    const answer = await readMessage(requester!);
    expect([answer.payload, headerValues(answer, "Nats-Trace-Dest")]).toEqual(["hi", ["trace disabled"]]);
  }),
);

row("§19 a destination may be a service of another account as well", () =>
  withClients(
    ["SENDS", "COLL", "SENDS"],
    async (publisher, collector, tracer) => {
      await subscribe(collector!, "collect.>");
      publisher!.send(headed("x", ["Nats-Trace-Dest: my.collect"]));
      expect((await readTrace(tracer!)).events).toEqual([arrival(publisher!, "SENDS", "x")]);
      const { subject, payload } = await readMessage(collector!);
      expect([subject, JSON.parse(payload).events.length]).toEqual(["collect.sends", 1]);
    },
    "my.collect",
  ),
);

row("§19 a destination may be a stream of the account", () =>
  withClients(
    ["COLL", "READS"],
    async (publisher, reader) => {
      publisher!.send(headed("x", ["Nats-Trace-Dest: kept"]));
      expect((await readTrace(reader!)).events).toEqual([arrival(publisher!, "COLL", "x")]);
    },
    "mine",
  ),
);

const TRACEPARENTS: readonly (readonly [string, boolean])[] = [
  [`traceparent: ${PARENT}-01`, true],
  [`Traceparent: ${PARENT}-03`, true],
  [`TRACEPARENT: ${PARENT}-ff`, false],
  [`traceparent: ${PARENT}-00`, false],
  [`traceparent: ${PARENT}-1`, false],
  [`traceparent: ${PARENT}`, false],
  [`traceparents: ${PARENT}-01`, false],
];

for (const [header, isTraced] of TRACEPARENTS) {
  row(`§19 ${header} is ${isTraced ? "" : "not "}traced in an account with msg_trace`, () =>
    withClients(
      ["EXT", "EXT"],
      async (publisher, tracer) => {
        await subscribe(publisher!, "ext");
        publisher!.send(headed("ext", [header, ONLY]), headed("ext", ["Nats-Trace-Dest: acc.traces"]));
        expect(headerValues(await readMessage(publisher!), "Nats-Trace-Dest")).toEqual([]);
        expect((await readMessage(publisher!)).payload).toBe("hi");
        if (isTraced) {
          const trace = await readTrace(tracer!);
          expect(trace.events).toEqual([arrival(publisher!, "EXT", "ext"), gone(publisher!, "ext")]);
          expect(Object.keys(trace.request.header)[1]).toBe(header.split(":")[0]!);
        }
        expect((await readTrace(tracer!)).request.header).toEqual({ "Nats-Trace-Dest": ["acc.traces"] });
      },
      "acc.traces",
    ),
  );
}

row("§19 the message's own destination counts where the account has one", () =>
  withClients(["EXT", "EXT"], async (publisher, tracer) => {
    await subscribe(publisher!, "acc.traces");
    publisher!.send(headed("own", [`traceparent: ${PARENT}-01`, DEST, ONLY]));
    expect((await readTrace(tracer!)).events).toEqual([arrival(publisher!, "EXT", "own")]);
    await publisher!.roundTrip();
  }),
);

row("§19 sampling: some are traced, and no server traces the others", () =>
  withClients(
    ["SAMPLED", "SAMPLED"],
    async (publisher, tracer) => {
      await subscribe(publisher!, "ext");
      const count = 400;
      for (let i = 0; i < count; i++) publisher!.send(headed("ext", [`traceparent: ${PARENT}-01`]));
      let disabled = 0;
      for (let i = 0; i < count; i++) {
        const values = headerValues(await readMessage(publisher!), "Nats-Trace-Dest");
        if (values[0] === "trace disabled") disabled++;
      }
      for (let i = 0; i < count - disabled; i++) await readTrace(tracer!);
      await tracer!.roundTrip();
      // 31 of 100 on average: six standard deviations either way.
      expect(count - disabled).toBeGreaterThan(124 - 56);
      expect(count - disabled).toBeLessThan(124 + 56);
    },
    "acc.traces",
  ),
);

row("§19 a reload gives an account its destination", async () => {
  const config = (body: string) => `accounts { ${account("A", body)} }`;
  const { ServerProcess } = await import("../support/server_process.ts");
  const own = await ServerProcess.start({ config: config("") });
  try {
    const client = await login(own, "A");
    await subscribe(client, "acc.traces");
    const message = headed("ext", [`traceparent: ${PARENT}-01`]);
    client.send(message);
    await client.roundTrip();
    await own.reload(config("msg_trace: acc.traces"));
    client.send(message);
    expect((await readTrace(client)).events.length).toBe(1);
    await own.reload(config(""));
    client.send(message);
    await client.roundTrip();
    client.destroy();
  } finally {
    await own.stop();
  }
});
