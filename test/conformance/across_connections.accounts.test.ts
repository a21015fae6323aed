import { expect } from "bun:test";
import { login, loginAll, settle, subscribe } from "../support/account_config.ts";
import { until } from "../support/deadline.ts";
import { type Message, readMessage } from "../support/message.ts";
import type { RawClient } from "../support/raw_client.ts";
import { row, sharedServer } from "../support/row.ts";

// Imports, exports and isolation once more, with publishers, importers, responders and requesters on many connections:
// on a server that spreads connections over threads they sit on different ones.

const server = sharedServer({
  monitoring: true,
  config: `
    server_name: S1
    accounts {
      EXP {
        users: [ { user: EXP, password: p } ]
        mappings { old: svc, "spread.*": "spread.{{partition(3,1)}}" }
        exports: [
          { service: svc }
          { service: many, response: stream }
          { service: measured, latency: lat.measured }
          { service: mapped }
          { stream: "pub.>" }
          { stream: "spread.*" }
        ]
      }
      IMP {
        users: [ { user: IMP, password: p } ]
        imports: [
          { service: { account: EXP, subject: svc }, to: ask }
          { service: { account: EXP, subject: many } }
          { service: { account: EXP, subject: measured } }
          { stream: { account: EXP, subject: "pub.>" }, prefix: from }
          { stream: { account: EXP, subject: "spread.*" } }
        ]
        exports: [ { service: relay } ]
      }
      LAST { users: [ { user: LAST, password: p } ], imports: [ { service: { account: IMP, subject: relay } } ] }
      MIDDLE {
        users: [ { user: MIDDLE, password: p } ]
        imports: [ { service: { account: EXP, subject: svc }, to: hop } ]
        exports: [ { service: hop } ]
      }
      END { users: [ { user: END, password: p } ], imports: [ { service: { account: MIDDLE, subject: hop } } ] }
    }
  `,
});

/** Opens this many connections of each user, interleaved, so that neighbours belong to different accounts. */
async function openGroups(groups: Record<string, number>): Promise<Record<string, RawClient[]>> {
  const opened: Record<string, RawClient[]> = Object.fromEntries(
    Object.keys(groups).map((name) => [name, []]),
  );
  for (let round = 0; round < Math.max(...Object.values(groups)); round++) {
    for (const [name, count] of Object.entries(groups)) {
      if (round < count) opened[name]!.push(await login(server(), name));
    }
  }
  return opened;
}

/** Each connection subscribes to replies of its own, `in.<place in the list>.>`, as sid 1. */
async function subscribeToInboxes(requesters: readonly RawClient[]): Promise<void> {
  for (const [index, requester] of requesters.entries()) await subscribe(requester, `in.${index}.>`);
}

function closeAll(...groups: readonly RawClient[][]): void {
  for (const client of groups.flat()) client.destroy();
}

/** Takes requests and answers each with its payload, until a message on `stop`; resolves to how many there were. */
async function serve(responder: RawClient): Promise<number> {
  for (let count = 0; ; count++) {
    const message = await readMessage(responder);
    if (message.subject === "stop") return count;
    responder.send(`PUB ${message.reply} ${message.payload.length}\r\n${message.payload}\r\n`);
  }
}

/** Takes everything up to a message on `end`, which the same connection subscribes to. */
async function readUntilEnd(client: RawClient): Promise<Message[]> {
  const messages: Message[] = [];
  for (;;) {
    const message = await readMessage(client);
    if (message.subject.endsWith("end")) return messages;
    messages.push(message);
  }
}

row("§4.3 a stream import: every importing connection gets every publisher's messages in order", async () => {
  const { EXP: publishers, IMP: importers } = await openGroups({ EXP: 4, IMP: 8 });
  for (const [index, importer] of importers!.entries()) {
    await subscribe(importer, ["from.pub.>", "from.pub.*", "from.>", ">"][index % 4]!);
  }
  for (let number = 0; number < 100; number++) {
    for (const [index, publisher] of publishers!.entries()) {
      const payload = `${index} ${number}`;
      publisher.send(`PUB pub.n ${payload.length}\r\n${payload}\r\n`);
    }
  }
  for (const importer of importers!) {
    const next = [0, 0, 0, 0];
    for (let count = 0; count < 400; count++) {
      const { subject, payload } = await readMessage(importer);
      const [publisher, number] = payload.split(" ").map(Number);
      expect([subject, number]).toEqual(["from.pub.n", next[publisher!]]);
      next[publisher!]!++;
    }
  }
  await settle(...publishers!, ...importers!);
  closeAll(publishers!, importers!);
});

row(
  "§4.3 a stream import: own subscribers, importers and their queue groups on all connections",
  async () => {
    const { EXP: exporters, IMP: importers } = await openGroups({ EXP: 5, IMP: 6 });
    const [publisher, ...own] = exporters!;
    for (const client of own) await subscribe(client, "pub.*", "pub.end");
    for (const [index, client] of importers!.entries()) {
      client.send(`SUB from.pub.* ${index < 3 ? "g1" : "g2"} 1\r\nSUB from.pub.end 2\r\n`);
      await client.roundTrip();
    }
    publisher!.send("PUB pub.x 1\r\nx\r\n".repeat(120));
    await publisher!.roundTrip();
    publisher!.send("PUB pub.end 0\r\n\r\n");
    for (const client of own) expect(await readUntilEnd(client)).toHaveLength(120);
    const counts: number[] = [];
    for (const client of importers!) {
      client.send("PING\r\n");
      counts.push((await client.readUntil("PONG\r\n")).match(/MSG from\.pub\.x 1 1/g)?.length ?? 0);
    }
    const sum = (from: number) => counts.slice(from, from + 3).reduce((total, count) => total + count, 0);
    expect([sum(0), sum(3)]).toEqual([120, 120]);
    closeAll(exporters!, importers!);
  },
);

row(
  "§4.3 §4.5 many requesters at once, a queue group of responders: everyone gets its own answers",
  async () => {
    const { EXP: responders, IMP: requesters } = await openGroups({ EXP: 4, IMP: 8 });
    for (const responder of responders!) {
      responder.send("SUB svc group 1\r\nSUB stop 2\r\n");
      await responder.roundTrip();
    }
    await subscribeToInboxes(requesters!);
    const serving = responders!.map(serve);
    await Promise.all(
      requesters!.map(async (requester, index) => {
        const due = new Set<string>();
        for (let number = 0; number < 60; number++) {
          const payload = `${index}:${number}`;
          due.add(`in.${index}.${number} ${payload}`);
          requester.send(`PUB ask in.${index}.${number} ${payload.length}\r\n${payload}\r\n`);
        }
        while (due.size > 0) {
          const answer = await readMessage(requester);
          expect([answer.headers, due.delete(`${answer.subject} ${answer.payload}`)]).toEqual(["", true]);
        }
      }),
    );
    responders![0]!.send("PUB stop 0\r\n\r\n");
    const served = await Promise.all(serving);
    expect(served.reduce((total, count) => total + count, 0)).toBe(480);
    expect(Math.min(...served)).toBeGreaterThan(0);
    await settle(...requesters!);
    closeAll(responders!, requesters!);
  },
);

row("§4.5 plain responders on many connections: all get the request, one answer passes", async () => {
  const { EXP: responders, IMP: requesters } = await openGroups({ EXP: 5, IMP: 3 });
  for (const responder of responders!) await subscribe(responder, "svc");
  await subscribeToInboxes(requesters!);
  for (const [index, requester] of requesters!.entries()) {
    for (let number = 0; number < 10; number++) {
      requester.send(`PUB ask in.${index}.${number} 1\r\n${index}\r\n`);
      const replies: string[] = [];
      for (const responder of responders!) {
        const { reply, payload } = await readMessage(responder);
        expect(payload).toBe(String(index));
        replies.push(reply);
      }
      expect(new Set(replies).size).toBe(1);
      // nats-server may let two answers pass that come at the same instant; one after the other it does not.
      for (const responder of responders!) {
        responder.send(`PUB ${replies[0]} 2\r\nok\r\n`);
        await responder.roundTrip();
      }
      await requester.expect(`MSG in.${index}.${number} 1 2\r\nok\r\n`);
      await requester.roundTrip();
    }
  }
  await settle(...responders!, ...requesters!);
  closeAll(responders!, requesters!);
});

row("§4.5 no responders across an import, from every connection", async () => {
  const requesters = await loginAll(server(), ...Array<string>(8).fill("IMP"));
  await subscribeToInboxes(requesters);
  const expectNobody = async (count: number) => {
    for (const [index, requester] of requesters.entries()) {
      requester.send(`PUB ask in.${index}.1 0\r\n\r\n`.repeat(count));
      const answer = `HMSG in.${index}.1 1 35 35\r\nNATS/1.0 503\r\nNats-Subject: ask\r\n\r\n\r\n`;
      await requester.expect(answer.repeat(count));
    }
  };
  await expectNobody(10);
  const responder = await login(server(), "EXP");
  await subscribe(responder, "svc");
  for (const [index, requester] of requesters.entries()) {
    requester.send(`PUB ask in.${index}.2 2\r\nhi\r\n`);
    const { reply } = await readMessage(responder);
    responder.send(`PUB ${reply} 2\r\nok\r\n`);
    await requester.expect(`MSG in.${index}.2 1 2\r\nok\r\n`);
  }
  responder.end();
  await responder.expectClosed();
  await expectNobody(1);
  closeAll(requesters);
});

row("§4.5 answers that come as streams to many requesters at once, from several responders", async () => {
  const { EXP: responders, IMP: requesters } = await openGroups({ EXP: 3, IMP: 6 });
  for (const responder of responders!) {
    responder.send("SUB many group 1\r\nSUB stop 2\r\n");
    await responder.roundTrip();
  }
  await subscribeToInboxes(requesters!);
  const serving = responders!.map(async (responder) => {
    for (;;) {
      const { subject, reply, payload } = await readMessage(responder);
      if (subject === "stop") return;
      for (let part = 0; part < 5; part++) responder.send(`PUB ${reply} 3\r\n${payload}${part}\r\n`);
      responder.send(`PUB ${reply} 0\r\n\r\nPUB ${reply} 4\r\nlate\r\n`);
    }
  });
  await Promise.all(
    requesters!.map(async (requester, index) => {
      for (let number = 0; number < 10; number++) {
        const payload = `${index}${number}`;
        requester.send(`PUB many in.${index}.${number} 2\r\n${payload}\r\n`);
        for (let part = 0; part < 5; part++)
          await requester.expect(`MSG in.${index}.${number} 1 3\r\n${payload}${part}\r\n`);
        await requester.expect(`MSG in.${index}.${number} 1 0\r\n\r\n`);
      }
    }),
  );
  responders![0]!.send("PUB stop 0\r\n\r\n");
  await Promise.all(serving);
  await settle(...responders!, ...requesters!);
  closeAll(responders!, requesters!);
});

row("§4.5 inboxes of their own for a thousand requests under way, then nothing is left", async () => {
  const { EXP: responders, IMP: requesters } = await openGroups({ EXP: 2, IMP: 4 });
  for (const responder of responders!) {
    responder.send("SUB svc group 1\r\nSUB stop 2\r\n");
    await responder.roundTrip();
  }
  const serving = responders!.map(serve);
  for (const [index, requester] of requesters!.entries()) {
    for (let sid = 1; sid <= 250; sid++) {
      const payload = String(sid);
      const box = `box.${index}.${sid}`;
      requester.send(
        `SUB ${box} ${sid}\r\nUNSUB ${sid} 1\r\nPUB ask ${box} ${payload.length}\r\n${payload}\r\n`,
      );
    }
  }
  for (const [index, requester] of requesters!.entries()) {
    const seen = new Set<string>();
    for (let count = 0; count < 250; count++) {
      const { subject, sid, payload } = await readMessage(requester);
      expect([subject, payload]).toEqual([`box.${index}.${sid}`, sid]);
      seen.add(sid);
    }
    expect(seen.size).toBe(250);
  }
  responders![0]!.send("PUB stop 0\r\n\r\n");
  await Promise.all(serving);
  await until(
    async () => {
      const page = await server().json<{ account_detail: { responses?: object } }>("/accountz?acc=EXP");
      return page.account_detail.responses === undefined;
    },
    () => "responses are still listed",
  );
  await settle(...requesters!);
  closeAll(responders!, requesters!);
});

row("§4.7 latency: one sample for each request, whichever connections take part", async () => {
  const { EXP: responders, IMP: requesters } = await openGroups({ EXP: 4, IMP: 6 });
  const [listener] = responders!.splice(0, 1);
  await subscribe(listener!, "lat.*");
  for (const responder of responders!) {
    responder.send("SUB measured group 1\r\nSUB stop 2\r\n");
    await responder.roundTrip();
  }
  const serving = responders!.map(serve);
  await Promise.all(
    requesters!.map(async (requester, index) => {
      await subscribe(requester, `in.${index}`);
      for (let number = 0; number < 20; number++) {
        requester.send(`PUB measured in.${index} 1\r\nx\r\n`);
        await requester.expect(`MSG in.${index} 1 1\r\nx\r\n`);
      }
    }),
  );
  const responderIds = new Set(responders!.map((client) => client.info.client_id));
  const samples = new Set<string>();
  for (let count = 0; count < 120; count++) {
    const sample = JSON.parse((await readMessage(listener!)).payload);
    expect([sample.status, sample.requestor.acc, responderIds.has(sample.responder.id)]).toEqual([
      200,
      "IMP",
      true,
    ]);
    samples.add(sample.id);
  }
  expect(samples.size).toBe(120);
  responders![0]!.send("PUB stop 0\r\n\r\n");
  await Promise.all(serving);
  await settle(listener!);
  closeAll(responders!, requesters!, [listener!]);
});

row("§4.8 a chain of imports with every account on several connections", async () => {
  const {
    EXP: responders,
    END: requesters,
    MIDDLE: watchers,
  } = await openGroups({ EXP: 3, END: 5, MIDDLE: 2 });
  for (const responder of responders!) {
    responder.send("SUB svc group 1\r\nSUB stop 2\r\n");
    await responder.roundTrip();
  }
  for (const watcher of watchers!) await subscribe(watcher, "in.>");
  const serving = responders!.map(serve);
  await Promise.all(
    requesters!.map(async (requester, index) => {
      await subscribe(requester, `in.${index}.*`);
      for (let number = 0; number < 20; number++) {
        requester.send(`PUB hop in.${index}.${number} 1\r\n${index}\r\n`);
        await requester.expect(`MSG in.${index}.${number} 1 1\r\n${index}\r\n`);
      }
    }),
  );
  responders![0]!.send("PUB stop 0\r\n\r\n");
  await Promise.all(serving);
  await settle(...requesters!, ...watchers!);
  closeAll(responders!, requesters!, watchers!);
});

row(
  "§4.5 the answers of the second hop find back: a responder that asks another service in between",
  async () => {
    const { EXP: backends, IMP: relays, LAST: requesters } = await openGroups({ EXP: 2, IMP: 2, LAST: 4 });
    for (const backend of backends!) {
      backend.send("SUB svc group 1\r\nSUB stop 2\r\n");
      await backend.roundTrip();
    }
    for (const relay of relays!) {
      relay.send(`SUB relay group 1\r\nSUB in.${relays!.indexOf(relay)}.> 2\r\nSUB stop 3\r\n`);
      await relay.roundTrip();
    }
    const serving = backends!.map(serve);
    const relaying = relays!.map(async (relay, index) => {
      const waiting = new Map<string, string>();
      for (let number = 0; ; number++) {
        const { subject, sid, reply, payload } = await readMessage(relay);
        if (sid === "3") return;
        if (sid === "2") {
          relay.send(`PUB ${waiting.get(subject)} ${payload.length}\r\n${payload}\r\n`);
          continue;
        }
        waiting.set(`in.${index}.${number}`, reply);
        relay.send(`PUB ask in.${index}.${number} ${payload.length}\r\n${payload}\r\n`);
      }
    });
    await Promise.all(
      requesters!.map(async (requester, index) => {
        await subscribe(requester, `mine.${index}.*`);
        for (let number = 0; number < 10; number++) {
          requester.send(`PUB relay mine.${index}.${number} 1\r\n${index}\r\n`);
          await requester.expect(`MSG mine.${index}.${number} 1 1\r\n${index}\r\n`);
        }
      }),
    );
    backends![0]!.send("PUB stop 0\r\n\r\n");
    relays![0]!.send("PUB stop 0\r\n\r\n");
    await Promise.all([...serving, ...relaying]);
    closeAll(backends!, relays!, requesters!);
  },
);

row("§3.2 isolation: connections of two accounts side by side see their own messages only", async () => {
  const { EXP: left, LAST: right } = await openGroups({ EXP: 8, LAST: 8 });
  for (const client of [...left!, ...right!]) await subscribe(client, ">", "x.*", "x.y");
  for (const [name, group] of [
    ["left", left!],
    ["right", right!],
  ] as const) {
    for (const client of group) client.send(`PUB x.y ${name.length}\r\n${name}\r\n`.repeat(5));
  }
  for (const [name, group] of [
    ["left", left!],
    ["right", right!],
  ] as const) {
    for (const client of group) {
      for (let count = 0; count < 8 * 5 * 3; count++) expect((await readMessage(client)).payload).toBe(name);
    }
  }
  await settle(...left!, ...right!);
  closeAll(left!, right!);
});

row("§3.4 mappings hold on every connection, and what they make is exported", async () => {
  const { EXP: publishers, IMP: importers } = await openGroups({ EXP: 4, IMP: 4 });
  const partitions = new Map<string, string>();
  for (const importer of importers!) await subscribe(importer, "spread.*");
  for (const [index, publisher] of publishers!.entries()) {
    for (const token of ["abc", "def", "ghi", "jkl", "mno"]) {
      const payload = `${token}${index}`;
      publisher.send(`PUB spread.${token} ${payload.length}\r\n${payload}\r\n`);
      for (const importer of importers!) {
        const message = await readMessage(importer);
        expect(message.payload).toBe(payload);
        expect(message.subject).toMatch(/^spread\.[012]$/);
        expect(partitions.get(token) ?? message.subject).toBe(message.subject);
        partitions.set(token, message.subject);
      }
    }
  }
  expect(partitions.get("abc")).toBe("spread.2");
  await settle(...importers!);
  closeAll(publishers!, importers!);
});

row("§4.3 large payloads through both kinds of import, between all connections", async () => {
  const { EXP: exporters, IMP: importers } = await openGroups({ EXP: 3, IMP: 3 });
  for (const importer of importers!) await subscribe(importer, "from.pub.>", "in.>");
  await subscribe(exporters![0]!, "svc");
  for (const size of [513, 33_000, 98_304, 400_000]) {
    const payload = "abcdefghij".repeat(Math.ceil(size / 10)).slice(0, size);
    for (const exporter of exporters!) {
      exporter.send(`PUB pub.large ${size}\r\n${payload}\r\n`);
      for (const importer of importers!) {
        const message = await readMessage(importer);
        expect([message.subject, message.payload === payload]).toEqual(["from.pub.large", true]);
      }
    }
    for (const importer of importers!) {
      importer.send(`PUB ask in.1 ${size}\r\n${payload}\r\n`);
      const request = await readMessage(exporters![0]!);
      expect(request.payload === payload).toBe(true);
      exporters![1]!.send(`PUB ${request.reply} ${size}\r\n${payload}\r\n`);
      // Every connection of the account listens to `in.>`.
      for (const each of importers!) expect((await readMessage(each)).payload === payload).toBe(true);
    }
  }
  closeAll(exporters!, importers!);
});

row("§4.3 an importer that reads late holds up nobody and misses nothing", async () => {
  const { EXP: exporters, IMP: importers } = await openGroups({ EXP: 2, IMP: 3 });
  const [publisher, own] = exporters!;
  const [late, ...prompt] = importers!;
  await subscribe(own!, "pub.*");
  for (const importer of importers!) await subscribe(importer, "from.pub.*");
  late!.pause();
  const count = 10_000;
  const payload = (index: number) => String(index).padStart(500, ".");
  for (let index = 0; index < count; index++) publisher!.send(`PUB pub.n 500\r\n${payload(index)}\r\n`);
  const expectAll = async (client: RawClient, subject: string) => {
    for (let index = 0; index < count; index += 100) {
      const numbers = Array.from({ length: 100 }, (_, at) => index + at);
      await client.expect(numbers.map((number) => `MSG ${subject} 1 500\r\n${payload(number)}\r\n`).join(""));
    }
  };
  await expectAll(own!, "pub.n");
  for (const importer of prompt) await expectAll(importer, "from.pub.n");
  late!.resume();
  await expectAll(late!, "from.pub.n");
  await settle(...exporters!, ...importers!);
  closeAll(exporters!, importers!);
});

row(
  "§4.3 interest that comes and goes while messages flow: each SUB receives, in the end nothing comes",
  async () => {
    const { EXP: publishers, IMP: importers } = await openGroups({ EXP: 2, IMP: 4 });
    const timer = setInterval(() => {
      for (const publisher of publishers!) publisher.send("PUB pub.flow 4\r\nflow\r\n".repeat(10));
    }, 1);
    for (let round = 1; round <= 40; round++) {
      const importer = importers![round % importers!.length]!;
      importer.send(`SUB from.pub.flow ${round}\r\n`);
      await importer.readUntil(`MSG from.pub.flow ${round} 4\r\nflow\r\n`);
      importer.send(`UNSUB ${round}\r\nPING\r\n`);
      await importer.readUntil("PONG\r\n");
    }
    clearInterval(timer);
    await settle(...publishers!);
    for (const importer of importers!) {
      importer.send("PING\r\n");
      await importer.readUntil("PONG\r\n");
    }
    for (const publisher of publishers!) publisher.send("PUB pub.flow 4\r\nlast\r\n");
    await settle(...publishers!, ...importers!);
    closeAll(publishers!, importers!);
  },
);
