import { expect } from "bun:test";
import { row, sharedServer } from "../support/row.ts";

const server = sharedServer({
  monitoring: true,
  config: `
    accounts {
      A {
        users: [ { user: a, password: p } ]
        mappings { old.name: new.name, "order.*": "sorted.{{wildcard(1)}}" }
        exports: [ { service: "help.*" }, { stream: "news.>" } ]
      }
      C { users: [ { user: c, password: p } ], limits { max_connections: 3, max_subscriptions: 2 } }
      B {
        users: [ { user: b, password: p } ]
        imports: [
          { service: { account: A, subject: "help.me" } }
          { stream: { account: A, subject: "news.>" }, prefix: from_a }
        ]
      }
    }
  `,
});

const connect = (user: string) => server().connectAs({ user, pass: "p" });

row("§1 accounts do not see each other's messages", async () => {
  const a = await connect("a");
  const b = await connect("b");
  b.send("SUB > 1\r\n");
  await b.roundTrip();
  a.send("PUB private 1\r\nx\r\nPUB news.now 1\r\ny\r\n");
  await b.expect("MSG from_a.news.now 1 1\r\ny\r\n");
  a.destroy();
  b.destroy();
});

row("§20 a mapped subject is what everyone sees", async () => {
  const a = await connect("a");
  a.send("SUB new.name 1\r\nSUB sorted.* 2\r\nPUB old.name re 1\r\nx\r\nPUB order.7 1\r\ny\r\n");
  await a.expect("MSG new.name 1 re 1\r\nx\r\nMSG sorted.7 2 1\r\ny\r\n");
  a.destroy();
});

row("§8.5 the 503 names the mapped subject", async () => {
  const a = await connect("a");
  a.send("SUB in 1\r\nPUB order.9 in 0\r\n\r\n");
  await a.expect("HMSG in 1 40 40\r\nNATS/1.0 503\r\nNats-Subject: sorted.9\r\n\r\n\r\n");
  a.destroy();
});

row("§4 a service import: request and reply across accounts", async () => {
  const a = await connect("a");
  const b = await connect("b");
  a.send("SUB help.me 1\r\n");
  await a.roundTrip();
  b.send("SUB inbox 9\r\nPUB help.me inbox 2\r\nhi\r\n");
  const [verb, subject, sid, reply, headerBytes, totalBytes] = (await a.readLine()).split(" ");
  expect([verb, subject, sid, Number(totalBytes) - Number(headerBytes)]).toEqual(["HMSG", "help.me", "1", 2]);
  expect(reply).toMatch(/^_R_\./);
  const text = new TextDecoder().decode(await a.readBytes(Number(totalBytes) + 2));
  expect(text).toMatch(/^NATS\/1\.0\r\nNats-Request-Info: \{"acc":"B","rtt":\d+\}\r\n\r\nhi\r\n$/);
  a.send(`PUB ${reply} 2\r\nok\r\n`);
  await b.expect("MSG inbox 9 2\r\nok\r\n");
  a.destroy();
  b.destroy();
});

row("§10 account limits: subscriptions and connections", async () => {
  const first = await connect("c");
  first.send("SUB a 1\r\nSUB b 2\r\nSUB c 3\r\n");
  await first.expect("-ERR 'maximum subscriptions exceeded'\r\n");
  const more = [await connect("c"), await connect("c")];
  const refused = await server().connect();
  refused.send(`CONNECT {"user":"c","pass":"p"}\r\n`);
  await refused.expect("-ERR 'maximum account active connections exceeded'\r\n");
  await refused.expectClosed();
  for (const client of [first, ...more]) client.destroy();
});

row("§12.22 §12.24 connz shows and filters the account", async () => {
  const b = await connect("b");
  const page = await server().json<{ connections: Record<string, unknown>[]; total: number }>(
    "/connz?acc=B&auth=1",
  );
  expect(page.connections.map((each) => [each.account, each.authorized_user])).toEqual(
    page.connections.map(() => ["B", "b"]),
  );
  expect(page.connections.length).toBeGreaterThan(0);
  b.destroy();
});
