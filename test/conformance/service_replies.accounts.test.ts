import { expect } from "bun:test";
import { account, login, loginAll, settle, subscribe } from "../support/account_config.ts";
import { until } from "../support/deadline.ts";
import { readMessage } from "../support/message.ts";
import type { RawClient } from "../support/raw_client.ts";
import { row, rowsInParallel, sharedServer } from "../support/row.ts";
import { REWRITTEN_REPLY, request, withPair as withPairOn } from "../support/services.ts";

/** What came before the answer to a PING sent now. */
async function roundTripText(client: RawClient): Promise<string> {
  client.send("PING\r\n");
  return (await client.readUntil("PONG\r\n")).slice(0, -"PONG\r\n".length);
}

/** Of the services `slow` and `slow.many`. */
const THRESHOLD_MS = 600;

const server = sharedServer({
  config: `
    accounts {
      EXP {
        users: [ { user: EXP, password: p } ]
        exports: [
          { service: svc, threshold: "0s" }
          { service: "w.*.*" }
          { service: many, response: stream }
          { service: pieces, response_type: chunked }
          { service: slow, threshold: "${THRESHOLD_MS}ms" }
          { service: slow.many, response: stream, threshold: "${THRESHOLD_MS}ms" }
        ]
      }
      ${account("OTHER")}
      IMP {
        users: [ { user: IMP, password: p } ]
        imports: [
          { service: { account: EXP, subject: svc }, to: one }
          { service: { account: EXP, subject: "w.*.*" }, to: "wi.$2.$1" }
          { service: { account: EXP, subject: many } }
          { service: { account: EXP, subject: pieces } }
          { service: { account: EXP, subject: slow } }
        ]
      }
      PEER { users: [ { user: PEER, password: p } ], imports: [ { service: { account: EXP, subject: slow.many } } ] }
      MAPPED {
        users: [ { user: MAPPED, password: p } ]
        imports: [ { service: { account: EXP, subject: svc } }, { service: { account: EXP, subject: many } } ]
        mappings { "at.*": "in.$1", lost: [ { destination: lost, weight: 0 } ] }
      }
    }
  `,
});

/** A responder to `service` and a requester with `SUB in.> 1`, of these users. */
const withPair = (
  service: string,
  body: (responder: RawClient, requester: RawClient) => Promise<void>,
  users: readonly [string, string] = ["EXP", "IMP"],
) => withPairOn(server(), users, service, body);

row("§4.5 §8.71 the responder sees the exported subject, a rewritten reply and the info header", () =>
  withPair("svc", async (responder, requester) => {
    const message = await request(requester, responder, "one");
    expect([message.subject, message.sid]).toEqual(["svc", "1"]);
    expect(message.reply).toMatch(REWRITTEN_REPLY);
    expect(message.headers).toMatch(/^NATS\/1\.0\r\nNats-Request-Info: \{"acc":"IMP","rtt":\d+\}\r\n\r\n$/);
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

row("§4.5 threshold: of none, 0s, an answer has all the time that there is by itself", () =>
  withPair("svc", async (responder, requester) => {
    const { reply } = await request(requester, responder, "one");
    await pause(THRESHOLD_MS / 2);
    responder.send(`PUB ${reply} 1\r\n1\r\n`);
    await requester.readUntil(" 1\r\n1\r\n");
  }),
);

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
    expect([answer.subject, answer.payload, answer.headers]).toEqual(["in.1", "ok", ""]);
    expect(answer.reply).toMatch(REWRITTEN_REPLY);
    requester.send(`PUB ${answer.reply} 3\r\nack\r\n`);
    const back = await readMessage(responder);
    expect([back.subject, back.sid, back.payload]).toEqual(["back.1", "2", "ack"]);
  }),
);

row("§4.5 an answer goes where the requester's account maps its reply", () =>
  withPair(
    "svc",
    async (responder, requester) => {
      requester.send("SUB at.> 2\r\nSUB lost 3\r\n");
      for (const reply of ["at.1", "at.2", "in.3"]) {
        const message = await request(requester, responder, "svc", reply);
        responder.send(`PUB ${message.reply} 2\r\nok\r\n`);
        await requester.expect(`MSG in.${reply.slice(3)} 1 2\r\nok\r\n`);
      }
      const headed = await request(requester, responder, "svc", "at.4");
      responder.send(`HPUB ${headed.reply} 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nok\r\n`);
      await requester.expect("HMSG in.4 1 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nok\r\n");
      const lost = await request(requester, responder, "svc", "lost");
      responder.send(`PUB ${lost.reply} 2\r\nok\r\n`);
      await settle(responder, requester);
    },
    ["EXP", "MAPPED"],
  ),
);

row("§4.5 each of many answers goes where the requester's account maps its reply", () =>
  withPair(
    "many",
    async (responder, requester) => {
      const { reply } = await request(requester, responder, "many", "at.1");
      responder.send(`PUB ${reply} 1\r\na\r\nPUB ${reply} 0\r\n\r\nPUB ${reply} 4\r\nlate\r\n`);
      await requester.expect("MSG in.1 1 1\r\na\r\nMSG in.1 1 0\r\n\r\n");
      await settle(responder, requester);
    },
    ["EXP", "MAPPED"],
  ),
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
    // The answer goes by the requester's connection, wherever that is, so the responder's PONG may be ahead of it.
    let texts: string[] = [];
    await until(
      async () => {
        texts = await Promise.all(
          waiting.map(async (client, i) => (texts[i] ?? "") + (await roundTripText(client))),
        );
        return texts.join("") !== "";
      },
      () => "nobody got the answer",
    );
    await requester.roundTrip();
    const late = await Promise.all(waiting.map(roundTripText));
    expect([...texts, ...late].sort()).toEqual(["", "", "", "MSG box 1 2\r\nok\r\n"]);
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
