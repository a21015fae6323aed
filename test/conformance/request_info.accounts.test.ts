import { expect } from "bun:test";
import { account, login, loginAll, settle, subscribe } from "../support/account_config.ts";
import { until } from "../support/deadline.ts";
import { headerValues, readMessage } from "../support/message.ts";
import type { RawClient } from "../support/raw_client.ts";
import { row, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";
import { REWRITTEN_REPLY, request, withPair as withPairOn } from "../support/services.ts";

const server = sharedServer({
  config: `
    server_name: S1
    no_auth_user: IMP
    accounts {
      ${account("EXP", "exports: [ { service: svc }, { service: shared } ]")}
      IMP {
        users: [ { user: IMP, password: p } ]
        imports: [
          { service: { account: EXP, subject: svc }, to: one }
          { service: { account: EXP, subject: shared }, share: true }
        ]
      }
      ${account("CHAIN1", "exports: [ { service: deep } ]")}
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
      ${account("CHAIN4", "imports: [ { service: { account: CHAIN3, subject: top } } ]")}
      ${account("CHAIN5", "imports: [ { service: { account: CHAIN2, subject: middle } } ]")}
    }
  `,
});

/** A responder to `service` and a requester with `SUB in.> 1`, of these users. */
const withPair = (
  service: string,
  body: (responder: RawClient, requester: RawClient) => Promise<void>,
  users: readonly [string, string] = ["EXP", "IMP"],
) => withPairOn(server(), users, service, body);

row("§4.6 the info header follows the request's own headers and replaces one of its name", () =>
  withPair("svc", async (responder, requester) => {
    const own = `NATS/1.0\r\nA: 1\r\nNats-Request-Info: {"acc":"FORGED"}\r\nb:2\r\nA: 3\r\n\r\n`;
    requester.send(`HPUB one in.1 ${own.length} ${own.length + 2}\r\n${own}hi\r\n`);
    const message = await readMessage(responder);
    expect(message.payload).toBe("hi");
    expect(message.headers).toMatch(
      /^NATS\/1\.0\r\nA: 1\r\nb:2\r\nA: 3\r\nNats-Request-Info: \{"acc":"IMP","rtt":\d+\}\r\n\r\n$/,
    );
  }),
);

row("§4.6 a client that has sent no CONNECT has no round trip yet", async () => {
  const responder = await login(server(), "EXP");
  await subscribe(responder, "svc");
  const requester = await server().connect();
  requester.send("PUB one 2\r\nhi\r\n");
  const { headers } = await readMessage(responder);
  expect(headers).toBe('NATS/1.0\r\nNats-Request-Info: {"acc":"IMP"}\r\n\r\n');
  for (const client of [responder, requester]) client.destroy();
});

row("§4.6 a responder without headers gets the payload alone", async () => {
  const responder = await login(server(), "EXP", { headers: false, no_responders: false });
  const requester = await login(server(), "IMP");
  await subscribe(responder, "svc");
  await subscribe(requester, "in.>");
  requester.send("PUB one in.1 2\r\nhi\r\n");
  const message = await readMessage(responder);
  expect([message.headers, message.payload]).toEqual(["", "hi"]);
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
  expect(message.headers.split("\r\n")).toHaveLength(4);
  expect(JSON.parse(headerValues(message, "Nats-Request-Info")[0]!).name).toBe(odd);
  for (const client of [responder, bare, named]) client.destroy();
});

row("§4.6 what JSON may escape is escaped as Go does it", async () => {
  const responder = await login(server(), "EXP");
  await subscribe(responder, "shared");
  const named = await login(server(), "IMP", { name: `<&>"\\\t\u007f\u2028é\u{1f4a9}` });
  named.send("PUB shared in.1 2\r\nhi\r\n");
  const { headers } = await readMessage(responder);
  expect(headers).toContain('"name":"\\u003c\\u0026\\u003e\\"\\\\\\t\u007f\\u2028é\u{1f4a9}"');
  for (const client of [responder, named]) client.destroy();
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

row("§4.8 §8.88 a chain of two imports: the origin's account, and the account in the middle", () =>
  withPair(
    "deep",
    async (responder, requester) => {
      const message = await request(requester, responder, "middle");
      expect(message.subject).toBe("deep");
      expect(message.reply).toMatch(REWRITTEN_REPLY);
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
  // The server may not have noticed yet that the services of rows before this one are gone.
  let text = "";
  await until(
    async () => {
      requester.send("PUB top in.1 2\r\nhi\r\nPING\r\n");
      text = await requester.readUntil("PONG\r\n");
      return text !== "PONG\r\n";
    },
    () => "no 503",
  );
  expect(text).toBe("HMSG in.1 1 35 35\r\nNATS/1.0 503\r\nNats-Subject: top\r\n\r\n\r\nPONG\r\n");
  requester.destroy();
});
