import { describe, expect, test } from "bun:test";
import { createServer } from "node:net";
import { type LogLevel, Midge, type MidgeOptions, MidgeStartError } from "../../src/mod.ts";
import { until } from "../support/deadline.ts";
import { connectTo, startEmbedded as start } from "../support/embedded.ts";
import { RawClient } from "../support/raw_client.ts";

function fail(): never {
  throw new Error("no room for this line");
}

async function startError(options: MidgeOptions): Promise<string> {
  try {
    const server = await Midge.start({ host: "127.0.0.1", port: -1, ...options });
    await server.stop();
    return "it started";
  } catch (error) {
    return error instanceof MidgeStartError ? error.message : `not a MidgeStartError: ${error}`;
  }
}

describe("Midge.start()", () => {
  test("two servers in one process know nothing of each other", async () => {
    const [one, two] = await Promise.all([start(), start({ midge: { shards: 2, transport: "auto" } })]);
    expect(one.server.port === two.server.port).toBe(false);
    expect(one.server.id === two.server.id).toBe(false);
    const [a, b] = await Promise.all([connectTo(one.server), connectTo(two.server)]);
    a.send("SUB foo 1\r\n");
    await a.roundTrip();
    b.send("PUB foo 2\r\nhi\r\n");
    await b.roundTrip();
    await a.roundTrip();
    await one.server.stop();
    await a.expectClosed();
    b.send("SUB bar 1\r\nPUB bar 2\r\nhi\r\n");
    await b.expect("MSG bar 1 2\r\nhi\r\n");
    expect((await two.server.varz()).connections).toBe(1);
    await two.server.stop();
  });

  test("says why it does not start, and leaves nothing behind", async () => {
    const holder = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => holder.once("listening", resolve));
    const port = (holder.address() as { port: number }).port;
    expect(await startError({ port })).toContain(`Error listening on port: 127.0.0.1:${port}, "listen tcp `);
    holder.close();
    expect(await startError({ config: "nonsense: 1\nport: x" })).toMatch(
      /^config:1:0: unknown field "nonsense"\n/,
    );
    expect(await startError({ config: "max_payload: 2\nmax_pending: 1" })).toContain("cannot be higher than");
    expect(await startError({ config: "jetstream: enabled" })).toContain("JetStream is not supported");
    const imports = "imports: [ { service: { account: A, subject: a } } ]";
    expect(await startError({ config: `accounts { A {}, B { ${imports} } }` })).toBe(
      'config:1:32: Error adding service import "a": service import not authorized',
    );
    expect(await startError({ httpPort: -1, httpsPort: -1 })).toContain("Can't start monitoring: ");
  });

  test("takes a field that is undefined for one that is not there, and knows its options", async () => {
    const options = { cluster: undefined, maxPayloadBytes: undefined, serverName: undefined };
    const { server } = await start({ ...options, config: "max_payload: 2kb" } as unknown as MidgeOptions);
    expect((await server.varz()).max_payload).toBe(2048);
    await server.stop();
    expect(await startError({ max_payload: 1 } as unknown as MidgeOptions)).toBe(
      'not a MidgeStartError: TypeError: Midge.start: there is no option "max_payload"',
    );
  });

  test("refuses an option that no configuration could hold, and names it", async () => {
    const cases: readonly (readonly [options: Record<string, unknown>, message: string])[] = [
      [{ maxPayloadBytes: 5e9 }, "maxPayloadBytes value is too big: 5000000000 is more than 2147483647"],
      [{ pingIntervalMs: "30s" }, "pingIntervalMs: expected a number of milliseconds, got a string"],
      [{ authorization: 5 }, "authorization: expected a map to define authorization, got an integer"],
      [{ port: "4222", config: "debug: off" }, "port: expected a port number, got a string"],
      [{ cluster: { name: 5 } }, "cluster.name: expected a string, got an integer; quote it"],
      [{ config: 5 }, "config: expected the text of a configuration, got a value of type number"],
      [{ configFile: 5 }, "configFile: expected the path of a configuration, got a value of type number"],
      [{ log: "x" }, "log: expected a function of a level and a text, got a value of type string"],
      [
        {
          accounts: [
            { name: "A" },
            { name: "B", imports: [{ kind: "service", account: "A", subject: "a" }] },
          ],
        },
        'accounts[1].imports[0]: Error adding service import "a": service import not authorized',
      ],
    ];
    for (const [options, message] of cases) expect(await startError(options as MidgeOptions)).toBe(message);
  });

  test("fills a block that says only what is not as by default", async () => {
    const { server } = await start({
      websocket: { port: -1, noTls: true },
      cluster: { name: "x", port: -1 },
      authorization: { users: [{ user: "u", password: "p" }] },
      maxConnections: 1,
    });
    expect(server.webSocketPort).toBeGreaterThan(0);
    const varz = await server.varz();
    expect([varz.cluster.name, varz.max_connections]).toEqual(["x", 1]);
    await expect(connectTo(server)).rejects.toThrow("Authorization Violation");
    await (await connectTo(server, { user: "u", pass: "p" })).roundTrip();
    await server.stop();
  });

  test("says which log file it cannot open", async () => {
    const logFile = "/dev/null/midge.log";
    expect(await startError({ logFile })).toContain(logFile);
    expect(await startError({ config: `log_file: "${logFile}"` })).toContain(logFile);
  });

  test("takes nothing but an object for its options", async () => {
    for (const settings of [4222, "port: 4222", null, [{ port: -1 }]]) {
      await expect(Midge.start(settings as unknown as MidgeOptions)).rejects.toThrow(
        new TypeError("Midge.start: the options must be an object"),
      );
    }
  });

  for (const [what, log] of [
    ["throws", () => fail()],
    ["rejects", async () => fail()],
  ] as const)
    test(`starts, serves and stops though its log ${what}`, async () => {
      const server = await Midge.start({ host: "127.0.0.1", port: -1, log });
      const client = await connectTo(server);
      await client.roundTrip();
      await server.stop();
      await client.expectClosed();
      expect(await server.ended).toBe("stopped");
    });

  test("serves clients by the time monitoring answers", async () => {
    const holder = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => holder.once("listening", resolve));
    const { port } = holder.address() as { port: number };
    await new Promise((resolve) => holder.close(resolve));
    let client: Promise<RawClient> | undefined;
    const log = (_level: LogLevel, text: string) => {
      if (text.startsWith("Starting http monitor")) client = RawClient.open(port);
    };
    const { server } = await start({ port, httpPort: -1, log });
    expect((await (await client)?.readInfo())?.port).toBe(port);
    await server.stop();
  });

  test("puts fields over the configuration, again on reload", async () => {
    const { server } = await start({ config: "max_payload: 1000\nserver_name: text", serverName: "field" });
    const before = await server.varz();
    expect([before.max_payload, before.server_name]).toEqual([1000, "field"]);
    await server.reload("max_payload: 2000\nserver_name: text");
    const after = await server.varz();
    expect([after.max_payload, after.server_name]).toEqual([2000, "field"]);
    await server.stop();
  });

  test("without a log prints nothing and with one hears of start and end", async () => {
    const { server, log } = await start();
    await server.stop();
    expect(log[0]).toBe("info Starting nats-server");
    expect(log).toContain("info Server is ready");
    expect(log.at(-1)).toBe("info Server Exiting..");
    expect(await server.ended).toBe("stopped");
  });
});

describe("reports", () => {
  test("varz(), connz() and subsz() show clients and subscriptions of every shard", async () => {
    const { server } = await start({ midge: { shards: 2, transport: "auto" } });
    const clients = await Promise.all([0, 1, 2, 3].map(() => connectTo(server, { name: "n" })));
    for (const [i, client] of clients.entries()) client.send(`SUB a.${i} 1\r\nSUB b q 2\r\n`);
    for (const client of clients) await client.roundTrip();
    const varz = await server.varz();
    expect([varz.connections, varz.subscriptions, varz.total_connections]).toEqual([4, 8, 4]);
    const connz = await server.connz({ subscriptions: "subjects" });
    expect(connz.connections?.map(({ name, subscriptions }) => [name, subscriptions])).toEqual(
      clients.map(() => ["n", 2]),
    );
    const page = await server.subsz({ isListed: true, offset: 5, limit: 2 });
    expect([page.total, page.subscriptions_list?.length]).toEqual([8, 2]);
    const matching = await server.subsz({ isListed: true, testSubject: "a.3" });
    expect(matching.subscriptions_list?.map(({ subject }) => subject)).toEqual(["a.3"]);
    clients[0]!.destroy();
    await until(
      async () => (await server.varz()).connections === 3,
      () => "a client that left is counted off",
    );
    expect((await server.varz()).subscriptions).toBe(6);
    const closedReasons = async () =>
      (await server.connz({ state: "closed" })).connections?.map(({ reason }) => reason);
    await until(
      async () => (await closedReasons())?.join() === "Client Closed",
      () => "it is among the closed ones",
    );
    await server.stop();
  });

  test("connz() sorts and pages over the shards together", async () => {
    const { server } = await start({ midge: { shards: 3, transport: "auto" } });
    const clients: RawClient[] = [];
    for (let i = 0; i < 7; i++) {
      const client = await connectTo(server, { name: `n${i}` });
      client.send(Array.from({ length: i }, (_, sid) => `SUB s.${i} ${sid}\r\n`).join(""));
      await client.roundTrip();
      clients.push(client);
    }
    const page = async (options: Parameters<Midge["connz"]>[0]) => {
      const { connections, total } = await server.connz(options);
      return [connections?.map(({ name }) => name).join(" "), total];
    };
    expect(await page({ sort: "subs", limit: 3 })).toEqual(["n6 n5 n4", 7]);
    expect(await page({ sort: "subs", limit: 3, offset: 3 })).toEqual(["n3 n2 n1", 7]);
    expect(await page({ limit: 2 })).toEqual(["n0 n1", 7]);
    expect(await page({ sort: "msgs_to", limit: 3 })).toEqual(["n0 n1 n2", 7]);
    expect(await page({ sort: "uptime", limit: 1 })).toEqual(["n6", 7]);
    expect(await page({ account: "$G", subject: "s.5" })).toEqual(["n5", 7]);
    expect(await page({ id: 3 })).toEqual(["n2", 7]);
    clients[0]!.destroy();
    await until(
      async () => (await server.varz()).connections === 6,
      () => "a client left",
    );
    expect(await page({ state: "all", limit: 2 })).toEqual(["n0 n1", 7]);
    await server.stop();
  });

  test("connz() and accountz() refuse what the page would", async () => {
    const { server } = await start();
    await expect(server.connz({ sort: "x" })).rejects.toThrow("invalid sorting option: x");
    await expect(server.accountz("X")).rejects.toThrow("Account X does not exist");
    await server.stop();
  });

  test("routez(), gatewayz() and leafz() show links, accountz() and accstatz() accounts", async () => {
    const accounts = [{ name: "A", users: [{ user: "a", password: "p" }] }];
    const hub = await start({
      accounts,
      serverName: "hub",
      cluster: { name: "east", host: "127.0.0.1", port: -1 },
      leafnodes: { host: "127.0.0.1", port: -1 },
    });
    const { cluster, leaf } = await hub.server.varz();
    const member = await start({
      config: `cluster { name: east, listen: "127.0.0.1:-1", routes: [ "nats-route://127.0.0.1:${cluster.cluster_port}" ] }`,
    });
    const spoke = await start({
      config: `leafnodes { remotes: [ { url: "nats-leaf://a:p@127.0.0.1:${leaf.port}" } ] }`,
    });
    await until(
      async () => (await hub.server.routez()).num_routes > 0 && (await hub.server.leafz()).leafnodes === 1,
      () => "a route and a leaf node are there",
    );
    expect((await member.server.routez({ subscriptions: "subjects" })).routes[0]?.remote_name).toBe("hub");
    expect((await hub.server.leafz({ account: "A" })).leafs.map(({ account }) => account)).toEqual(["A"]);
    expect((await hub.server.leafz({ account: "$G" })).leafs).toEqual([]);
    expect((await hub.server.gatewayz()).outbound_gateways).toEqual({});
    const counted = await hub.server.accstatz({ accounts: ["A"] });
    expect(counted.account_statz.map(({ leafnodes }) => leafnodes)).toEqual([1]);
    expect(await hub.server.accountz()).toMatchObject({ accounts: ["$G", "A", "$SYS"] });
    expect(await hub.server.accountz("A")).toMatchObject({ account_detail: { leafnode_connections: 1 } });
    await Promise.all([hub, member, spoke].map(({ server }) => server.stop()));
  });

  test("healthz() and metrics() say what their pages say", async () => {
    const { server } = await start({ serverName: "measured" });
    expect(JSON.parse(JSON.stringify(await server.healthz()))).toEqual({ status: "ok", status_code: 200 });
    expect(await server.metrics()).toContain(`gnatsd_varz_connections{server_id="${server.id}"} 0\n`);
    await server.stop();
  });
});

describe("reload()", () => {
  test("refuses a change that needs a new start, and changes nothing", async () => {
    const { server } = await start({ config: "max_payload: 1000" });
    await expect(server.reload("max_payload: 2000\nserver_name: other")).rejects.toThrow(
      "config reload not supported for ServerName: old=, new=other",
    );
    expect((await server.varz()).max_payload).toBe(1000);
    await expect(server.reload("max_payload: 2000\njetstream: enabled")).rejects.toThrow(
      "JetStream is not supported",
    );
    await expect(server.reload("max_payload: 2000\nwebsocket { port: -1, no_tls: true }")).rejects.toThrow(
      'config reload not supported for Websocket: field "Host": old=, new=0.0.0.0',
    );
    await expect(server.reload("max_payload: 2000\ncluster { name: C, port: -1 }")).rejects.toThrow(
      "config reload not supported for cluster host: old=, new=0.0.0.0",
    );
    expect((await server.varz()).max_payload).toBe(1000);
    await server.stop();
  });

  test("closes the clients that changed credentials no longer let in, and no others", async () => {
    const users = (list: string) => `authorization { users: [ ${list} ] }`;
    const { server } = await start({
      config: users("{user: stays, pass: a}, {user: changed, pass: a}, {user: gone, pass: a}"),
    });
    const open = (user: string) => connectTo(server, { user, pass: "a" });
    const [stays, changed, gone] = await Promise.all([open("stays"), open("changed"), open("gone")]);
    await server.reload(users("{user: stays, pass: a}, {user: changed, pass: b}"));
    expect(await changed.readToEnd()).toBe("-ERR 'Authorization Violation'\r\n");
    expect(await gone.readToEnd()).toBe("");
    await stays.roundTrip();
    await expect(open("changed")).rejects.toThrow("Authorization Violation");
    expect(
      (await server.connz({ showsCredentials: true })).connections?.map((each) => each.authorized_user),
    ).toEqual(["stays"]);
    await server.stop();
  });

  test("asks clients that are already there for credentials that were not needed before", async () => {
    const { server } = await start({ config: "debug: false" });
    const named = await connectTo(server, { user: "a", pass: "p" });
    const nameless = await connectTo(server);
    await server.reload("authorization { user: a, password: p }");
    expect(await nameless.readToEnd()).toBe("-ERR 'Authorization Violation'\r\n");
    await named.roundTrip();
    await server.reload("debug: true");
    await named.roundTrip();
    await connectTo(server);
    await server.stop();
  });

  test("judges each of several calls at once by its own text, in their order", async () => {
    const { server } = await start({ config: "max_payload: 1000" });
    const reload = async (...texts: (string | undefined)[]) => {
      const results = await Promise.allSettled(texts.map((text) => server.reload(text)));
      const outcomes = results.map((result) =>
        result.status === "fulfilled" ? "ok" : String(result.reason),
      );
      return [...outcomes, (await server.varz()).max_payload];
    };
    const unknownKey = 'Error: Failed to reload server configuration: config:1:0: unknown field "bogus_key"';
    expect(await reload("max_payload: 2000", "bogus_key: 1")).toEqual(["ok", unknownKey, 2000]);
    expect(await reload("bogus_key: 1", "max_payload: 3000", undefined)).toEqual([
      unknownKey,
      "ok",
      "ok",
      3000,
    ]);
    expect(await reload("max_payload: 4000", "max_payload: 5000")).toEqual(["ok", "ok", 5000]);
    expect(await reload("max_payload: 6000\nbogus_key: 1", undefined)).toEqual([
      unknownKey.replace("1:0", "2:1"),
      "ok",
      5000,
    ]);
    await expect(server.reload(5 as unknown as string)).rejects.toThrow(
      "expected the text of a configuration",
    );
    await server.stop();
  });

  test("needs a configuration", async () => {
    const { server } = await start();
    await expect(server.reload()).rejects.toThrow("can only reload config when a file is provided");
    await server.stop();
  });
});

test("lameDuck() tells the clients, takes no new ones, closes those there are, and ends the server", async () => {
  const { server, log } = await start({ lameDuckDurationMs: 30_000, lameDuckGracePeriodMs: 50 });
  const client = await connectTo(server, { protocol: 1 });
  const ending = server.lameDuck();
  expect((await client.readInfo()).ldm).toBe(true);
  await expect(connectTo(server)).rejects.toThrow();
  await client.expectClosed();
  await ending;
  expect(await server.ended).toBe("stopped");
  expect(log).toContain("info Closing existing clients");
});

test("stop() cuts lameDuck() short", async () => {
  const { server } = await start({ lameDuckDurationMs: 60_000, lameDuckGracePeriodMs: 50_000 });
  const client = await connectTo(server);
  const ending = server.lameDuck();
  await server.stop();
  await ending;
  await client.expectClosed();
});
