import { expect } from "bun:test";
import { CutPath } from "../support/cut_path.ts";
import { until } from "../support/deadline.ts";
import { expectNothing, isOldPeer, linkAddress, linkPort, Servers, untilReached } from "../support/links.ts";
import type { RawClient } from "../support/raw_client.ts";
import { rowsInParallel } from "../support/row.ts";
import type { Role, ServerProcess } from "../support/server_process.ts";

// Servers that have pools of routes, and routes for single accounts, with each other and with servers that have none.

/** At different places of a pool of three, of five and of two. */
const ACCOUNTS = ["A", "B", "P", "C2"];
const UP_MS = 10_000;

interface Member {
  readonly role?: Role;
  readonly name: string;
  readonly routes?: readonly string[];
  /** More keys of the cluster block. */
  readonly cluster?: string;
}

function config({ name, routes = [], cluster = "" }: Member): string {
  const accounts = ACCOUNTS.map((account) => `${account}: { users: [ { user: ${account}, password: p } ] }`);
  return `
    server_name: ${name}
    accounts { ${accounts.join("\n")} }
    cluster {
      name: C1, listen: "127.0.0.1:-1"
      routes: [ ${routes.map((address) => `"nats-route://${address}"`).join(", ")} ]
      ${cluster}
    }
  `;
}

async function start(servers: Servers, member: Member): Promise<ServerProcess> {
  const { role = "server" } = member;
  return await servers.start({ role, config: config(member), monitoring: true });
}

interface Route {
  readonly rid: number;
  readonly remote_name: string;
  readonly did_solicit: boolean;
  readonly is_configured: boolean;
  readonly port: number;
  readonly account?: string;
  readonly compression: string;
  readonly subscriptions: number;
}

async function routesOf(server: ServerProcess): Promise<readonly Route[]> {
  return (await server.json<{ routes: readonly Route[] }>("/routez")).routes;
}

/** Waits until the server has so many connections for any account, and one for each of `dedicated`. */
async function untilRoutes(
  server: ServerProcess,
  pooled: number,
  dedicated: readonly string[],
): Promise<readonly Route[]> {
  const wanted = [...Array<string>(pooled).fill(""), ...dedicated].sort().join();
  let found: readonly Route[] = [];
  await until(
    async () => {
      found = await routesOf(server);
      return (
        found
          .map(({ account = "" }) => account)
          .sort()
          .join() === wanted
      );
    },
    () => `the connections are ${JSON.stringify(found.map(({ account = "" }) => account))}, not ${wanted}`,
    UP_MS,
  );
  return found;
}

async function clientOf(server: ServerProcess, account: string): Promise<RawClient> {
  return await server.connectAs({ user: account, pass: "p" });
}

/** In every account messages come over, in order, once, and a group is served once. */
async function expectServed(from: ServerProcess, to: ServerProcess): Promise<void> {
  for (const account of ACCOUNTS) {
    const [publisher, subscriber] = [await clientOf(from, account), await clientOf(to, account)];
    subscriber.send("SUB foo 1\r\nSUB foo q 2\r\n");
    await untilReached(publisher, subscriber, UP_MS);
    for (let i = 0; i < 50; i++) publisher.send(`PUB foo r${i} 2\r\nhi\r\n`);
    const text = await subscriber.readUntil("MSG foo 1 r49 2\r\nhi\r\n");
    await expectGroupsToo(text, publisher, subscriber);
    for (const client of [publisher, subscriber]) client.destroy();
  }
}

async function expectGroupsToo(text: string, publisher: RawClient, subscriber: RawClient): Promise<void> {
  const plain = [...text.matchAll(/^MSG foo 1 r(\d+) /gm)].map(([, number]) => Number(number));
  expect(plain).toEqual(Array.from({ length: 50 }, (_, i) => i));
  // The last one of the group may come behind the last plain one.
  const grouped = text.match(/^MSG foo 2 r/gm)?.length ?? 0;
  if (grouped < 50) await subscriber.readUntil("MSG foo 2 r49 2\r\nhi\r\n");
  else expect(grouped).toBe(50);
  await expectNothing(publisher, subscriber);
}

/** A seed and a peer that dials it, or the other way round. */
async function startPair(
  servers: Servers,
  dialler: Role,
  own: string,
  peers: string,
): Promise<{ server: ServerProcess; peer: ServerProcess; seed: ServerProcess; other: ServerProcess }> {
  const plans: Record<Role, Member> = {
    server: { role: "server", name: "S", cluster: own },
    peer: { role: "peer", name: "P", cluster: peers },
  };
  const seed = await start(servers, plans[dialler === "server" ? "peer" : "server"]);
  const other = await start(servers, { ...plans[dialler], routes: [await linkAddress(seed, "route")] });
  const [server, peer] = dialler === "server" ? [other, seed] : [seed, other];
  return { server, peer, seed, other };
}

/** Rows for both ways a pair can come about. */
function bothWays(
  name: string,
  body: (servers: Servers, dialler: Role) => Promise<void>,
): Record<string, () => Promise<void>> {
  const run = (dialler: Role) => async () => {
    await using servers = new Servers();
    await body(servers, dialler);
  };
  return { [`${name}, dialled`]: run("server"), [`${name}, accepted`]: run("peer") };
}

rowsInParallel(
  {
    ...bothWays("clusters 3.1: a pool, and a connection for the system account", async (servers, dialler) => {
      const { server, peer, seed } = await startPair(servers, dialler, "", "");
      const [pooled, dedicated] = (await isOldPeer()) ? [1, []] : [3, ["$SYS"]];
      const routes = await untilRoutes(server, pooled, dedicated);
      await untilRoutes(peer, pooled, dedicated);
      expect(routes.every(({ remote_name }) => remote_name === "P")).toBe(true);
      const isDialled = dialler === "server";
      expect(routes.map((route) => [route.did_solicit, route.is_configured])).toEqual(
        routes.map(() => [isDialled, isDialled]),
      );
      for (const each of [server, seed]) {
        const { routes: count, remotes } = await each.json<{ routes: number; remotes: number }>("/varz");
        expect([count, remotes]).toEqual([pooled + dedicated.length, 1]);
      }
      await expectServed(server, peer);
      await expectServed(peer, server);
    }),

    ...bothWays("clusters 3.9: an account that is pinned on both ends", async (servers, dialler) => {
      if (await isOldPeer()) return;
      const pins = "accounts: [ A, B ]";
      const { server, peer } = await startPair(servers, dialler, pins, pins);
      await untilRoutes(server, 3, ["$SYS", "A", "B"]);
      await untilRoutes(peer, 3, ["$SYS", "A", "B"]);
      await expectServed(server, peer);
      await expectServed(peer, server);
      const subscriber = await clientOf(peer, "A");
      subscriber.send("SUB foo 1\r\n");
      await subscriber.roundTrip();
      const wanted = async () =>
        (await routesOf(server)).filter(({ account = "" }) => account === "A")[0]!.subscriptions;
      await until(
        async () => (await wanted()) === 1,
        () => "what is wanted in the account is not told by its connection",
      );
      subscriber.destroy();
    }),

    ...bothWays("clusters 3.9: one that is pinned on one end alone is refused", async (servers, dialler) => {
      if (await isOldPeer()) return;
      const { server, peer, seed, other } = await startPair(
        servers,
        dialler,
        dialler === "server" ? "accounts: [ A ]" : "",
        dialler === "server" ? "" : "accounts: [ A ]",
      );
      await untilRoutes(server, 3, ["$SYS"]);
      await untilRoutes(peer, 3, ["$SYS"]);
      await seed.waitForLog('No route for account "A"');
      await other.waitForLog(`Route Error 'No route for account "A"'`);
    }),

    ...bothWays(
      "clusters 3.9: pools of other sizes make one of the larger size",
      async (servers, dialler) => {
        if (await isOldPeer()) return;
        for (const [own, peers] of [
          [2, 5],
          [5, 2],
          [1, 3],
        ]) {
          const { server, peer } = await startPair(
            servers,
            dialler,
            `pool_size: ${own}`,
            `pool_size: ${peers}`,
          );
          await untilRoutes(server, Math.max(own!, peers!), ["$SYS"]);
          await untilRoutes(peer, Math.max(own!, peers!), ["$SYS"]);
          await expectServed(server, peer);
          await expectServed(peer, server);
          await server.stop();
        }
      },
    ),

    ...bothWays(
      "clusters 3.9: without a pool on one end there is one connection",
      async (servers, dialler) => {
        const old = await isOldPeer();
        for (const [own, peers] of [
          ["pool_size: -1", ""],
          ["", old ? "" : "pool_size: -1"],
        ]) {
          const { server, peer } = await startPair(servers, dialler, own!, peers!);
          await untilRoutes(server, 1, []);
          await untilRoutes(peer, 1, []);
          await expectServed(server, peer);
          await expectServed(peer, server);
          await server.stop();
        }
      },
    ),

    ...bothWays("clusters 13: a connection of a pool that is lost comes back", async (servers, dialler) => {
      if (await isOldPeer()) return;
      const plans: Record<Role, Member> = {
        server: { role: "server", name: "S" },
        peer: { role: "peer", name: "P" },
      };
      const seed = await start(servers, plans[dialler === "server" ? "peer" : "server"]);
      await using path = await CutPath.open(await linkPort(seed, "route"));
      const other = await start(servers, { ...plans[dialler], routes: [path.address] });
      const [server, peer] = dialler === "server" ? [other, seed] : [seed, other];
      const before = await untilRoutes(seed, 3, ["$SYS"]);
      for (const lost of [before[0]!, before.find(({ account }) => account === "$SYS")!]) {
        path.cut(lost.port);
        await until(
          async () => (await routesOf(seed)).length === 3,
          () => "a connection that was cut is still there",
        );
        const after = await untilRoutes(seed, 3, ["$SYS"]);
        expect(after.some(({ rid }) => rid === lost.rid)).toBe(false);
        await untilRoutes(other, 3, ["$SYS"]);
      }
      await expectServed(server, peer);
      await expectServed(peer, server);
    }),

    "clusters 5: three members pool with each other by a seed, and pin alike": async () => {
      if (await isOldPeer()) return;
      await using servers = new Servers();
      const cluster = "accounts: [ A ]";
      const seed = await start(servers, { role: "peer", name: "ONE", cluster });
      const routes = [await linkAddress(seed, "route")];
      const [second, third] = await Promise.all([
        start(servers, { name: "TWO", cluster, routes }),
        start(servers, { role: "peer", name: "THREE", cluster, routes }),
      ]);
      for (const server of [seed, second!, third!]) {
        await untilRoutes(server, 6, ["$SYS", "$SYS", "A", "A"]);
      }
      await expectServed(second!, third!);
      await expectServed(third!, second!);
      await expectServed(third!, seed);
    },

    "clusters 6: three members pool with each other by this seed": async () => {
      if (await isOldPeer()) return;
      await using servers = new Servers();
      const cluster = "accounts: [ A ]";
      const seed = await start(servers, { name: "ONE", cluster });
      const routes = [await linkAddress(seed, "route")];
      const [second, third] = await Promise.all([
        start(servers, { role: "peer", name: "TWO", cluster, routes }),
        start(servers, { role: "peer", name: "THREE", cluster, routes }),
      ]);
      for (const server of [seed, second!, third!]) {
        await untilRoutes(server, 6, ["$SYS", "$SYS", "A", "A"]);
      }
      await expectServed(second!, third!);
      await expectServed(third!, second!);
    },

    "clusters 10: two members that are told of each other end with one pool": async () => {
      if (await isOldPeer()) return;
      await using servers = new Servers();
      const first = await start(servers, { name: "ONE" });
      const address = await linkAddress(first, "route");
      const second = await start(servers, { role: "peer", name: "TWO", routes: [address] });
      await untilRoutes(second, 3, ["$SYS"]);
      const theirs = await linkAddress(second, "route");
      const log = await first.reload(config({ name: "ONE", routes: [theirs] }));
      expect(log).toMatch(/Reloaded server configuration/);
      await new Promise((resolve) => setTimeout(resolve, 2500));
      const ids = async () => (await routesOf(first)).map(({ rid }) => rid).sort();
      const before = await ids();
      await new Promise((resolve) => setTimeout(resolve, 2500));
      expect(await ids()).toEqual(before);
      await untilRoutes(first, 3, ["$SYS"]);
      await untilRoutes(second, 3, ["$SYS"]);
      await expectServed(first, second);
    },
  },
  4,
);
