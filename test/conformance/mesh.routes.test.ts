import { expect } from "bun:test";
import { until } from "../support/deadline.ts";
import { findFreePort } from "../support/free_port.ts";
import { linkAddress, linkPort, Servers } from "../support/links.ts";
import type { Info } from "../support/raw_client.ts";
import { RawListener } from "../support/raw_listener.ts";
import { acceptRoute, joinRoute, openRoute, routeConnect, routeInfo } from "../support/raw_route.ts";
import { rowsInParallel } from "../support/row.ts";
import { type Role, ServerProcess } from "../support/server_process.ts";

// How members of a cluster find each other: configured routes, gossip, and names.

/** How long a few servers may take to be linked, on a machine that starts many. */
const MESH_MS = 10_000;

interface Member {
  readonly role?: Role;
  readonly name: string;
  /** Addresses of the members it is told of. */
  readonly routes?: readonly string[];
  /** More lines of the cluster block. */
  readonly cluster?: string;
  readonly clusterName?: string;
}

/** The configuration of a member of C1. */
function config({ name, routes = [], cluster = "", clusterName = "C1" }: Member): string {
  return `
    server_name: ${name}
    cluster {
      ${clusterName === "" ? "" : `name: ${clusterName}`}
      ${cluster.includes("listen") ? "" : `listen: "127.0.0.1:-1"`}
      routes: [ ${routes.map((address) => `"nats-route://${address}"`).join(", ")} ]
      ${cluster}
    }
  `;
}

/** Starts members; every one can be asked over HTTP, and logs what it does. */
async function start(servers: Servers, member: Member): Promise<ServerProcess> {
  const { role = "server" } = member;
  return await servers.start({ role, config: config(member), monitoring: true, flags: ["-D"] });
}

/** A server S and its peer P, of which one is told of the other and dials it. */
async function startPair(
  servers: Servers,
  dialler: Role,
): Promise<[server: ServerProcess, peer: ServerProcess]> {
  const members = { server: { name: "S" }, peer: { role: "peer", name: "P" } } as const;
  const seed = await start(servers, members[dialler === "server" ? "peer" : "server"]);
  const other = await start(servers, { ...members[dialler], routes: [await linkAddress(seed, "route")] });
  return dialler === "server" ? [other, seed] : [seed, other];
}

/** Waits until the server tells its clients of exactly these others: it has routes to them. */
async function untilLinked(server: ServerProcess, ...others: ServerProcess[]): Promise<void> {
  const wanted = [server, ...others].map(({ clientPort }) => `127.0.0.1:${clientPort}`).sort();
  let told: string[] = [];
  await until(
    async () => {
      const client = await server.connect();
      client.destroy();
      told = [...((client.info.connect_urls ?? []) as string[])].sort();
      return told.join() === wanted.join();
    },
    () => `clients are told of ${told.join()} instead of ${wanted.join()}`,
    MESH_MS,
  );
}

/** A message published on `from` reaches `to` once. */
async function expectOneCopy(from: ServerProcess, to: ServerProcess): Promise<void> {
  const [publisher, subscriber] = [await from.connectAs(), await to.connectAs()];
  subscriber.send("SUB copy 1\r\nSUB ready 2\r\n");
  await subscriber.roundTrip();
  await until(
    async () => {
      publisher.send("PUB ready 0\r\n\r\n");
      await publisher.roundTrip();
      return subscriber.waitingBytes > 0;
    },
    () => "no interest has come",
  );
  publisher.send("PUB copy 4\r\ncopy\r\nPUB ready 3\r\nend\r\n");
  const text = await subscriber.readUntil("end\r\n");
  expect(text.match(/MSG copy/g)).toHaveLength(1);
  publisher.destroy();
  subscriber.destroy();
}

function idOf({ log }: ServerProcess): string {
  return /ID: {7}(N\S+)/.exec(log)![1]!;
}

/** Connections of routes so far, as the server's log has them. */
function routeCount({ log }: ServerProcess): number {
  return log.match(/Route connection created/g)?.length ?? 0;
}

/** A server and its peer, of which `dialler` dials the other, get each other's messages. */
async function expectLinked(dialler: Role): Promise<void> {
  await using servers = new Servers();
  const [server, peer] = await startPair(servers, dialler);
  await untilLinked(server, peer);
  await untilLinked(peer, server);
  await peer.waitForLog(`Registering remote route "${idOf(server)}"`);
  await expectOneCopy(server, peer);
  await expectOneCopy(peer, server);
}

rowsInParallel(
  {
    "clusters 1: another server's route is accepted": () => expectLinked("peer"),
    "clusters 1: another server is dialled": () => expectLinked("server"),

    "clusters 5: three servers find each other by a seed": async () => {
      await using servers = new Servers();
      const seed = await start(servers, { role: "peer", name: "A" });
      const routes = [await linkAddress(seed, "route")];
      const [second, third] = await Promise.all([
        start(servers, { name: "B", routes }),
        start(servers, { role: "peer", name: "C", routes }),
      ]);
      await untilLinked(seed, second!, third!);
      await untilLinked(second!, seed, third!);
      await untilLinked(third!, seed, second!);
      await expectOneCopy(second!, third!);
      await expectOneCopy(third!, second!);
    },

    "clusters 6: three servers find each other by this seed": async () => {
      await using servers = new Servers();
      const seed = await start(servers, { name: "A" });
      const routes = [await linkAddress(seed, "route")];
      const [second, third] = await Promise.all([
        start(servers, { role: "peer", name: "B", routes }),
        start(servers, { role: "peer", name: "C", routes }),
      ]);
      await untilLinked(seed, second!, third!);
      await untilLinked(second!, seed, third!);
      await untilLinked(third!, seed, second!);
      await expectOneCopy(second!, third!);
      await expectOneCopy(seed, third!);
    },

    "clusters 7: who is new is told to the others with its address": async () => {
      await using servers = new Servers();
      const seed = await start(servers, { name: "A" });
      const port = await linkPort(seed, "route");
      await using listener = await RawListener.open();
      const first = await joinRoute(port);
      const second = await joinRoute(port, {
        ...{ server_id: "NSECOND", server_name: "SECOND", port: listener.port, nonce: "abc" },
        ...{ unheard_of: 1, connect_urls: ["127.0.0.1:5"] },
      });
      const info = await first.readInfo((each) => each.server_id === "NSECOND");
      expect(info).toMatchObject({
        ...{ server_name: "SECOND", ip: `nats-route://127.0.0.1:${listener.port}/`, port: listener.port },
        ...{ cluster: "C1", lnoc: true, headers: true },
      });
      expect(info.nonce ?? "").toBe("");
      // Nobody is told to the one who is new.
      const told = await second.readInfo((each) => each.server_name !== "A", 300).catch(() => undefined);
      expect(told).toBeUndefined();
      for (const route of [first, second]) route.destroy();
    },

    "clusters 8: gossip about a configured route is not followed": async () => {
      await using servers = new Servers();
      await using listener = await RawListener.open();
      const server = await start(servers, { name: "A", routes: [listener.address] });
      const configured = await acceptRoute(listener, { server_id: "NCONF", server_name: "CONF" });
      await configured.roundTrip();
      const before = listener.arrivals.length;
      const other = await joinRoute(await linkPort(server, "route"));
      other.sendJson(
        "INFO",
        routeInfo({ server_id: "NELSE", port: listener.port, ip: `nats-route://${listener.address}/` }),
      );
      await other.roundTrip();
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(listener.arrivals.length).toBe(before);
      for (const route of [configured, other]) route.destroy();
    },

    "clusters 3.7.2: gossip about somebody unknown is followed": async () => {
      await using servers = new Servers();
      await using listener = await RawListener.open();
      const server = await start(servers, { name: "A" });
      const other = await joinRoute(await linkPort(server, "route"));
      const about = { server_id: "NTOLD", server_name: "TOLD" };
      other.sendJson(
        "INFO",
        routeInfo({ ...about, port: listener.port, ip: `nats-route://${listener.address}/` }),
      );
      const route = await acceptRoute(listener, about);
      const client = await server.connectAs();
      await route.expectNoInterest(client);
      for (const each of [route, other]) each.destroy();
    },

    "clusters 9: nobody is told of itself": async () => {
      await using servers = new Servers();
      const seed = await start(servers, { name: "A" });
      const port = await linkPort(seed, "route");
      const peer = await start(servers, {
        role: "peer",
        name: "B",
        routes: [await linkAddress(seed, "route")],
      });
      const ids = ["NR1", "NR2", "NR3"];
      const routes = [];
      for (const id of ids) routes.push(await joinRoute(port, { server_id: id, server_name: id }));
      for (const [at, route] of routes.entries()) {
        const infos: Info[] = [];
        for (;;) {
          const info = await route.readInfo(undefined, 150).catch(() => undefined);
          if (info === undefined) break;
          infos.push(info);
        }
        expect(infos.map((info) => info.server_id)).not.toContain(ids[at]!);
        route.destroy();
      }
      await untilLinked(seed, peer);
      await untilLinked(peer, seed);
    },

    "clusters 10: two servers that are told of each other are one route": async () => {
      await using servers = new Servers();
      const [own, other] = [await findFreePort(), await findFreePort()];
      const [first, second] = await Promise.all([
        start(servers, { name: "A", cluster: `listen: "127.0.0.1:${own}"`, routes: [`127.0.0.1:${other}`] }),
        start(servers, {
          ...{ role: "peer" as const, name: "B" },
          ...{ cluster: `listen: "127.0.0.1:${other}"`, routes: [`127.0.0.1:${own}`] },
        }),
      ]);
      await untilLinked(first!, second!);
      await untilLinked(second!, first!);
      // A few rounds are allowed; then nothing happens any more.
      await new Promise((resolve) => setTimeout(resolve, 4000));
      await untilLinked(first!, second!);
      const [before, beforeThere] = [routeCount(first!), routeCount(second!)];
      await new Promise((resolve) => setTimeout(resolve, 4000));
      expect([routeCount(first!), routeCount(second!)]).toEqual([before, beforeThere]);
      await untilLinked(first!, second!);
      await untilLinked(second!, first!);
      await expectOneCopy(first!, second!);
      await expectOneCopy(second!, first!);
    },

    "clusters 13: a route that gossip has led to is dialled once more, without retries": async () => {
      await using servers = new Servers();
      const server = await start(servers, { name: "A" });
      const listener = await RawListener.open();
      const other = await joinRoute(await linkPort(server, "route"));
      const about = { server_id: "NGONE", server_name: "GONE" };
      other.sendJson(
        "INFO",
        routeInfo({ ...about, port: listener.port, ip: `nats-route://${listener.address}/` }),
      );
      const route = await acceptRoute(listener, about);
      const ended = performance.now();
      const from = server.log.length;
      route.destroy();
      const again = await listener.accept();
      expect(performance.now() - ended).toBeLessThan(900);
      again.destroy();
      await listener[Symbol.asyncDispose]();
      await server.waitForLog(/Error trying to connect to route \(attempt 1\)/, from);
      await new Promise((resolve) => setTimeout(resolve, 2500));
      expect(server.log.slice(from)).not.toMatch(/Error trying to connect to route \(attempt 2\)/);
      other.destroy();
    },

    "clusters 13: a route that gossip has led to is dialled as often as retries say": async () => {
      await using servers = new Servers();
      const server = await start(servers, { name: "A", cluster: "connect_retries: 2" });
      const listener = await RawListener.open();
      const other = await joinRoute(await linkPort(server, "route"));
      const about = { server_id: "NGONE", server_name: "GONE" };
      other.sendJson(
        "INFO",
        routeInfo({ ...about, port: listener.port, ip: `nats-route://${listener.address}/` }),
      );
      const route = await acceptRoute(listener, about);
      await listener[Symbol.asyncDispose]();
      const from = server.log.length;
      route.destroy();
      await server.waitForLog(/Error trying to connect to route \(attempt 3\)/, from, 8000);
      await new Promise((resolve) => setTimeout(resolve, 2000));
      expect(server.log.slice(from)).not.toMatch(/\(attempt 4\)/);
      other.destroy();
    },

    "clusters 15: a configured route is dialled every second, for ever": async () => {
      const closed = await findFreePort();
      await using server = await ServerProcess.start({
        config: `no_system_account: true\nconnect_error_reports: 1\n${config({ name: "A", routes: [`127.0.0.1:${closed}`] })}`,
      });
      await server.waitForLog(/Error trying to connect to route \(attempt 4\)/, 0, 10_000);
      const times = [
        ...server.log.matchAll(/ (\d\d):(\d\d):(\d\d\.\d+) .*Error trying .*\(attempt \d\)/g),
      ].map(([, hours, minutes, seconds]) => (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds));
      for (let at = 1; at < 4; at++) {
        const seconds = times[at]! - times[at - 1]!;
        expect(seconds).toBeGreaterThan(0.9);
        expect(seconds).toBeLessThan(2);
      }
    },

    "clusters 20: a server without a cluster name takes that of another one": async () => {
      await using servers = new Servers();
      const named = await start(servers, { role: "peer", name: "B" });
      const server = await start(servers, {
        name: "A",
        clusterName: "",
        routes: [await linkAddress(named, "route")],
      });
      await untilLinked(server, named);
      await server.waitForLog("Cluster name updated to C1");
      let client = await server.connect();
      await until(
        async () => {
          client.destroy();
          client = await server.connect();
          return client.info.cluster === "C1";
        },
        () => `clients are told the cluster ${client.info.cluster}`,
      );
      client.destroy();
    },

    "clusters 20: of two servers without a cluster name both end with the greater one": async () => {
      await using servers = new Servers();
      const first = await start(servers, { role: "peer", name: "B", clusterName: "" });
      const second = await start(servers, {
        name: "A",
        clusterName: "",
        routes: [await linkAddress(first, "route")],
      });
      await untilLinked(second, first);
      await untilLinked(first, second);
      const names = [first, second].map(({ log }) => /Cluster name is (\S+)/.exec(log)![1]!);
      const greater = names.sort().at(-1)!;
      for (const server of [first, second]) {
        const client = await server.connect();
        expect(client.info.cluster).toBe(greater);
        client.destroy();
      }
      await expectOneCopy(first, second);
    },

    "clusters 22: taking another name ends the routes of the old one": async () => {
      await using servers = new Servers();
      const server = await start(servers, { name: "A", clusterName: "" });
      const port = await linkPort(server, "route");
      const old = await openRoute(port);
      const dynamic = { cluster: String(old.info.cluster), cluster_dynamic: true };
      expect(old.info.cluster_dynamic).toBe(true);
      old.sendJson("CONNECT", routeConnect(dynamic));
      old.sendJson("INFO", routeInfo(dynamic));
      await old.roundTrip();
      const fixed = await joinRoute(port, { cluster: "FIXED" }, { cluster: "FIXED" });
      await old.expectEnd();
      await server.waitForLog("Cluster name updated to FIXED");
      const back = await joinRoute(port, { cluster: "FIXED" }, { cluster: "FIXED" });
      const client = await server.connectAs();
      client.send("SUB known 1\r\n");
      for (const route of [fixed, back]) {
        while ((await route.next()) !== "RS+ $G known");
      }
      for (const route of [fixed, back]) route.destroy();
    },

    "clusters 26: gossip leads on with the cluster's own user": async () => {
      await using servers = new Servers();
      const cluster = "authorization { user: r, password: p }";
      const seed = await start(servers, { name: "A", cluster });
      const routes = [`r:p@${await linkAddress(seed, "route")}`];
      const [second, third] = await Promise.all([
        start(servers, { role: "peer", name: "B", cluster, routes }),
        start(servers, { role: "peer", name: "C", cluster, routes }),
      ]);
      await untilLinked(seed, second!, third!);
      await untilLinked(second!, seed, third!);
      await untilLinked(third!, seed, second!);
    },

    "clusters 26: the server itself follows gossip with its own user": async () => {
      await using servers = new Servers();
      const cluster = "authorization { user: r, password: p }";
      const seed = await start(servers, { role: "peer", name: "A", cluster });
      const routes = [`r:p@${await linkAddress(seed, "route")}`];
      const [second, third] = await Promise.all([
        start(servers, { name: "B", cluster, routes }),
        start(servers, { role: "peer", name: "C", cluster, routes }),
      ]);
      await untilLinked(second!, seed, third!);
      await untilLinked(third!, seed, second!);
    },
  },
  4,
);
