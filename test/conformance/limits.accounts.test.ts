import { expect } from "bun:test";
import { account, login, loginAll, subscribe, tryLogin } from "../support/account_config.ts";
import { closedReason } from "../support/closed_connection.ts";
import { until } from "../support/deadline.ts";
import type { RawClient } from "../support/raw_client.ts";
import { row, rowsInParallel, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

const CONNECTIONS_EXCEEDED = "-ERR 'maximum account active connections exceeded'\r\n";
const SUBSCRIPTIONS_EXCEEDED = "-ERR 'maximum subscriptions exceeded'\r\n";
const PAYLOAD_VIOLATION = "-ERR 'Maximum Payload Violation'\r\n";

const server = sharedServer({
  monitoring: true,
  config: `
    max_payload: 1000
    max_subscriptions: 5
    accounts {
      ${account("CONNECTIONS", "limits { max_connections: 2 }")}
      ${account("STORM", "limits { max_conn: 5 }")}
      ${account("SUBSCRIPTIONS", "limits { max_subscriptions: 1 }")}
      ${account("MANY", "limits { max_subs: 100 }")}
      ${account("PAYLOAD", "limits { max_payload: 4 }")}
      ${account("LARGE", "limits { max_pay: 2000 }")}
      ${account("UNLIMITED", "limits { max_conn: -1, max_subs: -1, max_payload: -1, max_leafs: -1 }")}
      ${account("NEGATIVE", "limits { max_conn: -2 }")}
      ${account("SILENT", "limits { max_payload: -2 }")}
      ${account("DEAF", "limits { max_subs: -2 }")}
      ${account("FREE")}
    }
  `,
});

async function expectRefused(client: RawClient): Promise<void> {
  await client.expect(CONNECTIONS_EXCEEDED);
  await client.expectClosed();
}

/** Waits until the account has this many connections, as `/connz` shows them. */
async function connectionsOf(process: ServerProcess, name: string, count: number): Promise<void> {
  let seen = -1;
  await until(
    async () => {
      seen = (await process.json<{ num_connections: number }>(`/connz?acc=${name}`)).num_connections;
      return seen === count;
    },
    () => `${name} has ${seen} connections, not ${count}`,
  );
}

row("§3.3 §8.59 max_connections: one more is refused, after one leaves it works", async () => {
  const [first, second] = await loginAll(server(), "CONNECTIONS", "CONNECTIONS");
  const third = await tryLogin(server(), "CONNECTIONS");
  await expectRefused(third);
  expect(await closedReason(server(), third)).toBe("Maximum Account Connections Exceeded");
  for (const client of [first!, second!]) await client.roundTrip();
  await (await login(server(), "FREE")).roundTrip();
  first!.end();
  await first!.expectClosed();
  await connectionsOf(server(), "CONNECTIONS", 1);
  const fourth = await login(server(), "CONNECTIONS");
  await fourth.roundTrip();
  for (const client of [second!, fourth]) client.destroy();
});

row("§3.3 a limit below −1 lets nobody in", async () => {
  await expectRefused(await tryLogin(server(), "NEGATIVE"));
});

row("§3.3 a max_payload below −1 forbids empty messages, too", async () => {
  const client = await login(server(), "SILENT");
  await subscribe(client, "x");
  client.send("PUB x 0\r\n\r\n");
  await client.expect(PAYLOAD_VIOLATION);
  await client.expectClosed();
});

row("§3.3 a max_subs below −1 lets nobody stay, whoever it is of", async () => {
  await using own = await ServerProcess.start({ config: "max_subscriptions: -2" });
  const deaf = await tryLogin(server(), "DEAF");
  for (const client of [deaf, await own.connect()]) {
    expect(await client.readToEnd()).toContain(SUBSCRIPTIONS_EXCEEDED);
  }
});

row("§3.3 a wrong password takes no place", async () => {
  await connectionsOf(server(), "CONNECTIONS", 0);
  for (let count = 0; count < 3; count++) {
    const wrong = await server().connect();
    wrong.send(`CONNECT {"user":"CONNECTIONS","pass":"wrong"}\r\n`);
    await wrong.expect("-ERR 'Authorization Violation'\r\n");
    await wrong.expectClosed();
  }
  const clients = await loginAll(server(), "CONNECTIONS", "CONNECTIONS");
  for (const client of clients) client.destroy();
});

row("§3.3 of many that connect at once exactly max_connections get in", async () => {
  const clients = await Promise.all(Array.from({ length: 20 }, () => tryLogin(server(), "STORM")));
  const answers = await Promise.all(clients.map((client) => client.readLine()));
  expect(answers.filter((answer) => answer === "PONG")).toHaveLength(5);
  expect(answers.filter((answer) => answer === CONNECTIONS_EXCEEDED.trimEnd())).toHaveLength(15);
  for (const client of clients) client.destroy();
  await connectionsOf(server(), "STORM", 0);
  const again = await loginAll(server(), ..."STORM ".repeat(5).trim().split(" "));
  await expectRefused(await tryLogin(server(), "STORM"));
  for (const client of again) client.destroy();
});

row("§3.3 §8.60 max_subscriptions: the second SUB is refused, the connection stays open", async () => {
  const [client, other] = await loginAll(server(), "SUBSCRIPTIONS", "SUBSCRIPTIONS");
  client!.send("SUB a 1\r\nSUB b 2\r\nPUB a 0\r\n\r\nPUB b 0\r\n\r\n");
  await client!.expect(`${SUBSCRIPTIONS_EXCEEDED}MSG a 1 0\r\n\r\n`);
  await client!.roundTrip();
  other!.send("SUB b 1\r\nSUB c q 2\r\n");
  await other!.expect(SUBSCRIPTIONS_EXCEEDED);
  client!.send("UNSUB 1\r\nSUB b q 2\r\n");
  await client!.roundTrip();
  for (const each of [client!, other!]) each.destroy();
});

row("§3.3 an account above the server's max_subscriptions has the server's", async () => {
  for (const name of ["MANY", "UNLIMITED", "FREE"]) {
    const client = await login(server(), name);
    client.send(Array.from({ length: 6 }, (_, sid) => `SUB s.${sid} ${sid}\r\n`).join(""));
    await client.expect(SUBSCRIPTIONS_EXCEEDED);
    await client.roundTrip();
    client.destroy();
  }
});

row("§3.3 §8.61 max_payload: one byte more is a violation, headers count", async () => {
  const client = await login(server(), "PAYLOAD");
  await subscribe(client, "x");
  client.send("PUB x 4\r\n1234\r\n");
  await client.expect("MSG x 1 4\r\n1234\r\n");
  client.send("PUB x 5\r\n12345\r\n");
  await client.expect(PAYLOAD_VIOLATION);
  await client.expectClosed();
  expect(await closedReason(server(), client)).toBe("Maximum Message Payload Exceeded");
  const headers = await login(server(), "PAYLOAD");
  headers.send("HPUB x 12 12\r\nNATS/1.0\r\n\r\n\r\n");
  await headers.expect(PAYLOAD_VIOLATION);
  await headers.expectClosed();
});

row("§1.1 §8.61 the first INFO shows the server's max_payload, the second the connection's", async () => {
  for (const [name, wanted] of [
    ["PAYLOAD", 4],
    ["LARGE", 1000],
    ["UNLIMITED", 1000],
    ["FREE", 1000],
  ] as const) {
    const client = await server().connect();
    expect(client.info.max_payload).toBe(1000);
    client.send(`CONNECT {"verbose":false,"user":"${name}","pass":"p","protocol":1}\r\nPING\r\n`);
    await client.expect("PONG\r\n");
    expect([name, (await client.readInfo()).max_payload]).toEqual([name, wanted]);
    client.destroy();
  }
});

row("§3.3 an account above the server's max_payload has the server's", async () => {
  const client = await login(server(), "LARGE");
  client.send(`PUB x 1001\r\n${"x".repeat(1001)}\r\n`);
  expect(await client.readUntil("\r\n")).toBe(PAYLOAD_VIOLATION);
});

/** A server with one account A under these limits, and monitoring. */
function limited(limits: string): Promise<ServerProcess> {
  return ServerProcess.start({ config: limitedConfig(limits), monitoring: true });
}

function limitedConfig(limits: string): string {
  return `accounts { ${account("A", `limits { ${limits} }`)} ${account("B")} }`;
}

rowsInParallel(
  {
    // Which of them go is the server's choice: nats-server goes through its clients in no defined order.
    "§3.3 §2.6 reload lowers max_connections: as many as are too many get the error, the rest stays":
      async () => {
        await using process = await limited("max_connections: 5");
        const clients = await loginAll(process, "A", "A", "A", "A");
        const other = await login(process, "B");
        await process.reload(limitedConfig("max_connections: 2"));
        const closed = () => clients.filter((client) => client.isClosed);
        await until(
          () => closed().length === 2,
          () => `${closed().length} of 4 connections are closed`,
        );
        for (const client of closed()) expect(await client.readToEnd()).toBe(CONNECTIONS_EXCEEDED);
        for (const client of clients.filter((each) => !each.isClosed)) await client.roundTrip();
        await other.roundTrip();
        await expectRefused(await tryLogin(process, "A"));
      },

    "§3.3 reload raises max_connections: the next one gets in": async () => {
      await using process = await limited("max_connections: 1");
      await login(process, "A");
      await expectRefused(await tryLogin(process, "A"));
      await process.reload(limitedConfig("max_connections: 2"));
      await login(process, "A");
      await expectRefused(await tryLogin(process, "A"));
    },

    "§3.3 reload lowers max_subscriptions: who is at or above it gets the error and is closed": async () => {
      await using process = await limited("max_subscriptions: 10");
      const [above, at, below] = await loginAll(process, "A", "A", "A");
      await subscribe(above!, "a", "b", "c");
      await subscribe(at!, "a", "b");
      await subscribe(below!, "a");
      await process.reload(limitedConfig("max_subscriptions: 2"));
      for (const client of [above!, at!]) {
        await client.expect(SUBSCRIPTIONS_EXCEEDED);
        await client.expectClosed();
        expect(await closedReason(process, client)).toBe("Maximum Subscriptions Exceeded");
      }
      below!.send("SUB b 2\r\nSUB c 3\r\n");
      await below!.expect(SUBSCRIPTIONS_EXCEEDED);
      await below!.roundTrip();
    },

    "§3.3 any reload ends those of a user who are at the server's max_subscriptions": async () => {
      const config = (debug: boolean) => `max_subscriptions: 2\ndebug: ${debug}\n${limitedConfig("")}`;
      await using process = await ServerProcess.start({ config: config(false) });
      const [at, below] = await loginAll(process, "A", "A");
      await subscribe(at!, "a", "b");
      await subscribe(below!, "a");
      await process.reload(config(true));
      await at!.expect(SUBSCRIPTIONS_EXCEEDED);
      await at!.expectClosed();
      await below!.roundTrip();
    },

    "§3.3 where nobody is asked who it is, those who are at max_subscriptions stay": async () => {
      const config = (debug: boolean) => `max_subscriptions: 2\ndebug: ${debug}`;
      await using process = await ServerProcess.start({ config: config(false) });
      const client = await process.connect();
      await client.handshake();
      await subscribe(client, "a", "b");
      await process.reload(config(true));
      client.send("SUB c 3\r\n");
      await client.expect(SUBSCRIPTIONS_EXCEEDED);
      await client.roundTrip();
    },

    "§3.3 reload changes max_payload for live connections at once, both ways": async () => {
      await using process = await limited("max_payload: 10");
      const [client, other] = await loginAll(process, "A", "A");
      await process.reload(limitedConfig("max_payload: 5"));
      client!.send("PUB x 5\r\n12345\r\n");
      await client!.roundTrip();
      client!.send("PUB x 6\r\n123456\r\n");
      await client!.expect(PAYLOAD_VIOLATION);
      await client!.expectClosed();
      await process.reload(limitedConfig("max_payload: 20"));
      other!.send("PUB x 20\r\n12345678901234567890\r\n");
      await other!.roundTrip();
    },

    "§3.3 a connection that moves to another account by a second CONNECT gives its place back": async () => {
      await using process = await limited("max_connections: 1");
      const client = await login(process, "A");
      await client.handshake({ user: "B", pass: "p" });
      const next = await login(process, "A");
      await expectRefused(await tryLogin(process, "A"));
      await next.roundTrip();
    },
  },
  3,
);
