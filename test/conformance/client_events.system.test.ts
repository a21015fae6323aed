import { expect } from "bun:test";
import { readMessage } from "../support/message.ts";
import type { RawClient } from "../support/raw_client.ts";
import { row, rowsInParallel, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";
import { ask, type Json, listen, loginAs, nextMessage, SYSTEM_ACCOUNTS } from "../support/system.ts";

// What the system account hears of clients. Refused logins are in `auth_events.auth.test.ts`.

const server = sharedServer({ config: `server_name: S1\nserver_tags: [ "AZ:1", foo ]\n${SYSTEM_ACCOUNTS}` });

const TRAFFIC_KEYS = ["msgs", "bytes", "gateways", "routes", "leafs"];
const NO_TRAFFIC = { msgs: 0, bytes: 0 };

const clientOf = ({ client }: Json) => client as Json;

/** Takes the two messages that tell a number of connections, whichever comes first. */
async function nextCount(system: RawClient, account: string): Promise<Json> {
  const [first, second] = [await nextMessage(system), await nextMessage(system)];
  expect([first.subject, second.subject].sort()).toEqual([
    `$SYS.ACCOUNT.${account}.SERVER.CONNS`,
    `$SYS.SERVER.ACCOUNT.${account}.CONNS`,
  ]);
  expect(first.json.id).toBe(second.json.id!);
  return first.json;
}

async function withSystem(
  subjects: readonly string[],
  body: (system: RawClient) => Promise<void>,
): Promise<void> {
  const system = await loginAs(server(), "sys");
  await listen(system, ...subjects);
  await body(system);
  system.destroy();
}

row("§8.1 a CONNECT event: subject, type, id and the order of its keys", async () => {
  await withSystem(["$SYS.ACCOUNT.A.CONNECT"], async (system) => {
    const client = await loginAs(server(), "a");
    const { subject, json } = await nextMessage(system);
    expect(subject).toBe("$SYS.ACCOUNT.A.CONNECT");
    expect(Object.keys(json)).toEqual(["type", "id", "timestamp", "server", "client"]);
    expect(json.type).toBe("io.nats.server.advisory.v1.client_connect");
    expect(json.id).toMatch(/^[0-9A-Za-z]{22}$/);
    expect(json.timestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/);
    client.destroy();
  });
});

row("§8.2 CONNECT says who it is", async () => {
  await withSystem(["$SYS.ACCOUNT.A.CONNECT"], async (system) => {
    const client = await loginAs(server(), "a", { name: "n", lang: "test", version: "7" });
    const { json } = await nextMessage(system);
    const { start, ...rest } = clientOf(json);
    expect(start).toMatch(/Z$/);
    expect(rest).toEqual({
      host: "127.0.0.1",
      id: client.info.client_id,
      acc: "A",
      user: "a",
      name: "n",
      lang: "test",
      ver: "7",
      name_tag: "A",
      kind: "Client",
      client_type: "nats",
    });
    client.destroy();
  });
});

row("§8.1 the server of an event, all of it", async () => {
  await withSystem(["$SYS.ACCOUNT.A.CONNECT"], async (system) => {
    const client = await loginAs(server(), "a");
    const { seq, time, ...rest } = (await nextMessage(system)).json.server as Json;
    expect(rest).toEqual({
      name: "S1",
      host: "127.0.0.1",
      id: system.info.server_id,
      ver: system.info.version,
      tags: ["az:1", "foo"],
      feature_flags: {
        js_ack_fc_v2: false,
        js_api_reply_v2: false,
        js_raft_delete_range: true,
        js_snapshot_sources: false,
      },
      jetstream: false,
      flags: 0,
    });
    expect(Number(seq)).toBeGreaterThan(0);
    expect(time).toMatch(/Z$/);
    client.destroy();
  });
});

row("§8.4 DISCONNECT: the reason, and stop is its timestamp", async () => {
  await withSystem(["$SYS.ACCOUNT.A.DISCONNECT"], async (system) => {
    const client = await loginAs(server(), "a");
    client.destroy();
    const { json } = await nextMessage(system);
    expect(Object.keys(json)).toEqual([
      ...["type", "id", "timestamp", "server", "client"],
      ...["sent", "received", "reason"],
    ]);
    expect(json).toMatchObject({
      type: "io.nats.server.advisory.v1.client_disconnect",
      reason: "Client Closed",
      sent: NO_TRAFFIC,
      received: NO_TRAFFIC,
    });
    expect(Date.parse(String(clientOf(json).stop))).toBe(Date.parse(String(json.timestamp)));
    expect(Number(clientOf(json).rtt)).toBeGreaterThan(0);
  });
});

row("§8.5 DISCONNECT counts as the client would", async () => {
  await withSystem(["$SYS.ACCOUNT.A.DISCONNECT"], async (system) => {
    const client = await loginAs(server(), "a");
    client.send("SUB x 1\r\nSUB * 2\r\n", "PUB x 11\r\nhello world\r\n".repeat(10));
    for (let i = 0; i < 20; i++) await readMessage(client);
    client.destroy();
    expect((await nextMessage(system)).json).toMatchObject({
      sent: { msgs: 10, bytes: 110 },
      received: { msgs: 20, bytes: 220 },
    });
  });
});

row("§8.6 DISCONNECT of clients that are closed for what they did", async () => {
  await withSystem(["$SYS.ACCOUNT.A.DISCONNECT"], async (system) => {
    for (const [input, reason] of [
      ["PUB x 2000000\r\n", "Maximum Message Payload Exceeded"],
      [`SUB ${"x".repeat(5000)} 1\r\n`, "Maximum Control Line Exceeded"],
      ["NONSENSE\r\n", "Protocol Violation"],
    ] as const) {
      const client = await loginAs(server(), "a");
      client.send(input);
      expect((await nextMessage(system)).json.reason).toBe(reason);
      client.destroy();
    }
  });
});

row("§8.11 §8.14 the number of connections on both subjects, before CONNECT", async () => {
  const subjects = ["$SYS.ACCOUNT.A.>", "$SYS.SERVER.ACCOUNT.A.CONNS"];
  await withSystem(subjects, async (system) => {
    const client = await loginAs(server(), "a");
    const count = await nextCount(system, "A");
    expect(Object.keys(count)).toEqual([
      ...["type", "id", "timestamp", "server", "acc", "name", "conns", "leafnodes", "total_conns"],
      ...["num_subscriptions", "sent", "received", "slow_consumers"],
    ]);
    expect(count).toMatchObject({
      type: "io.nats.server.advisory.v1.account_connections",
      acc: "A",
      name: "A",
      conns: 1,
      leafnodes: 0,
      total_conns: 1,
      slow_consumers: 0,
    });
    for (const key of ["sent", "received"]) expect(Object.keys(count[key] as Json)).toEqual(TRAFFIC_KEYS);
    expect((await nextMessage(system)).subject).toBe("$SYS.ACCOUNT.A.CONNECT");
    client.destroy();
  });
});

row("§8.13 the last connection's end is told too", async () => {
  const subjects = ["$SYS.ACCOUNT.B.SERVER.CONNS", "$SYS.SERVER.ACCOUNT.B.CONNS"];
  await withSystem(subjects, async (system) => {
    const first = await loginAs(server(), "b");
    expect((await nextCount(system, "B")).conns).toBe(1);
    const second = await loginAs(server(), "b");
    expect((await nextCount(system, "B")).conns).toBe(2);
    first.destroy();
    expect((await nextCount(system, "B")).total_conns).toBe(1);
    second.destroy();
    expect((await nextCount(system, "B")).total_conns).toBe(0);
    await system.roundTrip();
  });
});

row("§3.4 the numbers of what was sent and received are the server's", async () => {
  await withSystem(["$SYS.ACCOUNT.B.SERVER.CONNS"], async (system) => {
    const nextNumber = async (connections: number) => {
      for (;;) {
        const { json } = await nextMessage(system);
        if (json.total_conns === connections) return json;
      }
    };
    const client = await loginAs(server(), "b");
    const before = await nextNumber(1);
    client.send("SUB x 1\r\nSUB * 2\r\n", "PUB x 11\r\nhello world\r\n".repeat(10));
    for (let i = 0; i < 20; i++) await readMessage(client);
    client.destroy();
    const after = await nextNumber(0);
    const grown = (key: string, of: string) =>
      Number((after[key] as Json)[of]) - Number((before[key] as Json)[of]);
    expect([grown("received", "msgs"), grown("received", "bytes")]).toEqual([10, 110]);
    expect([grown("sent", "msgs"), grown("sent", "bytes")]).toEqual([20, 220]);
  });
});

row("§3.1 users of the system account are told of like others", async () => {
  const system = await loginAs(server(), "sys");
  // Who listens here, and who did in the row before, may be told of before the PONG, and behind it.
  system.send("SUB $SYS.ACCOUNT.$SYS.> 1\r\nPING\r\n");
  await system.readUntil("PONG\r\n");
  const other = await loginAs(server(), "sys", { name: "other" });
  const counts: unknown[] = [];
  for (;;) {
    const { acc, conns, client } = (await nextMessage(system)).json;
    if ((client as Json | undefined)?.name === "other") break;
    if (acc === "$SYS") counts.push(conns);
  }
  expect(counts).toContain(2);
  for (const each of [system, other]) each.destroy();
});

row("§3.1 §3.2 nothing is throttled: each of many that come and go is told", async () => {
  await withSystem(["$SYS.ACCOUNT.B.CONNECT", "$SYS.ACCOUNT.B.DISCONNECT"], async (system) => {
    const clients = await Promise.all(Array.from({ length: 100 }, () => loginAs(server(), "b")));
    for (const client of clients) client.destroy();
    const told = new Map<unknown, string[]>();
    for (let i = 0; i < 200; i++) {
      const { subject, json } = await nextMessage(system);
      const { id } = clientOf(json);
      told.set(id, [...(told.get(id) ?? []), subject]);
    }
    expect(told.size).toBe(100);
    for (const { info } of clients) {
      expect(told.get(info.client_id)).toEqual(["$SYS.ACCOUNT.B.CONNECT", "$SYS.ACCOUNT.B.DISCONNECT"]);
    }
  });
});

row("§2 queue groups of the system account take an event once", async () => {
  const [one, two] = [await loginAs(server(), "sys"), await loginAs(server(), "sys")];
  for (const system of [one, two]) {
    system.send("SUB $SYS.ACCOUNT.A.CONNECT workers 1\r\n");
    await system.roundTrip();
  }
  for (let i = 0; i < 10; i++) (await loginAs(server(), "a")).destroy();
  let count = 0;
  const until = Date.now() + 5000;
  while (count < 10 && Date.now() < until) {
    for (const system of [one, two]) {
      if (system.waitingBytes === 0) continue;
      await nextMessage(system);
      count++;
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  for (const system of [one, two]) await system.roundTrip();
  expect(count).toBe(10);
  for (const system of [one, two]) system.destroy();
});

row("§1.1 the same subjects in another account are ordinary ones", async () => {
  const listener = await loginAs(server(), "b");
  await listen(listener, "$SYS.>");
  (await loginAs(server(), "a")).destroy();
  const witness = await loginAs(server(), "b");
  witness.send("PUB $SYS.ACCOUNT.A.CONNECT 2\r\nhi\r\n");
  expect((await readMessage(listener)).payload).toBe("hi");
  for (const client of [listener, witness]) client.destroy();
});

rowsInParallel({
  "§8.3 §8.15 clients of $G without users: CONNECT, and no number of connections": async () => {
    await using open = await ServerProcess.start({
      config: `accounts { $SYS { users: [ { user: sys, password: p } ] } }`,
    });
    const system = await open.connectAs({ user: "sys", pass: "p" });
    await listen(system, "$SYS.ACCOUNT.$G.>", "$SYS.SERVER.ACCOUNT.$G.CONNS");
    const client = await open.connectAs({ name: "n" });
    const { subject, json } = await nextMessage(system);
    expect(subject).toBe("$SYS.ACCOUNT.$G.CONNECT");
    expect(json.client).toMatchObject({ acc: "$G", name: "n", name_tag: "$G" });
    // The user that stands in for clients without credentials.
    expect(clientOf(json).user).toMatch(/^nats-.{8}$/);
    client.destroy();
    expect((await nextMessage(system)).subject).toBe("$SYS.ACCOUNT.$G.DISCONNECT");
    await system.roundTrip();
  },

  "§8.6 a stale client's reason": async () => {
    await using quick = await ServerProcess.start({
      config: `ping_interval: 200ms\nping_max: 1\n${SYSTEM_ACCOUNTS}`,
    });
    const system = await loginAs(quick, "sys");
    await listen(system, "$SYS.ACCOUNT.A.DISCONNECT");
    const client = await loginAs(quick, "a");
    client.showsKeepAlive = true;
    const event = await nextEventAnsweringPings(system);
    expect(event.reason).toBe("Stale Connection");
  },

  "§8.6 a slow consumer's reason": async () => {
    await using small = await ServerProcess.start({
      config: `max_pending: 200KB\nmax_payload: 100KB\n${SYSTEM_ACCOUNTS}`,
    });
    const system = await loginAs(small, "sys");
    await listen(system, "$SYS.ACCOUNT.A.DISCONNECT");
    const slow = await loginAs(small, "a");
    await listen(slow, "flood");
    slow.socket.pause();
    const publisher = await loginAs(small, "a");
    const message = `PUB flood 50000\r\n${"x".repeat(50_000)}\r\n`;
    while (system.waitingBytes === 0) {
      await publisher.sendAll(message.repeat(20));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const event = await nextEventAnsweringPings(system);
    expect(event).toMatchObject({ client: { id: slow.info.client_id } });
    expect(event.reason).toMatch(/^Slow Consumer \((Pending Bytes|Write Deadline)\)$/);
  },

  "§8.6 over its account's limit: DISCONNECT alone": async () => {
    await using full = await ServerProcess.start({
      config: `accounts {
        $SYS { users: [ { user: sys, password: p } ] }
        A { users: [ { user: a, password: p } ], limits { max_connections: 1 } }
      }`,
    });
    const system = await loginAs(full, "sys");
    await loginAs(full, "a");
    await listen(system, "$SYS.ACCOUNT.>", "$SYS.SERVER.>");
    const surplus = await full.connect();
    surplus.send('CONNECT {"user":"a","pass":"p","verbose":false}\r\n');
    const { subject, json } = await nextEvent(system);
    expect(subject).toBe("$SYS.ACCOUNT.A.DISCONNECT");
    expect(json).toMatchObject({ reason: "Maximum Account Connections Exceeded", client: { user: "a" } });
  },

  "§8.10 a token is never shown": async () => {
    await using token = await ServerProcess.start({
      config: `authorization { token: "s3cr3t" }`,
      monitoring: true,
    });
    const client = await token.connectAs({ auth_token: "s3cr3t" });
    const page = await token.json<{ connections: Json[] }>("/connz?auth=1");
    expect(page.connections[0]!.authorized_user).toBe("[REDACTED]");
    const { json } = await ask(client, "$SYS.REQ.USER.INFO");
    expect((json.data as Json).user).toBe("[REDACTED]");
    expect(JSON.stringify(json)).not.toContain("s3cr3t");
  },

  "§8.12 the number is told again after 30 seconds": async () => {
    await using quiet = await ServerProcess.start({ config: SYSTEM_ACCOUNTS });
    const system = await loginAs(quiet, "sys");
    await listen(system, "$SYS.ACCOUNT.A.SERVER.CONNS");
    await loginAs(quiet, "a");
    expect((await nextMessage(system)).json.conns).toBe(1);
    const from = performance.now();
    const again = await nextMessage(system, 35_000);
    expect(again.json).toMatchObject({ acc: "A", conns: 1 });
    expect(performance.now() - from).toBeGreaterThan(28_000);
  },

  "§8.13 after the last connection nothing is told any more": async () => {
    await using quiet = await ServerProcess.start({ config: SYSTEM_ACCOUNTS });
    const system = await loginAs(quiet, "sys");
    await listen(system, "$SYS.ACCOUNT.A.SERVER.CONNS");
    const client = await loginAs(quiet, "a");
    expect((await nextMessage(system)).json.conns).toBe(1);
    client.destroy();
    expect((await nextMessage(system)).json.conns).toBe(0);
    await new Promise((resolve) => setTimeout(resolve, 32_000));
    await system.roundTrip();
  },

  "§3.2 a stop tells of itself, not of each client": async () => {
    const server = await ServerProcess.start({ config: SYSTEM_ACCOUNTS });
    const system = await loginAs(server, "sys");
    await loginAs(server, "a");
    await listen(system, "$SYS.>");
    server.signal("SIGINT");
    const { subject, json } = await nextEvent(system);
    expect(subject).toBe(`$SYS.SERVER.${system.info.server_id}.SHUTDOWN`);
    expect(Object.keys(json)).not.toContain("type");
    expect(json).toMatchObject({ id: system.info.server_id, jetstream: false, flags: 0 });
    await system.readToEnd();
    await server.stop();
  },
});

/** The next message that is no summary of the server, which comes when it likes. */
async function nextEvent(system: RawClient): Promise<{ subject: string; json: Json }> {
  for (;;) {
    const message = await nextMessage(system);
    if (!message.subject.endsWith(".STATSZ")) return message;
  }
}

/** The server pings whoever listens, too. */
async function nextEventAnsweringPings(system: RawClient): Promise<Json> {
  for (;;) {
    const line = await system.readLine();
    if (line === "PING") {
      system.send("PONG\r\n");
      continue;
    }
    const size = Number(line.split(" ").at(-1));
    const bytes = await system.readBytes(size + 2);
    return JSON.parse(new TextDecoder().decode(bytes)) as Json;
  }
}
