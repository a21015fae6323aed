import { expect } from "bun:test";
import { roundTripAll, withConnections } from "../support/connections.ts";
import { until } from "../support/deadline.ts";
import type { RawClient } from "../support/raw_client.ts";
import { row, sharedServer } from "../support/row.ts";

// What `delivery` asks, once more, with publisher, subscribers and queue members on eight connections. On a server that spreads
// connections over threads they sit on different ones.

const server = sharedServer({ monitoring: true });

/** Publishes an end mark to everyone and returns what each client received before it. Clients hold `SUB end.> end`. */
async function collect(publisher: RawClient, clients: readonly RawClient[]): Promise<string[]> {
  publisher.send("PUB end.mark 0\r\n\r\n");
  const mark = "MSG end.mark end 0\r\n\r\n";
  const texts: string[] = [];
  for (const client of clients) texts.push((await client.readUntil(mark)).slice(0, -mark.length));
  return texts;
}

/** Subscribes every client to the end mark; call before `roundTripAll`. */
function subscribeToEnd(clients: readonly RawClient[]): void {
  for (const client of clients) client.send("SUB end.> end\r\n");
}

const total = (texts: readonly string[], pattern: RegExp) =>
  texts.reduce((sum, text) => sum + (text.match(pattern)?.length ?? 0), 0);

row("§8.1 every connection gets each message once per matching subscription, in publish order", () =>
  withConnections(server(), {}, async (clients) => {
    for (const client of clients) client.send("SUB across.* 1\r\n");
    await roundTripAll(clients);
    const count = 400;
    const publisher = clients[3]!;
    let expected = "";
    for (let index = 0; index < count; index++) {
      const payload = String(index).repeat(1 + (index % 40));
      publisher.send(`PUB across.${index % 7} re.${index} ${payload.length}\r\n${payload}\r\n`);
      expected += `MSG across.${index % 7} 1 re.${index} ${payload.length}\r\n${payload}\r\n`;
    }
    for (const client of clients) await client.expect(expected);
  }),
);

row("§8.1 each publisher's own order holds while eight publish at once", () =>
  withConnections(server(), {}, async (clients) => {
    for (const client of clients) client.send("SUB order.* 1\r\n");
    subscribeToEnd(clients);
    await roundTripAll(clients);
    const count = 200;
    for (let index = 0; index < count; index++) {
      for (const [sender, client] of clients.entries()) {
        const text = String(index);
        client.send(`PUB order.${sender} ${text.length}\r\n${text}\r\n`);
      }
    }
    for (const client of clients) {
      const next = clients.map(() => 0);
      for (let index = 0; index < count * clients.length; index++) {
        const [, sender] = /^MSG order\.(\d) 1 \d+$/.exec(await client.readLine()) ?? [];
        expect(await client.readLine()).toBe(String(next[Number(sender)]!++));
      }
      expect(next).toEqual(clients.map(() => count));
    }
  }),
);

row("§8.1 large payloads cross unharmed", () =>
  withConnections(server(), {}, async (clients) => {
    for (const client of clients) client.send("SUB large 1\r\n");
    await roundTripAll(clients);
    const payload = Array.from({ length: 50_000 }, (_, index) => String(index)).join(",");
    clients[0]!.send(`PUB large ${payload.length}\r\n${payload}\r\n`.repeat(3));
    for (const client of clients)
      await client.expect(`MSG large 1 ${payload.length}\r\n${payload}\r\n`.repeat(3));
  }),
);

row("§8.1 large payloads that follow one another arrive as they were sent, however late they are read", () =>
  withConnections(server(), {}, async (clients) => {
    const [publisher, late, ...others] = clients;
    for (const client of clients) client.send("SUB large 1\r\n");
    await roundTripAll(clients);
    late!.pause();
    const payloads = Array.from({ length: 24 }, (_, index) =>
      `${index}`.repeat(120_000 + 17_000 * (index % 5)),
    );
    for (const payload of payloads) await publisher!.sendAll(`PUB large ${payload.length}\r\n${payload}\r\n`);
    const arrived = payloads.map((payload) => `MSG large 1 ${payload.length}\r\n${payload}\r\n`).join("");
    for (const client of others) await client.expect(arrived);
    late!.resume();
    await late!.expect(arrived);
  }),
);

row("§8.1 several subscriptions on every connection, plain and queue", () =>
  withConnections(server(), {}, async (clients) => {
    for (const client of clients)
      client.send("SUB many.x 1\r\nSUB many.* 2\r\nSUB many.> g 3\r\nSUB many.x h 4\r\n");
    subscribeToEnd(clients);
    await roundTripAll(clients);
    clients[5]!.send("PUB many.x 1\r\nx\r\n".repeat(100));
    const texts = await collect(clients[5]!, clients);
    for (const text of texts) {
      expect(text.match(/MSG many\.x 1 /g)?.length).toBe(100);
      expect(text.match(/MSG many\.x 2 /g)?.length).toBe(100);
    }
    expect(total(texts, /MSG many\.x 3 /g)).toBe(100);
    expect(total(texts, /MSG many\.x 4 /g)).toBe(100);
  }),
);

row("§8.2 echo false skips only the publisher's own connection", () =>
  withConnections(server(), { echo: false }, async (clients) => {
    for (const client of clients) client.send("SUB quiet 1\r\n");
    subscribeToEnd(clients);
    await roundTripAll(clients);
    const [publisher, ...others] = clients;
    publisher!.send("PUB quiet 1\r\nx\r\n");
    const texts = await collect(publisher!, others);
    expect(texts).toEqual(others.map(() => "MSG quiet 1 1\r\nx\r\n"));
    await publisher!.roundTrip();
  }),
);

row("§8.2 with echo false a queue group on other connections gets everything", () =>
  withConnections(server(), { echo: false }, async (clients) => {
    for (const client of clients) client.send("SUB work g 1\r\n");
    subscribeToEnd(clients);
    await roundTripAll(clients);
    const [publisher, ...others] = clients;
    publisher!.send("PUB work 1\r\nx\r\n".repeat(100));
    const texts = await collect(publisher!, others);
    expect(total(texts, /MSG work 1 /g)).toBe(100);
    await publisher!.roundTrip();
  }),
);

row("§8.3 auto-unsubscribe counts messages from any publisher", () =>
  withConnections(server(), {}, async (clients) => {
    const [subscriber, ...publishers] = clients;
    subscriber!.send("SUB limited 1\r\nUNSUB 1 10\r\n");
    subscribeToEnd([subscriber!]);
    await subscriber!.roundTrip();
    for (const publisher of publishers) publisher.send("PUB limited 0\r\n\r\n".repeat(5));
    await roundTripAll(publishers);
    const [text] = await collect(publishers[0]!, [subscriber!]);
    expect(text).toBe("MSG limited 1 0\r\n\r\n".repeat(10));
  }),
);

row(
  "§8.3 what was published before an UNSUB, and is answered by PONG, arrives before the PONG of the subscriber",
  () =>
    withConnections(server(), {}, async (clients) => {
      for (const client of clients) client.send("SUB before 1\r\n");
      await roundTripAll(clients);
      const payload = "x".repeat(100);
      const count = 5000;
      clients[0]!.send(`PUB before 100\r\n${payload}\r\n`.repeat(count), "PING\r\n");
      const all = `MSG before 1 100\r\n${payload}\r\n`.repeat(count);
      await clients[0]!.expect(`${all}PONG\r\n`);
      for (const client of clients.slice(1)) client.send("UNSUB 1\r\nPING\r\n");
      for (const client of clients.slice(1)) await client.expect(`${all}PONG\r\n`);
    }),
);

row("§8.3 an UNSUB answered by PONG takes effect for every publisher", () =>
  withConnections(server(), {}, async (clients) => {
    const [subscriber, ...publishers] = clients;
    subscriber!.send("SUB gone 1\r\nSUB gone.* 2\r\n");
    subscribeToEnd([subscriber!]);
    await subscriber!.roundTrip();
    subscriber!.send("UNSUB 1\r\n");
    await subscriber!.roundTrip();
    for (const publisher of publishers) publisher.send("PUB gone 1\r\nx\r\nPUB gone.a 1\r\ny\r\n");
    await roundTripAll(publishers);
    const [text] = await collect(publishers[0]!, [subscriber!]);
    expect(text).toBe("MSG gone.a 2 1\r\ny\r\n".repeat(publishers.length));
  }),
);

row(
  "§8.4 a queue group over all connections: each message goes to exactly one member, everyone gets some",
  () =>
    withConnections(server(), {}, async (clients) => {
      for (const client of clients) client.send("SUB pool g 1\r\n");
      subscribeToEnd(clients);
      await roundTripAll(clients);
      const count = 1600;
      clients[0]!.send(
        Array.from({ length: count }, (_, index) => `PUB pool ${String(index).length}\r\n${index}\r\n`).join(
          "",
        ),
      );
      const texts = await collect(clients[0]!, clients);
      const seen = texts.flatMap((text) =>
        [...text.matchAll(/MSG pool 1 \d+\r\n(\d+)\r\n/g)].map((match) => Number(match[1])),
      );
      expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, index) => index));
      // A fair share is 200; below 100 has a probability under 1e-13.
      for (const text of texts) expect(text.match(/MSG pool/g)?.length ?? 0).toBeGreaterThan(100);
    }),
);

row("§8.4 a member that has as many as it wanted leaves the rest to the others", () =>
  withConnections(server(), {}, async (clients) => {
    const [last, ...few] = clients;
    last!.send("SUB few g 1\r\n");
    for (const client of few) client.send("SUB few g 1\r\nUNSUB 1 5\r\n");
    await roundTripAll(clients);
    const message = "MSG few 1 1\r\nx\r\n";
    few[2]!.send("PUB few 1\r\nx\r\n".repeat(1000));
    await last!.expect(message.repeat(1000 - few.length * 5));
    for (const client of few) await client.expect(message.repeat(5));
    await roundTripAll(clients);
  }),
);

row("§8.4 the choice is by member, not by connection", () =>
  withConnections(server(), {}, async (clients) => {
    const [heavy, light, publisher] = clients as [RawClient, RawClient, RawClient];
    for (let sid = 0; sid < 9; sid++) heavy.send(`SUB weight g ${sid}\r\n`);
    light.send("SUB weight g 0\r\n");
    subscribeToEnd([heavy, light]);
    await roundTripAll([heavy, light]);
    publisher.send("PUB weight 0\r\n\r\n".repeat(1000));
    const texts = await collect(publisher, [heavy, light]);
    expect(total(texts, /MSG weight /g)).toBe(1000);
    // One member of ten: expect 100; outside 40..180 has a probability under 1e-9.
    const lightCount = texts[1]!.match(/MSG weight /g)?.length ?? 0;
    expect(lightCount).toBeGreaterThan(40);
    expect(lightCount).toBeLessThan(180);
  }),
);

row("§8.4 members that go, by UNSUB or with their connection, get no more and nothing is lost", () =>
  withConnections(server(), {}, async (clients) => {
    const [publisher, ...members] = clients;
    for (const member of members) member.send("SUB leave g 1\r\n");
    subscribeToEnd(members);
    await roundTripAll(members);
    for (let member = 0; member < 3; member++) {
      members[member]!.send("UNSUB 1\r\n");
      await members[member]!.roundTrip();
    }
    members[3]!.end();
    await members[3]!.expectClosed();
    const rest = members.slice(4);
    await until(
      async () => (await server().json<{ total: number }>("/subsz?subs=1&test=leave")).total === rest.length,
      () => `subsz does not show ${rest.length} members`,
    );
    publisher!.send("PUB leave 0\r\n\r\n".repeat(300));
    const texts = await collect(publisher!, [...members.slice(0, 3), ...rest]);
    expect(texts.slice(0, 3)).toEqual(["", "", ""]);
    expect(total(texts, /MSG leave 1 0/g)).toBe(300);
  }),
);

row("§8.5 503 only when no connection takes the request", () =>
  withConnections(server(), {}, async (clients) => {
    const [requester, responder] = clients as [RawClient, RawClient];
    requester.send("SUB box.* 1\r\nPUB help box.1 0\r\n\r\n");
    const none = "HMSG box.1 1 36 36\r\nNATS/1.0 503\r\nNats-Subject: help\r\n\r\n\r\n";
    await requester.expect(none);
    responder.send("SUB help g 1\r\n");
    await responder.roundTrip();
    requester.send("PUB help box.2 0\r\n\r\n");
    await responder.expect("MSG help 1 box.2 0\r\n\r\n");
    responder.send("PUB box.2 2\r\nok\r\n");
    await requester.expect("MSG box.2 1 2\r\nok\r\n");
    responder.send("UNSUB 1\r\n");
    await responder.roundTrip();
    requester.send("PUB help box.1 0\r\n\r\n");
    await requester.expect(none);
  }),
);

row("§8.5 503 again once the only responder has disconnected", () =>
  withConnections(server(), {}, async (clients) => {
    const [requester, responder] = clients as [RawClient, RawClient];
    responder.send("SUB dying 1\r\n");
    await responder.roundTrip();
    responder.end();
    await responder.expectClosed();
    requester.send("SUB box 1\r\n");
    // The end of the connection may be seen a moment before the server forgets the subscription.
    let answer = "";
    await until(
      async () => {
        requester.send("PUB dying box 0\r\n\r\nPING\r\n");
        answer = await requester.readUntil("PONG\r\n");
        return answer !== "PONG\r\n";
      },
      () => "no 503 came",
    );
    expect(answer).toBe("HMSG box 1 37 37\r\nNATS/1.0 503\r\nNats-Subject: dying\r\n\r\n\r\nPONG\r\n");
  }),
);

row("§8.6 headers reach those who negotiated them, the others get MSG", async () => {
  const plain = await server().connectAs({ headers: false, no_responders: false });
  plain.send("SUB mixed 1\r\n");
  await plain.roundTrip();
  await withConnections(server(), {}, async (clients) => {
    for (const client of clients) client.send("SUB mixed 2\r\n");
    await roundTripAll(clients);
    clients[6]!.send("HPUB mixed re 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\nPUB mixed 1\r\nx\r\n");
    for (const client of clients) {
      await client.expect("HMSG mixed 2 re 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\nMSG mixed 2 1\r\nx\r\n");
    }
    await plain.expect("MSG mixed 1 re 2\r\nhi\r\nMSG mixed 1 1\r\nx\r\n");
  });
  plain.destroy();
});

row("§8 requests and replies between all pairs", () =>
  withConnections(server(), {}, async (clients) => {
    for (const [index, client] of clients.entries())
      client.send(`SUB svc.${index} s\r\nSUB inbox.${index} i\r\n`);
    await roundTripAll(clients);
    for (const [from, requester] of clients.entries()) {
      for (const [to, responder] of clients.entries()) {
        requester.send(`PUB svc.${to} inbox.${from} 4\r\nping\r\n`);
        await responder.expect(`MSG svc.${to} s inbox.${from} 4\r\nping\r\n`);
        responder.send(`PUB inbox.${from} 4\r\npong\r\n`);
        await requester.expect(`MSG inbox.${from} i 4\r\npong\r\n`);
      }
    }
  }),
);

row("§8 subscriptions that come and go while messages flow are neither lost nor doubled", () =>
  withConnections(server(), {}, async (clients) => {
    const [publisher, steady, ...changing] = clients as [RawClient, RawClient, ...RawClient[]];
    steady.send("SUB flow 1\r\nSUB flow g 2\r\n");
    subscribeToEnd([steady]);
    await steady.roundTrip();
    for (let round = 0; round < 50; round++) {
      for (const client of changing) client.send(`SUB flow ${round}\r\nSUB flow.* w${round}\r\n`);
      publisher.send("PUB flow 0\r\n\r\n".repeat(10));
      for (const client of changing) client.send(`UNSUB ${round}\r\nUNSUB w${round}\r\n`);
    }
    const [text] = await collect(publisher, [steady]);
    expect(text!.match(/MSG flow 1 0/g)?.length).toBe(500);
    expect(text!.match(/MSG flow 2 0/g)?.length).toBe(500);
  }),
);

row("§8 three hundred connections: distinct ids, one broadcast, one queue message", async () => {
  const clients: RawClient[] = [];
  for (let index = 0; index < 300; index++) clients.push(await server().connect());
  expect(new Set(clients.map((client) => client.info.client_id)).size).toBe(300);
  await Promise.all(clients.map((client) => client.handshake()));
  for (const client of clients) client.send("SUB crowd 1\r\nSUB crowd g 2\r\n");
  subscribeToEnd(clients);
  await Promise.all(clients.map((client) => client.roundTrip()));
  clients[150]!.send("PUB crowd 5\r\nhello\r\n");
  const texts = await collect(clients[150]!, clients);
  expect(total(texts, /MSG crowd 1 5/g)).toBe(300);
  expect(total(texts, /MSG crowd 2 5/g)).toBe(1);
  for (const client of clients) client.destroy();
});

row("§1 connections that come and go leave nothing behind", async () => {
  const subscriber = await server().connectAs();
  subscriber.send("SUB churn 1\r\n");
  await subscriber.roundTrip();
  for (let index = 0; index < 200; index++) {
    const client = await server().connectAs();
    client.send("SUB churn 1\r\nSUB churn g 2\r\nPUB churn 1\r\nx\r\nUNSUB 2\r\n");
    client.end();
    await client.readUntil("MSG churn 1 1\r\nx\r\n");
    await subscriber.expect("MSG churn 1 1\r\nx\r\n");
  }
  subscriber.send("PUB churn 1\r\ny\r\n");
  await subscriber.expect("MSG churn 1 1\r\ny\r\n");
  await subscriber.roundTrip();
  subscriber.destroy();
});
