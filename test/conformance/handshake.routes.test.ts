import { afterAll, expect } from "bun:test";
import { connect as connectTls } from "node:tls";
import { CertificateMaker } from "../support/certificates.ts";
import { until } from "../support/deadline.ts";
import { kindOf, linkAddress, linkPort, Servers, untilReached } from "../support/links.ts";
import { RawClient } from "../support/raw_client.ts";
import { RawLink } from "../support/raw_link.ts";
import { RawListener } from "../support/raw_listener.ts";
import { acceptRoute, joinRoute, openRoute, routeConnect, routeInfo } from "../support/raw_route.ts";
import { row, rowsInParallel, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

// How routes begin and end: who may join, and what closes a route.

const CLUSTER = `no_system_account: true\ncluster { name: C1, listen: "127.0.0.1:-1" }`;
const server = sharedServer({ config: `server_name: N\n${CLUSTER}` });

const certificates = new CertificateMaker();
afterAll(() => certificates.remove());

const port = () => linkPort(server(), "route");

/** A route that is registered, and what its client does there still works. */
async function registered(): Promise<RawLink> {
  return await joinRoute(await port());
}

/** Nothing has happened to this route, nor to the server's clients. */
async function expectServed(route: RawLink): Promise<void> {
  const client = await server().connectAs();
  await route.expectNoInterest(client);
  client.destroy();
}

row("clusters 1.3: INFO comes first from who accepts", async () => {
  const route = await openRoute(await port());
  expect(route.info).toMatchObject({
    server_name: "N",
    cluster: "C1",
    host: "127.0.0.1",
    port: await port(),
    headers: true,
    lnoc: true,
    lnocu: true,
  });
  expect(route.info.server_id).toMatch(/^N[A-Z2-7]{55}$/);
  expect(route.info.gateway).toBeUndefined();
  route.destroy();
});

row("clusters 1.3: permissions of which nothing is said are not in INFO", async () => {
  const config = CLUSTER.replace("cluster {", "cluster { permissions { import: {}, export: { deny: foo } },");
  await using own = await ServerProcess.start({ config });
  const route = await openRoute(await linkPort(own, "route"));
  expect([route.info.import, route.info.export]).toEqual([undefined, { deny: ["foo"] }]);
  route.destroy();
});

row("clusters 3.9: the smallest forms register", async () => {
  const route = await openRoute(await port());
  route.sendJson("CONNECT", { cluster: "C1" });
  route.sendJson("INFO", { server_id: "NSMALL" });
  await route.roundTrip();
  await expectServed(route);
  route.destroy();
});

row("clusters 1.3: the first verb must be CONNECT", async () => {
  for (const line of ["PING", `INFO ${JSON.stringify(routeInfo())}`, "RS+ $G foo"]) {
    const route = await openRoute(await port());
    route.send(line);
    await route.expectError("Authorization Violation");
  }
});

row("clusters 16: clients, gateways and other clusters are turned away", async () => {
  const refused: [Record<string, unknown>, string][] = [
    [{ lang: "go" }, "attempted to connect to route port"],
    [{ gateway: "GX" }, 'Rejecting connection from gateway "GX" on the Route port'],
    [{ cluster: "C2" }, 'Rejecting connection, cluster name "C2" does not match "C1"'],
    [{ cluster: "" }, 'Rejecting connection, cluster name "" does not match "C1"'],
    [{ cluster: "_" }, 'Rejecting connection, cluster name "_" is reserved'],
  ];
  const witness = await registered();
  for (const [fields, error] of refused) {
    const route = await openRoute(await port());
    route.sendJson("CONNECT", routeConnect(fields));
    await route.expectError(error);
  }
  await expectServed(witness);
  witness.destroy();
});

row("clusters 19: another cluster in INFO alone closes the route without a word", async () => {
  const route = await openRoute(await port());
  route.sendJson("CONNECT", routeConnect());
  route.sendJson("INFO", routeInfo({ cluster: "C2" }));
  await route.expectEnd();
});

row("clusters 23: a server with the same name is turned away without a word", async () => {
  const from = server().log.length;
  const route = await openRoute(await port());
  route.sendJson("CONNECT", routeConnect());
  route.sendJson("INFO", routeInfo({ server_name: "N" }));
  await route.expectEnd();
  await server().waitForLog('Remote server has a duplicate name: "N"', from);
});

row("clusters 23: a real server with the same name, too", async () => {
  const routes = `routes: [ "nats://${await linkAddress(server(), "route")}" ]`;
  const from = server().log.length;
  await using peer = await ServerProcess.start({
    role: "peer",
    config: `server_name: N\nno_system_account: true\ncluster { name: C1, listen: "127.0.0.1:-1", ${routes} }`,
  });
  void peer;
  await server().waitForLog('Remote server has a duplicate name: "N"', from);
});

row("clusters 11: a second route of one server is closed without a word, the first one stays", async () => {
  const info = { server_id: "NTWICE", server_name: "TWICE" };
  const first = await joinRoute(await port(), info);
  const second = await openRoute(await port());
  second.sendJson("CONNECT", routeConnect());
  second.sendJson("INFO", routeInfo(info));
  await second.expectEnd();
  await expectServed(first);
  first.destroy();
});

row("clusters 9: an INFO with the server's own id closes the route without a word", async () => {
  const route = await registered();
  route.sendJson("INFO", route.info);
  await route.expectEnd();
});

row("clusters 9: a forwarded INFO of another cluster closes the route without a word", async () => {
  const route = await registered();
  route.sendJson("INFO", routeInfo({ cluster: "C9", ip: "nats-route://127.0.0.1:1/" }));
  await route.expectEnd();
});

row("clusters 43: bad arguments close the route without a word", async () => {
  const lines = [
    ...[
      "RMSG $G",
      "RMSG $G foo",
      "RMSG $G a b c d 2",
      "RMSG $G foo x",
      "RMSG $G foo -1",
      "RMSG $G foo 1234567890",
    ],
    ...["HMSG $G foo 20 10", "HMSG $G foo 2", "LMSG LC $G foo 2", "LMSG LC $G foo 9 2"],
    ...[
      "RS+ $G foo q",
      "RS+ $G",
      "RS+ $G foo q 1 2",
      "RS- $G",
      "RS- $G foo q 1",
      "LS+ LC $G",
      "LS+ LC $G foo q",
    ],
    ...['INFO {"server_id":7}', "INFO {", "INFO nothing", 'CONNECT {"cluster":7}'],
  ];
  const witness = await registered();
  for (const line of lines) {
    const route = await registered();
    route.send(line);
    await route.expectEnd().catch((error: Error) => {
      throw new Error(`${line}: ${error.message}`);
    });
  }
  await expectServed(witness);
  witness.destroy();
});

row("clusters 1.1: a payload that does not end where it should closes the route", async () => {
  const route = await registered();
  route.sendBytes("RMSG $G foo 2\r\nhello\r\n");
  await route.client.readToEnd();
});

row("clusters 44: an unknown verb is said to be one", async () => {
  for (const line of ["FOO bar", "MSG foo 1 0", "PUB foo 0", "RS+", "A+", "GET / HTTP/1.1"]) {
    const route = await registered();
    route.send(line);
    await route.expectError("Unknown Protocol Operation");
  }
});

row("clusters 44: an error of the other server closes the route, and is logged", async () => {
  const from = server().log.length;
  const route = await registered();
  route.send("-ERR 'bye'");
  await route.expectEnd();
  await server().waitForLog("Route Error 'bye'", from);
});

row("clusters 1.1: verbs in any case, blanks in any number, lines that end with LF alone", async () => {
  const route = await registered();
  const client = await server().connectAs();
  route.sendBytes("rs+ \t $G \t foo\nrS+ $G  foo.* q\t2\r\n");
  await route.roundTrip();
  client.send("PUB foo 0\r\n\r\nPUB foo.x 0\r\n\r\n");
  await route.expect("RMSG $G foo 0\r\n", "RMSG $G foo.x | q 0\r\n");
  route.destroy();
  client.destroy();
});

row("clusters 1.1: a line of 64 KiB is too long", async () => {
  const route = await registered();
  const subject = "s".repeat(66_000);
  route.send(`RS+ $G ${subject}`);
  await route.expectError("maximum control line exceeded");
});

row("clusters 58: PING is answered before INFO has been exchanged", async () => {
  const route = await openRoute(await port());
  route.sendJson("CONNECT", routeConnect());
  await route.roundTrip();
  route.destroy();
});

rowsInParallel({
  "clusters 24: the cluster's user": async () => {
    await using guarded = await ServerProcess.start({
      config: `
        server_name: N
        no_system_account: true
        cluster { name: C1, listen: "127.0.0.1:-1", authorization { user: r, password: p, timeout: 1 } }
      `,
    });
    const at = await linkPort(guarded, "route");
    const silent = await openRoute(at);
    const start = performance.now();
    const good = await joinRoute(at, {}, { user: "r", pass: "p" });
    expect(good.info.auth_required).toBe(true);
    for (const fields of [{ user: "r", pass: "x" }, {}, { user: "r" }, { auth_token: "p" }]) {
      const bad = await openRoute(at);
      bad.sendJson("CONNECT", routeConnect(fields));
      await bad.expectError("Authorization Violation");
    }
    await silent.expectError("Authentication Timeout");
    expect(performance.now() - start).toBeGreaterThan(700);
    await good.roundTrip();
    good.destroy();
  },

  "clusters 59: a route that does not answer is stale": async () => {
    await using impatient = await ServerProcess.start({
      config: `server_name: N\nping_interval: "200ms"\nping_max: 2\n${CLUSTER}`,
    });
    const route = await joinRoute(await linkPort(impatient, "route"));
    route.client.showsKeepAlive = true;
    const text = await route.client.readToEnd(10_000);
    expect(text).toContain("PING\r\n");
    expect(text.endsWith("-ERR 'Stale Connection'\r\n")).toBe(true);
  },

  "clusters 58: a route that answers stays": async () => {
    await using impatient = await ServerProcess.start({
      config: `server_name: N\nping_interval: "200ms"\nping_max: 2\n${CLUSTER}`,
    });
    const route = await joinRoute(await linkPort(impatient, "route"));
    const client = await impatient.connectAs();
    // Whoever reads answers PING.
    const end = performance.now() + 1500;
    while (performance.now() < end) {
      await route.expectNoInterest(client);
      await client.roundTrip();
    }
    route.destroy();
  },

  "clusters 59: a reload says how often the routes that there are are pinged": async () => {
    const config = (keys: string) => `server_name: N\n${CLUSTER.replace("name: C1,", `name: C1, ${keys}`)}`;
    await using reloaded = await ServerProcess.start({ config: config("") });
    const route = await joinRoute(await linkPort(reloaded, "route"));
    await reloaded.reload(config('ping_interval: "200ms",'));
    expect(await route.client.readToEnd(10_000)).toEndWith("-ERR 'Stale Connection'\r\n");
  },

  "clusters 58: of what says how often a route is pinged, 0 and less stands for what clients have":
    async () => {
      for (const keys of [`ping_interval: "0s", ping_max: 0`, `ping_interval: "-1s", ping_max: -1`]) {
        const cluster = CLUSTER.replace("name: C1,", `name: C1, ${keys},`);
        await using patient = await ServerProcess.start({ config: `server_name: N\n${cluster}` });
        const route = await joinRoute(await linkPort(patient, "route"));
        route.client.showsKeepAlive = true;
        // Within the first second it is pinged once, to measure; a route that does not answer lasts.
        await expect(route.client.readToEnd(2000)).rejects.toThrow('there is "PING\\r\\n" (6 bytes)');
        route.destroy();
      }
    },

  "clusters 4: an empty advertise is none": async () => {
    await using plain = await ServerProcess.start({
      config: `server_name: N\n${CLUSTER.replace("name: C1,", 'name: C1, advertise: "",')}`,
    });
    const route = await openRoute(await linkPort(plain, "route"));
    expect(route.info.host).toBe("127.0.0.1");
    expect(route.info.ip).toBeUndefined();
    route.destroy();
  },

  "clusters 12: a route that was asked for is dialled again a second after it ended": async () => {
    await using listener = await RawListener.open();
    await using dialling = await ServerProcess.start({
      config: `
        server_name: N
        no_system_account: true
        cluster { name: C1, listen: "127.0.0.1:-1", routes: [ "nats://${listener.address}" ] }
      `,
    });
    const route = await acceptRoute(listener);
    const ended = performance.now();
    route.destroy();
    // nats-server dials a route without pools at once, too.
    const isAgain = (at: number) => at - ended > 950 && at - ended < 2300;
    await until(
      () => listener.arrivals.some(isAgain),
      () => `dialled ${listener.arrivals.map((at) => Math.round(at - ended))} ms after the end`,
    );
    if ((await kindOf(dialling)).isNatsServer) return;
    expect(listener.arrivals.filter((at) => at > ended && !isAgain(at))).toEqual([]);
  },

  "clusters 3.2: who dials says CONNECT first, then who it is": async () => {
    await using listener = await RawListener.open();
    await using dialling = await ServerProcess.start({
      config: `
        server_name: N
        no_system_account: true
        cluster { name: C1, listen: "127.0.0.1:-1", routes: [ "nats://u:pw@${listener.address}" ] }
      `,
    });
    const link = await listener.accept();
    link.sendJson("INFO", routeInfo({ port: listener.port }));
    const connect = await link.readConnect();
    expect(connect).toMatchObject({
      ...{ echo: true, verbose: false, pedantic: false, tls_required: false, headers: true },
      ...{ cluster: "C1", lnoc: true, user: "u", pass: "pw" },
    });
    expect(connect.gateway).toBeUndefined();
    expect(connect.lang).toBeUndefined();
    const info = await link.readInfo();
    expect(info.server_name).toBe("N");
    expect(info.server_id).toBe(connect.name as string);
    expect(info.port).toBe(await linkPort(dialling, "route"));
    link.destroy();
  },

  "clusters 27: TLS comes before any byte of the protocol": async () => {
    const authority = certificates.makeAuthority("routes");
    const [first, second] = [
      certificates.makePeer("first", authority),
      certificates.makePeer("second", authority),
    ];
    const tls = ({ certFile, keyFile }: { certFile: string; keyFile: string }) =>
      `tls { cert_file: "${certFile}", key_file: "${keyFile}", ca_file: "${authority.certFile}", timeout: 1 }`;
    await using servers = new Servers();
    const seed = await servers.start({
      config: `server_name: S\ncluster { name: C1, listen: "127.0.0.1:-1", ${tls(first)} }`,
    });
    const at = await linkPort(seed, "route");
    const peer = await servers.start({
      role: "peer",
      config: `
        server_name: P
        cluster { name: C1, listen: "127.0.0.1:-1", routes: [ "nats://127.0.0.1:${at}" ], ${tls(second)} }
      `,
    });
    const [here, there] = [await seed.connectAs(), await peer.connectAs()];
    await untilReached(here, there, 10_000);
    await untilReached(there, here);

    // Who speaks in clear, or says nothing, gets nothing.
    const silent = await RawClient.open(at);
    const plain = await RawClient.open(at);
    plain.send(`CONNECT ${JSON.stringify(routeConnect())}\r\n`);
    for (const client of [silent, plain]) {
      const text = await client.readToEnd(8000).catch(() => "");
      expect(text).not.toContain("INFO");
    }
    // Nor does who has no certificate.
    const socket = connectTls({ host: "127.0.0.1", port: at, ca: authority.cert, servername: "localhost" });
    const stranger = RawClient.over(socket);
    const text = await stranger.readToEnd(8000).catch(() => "");
    expect(text).not.toContain("INFO");

    // With one, the handshake goes on as in clear.
    const known = new RawLink(
      RawClient.over(
        connectTls({
          ...{ host: "127.0.0.1", port: at, ca: authority.cert, servername: "localhost" },
          ...{ cert: second.cert, key: second.key },
        }),
      ),
    );
    const info = await known.readInfo();
    expect(info.tls_required).toBe(true);
    expect(info.tls_verify).toBe(true);
    known.sendJson("CONNECT", routeConnect({ tls_required: true }));
    known.sendJson("INFO", routeInfo());
    await known.roundTrip();
    known.destroy();
    await untilReached(here, there);
  },
});
