import { expect } from "bun:test";
import { account, login, loginAll, settle, subscribe } from "../support/account_config.ts";
import { headerValues, type Message, readMessage } from "../support/message.ts";
import type { RawClient } from "../support/raw_client.ts";
import { row, rowsInParallel, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

const REPLY = /^_R_\.[0-9A-Za-z]{6}\.[0-9A-Za-z]{6}$/;

/** Of the services `slow` and `slow.many`. */
const THRESHOLD_MS = 600;

const server = sharedServer({
  config: `
    server_name: S1
    accounts {
      EXP {
        users: [
          { user: EXP, password: p }
          { user: replier, password: p, permissions: { subscribe: ">", publish: none, allow_responses: true } }
        ]
        mappings { mapped: mapping.target }
        exports: [
          { service: svc }
          { service: shared }
          { service: "w.*.*" }
          { service: "tree.>" }
          { service: mapped }
          { service: many, response: stream }
          { service: pieces, response_type: chunked }
          { service: slow, threshold: "${THRESHOLD_MS}ms" }
          { service: slow.many, response: stream, threshold: "${THRESHOLD_MS}ms" }
          { service: own }
          { service: twice }
        ]
        imports: [ { service: { account: EXP, subject: own }, to: my.own } ]
      }
      OTHER { users: [ { user: OTHER, password: p } ], exports: [ { service: twice } ] }
      IMP {
        users: [
          { user: IMP, password: p }
          { user: narrow, password: p, permissions: { publish: one, subscribe: ">" } }
        ]
        imports: [
          { service: { account: EXP, subject: svc }, to: one }
          { service: { account: EXP, subject: shared }, to: shared, share: true }
          { service: { account: EXP, subject: "w.*.*" }, to: "wi.$2.$1" }
          { service: { account: EXP, subject: "tree.a.>" }, to: "branch.>" }
          { service: { account: EXP, subject: mapped } }
          { service: { account: EXP, subject: many } }
          { service: { account: EXP, subject: pieces } }
          { service: { account: EXP, subject: slow } }
          { service: { account: EXP, subject: twice } }
          { service: { account: OTHER, subject: twice } }
        ]
      }
      PEER {
        users: [ { user: PEER, password: p } ]
        imports: [ { service: { account: EXP, subject: svc } }, { service: { account: EXP, subject: slow.many } } ]
      }
      CHAIN1 { users: [ { user: CHAIN1, password: p } ], exports: [ { service: deep } ] }
      CHAIN2 {
        users: [ { user: CHAIN2, password: p } ]
        imports: [ { service: { account: CHAIN1, subject: deep }, to: middle } ]
        exports: [ { service: middle } ]
      }
      CHAIN3 {
        users: [ { user: CHAIN3, password: p } ]
        imports: [ { service: { account: CHAIN2, subject: middle }, to: top, share: true } ]
        exports: [ { service: top } ]
      }
      CHAIN4 { users: [ { user: CHAIN4, password: p } ], imports: [ { service: { account: CHAIN3, subject: top } } ] }
      CHAIN5 { users: [ { user: CHAIN5, password: p } ], imports: [ { service: { account: CHAIN2, subject: middle } } ] }
    }
  `,
});

/** Opens a responder in EXP and a requester in IMP with `SUB in.> 1`; both are closed when `body` is done. */
async function withPair(
  service: string,
  body: (responder: RawClient, requester: RawClient) => Promise<void>,
  [responderUser, requesterUser] = ["EXP", "IMP"],
): Promise<void> {
  const [responder, requester] = await loginAll(server(), responderUser!, requesterUser!);
  await subscribe(responder!, service);
  await subscribe(requester!, "in.>");
  try {
    await body(responder!, requester!);
  } finally {
    for (const client of [responder!, requester!]) client.destroy();
  }
}

/** Sends a request with this payload and reply, and takes it at the responder. */
async function request(
  requester: RawClient,
  responder: RawClient,
  subject: string,
  reply = "in.1",
): Promise<Message> {
  requester.send(`PUB ${subject} ${reply} 2\r\nhi\r\n`);
  const message = await readMessage(responder);
  expect(message.payload).toBe("hi");
  return message;
}

row("§4.5 §8.71 the responder sees the exported subject, a rewritten reply and the info header", () =>
  withPair("svc", async (responder, requester) => {
    const message = await request(requester, responder, "one");
    expect([message.subject, message.sid]).toEqual(["svc", "1"]);
    expect(message.reply).toMatch(REPLY);
    expect(message.header).toMatch(/^NATS\/1\.0\r\nNats-Request-Info: \{"acc":"IMP","rtt":\d+\}\r\n\r\n$/);
  }),
);

row("§4.5 §8.72 the answer arrives on the requester's reply, without the info header", () =>
  withPair("svc", async (responder, requester) => {
    const { reply } = await request(requester, responder, "one");
    responder.send(`PUB ${reply} 2\r\nok\r\n`);
    await requester.expect("MSG in.1 1 2\r\nok\r\n");
    const second = await request(requester, responder, "one", "in.2");
    responder.send(`HPUB ${second.reply} 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nok\r\n`);
    await requester.expect("HMSG in.2 1 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nok\r\n");
    await settle(responder, requester);
  }),
);

row("§4.5 the first six characters stay, the last six are new for each request", () =>
  withPair("svc", async (responder, requester) => {
    const replies = new Set<string>();
    for (let index = 0; index < 20; index++)
      replies.add((await request(requester, responder, "one", `in.${index}`)).reply);
    expect(replies.size).toBe(20);
    expect(new Set([...replies].map((reply) => reply.slice(0, 11))).size).toBe(1);
  }),
);

row("§4.5 §8.74 singleton: a second answer is dropped", () =>
  withPair("svc", async (responder, requester) => {
    const { reply } = await request(requester, responder, "one");
    responder.send(`PUB ${reply} 1\r\n1\r\n`, `PUB ${reply} 1\r\n2\r\n`);
    await requester.expect("MSG in.1 1 1\r\n1\r\n");
    await settle(responder, requester);
  }),
);

row("§4.5 an empty answer is an answer", () =>
  withPair("svc", async (responder, requester) => {
    const { reply } = await request(requester, responder, "one");
    responder.send(`PUB ${reply} 0\r\n\r\n`);
    await requester.expect("MSG in.1 1 0\r\n\r\n");
  }),
);

for (const subject of ["many", "pieces"]) {
  row(`§4.5 §8.75 ${subject}: answers pass until the empty one, which is delivered`, () =>
    withPair(subject, async (responder, requester) => {
      const { reply } = await request(requester, responder, subject);
      for (const part of ["a", "b", "c"]) responder.send(`PUB ${reply} 1\r\n${part}\r\n`);
      responder.send(`PUB ${reply} 0\r\n\r\n`, `PUB ${reply} 4\r\nlate\r\n`);
      await requester.expect(
        "MSG in.1 1 1\r\na\r\nMSG in.1 1 1\r\nb\r\nMSG in.1 1 1\r\nc\r\nMSG in.1 1 0\r\n\r\n",
      );
      await settle(responder, requester);
    }),
  );

  row(`§4.5 ${subject}: an empty answer with headers does not end it`, () =>
    withPair(subject, async (responder, requester) => {
      const { reply } = await request(requester, responder, subject);
      const headed = "NATS/1.0\r\nA: b\r\n\r\n";
      responder.send(`HPUB ${reply} 18 18\r\n${headed}\r\n`, `PUB ${reply} 1\r\nx\r\n`);
      await requester.expect(`HMSG in.1 1 18 18\r\n${headed}\r\nMSG in.1 1 1\r\nx\r\n`);
    }),
  );

  row(`§4.5 ${subject}: two requests under way do not mix`, () =>
    withPair(subject, async (responder, requester) => {
      const first = await request(requester, responder, subject, "in.1");
      const second = await request(requester, responder, subject, "in.2");
      responder.send(
        `PUB ${second.reply} 1\r\na\r\nPUB ${first.reply} 1\r\nb\r\nPUB ${second.reply} 0\r\n\r\nPUB ${first.reply} 1\r\nc\r\n`,
      );
      await requester.expect(
        "MSG in.2 1 1\r\na\r\nMSG in.1 1 1\r\nb\r\nMSG in.2 1 0\r\n\r\nMSG in.1 1 1\r\nc\r\n",
      );
    }),
  );
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

rowsInParallel({
  "§4.5 §8.76 threshold: an answer after it is dropped, one before it passes": () =>
    withPair("slow", async (responder, requester) => {
      const prompt = await request(requester, responder, "slow", "in.1");
      responder.send(`PUB ${prompt.reply} 1\r\n1\r\n`);
      await requester.expect("MSG in.1 1 1\r\n1\r\n");
      const late = await request(requester, responder, "slow", "in.2");
      await pause(2 * THRESHOLD_MS + 200);
      responder.send(`PUB ${late.reply} 1\r\n2\r\n`);
      await settle(responder, requester);
    }),

  "§4.5 threshold: every answer of a stream starts the clock again": () =>
    withPair(
      "slow.many",
      async (responder, requester) => {
        const { reply } = await request(requester, responder, "slow.many");
        for (let index = 0; index < 4; index++) {
          await pause(THRESHOLD_MS / 3);
          responder.send(`PUB ${reply} 1\r\n${index}\r\n`);
          await requester.expect(`MSG in.1 1 1\r\n${index}\r\n`);
        }
        await pause(2 * THRESHOLD_MS + 200);
        responder.send(`PUB ${reply} 4\r\nlate\r\n`);
        await settle(responder, requester);
      },
      ["EXP", "PEER"],
    ),
});

row("§4.5 §8.77 an answer with a reply of its own: the requester sees it rewritten and can answer back", () =>
  withPair("svc", async (responder, requester) => {
    responder.send("SUB back.> 2\r\n");
    await responder.roundTrip();
    const { reply } = await request(requester, responder, "one");
    responder.send(`PUB ${reply} back.1 2\r\nok\r\n`);
    const answer = await readMessage(requester);
    expect([answer.subject, answer.payload, answer.header]).toEqual(["in.1", "ok", ""]);
    expect(answer.reply).toMatch(REPLY);
    requester.send(`PUB ${answer.reply} 3\r\nack\r\n`);
    const back = await readMessage(responder);
    expect([back.subject, back.sid, back.payload]).toEqual(["back.1", "2", "ack"]);
  }),
);

row("§4.3 §8.78 queue responders: each request goes to exactly one of each group", async () => {
  const responders = await loginAll(server(), "EXP", "EXP", "EXP");
  const requester = await login(server(), "IMP");
  for (const [index, responder] of responders.entries()) {
    responder.send(`SUB svc ${index < 2 ? "pair" : "alone"} 1\r\nSUB end 2\r\n`);
    await responder.roundTrip();
  }
  for (let index = 0; index < 40; index++) requester.send(`PUB one in.${index} 2\r\nhi\r\n`);
  await requester.roundTrip();
  responders[2]!.send("PUB end 0\r\n\r\n");
  const counts: number[] = [];
  for (const responder of responders) {
    let count = 0;
    while ((await readMessage(responder)).subject !== "end") count++;
    counts.push(count);
  }
  expect([counts[0]! + counts[1]!, counts[2]]).toEqual([40, 40]);
  for (const client of [...responders, requester]) client.destroy();
});

row("§4.3 several plain responders see one reply subject, and only the first answer passes", async () => {
  const [first, second, requester] = await loginAll(server(), "EXP", "EXP", "IMP");
  for (const responder of [first!, second!]) await subscribe(responder, "svc");
  await subscribe(requester!, "in.>");
  const atFirst = await request(requester!, first!, "one");
  expect((await readMessage(second!)).reply).toBe(atFirst.reply);
  second!.send(`PUB ${atFirst.reply} 1\r\n2\r\n`);
  await requester!.expect("MSG in.1 1 1\r\n2\r\n");
  first!.send(`PUB ${atFirst.reply} 1\r\n1\r\n`);
  await settle(first!, requester!);
  for (const client of [first!, second!, requester!]) client.destroy();
});

row("§4.3 §8.79 local subscribers of the local subject get the original as well", () =>
  withPair("svc", async (responder, requester) => {
    const local = await login(server(), "IMP");
    local.send("SUB one 1\r\nSUB one group 2\r\n");
    await local.roundTrip();
    const message = await request(requester, responder, "one");
    expect(message.reply).toMatch(REPLY);
    const sids = [await readMessage(local), await readMessage(local)].map(
      ({ subject, sid, reply, header }) => {
        expect([subject, reply, header]).toEqual(["one", "in.1", ""]);
        return sid;
      },
    );
    expect(sids.sort()).toEqual(["1", "2"]);
    await settle(requester, local);
    local.destroy();
  }),
);

row("§4.3 the exporter's subject in the importing account is an ordinary subject", () =>
  withPair("svc", async (responder, requester) => {
    requester.send("PUB svc in.1 2\r\nhi\r\n");
    await requester.expect("HMSG in.1 1 35 35\r\nNATS/1.0 503\r\nNats-Subject: svc\r\n\r\n\r\n");
    await settle(requester, responder);
  }),
);

row("§4.5 §8.80 no responder behind the import: the 503 names the published subject", async () => {
  const requester = await login(server(), "IMP");
  await subscribe(requester, "in.>");
  for (const subject of ["one", "many", "wi.a.b"]) {
    requester.send(`PUB ${subject} in.1 2\r\nhi\r\n`);
    const size = 32 + subject.length;
    await requester.expect(
      `HMSG in.1 1 ${size} ${size}\r\nNATS/1.0 503\r\nNats-Subject: ${subject}\r\n\r\n\r\n`,
    );
  }
  requester.destroy();
});

row("§4.5 a local subscriber is a responder: no 503 though nobody is behind the import", async () => {
  const [requester, local] = await loginAll(server(), "IMP", "IMP");
  await subscribe(requester!, "in.>");
  await subscribe(local!, "one");
  requester!.send("PUB one in.1 2\r\nhi\r\n");
  await local!.expect("MSG one 1 in.1 2\r\nhi\r\n");
  await settle(requester!);
  for (const client of [requester!, local!]) client.destroy();
});

row("§4.3 a request without reply is delivered with the info header", () =>
  withPair("svc", async (responder, requester) => {
    requester.send("PUB one 2\r\nhi\r\n");
    const message = await readMessage(responder);
    expect([message.reply, message.payload]).toEqual(["", "hi"]);
    expect(message.header).toMatch(/^NATS\/1\.0\r\nNats-Request-Info: \{"acc":"IMP","rtt":\d+\}\r\n\r\n$/);
  }),
);

row("§4.6 the info header follows the request's own headers and replaces one of its name", () =>
  withPair("svc", async (responder, requester) => {
    const own = `NATS/1.0\r\nA: 1\r\nNats-Request-Info: {"acc":"FORGED"}\r\nb:2\r\nA: 3\r\n\r\n`;
    requester.send(`HPUB one in.1 ${own.length} ${own.length + 2}\r\n${own}hi\r\n`);
    const message = await readMessage(responder);
    expect(message.payload).toBe("hi");
    expect(message.header).toMatch(
      /^NATS\/1\.0\r\nA: 1\r\nb:2\r\nA: 3\r\nNats-Request-Info: \{"acc":"IMP","rtt":\d+\}\r\n\r\n$/,
    );
  }),
);

row("§4.6 a responder without headers gets the payload alone", async () => {
  const responder = await login(server(), "EXP", { headers: false, no_responders: false });
  const requester = await login(server(), "IMP");
  await subscribe(responder, "svc");
  await subscribe(requester, "in.>");
  requester.send("PUB one in.1 2\r\nhi\r\n");
  const message = await readMessage(responder);
  expect([message.header, message.payload]).toEqual(["", "hi"]);
  responder.send(`PUB ${message.reply} 2\r\nok\r\n`);
  await requester.expect("MSG in.1 1 2\r\nok\r\n");
  for (const client of [responder, requester]) client.destroy();
});

row("§4.6 §8.73 share: who asks, in the order of the page", async () => {
  const responder = await login(server(), "EXP");
  const requester = await login(server(), "IMP", { name: "asker", lang: "raw", version: "1.2.3" });
  await subscribe(responder, "shared");
  requester.send("PUB shared in.1 2\r\nhi\r\n");
  const info = JSON.parse(headerValues(await readMessage(responder), "Nats-Request-Info")[0]!);
  expect(Object.keys(info)).toEqual([
    ...["start", "host", "id", "acc", "user", "name", "lang", "ver", "rtt", "server", "kind", "client_type"],
  ]);
  const { start, rtt, ...rest } = info;
  expect(rest).toEqual({
    host: "127.0.0.1",
    id: requester.info.client_id,
    acc: "IMP",
    user: "IMP",
    name: "asker",
    lang: "raw",
    ver: "1.2.3",
    server: "S1",
    kind: "Client",
    client_type: "nats",
  });
  expect(start).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/);
  expect(Math.abs(Date.parse(start) - Date.now())).toBeLessThan(60_000);
  expect(Number.isInteger(rtt)).toBe(true);
  for (const client of [responder, requester]) client.destroy();
});

row("§4.6 share: what CONNECT did not say is left out, and names are escaped as JSON", async () => {
  const responder = await login(server(), "EXP");
  await subscribe(responder, "shared");
  const bare = await login(server(), "IMP");
  bare.send("PUB shared in.1 2\r\nhi\r\n");
  const without = JSON.parse(headerValues(await readMessage(responder), "Nats-Request-Info")[0]!);
  expect([without.name, without.lang, without.ver, without.tags]).toEqual(Array(4).fill(undefined));
  const odd = `a"b\\c\r\nd\u{1f4a9}<&>`;
  const named = await login(server(), "IMP", { name: odd });
  named.send("PUB shared in.1 2\r\nhi\r\n");
  const message = await readMessage(responder);
  expect(message.header.split("\r\n")).toHaveLength(4);
  expect(JSON.parse(headerValues(message, "Nats-Request-Info")[0]!).name).toBe(odd);
  for (const client of [responder, bare, named]) client.destroy();
});

row("§4.6 what JSON may escape is escaped as Go does it", async () => {
  const responder = await login(server(), "EXP");
  await subscribe(responder, "shared");
  const named = await login(server(), "IMP", { name: `<&>"\\\t\u007f\u2028é\u{1f4a9}` });
  named.send("PUB shared in.1 2\r\nhi\r\n");
  const { header } = await readMessage(responder);
  expect(header).toContain('"name":"\\u003c\\u0026\\u003e\\"\\\\\\t\u007f\\u2028é\u{1f4a9}"');
  for (const client of [responder, named]) client.destroy();
});

row("§4.6 share on a server of a cluster names the cluster", async () => {
  await using clustered = await ServerProcess.start({
    config: `
      server_name: S1
      cluster { name: C1, listen: "127.0.0.1:-1" }
      accounts {
        ${account("A", "exports: [ { service: svc }, { service: open } ]")}
        ${account(
          "B",
          `imports: [ { service: { account: A, subject: svc } }, { service: { account: A, subject: open }, share: true } ]`,
        )}
      }
    `,
  });
  const [responder, requester] = await loginAll(clustered, "A", "B");
  await subscribe(responder!, "svc", "open");
  requester!.send("PUB svc 1\r\n1\r\nPUB open 1\r\n2\r\n");
  const [plain, shared] = [await readMessage(responder!), await readMessage(responder!)];
  expect(Object.keys(JSON.parse(headerValues(plain, "Nats-Request-Info")[0]!))).toEqual(["acc", "rtt"]);
  const info = JSON.parse(headerValues(shared, "Nats-Request-Info")[0]!);
  expect(Object.keys(info)).toEqual([
    ...["start", "host", "id", "acc", "user", "rtt", "server", "cluster", "kind", "client_type"],
  ]);
  expect([info.server, info.cluster]).toEqual(["S1", "C1"]);
});

row("§4.6 the info header may make a message longer than max_payload", async () => {
  await using small = await ServerProcess.start({
    config: `max_payload: 1000\naccounts {
      ${account("A", "exports: [ { service: svc } ]")}
      ${account("B", "imports: [ { service: { account: A, subject: svc } } ]")}
    }`,
  });
  const [responder, requester] = await loginAll(small, "A", "B");
  await subscribe(responder!, "svc");
  await subscribe(requester!, "in");
  const payload = "x".repeat(1000);
  requester!.send(`PUB svc in 1000\r\n${payload}\r\n`);
  const message = await readMessage(responder!);
  expect([message.payload === payload, headerValues(message, "Nats-Request-Info").length]).toEqual([true, 1]);
  responder!.send(`PUB ${message.reply} 1000\r\n${payload}\r\n`);
  await requester!.expect(`MSG in 1 1000\r\n${payload}\r\n`);
});

row("§4.2 wildcards of `to` change places", () =>
  withPair("w.*.*", async (responder, requester) => {
    expect((await request(requester, responder, "wi.b.a")).subject).toBe("w.a.b");
    requester.send("PUB w.a.b 2\r\nno\r\nPUB wi.a 2\r\nno\r\nPUB wi.a.b.c 2\r\nno\r\n");
    await settle(requester, responder);
  }),
);

row("§4.2 a part of an exported tree under another root", () =>
  withPair("tree.>", async (responder, requester) => {
    const message = await request(requester, responder, "branch.x.y");
    expect(message.subject).toBe("tree.a.x.y");
    responder.send(`PUB ${message.reply} 2\r\nok\r\n`);
    await requester.expect("MSG in.1 1 2\r\nok\r\n");
    requester.send("PUB tree.a.x 2\r\nno\r\nPUB branch 2\r\nno\r\n");
    await settle(requester, responder);
  }),
);

row("§4.3 the exporter's mappings apply to the remote subject", () =>
  withPair("mapping.target", async (responder, requester) => {
    const message = await request(requester, responder, "mapped");
    expect(message.subject).toBe("mapping.target");
    responder.send(`PUB ${message.reply} 2\r\nok\r\n`);
    await requester.expect("MSG in.1 1 2\r\nok\r\n");
  }),
);

row("§4.2 an account imports its own service under another subject", () =>
  withPair(
    "own",
    async (responder, requester) => {
      const message = await request(requester, responder, "my.own");
      expect(message.subject).toBe("own");
      expect(message.reply).toMatch(REPLY);
      responder.send(`PUB ${message.reply} 2\r\nok\r\n`);
      await requester.expect("MSG in.1 1 2\r\nok\r\n");
    },
    ["EXP", "EXP"],
  ),
);

row("§4.2 two accounts behind one local subject both get the request", async () => {
  const [exp, other, requester] = await loginAll(server(), "EXP", "OTHER", "IMP");
  await subscribe(exp!, "twice");
  await subscribe(other!, "twice");
  await subscribe(requester!, "in.>");
  requester!.send("PUB twice in.1 2\r\nhi\r\n");
  const replies = [(await readMessage(exp!)).reply, (await readMessage(other!)).reply];
  expect(replies[0] === replies[1]).toBe(false);
  exp!.send(`PUB ${replies[0]} 1\r\n1\r\n`);
  await requester!.expect("MSG in.1 1 1\r\n1\r\n");
  other!.send(`PUB ${replies[1]} 1\r\n2\r\n`);
  await requester!.expect("MSG in.1 1 1\r\n2\r\n");
  for (const client of [exp!, other!, requester!]) client.destroy();
});

row("§4.3 two importing accounts: each answer goes back where its request came from", async () => {
  const [responder, imp, peer] = await loginAll(server(), "EXP", "IMP", "PEER");
  await subscribe(responder!, "svc");
  for (const requester of [imp!, peer!]) await subscribe(requester, "in.>");
  const fromImp = await request(imp!, responder!, "one", "in.same");
  const fromPeer = await request(peer!, responder!, "svc", "in.same");
  expect(headerValues(fromPeer, "Nats-Request-Info")[0]).toContain(`"acc":"PEER"`);
  responder!.send(`PUB ${fromPeer.reply} 4\r\npeer\r\nPUB ${fromImp.reply} 3\r\nimp\r\n`);
  await peer!.expect("MSG in.same 1 4\r\npeer\r\n");
  await imp!.expect("MSG in.same 1 3\r\nimp\r\n");
  await settle(responder!, imp!, peer!);
  for (const client of [responder!, imp!, peer!]) client.destroy();
});

row("§4.3 the requester needs publish permission on the local subject alone", async () => {
  const [responder, narrow] = await loginAll(server(), "EXP", "narrow");
  await subscribe(responder!, "svc");
  await subscribe(narrow!, "in.>");
  const { reply } = await request(narrow!, responder!, "one");
  responder!.send(`PUB ${reply} 2\r\nok\r\n`);
  await narrow!.expect("MSG in.1 1 2\r\nok\r\n");
  narrow!.send("PUB many in.1 2\r\nhi\r\n");
  await narrow!.expect(`-ERR 'Permissions Violation for Publish to "many"'\r\n`);
  for (const client of [responder!, narrow!]) client.destroy();
});

row("§2.4 allow_responses covers the rewritten reply, once", () =>
  withPair(
    "svc",
    async (responder, requester) => {
      const { reply } = await request(requester, responder, "one");
      responder.send(`PUB ${reply} 2\r\nok\r\n`);
      await requester.expect("MSG in.1 1 2\r\nok\r\n");
      responder.send(`PUB ${reply} 2\r\nno\r\n`);
      await responder.expect(`-ERR 'Permissions Violation for Publish to "${reply}"'\r\n`);
    },
    ["replier", "IMP"],
  ),
);

row("§4.5 clients of the exporting account that subscribe to _R_.> see the answers", () =>
  withPair("svc", async (responder, requester) => {
    const watcher = await login(server(), "EXP");
    await subscribe(watcher, "_R_.>");
    const { reply } = await request(requester, responder, "one");
    responder.send(`PUB ${reply} 2\r\nok\r\n`);
    await watcher.expect(`MSG ${reply} 1 2\r\nok\r\n`);
    await requester.expect("MSG in.1 1 2\r\nok\r\n");
    watcher.destroy();
  }),
);

row("§4.5 an answer published by anybody in the exporting account, and from no other account", () =>
  withPair("svc", async (responder, requester) => {
    const [helper, stranger] = await loginAll(server(), "EXP", "OTHER");
    const { reply } = await request(requester, responder, "one");
    stranger!.send(`PUB ${reply} 3\r\nevl\r\n`);
    await settle(stranger!, requester);
    requester.send(`PUB ${reply} 3\r\nevl\r\n`);
    await settle(requester);
    helper!.send(`PUB ${reply} 2\r\nok\r\n`);
    await requester.expect("MSG in.1 1 2\r\nok\r\n");
    for (const client of [helper!, stranger!]) client.destroy();
  }),
);

row("§4.5 an answer to a reply subject that was never given out vanishes", () =>
  withPair("svc", async (responder, requester) => {
    const { reply } = await request(requester, responder, "one");
    const wrong = reply.slice(0, -1) + (reply.endsWith("a") ? "b" : "a");
    for (const subject of [wrong, `${reply}.x`, reply.slice(0, 10), "_R_.x.y"])
      responder.send(`PUB ${subject} 2\r\nno\r\n`);
    await settle(responder, requester);
    responder.send(`PUB ${reply} 2\r\nok\r\n`);
    await requester.expect("MSG in.1 1 2\r\nok\r\n");
  }),
);

row("§4.5 the requester's subscription ends before the answer: it vanishes", () =>
  withPair("svc", async (responder, requester) => {
    const { reply } = await request(requester, responder, "one");
    requester.send("UNSUB 1\r\n");
    await requester.roundTrip();
    responder.send(`PUB ${reply} 2\r\nok\r\n`);
    await settle(responder, requester);
  }),
);

row("§4.5 the requester's connection ends before the answer: nothing happens to the responder", async () => {
  const [responder, requester] = await loginAll(server(), "EXP", "IMP");
  await subscribe(responder!, "svc");
  await subscribe(requester!, "in.>");
  const { reply } = await request(requester!, responder!, "one");
  requester!.end();
  await requester!.expectClosed();
  responder!.send(`PUB ${reply} 2\r\nok\r\n`);
  await responder!.roundTrip();
  responder!.destroy();
});

row("§4.5 an inbox of its own for each request, with UNSUB 1", () =>
  withPair("svc", async (responder, requester) => {
    for (let sid = 10; sid < 30; sid++) {
      requester.send(`SUB box.${sid} ${sid}\r\nUNSUB ${sid} 1\r\nPUB one box.${sid} 2\r\nhi\r\n`);
      const { reply } = await readMessage(responder);
      responder.send(`PUB ${reply} 2\r\nok\r\n`);
      await requester.expect(`MSG box.${sid} ${sid} 2\r\nok\r\n`);
    }
    await settle(requester);
  }),
);

row("§4.5 a reply that another client of the importing account waits for, in a queue group too", () =>
  withPair("svc", async (responder, requester) => {
    const waiting = await loginAll(server(), "IMP", "IMP");
    for (const client of waiting) {
      client.send("SUB box group 1\r\n");
      await client.roundTrip();
    }
    const { reply } = await request(requester, responder, "one", "box");
    responder.send(`PUB ${reply} 2\r\nok\r\n`);
    await responder.roundTrip();
    const texts: string[] = [];
    for (const client of waiting) {
      client.send("PING\r\n");
      texts.push(await client.readUntil("PONG\r\n"));
    }
    expect(texts.sort()).toEqual(["MSG box 1 2\r\nok\r\nPONG\r\n", "PONG\r\n"]);
    for (const client of waiting) client.destroy();
  }),
);

row("§4.5 large requests and answers", () =>
  withPair("svc", async (responder, requester) => {
    for (const size of [511, 512, 40_000, 200_000, 900_000]) {
      const payload = "x".repeat(size);
      requester.send(`PUB one in.1 ${size}\r\n${payload}\r\n`);
      const message = await readMessage(responder);
      expect(message.payload === payload).toBe(true);
      responder.send(`PUB ${message.reply} ${size}\r\n${payload}\r\n`);
      const answer = await readMessage(requester);
      expect([answer.subject, answer.payload === payload]).toEqual(["in.1", true]);
    }
  }),
);

row("§4.8 §8.88 a chain of two imports: the origin's account, and the account in the middle", () =>
  withPair(
    "deep",
    async (responder, requester) => {
      const message = await request(requester, responder, "middle");
      expect(message.subject).toBe("deep");
      expect(message.reply).toMatch(REPLY);
      const info = headerValues(message, "Nats-Request-Info")[0];
      expect(info).toMatch(/^\{"acc":"CHAIN5","svc":"CHAIN2","rtt":\d+\}$/);
      responder.send(`PUB ${message.reply} 2\r\nok\r\n`);
      await requester.expect("MSG in.1 1 2\r\nok\r\n");
      await settle(responder, requester);
    },
    ["CHAIN1", "CHAIN5"],
  ),
);

row("§4.8 a chain of three imports unwinds, and each account on the way sees its part", async () => {
  const [deep, middle, top, requester] = await loginAll(server(), "CHAIN1", "CHAIN2", "CHAIN3", "CHAIN4");
  await subscribe(deep!, "deep");
  await subscribe(middle!, "middle");
  await subscribe(top!, "top");
  await subscribe(requester!, "in.>");
  requester!.send("PUB top in.1 2\r\nhi\r\n");
  const [atTop, atMiddle, atDeep] = [
    await readMessage(top!),
    await readMessage(middle!),
    await readMessage(deep!),
  ];
  expect([atTop.subject, atMiddle.subject, atDeep.subject]).toEqual(["top", "middle", "deep"]);
  for (const message of [atTop, atMiddle, atDeep]) {
    expect(JSON.parse(headerValues(message, "Nats-Request-Info")[0]!).acc).toBe("CHAIN4");
    expect(headerValues(message, "Nats-Request-Info")).toHaveLength(1);
  }
  deep!.send(`PUB ${atDeep.reply} 2\r\nok\r\n`);
  await requester!.expect("MSG in.1 1 2\r\nok\r\n");
  for (const client of [deep!, middle!, top!, requester!]) client.destroy();
});

row("§4.5 a chain that ends at nobody: the 503 of the first hop", async () => {
  const requester = await login(server(), "CHAIN4");
  await subscribe(requester, "in.>");
  requester.send("PUB top in.1 2\r\nhi\r\n");
  await requester.expect("HMSG in.1 1 35 35\r\nNATS/1.0 503\r\nNats-Subject: top\r\n\r\n\r\n");
  requester.destroy();
});
