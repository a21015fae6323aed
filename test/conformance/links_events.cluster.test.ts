import { expect } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { until } from "../support/deadline.ts";
import { linkAddress, Servers, untilReached } from "../support/links.ts";
import { row } from "../support/row.ts";
import type { ServerProcess } from "../support/server_process.ts";
import { ask, askForSilence, type Json, listen, loginAs, nextMessage } from "../support/system.ts";

// What servers that are linked tell of their connections and of themselves, in the system account and in the log.

const LISTEN = `listen: "127.0.0.1:-1"`;
const ACCOUNTS = `
  accounts {
    SYS { users: [ { user: sys, password: p } ] }
    A { users: [ { user: a, password: p } ], limits { max_connections: 2 } }
    B { users: [ { user: b, password: p } ], limits { max_leafnodes: 1 } }
  }
  system_account: SYS
`;

interface Pair {
  readonly first: ServerProcess;
  readonly second: ServerProcess;
  readonly servers: Servers;
}

/** Two servers of a cluster that know each other. */
async function withPair(body: (pair: Pair) => Promise<void>, more = ""): Promise<void> {
  await using servers = new Servers();
  const start = (name: string, role: "server" | "peer", routes: string) =>
    servers.start({
      config: `server_name: ${name}\n${ACCOUNTS}\ncluster { name: C, ${LISTEN} ${routes} }\n${more}`,
      monitoring: true,
      role,
    });
  const first = await start("one", "server", "");
  const route = await linkAddress(first, "route");
  const second = await start("two", "peer", `, routes: [ "nats-route://${route}" ]`);
  await untilActive(first, 2);
  await untilActive(second, 2);
  await body({ first, second, servers });
}

async function activeServers(server: ServerProcess): Promise<number> {
  const system = await loginAs(server, "sys");
  const id = String(system.info.server_id);
  const { json } = await ask(system, `$SYS.REQ.SERVER.${id}.STATSZ`);
  system.destroy();
  return Number((json.statsz as Json).active_servers);
}

async function untilActive(server: ServerProcess, count: number): Promise<void> {
  await until(
    async () => (await activeServers(server)) === count,
    () => `there are not ${count} servers`,
    20_000,
  );
}

/** A leaf node of the server: its account is that of the user. */
function leafConfig(hub: string, user: string, password = "p"): string {
  return `server_name: leaf1\n${ACCOUNTS}
    leafnodes { remotes: [ { url: "nats://${user}:${password}@${hub}", account: ${user.toUpperCase()} } ] }`;
}

row("§8.20 §8.22 a server that stops says so, and is forgotten", async () => {
  await withPair(async ({ first, second }) => {
    const system = await loginAs(first, "sys");
    await listen(system, "$SYS.SERVER.*.SHUTDOWN", "$SYS.SERVER.*.LAMEDUCK");
    await untilReached(await loginAs(second, "sys"), system);
    const { server_id: id } = await second.json<{ server_id: string }>("/varz");
    await second.stop();
    const { subject, json } = await nextMessage(system);
    expect(subject).toBe(`$SYS.SERVER.${id}.SHUTDOWN`);
    expect(json).toMatchObject({ name: "two", id, cluster: "C" });
    await untilActive(first, 1);
  });
});

row("§8.21 a server in lame duck mode says so, and is not counted", async () => {
  await withPair(async ({ first, second }) => {
    const system = await loginAs(first, "sys");
    await listen(system, "$SYS.SERVER.*.LAMEDUCK");
    await untilReached(await loginAs(second, "sys"), system);
    second.signal("SIGUSR2");
    const { json } = await nextMessage(system);
    expect(json).toMatchObject({ name: "two" });
    await untilActive(first, 1);
  }, 'lame_duck_duration: "30s"\nlame_duck_grace_period: "5s"');
});

row("§8.56 max_connections holds for all servers together", async () => {
  await withPair(async ({ first, second }) => {
    // What the second tells of its connections reaches the first by then.
    await untilReached(await loginAs(second, "sys"), await loginAs(first, "sys"));
    const here = await loginAs(first, "a");
    await loginAs(second, "a");
    const tryLogin = async () => {
      const client = await first.connect();
      client.send(`CONNECT {"user":"a","pass":"p","verbose":false}\r\nPING\r\n`);
      const text = await client.readLine();
      client.destroy();
      return text;
    };
    await until(
      async () => (await tryLogin()) === "-ERR 'maximum account active connections exceeded'",
      () => "a third connection is let in",
      10_000,
    );
    here.destroy();
    await until(
      async () => (await tryLogin()) === "PONG",
      () => "a connection is refused although there is room",
      10_000,
    );
  });
});

row("§8.11 numbers of connections are told by the server that has them, leaf links among them", async () => {
  await withPair(async ({ first, second, servers }) => {
    const system = await loginAs(second, "sys");
    await listen(system, "$SYS.ACCOUNT.B.SERVER.CONNS", "$SYS.SERVER.ACCOUNT.B.CONNS");
    await untilReached(await loginAs(first, "sys"), system);
    await loginAs(first, "b");
    const two = async () => [await nextMessage(system), await nextMessage(system)];
    const came = await two();
    expect(new Set(came.map(({ json }) => json.id)).size).toBe(1);
    for (const { json } of came) expect(json).toMatchObject({ acc: "B", conns: 1, leafnodes: 0 });
    const leaf = await servers.start({ config: leafConfig(await linkAddress(first, "leafnode"), "b") });
    for (const { json } of await two()) {
      expect(json).toMatchObject({ acc: "B", conns: 1, leafnodes: 1, total_conns: 2 });
      expect((json.server as Json).name).toBe("one");
    }
    await leaf.stop();
    for (const { json } of await two())
      expect(json).toMatchObject({ conns: 1, leafnodes: 0, total_conns: 1 });
    const [request] = [await ask(system, "$SYS.REQ.ACCOUNT.B.CONNS")];
    expect(request.json).toMatchObject({ acc: "B", conns: 1 });
  }, `leafnodes { ${LISTEN} }`);
});

row("§8.36 CONNS of an account is not answered where leaf nodes are all it has", async () => {
  await using servers = new Servers();
  const hub = await servers.start({ config: `${ACCOUNTS}\nleafnodes { ${LISTEN} }`, role: "server" });
  const system = await loginAs(hub, "sys");
  await listen(system, "$SYS.ACCOUNT.B.CONNECT");
  await servers.start({ config: leafConfig(await linkAddress(hub, "leafnode"), "b") });
  await nextMessage(system);
  await askForSilence(system, ["$SYS.REQ.ACCOUNT.B.CONNS", ""]);
  await loginAs(hub, "b");
  await nextMessage(system);
  expect((await ask(system, "$SYS.REQ.ACCOUNT.B.CONNS")).json).toMatchObject({ conns: 1, leafnodes: 1 });
});

row("§8.1 §8.4 a leaf node that comes and goes is an event of its account", async () => {
  await withPair(async ({ first, second, servers }) => {
    const system = await loginAs(second, "sys");
    await listen(system, "$SYS.ACCOUNT.B.CONNECT", "$SYS.ACCOUNT.B.DISCONNECT");
    await untilReached(await loginAs(first, "sys"), system);
    const leaf = await servers.start({ config: leafConfig(await linkAddress(first, "leafnode"), "b") });
    const came = (await nextMessage(system)).json;
    expect(came.type).toBe("io.nats.server.advisory.v1.client_connect");
    const client = { host: "127.0.0.1", acc: "B", user: "b", name: "leaf1", ver: "2.15.2", name_tag: "B" };
    expect(came.client).toMatchObject({ ...client, kind: "Leafnode" });
    expect((came.client as Json).client_type).toBe(undefined);
    expect((came.client as Json).start).toMatch(/^20/);
    await leaf.stop();
    const went = (await nextMessage(system)).json;
    expect(went).toMatchObject({
      type: "io.nats.server.advisory.v1.client_disconnect",
      client: { ...client, kind: "Leafnode" },
    });
    // A leaf node that ends with something unread resets its connection.
    expect(went.reason).toMatch(/^(Client Closed|Read Error)$/);
    expect((went.client as Json).stop).toBe(went.timestamp);
  }, `leafnodes { ${LISTEN} }`);
});

row(
  "§3.1 §3.2 a leaf node tells of its own side too, without a name; what was wanted is kept of a link that ended",
  async () => {
    await using servers = new Servers();
    const hub = await servers.start({
      config: `server_name: hub\n${ACCOUNTS}\nleafnodes { ${LISTEN} }`,
      monitoring: true,
    });
    const address = await linkAddress(hub, "leafnode");
    const leaf = await servers.start({ config: leafConfig(address, "b"), monitoring: true, role: "peer" });
    const leafsOf = async () =>
      (
        await hub.json<{ leafs: { id: number; rtt: string; subscriptions_list?: string[] }[] }>(
          "/leafz?subs=1",
        )
      ).leafs;
    const inB = await loginAs(leaf, "b");
    await listen(inB, "wanted");
    await until(
      async () => (await leafsOf())[0]?.subscriptions_list?.includes("wanted") ?? false,
      () => "the hub does not hear of the subscription",
    );
    const system = await loginAs(leaf, "sys");
    await listen(system, "$SYS.ACCOUNT.B.DISCONNECT", "$SYS.ACCOUNT.B.CONNECT");
    const atHub = await loginAs(hub, "sys");
    const { id } = (await leafsOf())[0]!;
    await ask(atHub, `$SYS.REQ.SERVER.${atHub.info.server_id}.KICK`, { cid: id });
    for (const type of ["client_disconnect", "client_connect"]) {
      const { json } = await nextMessage(system);
      expect(json.type).toBe(`io.nats.server.advisory.v1.${type}`);
      const client = json.client as Json;
      expect(client).toMatchObject({ host: "127.0.0.1", acc: "B", kind: "Leafnode", name_tag: "B" });
      expect([client.user, client.name, client.ver]).toEqual([undefined, undefined, undefined]);
    }
    const { connections } = await hub.json<{ connections: Json[] }>(`/connz?state=closed&subs=1&cid=${id}`);
    expect(connections[0]).toMatchObject({ kind: "Leafnode", reason: "Kicked" });
    expect(connections[0]!.subscriptions_list).toContain("wanted");
    // Known before the first PING, by how long it took to agree on compression.
    expect((await leafsOf()).map(({ rtt }) => rtt === "0s")).toEqual([false]);
  },
);

row("§8.7 a leaf node that cannot log in is an event of the server", async () => {
  await withPair(async ({ first, second, servers }) => {
    const system = await loginAs(second, "sys");
    await listen(system, "$SYS.SERVER.*.CLIENT.AUTH.ERR");
    await untilReached(await loginAs(first, "sys"), system);
    await servers.start({ config: leafConfig(await linkAddress(first, "leafnode"), "b", "wrong") });
    const { subject, json } = await nextMessage(system);
    expect(subject).toBe(`$SYS.SERVER.${(json.server as Json).id}.CLIENT.AUTH.ERR`);
    expect(json).toMatchObject({
      server: { name: "one" },
      client: { acc: "N/A", user: "b", name: "leaf1", kind: "Leafnode" },
      reason: "Authentication Failure",
    });
  }, `leafnodes { ${LISTEN} }`);
});

row("§8.55 with gateways other clusters hear of accounts that leaf nodes are in, else nobody", async () => {
  for (const hasGateway of [true, false]) {
    const gateway = hasGateway ? `gateway { name: C, ${LISTEN} }` : "";
    await withPair(async ({ first, second, servers }) => {
      const system = await loginAs(second, "sys");
      await listen(system, "$SYS.ACCOUNT.B.LEAFNODE.CONNECT", "$SYS.ACCOUNT.B.CONNECT");
      await untilReached(await loginAs(first, "sys"), system);
      await servers.start({ config: leafConfig(await linkAddress(first, "leafnode"), "b") });
      const subjects = new Set<string>();
      const expected = hasGateway ? 2 : 1;
      while (subjects.size < expected) {
        const { subject, json } = await nextMessage(system);
        subjects.add(subject);
        if (subject.endsWith("LEAFNODE.CONNECT")) expect(json).toMatchObject({ acc: "B" });
      }
      await untilReached(await loginAs(first, "sys"), system);
      expect(subjects.has("$SYS.ACCOUNT.B.LEAFNODE.CONNECT")).toBe(hasGateway);
    }, `${gateway}\nleafnodes { ${LISTEN} }`);
  }
});

row("§8.41 a user asks the server it is connected to about itself, and no other", async () => {
  await withPair(async ({ first }) => {
    for (const user of ["b", "sys"]) {
      const client = await loginAs(first, user);
      await listen(client, "info");
      client.send("PUB $SYS.REQ.USER.INFO info 0\r\n\r\n");
      const { json } = await nextMessage(client);
      expect((json.data as Json).user).toBe(user);
      await new Promise((resolve) => setTimeout(resolve, 200));
      await client.roundTrip();
      client.destroy();
    }
  });
});

row("§7 the log shows where other servers connect, and what crosses links under their labels", async () => {
  await withPair(async ({ first, second }) => {
    const publisher = await loginAs(second, "b");
    const subscriber = await loginAs(first, "b");
    await listen(subscriber, "traced");
    await untilReached(publisher, subscriber);
    publisher.send("PUB traced re 5\r\nhello\r\n");
    await subscriber.readUntil("hello\r\n");
    subscriber.send("PUB nowhere 0\r\n\r\nUNSUB 1\r\n");
    await subscriber.roundTrip();
    const label = String.raw`\[TRC\] 127\.0\.0\.1:\d+ - rid:\d+ - `;
    for (const line of [
      String.raw`->> \[RS\+ B traced\]`,
      String.raw`<<- \[RMSG B traced re 5\]`,
      String.raw`<<- MSG_PAYLOAD: \["hello"\]`,
      String.raw`->> \[RS- B traced\]`,
      String.raw`->> \[PONG\]`,
      String.raw`<<- \[PING\]`,
    ]) {
      await first.waitForLog(new RegExp(label + line));
    }
    await second.waitForLog(new RegExp(String.raw`${label}->> \[RMSG B traced re 5`));
    await second.waitForLog(new RegExp(String.raw`${label}<<- \[RS\+ B traced\]`));
    expect(first.log).toMatch(/\[INF\] Listening for gateways connections on 127\.0\.0\.1:\d+\n/);
    expect(first.log).toMatch(/\[INF\] Address for gateway "C" is 127\.0\.0\.1:\d+\n/);
    expect(first.log).toMatch(/\[INF\] Listening for leafnode connections on 127\.0\.0\.1:\d+\n/);
    expect(first.log).toMatch(/\[INF\] Listening for route connections on 127\.0\.0\.1:\d+\n/);
  }, `trace: true\ngateway { name: C, ${LISTEN} }\nleafnodes { ${LISTEN} }`);
});

row("§7 the ports file has the port of routes", async () => {
  await withPair(async ({ first }) => {
    const find = () => readdirSync(first.directory).find((file) => file.endsWith(".ports"));
    await until(
      () => find() !== undefined,
      () => "there is no ports file",
    );
    const name = find()!;
    const ports = JSON.parse(readFileSync(first.path(name), "utf8"));
    expect(ports.cluster).toEqual([`nats://${await linkAddress(first, "route")}`]);
  }, 'ports_file_dir: "DIRECTORY"');
});
