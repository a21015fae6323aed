import { expect } from "bun:test";
import { until } from "../support/deadline.ts";
import { RawClient } from "../support/raw_client.ts";
import { row, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

const TOO_LONG = "-ERR 'maximum control line exceeded'\r\n";
const TOO_MANY_SUBSCRIPTIONS = "-ERR 'maximum subscriptions exceeded'\r\n";

const server = sharedServer({
  config: `
    max_payload: 100
    max_control_line: 128
    max_subscriptions: 3
    max_subscription_tokens: 4
  `,
});

row("§10 max_payload: announced in INFO, equal passes, one more closes", async () => {
  const client = await server().connectAs();
  expect(client.info.max_payload).toBe(100);
  const payload = "x".repeat(100);
  client.send(`SUB p 1\r\nPUB p 100\r\n${payload}\r\nHPUB p 12 100\r\nNATS/1.0\r\n\r\n${"y".repeat(88)}\r\n`);
  await client.expect(
    `MSG p 1 100\r\n${payload}\r\nHMSG p 1 12 100\r\nNATS/1.0\r\n\r\n${"y".repeat(88)}\r\n`,
  );
  client.send("PUB p 101\r\n");
  await client.expect("-ERR 'Maximum Payload Violation'\r\n");
  await client.expectClosed();
});

row("§10 max_payload counts header and payload of HPUB together", async () => {
  const client = await server().connectAs();
  client.send("HPUB p 12 101\r\n");
  await client.expect("-ERR 'Maximum Payload Violation'\r\n");
  await client.expectClosed();
});

row("§10 max_control_line: equal passes, one more closes", async () => {
  const client = await server().connectAs();
  const subject = "s".repeat(128 - " 1".length);
  client.send(`SUB ${subject} 1\r\nPUB ${subject} 0\r\n\r\n`);
  await client.expect(`MSG ${subject} 1 0\r\n\r\n`);
  client.send(`SUB ${subject}s 2\r\n`);
  await client.expect(TOO_LONG);
  await client.expectClosed();
});

row("§10 max_control_line cuts an unfinished line off, whatever its reads", async () => {
  const client = await server().connectAs();
  for (let piece = 0; piece < 5; piece++) client.send(`${piece === 0 ? "PUB " : ""}${"a".repeat(26)}`);
  await client.expect(TOO_LONG);
  await client.expectClosed();
});

row("§10 max_control_line bounds CONNECT too", async () => {
  const client = await server().connect();
  client.send(`CONNECT {"name":"${"n".repeat(128)}"}\r\n`);
  await client.expect(TOO_LONG);
  await client.expectClosed();
});

row("§10 max_subscriptions refuses the SUB, a duplicate sid too, and stays open", async () => {
  const client = await server().connectAs({ verbose: true });
  client.send(
    "SUB a 1\r\nSUB b 2\r\nSUB c q 3\r\nSUB d 4\r\nSUB a 1\r\nUNSUB 2\r\nSUB d 4\r\nPUB d 0\r\n\r\n",
  );
  await client.expect(
    `+OK\r\n+OK\r\n+OK\r\n${TOO_MANY_SUBSCRIPTIONS}${TOO_MANY_SUBSCRIPTIONS}+OK\r\n+OK\r\n+OK\r\nMSG d 4 0\r\n\r\n`,
  );
  await client.roundTrip();
  client.destroy();
});

row("§10 max_subscriptions is per connection", async () => {
  const first = await server().connectAs();
  const second = await server().connectAs();
  for (const client of [first, second]) {
    client.send("SUB a 1\r\nSUB b 2\r\nSUB c 3\r\n");
    await client.roundTrip();
    client.destroy();
  }
});

row("§10 max_subscription_tokens bounds SUB, not PUB", async () => {
  const client = await server().connectAs();
  client.send("SUB a.b.c.d 1\r\nSUB a.b.c.d.e 2\r\nSUB a.b.c.d.> q 3\r\nPUB a.b.c.d.e 0\r\n\r\n");
  await client.expect(
    `-ERR 'Permissions Violation for Subscription to "a.b.c.d.e", too many tokens'\r\n` +
      `-ERR 'Permissions Violation for Subscription to "a.b.c.d.>", too many tokens'\r\n`,
  );
  await client.roundTrip();
  client.destroy();
});

row("§13 SUB checks permissions before the token limit", async () => {
  await using server = await ServerProcess.start({
    config: `max_subscription_tokens: 3
      authorization { users: [ { user: a, password: p, permissions: { subscribe: { deny: "no.>" } } } ] }`,
  });
  const client = await server.connectAs({ user: "a", pass: "p" });
  client.send("SUB no.b.c.d 1\r\nSUB a.b.c.d 2\r\n");
  await client.expect(
    "-ERR 'Permissions Violation for Subscription to \"no.b.c.d\"'\r\n" +
      "-ERR 'Permissions Violation for Subscription to \"a.b.c.d\", too many tokens'\r\n",
  );
});

row("§13 SUB checks the token limit before the subscription limit before the syntax", async () => {
  const client = await server().connectAs();
  client.send("SUB a 1\r\nSUB b 2\r\nSUB c 3\r\nSUB a.b.c.d. 4\r\nSUB a..b 5\r\n");
  await client.expect(
    `-ERR 'Permissions Violation for Subscription to "a.b.c.d.", too many tokens'\r\n${TOO_MANY_SUBSCRIPTIONS}`,
  );
  await client.roundTrip();
  client.destroy();
});

row(
  "§1 max_connections is checked after INFO, the rejected peer sees INFO, the error and the end",
  async () => {
    await using full = await ServerProcess.start({ config: "max_connections: 2" });
    const first = await full.connectAs();
    const second = await full.connectAs();
    const rejected = await RawClient.open(full.clientPort);
    await rejected.readInfo();
    await rejected.expect("-ERR 'maximum connections exceeded'\r\n");
    await rejected.expectClosed();
    expect(rejected.info.client_id).toBe(second.info.client_id + 1);
    first.destroy();
    // The freed place is found by trying: the server sees the end of a connection in its own time.
    await until(
      async () => {
        const next = await RawClient.open(full.clientPort);
        await next.readInfo();
        next.send("PING\r\n");
        const isAccepted =
          (await next.expectOneOf(["PONG\r\n", "-ERR 'maximum connections exceeded'\r\n"])) === "PONG\r\n";
        next.destroy();
        return isAccepted;
      },
      () => "no connection was accepted after one of two had gone",
    );
    await second.roundTrip();
  },
);

for (const limit of [0, -1]) {
  row(`§10 max_connections ${limit} rejects everyone`, async () => {
    await using closed = await ServerProcess.start({ config: `max_connections: ${limit}` });
    const client = await RawClient.open(closed.clientPort);
    await client.readInfo();
    await client.expect("-ERR 'maximum connections exceeded'\r\n");
    await client.expectClosed();
  });
}

row("§10 max_payload above max_pending is a start-up error", async () => {
  const server = ServerProcess.spawn({ config: "max_payload: 2000\nmax_pending: 1000" });
  const exit = await server.waitForExit();
  await server.stop();
  expect(exit.code).toBe(1);
  expect(exit.stderr).toContain("max_payload (2000) cannot be higher than max_pending (1000)");
});

row("§10 max_payload above 8 MiB logs a warning", async () => {
  await using large = await ServerProcess.start({ config: "max_payload: 9MB" });
  await large.waitForLog(/\[WRN\] Maximum payloads over 8\.00 MB/);
  expect((await large.connect()).info.max_payload).toBe(9 * 1024 * 1024);
});

row("§10 a payload of several MiB passes when max_payload allows it", async () => {
  await using large = await ServerProcess.start({ config: "max_payload: 8MB" });
  const publisher = await large.connectAs();
  const subscriber = await large.connectAs();
  subscriber.send("SUB big 1\r\n");
  await subscriber.roundTrip();
  const payload = new Uint8Array(8 * 1024 * 1024).map((_, index) => (index * 31) & 0xff);
  publisher.send(`PUB big ${payload.length}\r\n`, payload, "\r\n");
  await subscriber.expect(`MSG big 1 ${payload.length}\r\n`);
  await subscriber.expect(payload);
  await subscriber.expect("\r\n");
});
