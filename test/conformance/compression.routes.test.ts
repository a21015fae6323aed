import { afterAll, expect } from "bun:test";
import { chunkOf } from "../../src/protocol/testing/chunks.ts";
import { CertificateMaker } from "../support/certificates.ts";
import {
  ANY_LEVEL,
  BY_ROUND_TRIP,
  crossedBytes,
  expectBothWays,
  expectShorter,
  UP_MS,
} from "../support/compressed_links.ts";
import { until } from "../support/deadline.ts";
import { isOldPeer, kindOf, linkAddress, linkPort, Servers } from "../support/links.ts";
import { MeteredPath } from "../support/metered_path.ts";
import { RawListener } from "../support/raw_listener.ts";
import { joinRoute, openRoute, routeConnect, routeInfo } from "../support/raw_route.ts";
import { row, rowsInParallel, sharedServer } from "../support/row.ts";
import { STREAM_NAME, storedChunk, turnToS2 } from "../support/s2_link.ts";
import { type Role, ServerProcess } from "../support/server_process.ts";
import { SlowPath } from "../support/slow_path.ts";

// Routes in S2: who agrees to it, what then crosses, and what becomes of peers that send something else.

const AT_ONCE = 4;
const certificates = new CertificateMaker();
afterAll(() => certificates.remove());

interface Member {
  readonly role: Role;
  readonly name: string;
  /** "" for what the server does by itself. */
  readonly compression: string;
  readonly routes?: readonly string[];
  /** More keys of the cluster block. */
  readonly cluster?: string;
}

function config({ name, compression, routes = [], cluster = "" }: Member): string {
  return `
    server_name: ${name}
    no_system_account: true
    max_payload: 2MB
    cluster {
      name: C1, listen: "127.0.0.1:-1"
      routes: [ ${routes.map((address) => `"nats-route://${address}"`).join(", ")} ]
      ${compression === "" ? "" : `compression: ${compression}`}
      ${cluster}
    }
  `;
}

interface Route {
  readonly rid: number;
  readonly compression: string;
}

async function routesOf(server: ServerProcess): Promise<readonly Route[]> {
  return (await server.json<{ routes: readonly Route[] }>("/routez")).routes;
}

/** Waits until each route of the server shows a compression that matches. */
async function untilShown(server: ServerProcess, wanted: RegExp): Promise<void> {
  let shown: readonly string[] = [];
  await until(
    async () => {
      shown = (await routesOf(server)).map(({ compression }) => compression);
      return shown.length > 0 && shown.every((mode) => wanted.test(mode));
    },
    () => `/routez shows ${JSON.stringify(shown)}, not ${wanted}`,
    UP_MS,
  );
}

interface Pair {
  readonly server: ServerProcess;
  readonly peer: ServerProcess;
}

/** A server and a peer with a route between them, which the one or the other dials. */
async function startPair(
  servers: Servers,
  dialler: Role,
  own: string,
  peers: string,
  cluster = "",
): Promise<Pair> {
  const start = (member: Member) =>
    servers.start({ role: member.role, config: config(member), monitoring: true });
  const plans = {
    server: { role: "server", name: "S", compression: own, cluster },
    peer: { role: "peer", name: "P", compression: peers, cluster },
  } as const;
  const seed = await start(plans[dialler === "server" ? "peer" : "server"]);
  const routes = [await linkAddress(seed, "route")];
  const other = await start({ ...plans[dialler], routes });
  return dialler === "server" ? { server: other, peer: seed } : { server: seed, peer: other };
}

/** A pair of modes, and what /routez of each server shows then. */
type Agreement = readonly [own: string, peers: string, shownHere: RegExp, shownThere: RegExp];

const AGREEMENTS: readonly Agreement[] = [
  ["", "", /^off$/, /^off$/],
  ["accept", "s2_fast", /^s2_fast$/, /^s2_fast$/],
  ["s2_best", "accept", /^s2_best$/, /^s2_best$/],
  ["accept", "s2_auto", /^s2_fast$/, ANY_LEVEL],
  ["s2_auto", "accept", ANY_LEVEL, /^s2_fast$/],
  ["s2_auto", "s2_auto", ANY_LEVEL, ANY_LEVEL],
  ["s2_better", "s2_fast", /^s2_better$/, /^s2_fast$/],
  ["{ mode: s2_auto, rtt_thresholds: ['0s', '0s', '5s'] }", "on", /^s2_better$/, /^s2_fast$/],
  ["off", "s2_fast", /^off$/, /^off$/],
  ["s2_fast", "disabled", /^off$/, /^off$/],
];

const agreementRows = Object.fromEntries(
  AGREEMENTS.flatMap(([own, peers, here, there]) =>
    (["server", "peer"] as const).map((dialler) => [
      `clusters 3.9: ${own || "nothing said"} and ${peers || "nothing said"}, ${dialler === "server" ? "dialled" : "accepted"}`,
      async () => {
        const isOld = await isOldPeer();
        await using servers = new Servers();
        const pair = await startPair(servers, dialler, own, isOld ? "" : peers);
        await untilShown(pair.server, isOld ? /^not supported$/ : here);
        if (!isOld) await untilShown(pair.peer, there);
        await expectBothWays(pair.server, pair.peer);
      },
    ]),
  ),
);

rowsInParallel(
  {
    ...agreementRows,
    "clusters 3.9: over TLS": async () => {
      if (await isOldPeer()) return;
      const authority = certificates.makeAuthority("routes");
      const { certFile, keyFile } = certificates.makePeer("route", authority);
      const files = `cert_file: "${certFile}", key_file: "${keyFile}", ca_file: "${authority.certFile}"`;
      const byCertificate = `tls { ${files}, verify_and_map: true }\nauthorization { user: localhost, password: p }`;
      for (const tls of [`tls { ${files} }`, byCertificate]) {
        for (const dialler of ["server", "peer"] as const) {
          await using servers = new Servers();
          const pair = await startPair(servers, dialler, "s2_better", "s2_fast", tls);
          await untilShown(pair.server, /^s2_better$/);
          await expectBothWays(pair.server, pair.peer);
        }
      }
    },
    "clusters 3.9: a single route without pools": async () => {
      if (await isOldPeer()) return;
      for (const dialler of ["server", "peer"] as const) {
        await using servers = new Servers();
        const pair = await startPair(servers, dialler, "s2_fast", "s2_fast", "pool_size: -1");
        await untilShown(pair.server, /^s2_fast$/);
        await expectBothWays(pair.server, pair.peer);
      }
    },
    "clusters 3.9: what is compressed is shorter on the wire": async () => {
      if (await isOldPeer()) return;
      const crossed = async (compression: string): Promise<number> => {
        await using servers = new Servers();
        const peer = await servers.start({
          role: "peer",
          config: config({ role: "peer", name: "P", compression }),
          monitoring: true,
        });
        await using path = await MeteredPath.open(await linkPort(peer, "route"));
        const routes = [path.address];
        const server = await servers.start({
          config: config({ role: "server", name: "S", compression, routes }),
          monitoring: true,
        });
        const [publisher, subscriber] = [await server.connectAs(), await peer.connectAs()];
        return await crossedBytes(path, publisher, subscriber);
      };
      expectShorter(await crossed("off"), await crossed("s2_fast"));
    },
    "clusters 3.9: s2_auto goes by the round trip": async () => {
      if (await isOldPeer()) return;
      await using slow = await SlowPath.open(30);
      for (const dialler of ["server", "peer"] as const) {
        await using servers = new Servers();
        const plan = (role: Role): Member => ({
          role,
          name: role,
          compression: BY_ROUND_TRIP,
          cluster: "ping_interval: 1s",
        });
        const start = (member: Member) =>
          servers.start({ role: member.role, config: config(member), monitoring: true });
        const seed = await start(plan(dialler === "server" ? "peer" : "server"));
        slow.targetPort = await linkPort(seed, "route");
        const other = await start({ ...plan(dialler), routes: [slow.address] });
        for (const each of [seed, other]) await untilShown(each, /^s2_better$/);
      }
    },
    "clusters 3.9: a reload changes how hard, or connects anew": async () => {
      if (await isOldPeer()) return;
      await using servers = new Servers();
      const cluster = "pool_size: -1";
      const pair = await startPair(servers, "server", "s2_fast", "s2_fast", cluster);
      await untilShown(pair.server, /^s2_fast$/);
      const before = (await routesOf(pair.server)).map(({ rid }) => rid).sort();
      const address = await linkAddress(pair.peer, "route");
      const reload = async (compression: string) =>
        await pair.server.reload(
          config({ role: "server", name: "S", compression, routes: [address], cluster }),
        );
      await reload("s2_best");
      await untilShown(pair.server, /^s2_best$/);
      expect((await routesOf(pair.server)).map(({ rid }) => rid).sort()).toEqual(before);
      await expectBothWays(pair.server, pair.peer);
      await reload("off");
      await untilShown(pair.server, /^off$/);
      await expectBothWays(pair.server, pair.peer);
    },
  },
  AT_ONCE,
);

const server = sharedServer({
  config: config({ role: "server", name: "N", compression: "s2_fast", cluster: "pool_size: -1" }),
  monitoring: true,
});
const port = () => linkPort(server(), "route");

/** A route in S2 that the server has accepted. */
async function joinCompressed() {
  const clear = await openRoute(await port());
  expect(clear.info.compression).toBe("s2_fast");
  const info = routeInfo({ compression: "accept", proto: 1 });
  clear.sendJson("CONNECT", routeConnect());
  clear.sendJson("INFO", info);
  const route = turnToS2(clear);
  expect(await route.readInfo()).toMatchObject({ compression: "s2_fast" });
  route.sendJson("INFO", info);
  await route.roundTrip();
  return route;
}

row("clusters 3.9: INFO comes anew in S2, every flush a stream of its own", async () => {
  const route = await joinCompressed();
  expect(route.received.subarray(0, 10).equals(STREAM_NAME)).toBe(true);
  // What it has said until now is the answer to the last PING.
  const from = route.received.length;
  await route.roundTrip();
  const pong = Buffer.concat([STREAM_NAME, storedChunk(Buffer.from("PONG\r\n"))]);
  expect(route.received.subarray(from).equals(pong)).toBe(true);
  const client = await server().connectAs();
  await route.expectNoInterest(client);
  client.destroy();
  route.destroy();
});

row("clusters 3.9: a script that dials in S2 is served, and what it sends in one piece too", async () => {
  const clear = await openRoute(await port());
  const info = routeInfo({ compression: "s2_best" });
  // All at once: what is compressed begins in the middle of what is read.
  const lines = `CONNECT ${JSON.stringify(routeConnect())}\r\nINFO ${JSON.stringify(info)}\r\n`;
  const compressed = storedChunk(Buffer.from(`INFO ${JSON.stringify(info)}\r\nRS+ $G at.once\r\n`));
  if ((await kindOf(server())).isNatsServer) {
    // It takes what it has read for lines.
    clear.sendBytes(lines);
    const route = turnToS2(clear);
    await route.readInfo();
    route.raw(STREAM_NAME, compressed);
    await route.roundTrip();
    route.destroy();
    return;
  }
  clear.sendBytes(Buffer.concat([Buffer.from(lines), STREAM_NAME, compressed]));
  const route = turnToS2(clear);
  await route.roundTrip();
  const client = await server().connectAs();
  client.send("PUB at.once 2\r\nhi\r\n");
  expect(await route.nextMessage()).toBe("RMSG $G at.once 2\r\nhi");
  client.destroy();
  route.destroy();
});

row("clusters 3.9: a mode that nobody knows is refused", async () => {
  const route = await openRoute(await port());
  route.sendJson("CONNECT", routeConnect());
  route.sendJson("INFO", routeInfo({ compression: "lz4" }));
  await route.expectError('unsupported route compression mode "lz4"');
});

row("clusters 3.9: padding, an index and streams of Snappy are read over", async () => {
  const route = await joinCompressed();
  const [first, second] = ["one", "two"].map((name) => storedChunk(Buffer.from(`RS+ $G ${name}\r\n`)));
  const skipped = Buffer.concat([
    Buffer.from([0xfe, 5, 0, 0]),
    Buffer.alloc(5),
    Buffer.from([0x99, 0, 0, 0]),
  ]);
  const snappy = Buffer.from("ff060000734e61507059", "hex");
  route.raw(STREAM_NAME, skipped, first!.subarray(0, 3));
  route.raw(first!.subarray(3), Buffer.from([0x80, 1, 0, 0, 7]), snappy, second!);
  await route.roundTrip();
  const client = await server().connectAs();
  for (const name of ["one", "two"]) {
    client.send(`PUB ${name} 2\r\nhi\r\n`);
    await route.expectMessage(`RMSG $G ${name} 2\r\nhi`);
  }
  client.destroy();
  route.destroy();
});

row("clusters 3.9: what is no S2 ends that route, and nothing else", async () => {
  const { isNatsServer } = await kindOf(server());
  const witness = await joinCompressed();
  const plain = await joinRoute(await port());
  const wrong = storedChunk(Buffer.from("PING\r\n"));
  wrong[6]! ^= 0x10;
  const hostile: readonly (readonly Uint8Array[])[] = [
    [Buffer.from("PING\r\n")],
    [wrong],
    [Buffer.from([2, 4, 0, 0, 1, 2, 3, 4])],
    [Buffer.from([0x7f, 0, 0, 0])],
    [chunkOf(0, Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0]))],
    // 4 MiB and a byte out of a few.
    [chunkOf(0, Buffer.from([0x81, 0x80, 0x80, 2, 0, 97]))],
    [chunkOf(0, Buffer.from([8, 1, 1]))],
    [Buffer.from([0, 0xff, 0xff, 0xff]), Buffer.alloc(100)],
    [Buffer.from([1, 2, 0, 0, 0, 0])],
    [Buffer.from("ff060000533273547750", "hex")],
  ];
  for (const pieces of hostile) {
    const route = await joinCompressed();
    const from = server().log.length;
    route.raw(...pieces);
    await route.expectEnd();
    if (!isNatsServer) await server().waitForLog(/read error: s2: /, from);
  }
  await witness.roundTrip();
  await plain.roundTrip();
  const client = await server().connectAs();
  await witness.expectNoInterest(client);
  client.destroy();
  for (const route of [witness, plain]) route.destroy();
});

row("clusters 3.9: who is dialled and refuses in clear is understood", async () => {
  await using listener = await RawListener.open();
  await using dialling = await ServerProcess.start({
    config: config({
      role: "server",
      name: "D",
      compression: "s2_fast",
      routes: [listener.address],
      cluster: "pool_size: -1",
    }),
  });
  const from = dialling.log.length;
  const link = await listener.accept();
  link.sendJson("INFO", routeInfo({ port: listener.port, compression: "s2_fast" }));
  await link.readConnect();
  await link.readInfo();
  link.send("-ERR 'Authorization Violation'");
  await link.expectEnd();
  // nats-server takes it for broken S2, and says nothing.
  if (!(await kindOf(dialling)).isNatsServer)
    await dialling.waitForLog("Route Error 'Authorization Violation'", from);
});
