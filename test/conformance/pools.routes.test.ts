import { expect } from "bun:test";
import { dismiss } from "../support/cluster_of_one.ts";
import { until } from "../support/deadline.ts";
import { linkPort } from "../support/links.ts";
import { acceptPlace, type Dialled, joinPlace, openPlace, type Place } from "../support/pool_peer.ts";
import { RawClient } from "../support/raw_client.ts";
import type { RawLink } from "../support/raw_link.ts";
import { RawListener } from "../support/raw_listener.ts";
import { joinRoute, openRoute } from "../support/raw_route.ts";
import { row, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

// Pools of routes and routes for single accounts, line by line: what a member sees that has them, too.

const ACCOUNTS = ["A", "P", "C2", "PIN"];
const users = ACCOUNTS.map((name) => `${name}: { users: [ { user: ${name}, password: p } ] }`).join("\n");
const config = (cluster: string) => `
  server_name: N
  no_system_account: true
  accounts { ${users} }
  cluster { name: C1, listen: "127.0.0.1:-1", ${cluster} }
`;
const server = sharedServer({ config: config("accounts: [ PIN ]"), monitoring: true });

const PLACES: readonly Place[] = [0, 1, 2, "PIN"];
/** Which place each account goes by: that of its name's hash, or its own. */
const PLACE_OF: Readonly<Record<string, Place>> = { A: 0, P: 1, C2: 2, PIN: "PIN" };

let nextMember = 1;
const newName = () => `X${nextMember++}`;
const port = () => linkPort(server(), "route");

/** A client of an account. */
async function clientOf(account: string, of: ServerProcess = server()): Promise<RawClient> {
  return await of.connectAs({ user: account, pass: "p" });
}

/** A whole member: a connection at every place. */
async function joinAll(name = newName()): Promise<Map<Place, RawLink>> {
  const links = new Map<Place, RawLink>();
  for (const place of PLACES) links.set(place, await joinPlace(await port(), name, place));
  return links;
}

/** Ends connections; the rows that follow hear nothing of clients. */
async function end(connections: Iterable<{ destroy(): void }>): Promise<void> {
  for (const each of connections) {
    if (each instanceof RawClient) await dismiss(each);
    else each.destroy();
  }
}

row("clusters 3.9: who accepts says how large pools are, and no place", async () => {
  const { info, client } = await openRoute(await port());
  expect(info.route_pool_size).toBe(3);
  expect([info.route_pool_idx, info.route_account]).toEqual([undefined, undefined]);
  client.destroy();
});

row(
  "clusters 3.9: an account is told by the place of its name, or by its own connection without it",
  async () => {
    const links = await joinAll();
    const clients = await Promise.all(ACCOUNTS.map((account) => clientOf(account)));
    for (const [at, account] of ACCOUNTS.entries()) {
      clients[at]!.send(`SUB of.${account} 1\r\n`);
      await clients[at]!.roundTrip();
    }
    for (const [at, account] of ACCOUNTS.entries()) {
      const link = links.get(PLACE_OF[account]!)!;
      const name = account === "PIN" ? "" : `${account} `;
      await link.expect(`RS+ ${name}of.${account}`);
      await link.expectNoInterest(clients[at]!, `RS+ ${name}`.trimEnd());
    }
    await end([...links.values(), ...clients]);
  },
);

row("clusters 3.9: who comes later is told by place what there is", async () => {
  const clients = await Promise.all(ACCOUNTS.map((account) => clientOf(account)));
  for (const client of clients) {
    client.send("SUB early 1\r\n");
    await client.roundTrip();
  }
  const links = await joinAll();
  for (const [account, place] of Object.entries(PLACE_OF))
    await links.get(place)!.expect(`RS+ ${account === "PIN" ? "" : `${account} `}early`);
  await end([...links.values(), ...clients]);
});

row("clusters 3.9: messages of an account leave by its connection, in order", async () => {
  const links = await joinAll();
  for (const account of ACCOUNTS) {
    const link = links.get(PLACE_OF[account]!)!;
    const name = account === "PIN" ? "" : `${account} `;
    link.send(`RS+ ${name}foo`, `RS+ ${name}work q 1`);
    await link.roundTrip();
    const client = await clientOf(account);
    for (let i = 0; i < 50; i++) client.send(`PUB foo r${i} 2\r\nhi\r\n`);
    for (let i = 0; i < 50; i++) await link.expectMessage(`RMSG ${name}foo r${i} 2\r\nhi`);
    client.send("PUB work 2\r\nhi\r\nHPUB foo r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n");
    await link.expectMessage(`RMSG ${name}work | q 2\r\nhi`);
    await link.expectMessage(`HMSG ${name}foo r 12 14\r\nNATS/1.0\r\n\r\nhi`);
    client.destroy();
  }
  await end(links.values());
});

row("clusters 3.9: lines of a connection for one account are of that account", async () => {
  const link = await joinPlace(await port(), newName(), "PIN");
  const client = await clientOf("PIN");
  client.send("SUB foo 1\r\nSUB foo q 2\r\n");
  await link.expectInAnyOrder("RS+ foo", "RS+ foo q 1");
  link.send("RMSG foo 2", "hi", "RMSG foo r 2", "hi", "HMSG foo 12 14", "NATS/1.0\r\n\r\nhi");
  link.send("LMSG LC foo 0 2", "hi", "RMSG foo | q 2", "hi");
  const plain = "MSG foo 1 2\r\nhi\r\n";
  await client.expect(
    `${plain}MSG foo 1 r 2\r\nhi\r\nHMSG foo 1 12 14\r\nNATS/1.0\r\n\r\nhi\r\n${plain}${plain}MSG foo 2 2\r\nhi\r\n`,
  );
  link.send("RS+ there", "LS+ LC leafs", "RS+ there q 2", "RS- there");
  await link.roundTrip();
  client.send("PUB there 2\r\nhi\r\nPUB leafs 2\r\nhi\r\n");
  await link.expectMessage("RMSG there | q 2\r\nhi");
  await link.expectMessage("RMSG leafs 2\r\nhi");
  await end([link, client]);
});

row("clusters 3.9: a place that is taken is closed without a word, the first one stays", async () => {
  const name = newName();
  for (const place of [1, "PIN"]) {
    const first = await joinPlace(await port(), name, place);
    const second = await openPlace(await port(), name, place);
    await second.expectEnd();
    await first.roundTrip();
    first.destroy();
  }
});

row("clusters 3.9: places that there are not are refused", async () => {
  const refusals: [place: Place, error: string][] = [
    [7, "Invalid route pool index: 7 - pool size is 3"],
    [-1, "Invalid route pool index: -1 - pool size is 3"],
    ["A", 'No route for account "A"'],
    ["NOBODY", 'Unable to lookup account "NOBODY": account missing'],
  ];
  for (const [place, error] of refusals) {
    const link = await openPlace(await port(), newName(), place);
    await link.expectError(error);
  }
});

row("clusters 3.9: a pool is as large as the larger of two", async () => {
  const name = newName();
  const fields = { route_pool_size: 5 };
  const links = await Promise.all(
    [0, 1, 2, 3, 4].map(async (place) => joinPlace(await port(), name, place, fields)),
  );
  const client = await clientOf("C2");
  client.send("SUB foo 1\r\n");
  await links[2]!.expect("RS+ C2 foo");
  links[4]!.send("RMSG C2 foo 2", "hi");
  await client.expect("MSG foo 1 2\r\nhi\r\n");
  await end([...links, client]);
});

row("clusters 3.9: a member without pools is told everything by one connection, with names", async () => {
  const link = await joinRoute(await port());
  const clients = await Promise.all(ACCOUNTS.map((account) => clientOf(account)));
  for (const [at, account] of ACCOUNTS.entries()) {
    clients[at]!.send("SUB foo 1\r\n");
    await link.expect(`RS+ ${account} foo`);
  }
  const dedicated = await openPlace(await port(), newName(), "PIN", { route_pool_size: undefined });
  await dedicated.expectError(
    'Not possible to have a dedicated route for account "PIN" between those servers',
  );
  await end([link, ...clients]);
});

row("clusters 7: a member with a pool is told of once, and so is its connection for an account", async () => {
  const witness = newName();
  const links = [await joinPlace(await port(), witness, 0), await joinPlace(await port(), witness, "PIN")];
  const name = newName();
  const joined: RawLink[] = [];
  for (const place of PLACES) joined.push(await joinPlace(await port(), name, place));
  for (const [link, account] of [
    [links[0]!, undefined],
    [links[1]!, "PIN"],
  ] as const) {
    const info = await link.readInfo((each) => each.server_id === `N${name}`);
    expect(info.route_account).toBe(account as never);
    const again = await link.readInfo((each) => each.server_id === `N${name}`, 200).catch(() => undefined);
    expect(again).toBeUndefined();
  }
  await end([...links, ...joined]);
});

row(
  "clusters 3.8: clients are told of a member with its first connection, and not any more after the last",
  async () => {
    const urls = async () => {
      const client = await server().connect();
      client.destroy();
      return ((client.info.connect_urls ?? []) as string[]).includes("127.0.0.1:5");
    };
    const name = newName();
    const fields = { connect_urls: ["127.0.0.1:5"] };
    const links: RawLink[] = [];
    for (const place of [0, 1, 2]) links.push(await joinPlace(await port(), name, place, fields));
    await until(urls, () => "clients are not told of a member");
    for (const link of links.slice(0, 2)) link.destroy();
    await until(
      async () => (await routesOf(name)).length === 1,
      () => "closed connections are still there",
    );
    expect(await urls()).toBe(true);
    links[2]!.destroy();
    await until(
      async () => !(await urls()),
      () => "clients are still told of a member that is gone",
    );
  },
);

interface RouteOfRoutez {
  readonly remote_id: string;
  readonly did_solicit: boolean;
  readonly is_configured: boolean;
  readonly account?: string;
}

/** What /routez says of a member. */
async function routesOf(name: string): Promise<RouteOfRoutez[]> {
  const { routes } = await server().json<{ routes: RouteOfRoutez[] }>("/routez");
  return routes.filter((route) => route.remote_id === `N${name}`);
}

row("monitoring: /routez and /varz count connections, and members once", async () => {
  const before = await server().json<{ routes: number; remotes: number }>("/varz");
  const name = newName();
  const links = await joinAll(name);
  const routes = await routesOf(name);
  expect(routes.map(({ account }) => account ?? "").sort()).toEqual(["", "", "", "PIN"]);
  expect(routes.every((route) => !route.did_solicit && !route.is_configured)).toBe(true);
  const after = await server().json<{ routes: number; remotes: number; cluster: object }>("/varz");
  expect([after.routes - before.routes, after.remotes - before.remotes]).toEqual([4, 1]);
  expect(after.cluster).toMatchObject({ pool_size: 3 });
  await end(links.values());
});

/** A server that dials, and what it dials. */
async function dialling(cluster: string): Promise<{ server: ServerProcess; listener: RawListener }> {
  const listener = await RawListener.open();
  const routes = `routes: [ "nats-route://${listener.address}" ], ${cluster}`;
  return { server: await ServerProcess.start({ config: config(routes) }), listener };
}

row("clusters 3.1: a pool is dialled place by place, and a connection for each pinned account", async () => {
  const { server, listener } = await dialling("accounts: [ PIN ]");
  const first = await acceptPlace(listener, "FAR");
  const dialled: Dialled[] = [first];
  for (let i = 0; i < 3; i++) dialled.push(await acceptPlace(listener, "FAR"));
  expect(dialled.map(({ place }) => place).sort()).toEqual([...PLACES].sort());
  for (const { connect, info, place } of dialled) {
    expect(connect).toMatchObject({ cluster: "C1", lnoc: true });
    expect(info.route_pool_size).toBe(3);
    expect([info.route_pool_idx, info.route_account]).toEqual(
      typeof place === "string" ? [undefined, place] : [place === 0 ? undefined : place, undefined],
    );
  }
  // Places are dialled in their order, each after the one before has answered.
  expect(dialled.map(({ place }) => place).filter((place) => place !== "PIN")).toEqual([0, 1, 2]);
  const client = await clientOf("PIN", server);
  client.send("SUB foo 1\r\n");
  await dialled.find(({ place }) => place === "PIN")!.link.expect("RS+ foo");
  await end([...dialled.map(({ link }) => link), client]);
  await listener[Symbol.asyncDispose]();
  await server.stop();
});

row("clusters 13: a connection that is lost is dialled again, at its place", async () => {
  const { server, listener } = await dialling("accounts: [ PIN ]");
  const dialled: Dialled[] = [];
  for (let i = 0; i < 4; i++) dialled.push(await acceptPlace(listener, "FAR"));
  for (const lost of [1, "PIN"]) {
    dialled.find(({ place }) => place === lost)!.link.destroy();
    const again = await acceptPlace(listener, "FAR");
    expect(again.place).toBe(lost);
    dialled.push(again);
  }
  // Nothing else is dialled.
  await new Promise((resolve) => setTimeout(resolve, 1500));
  expect(listener.waitingCount).toBe(0);
  await end(dialled.map(({ link }) => link));
  await listener[Symbol.asyncDispose]();
  await server.stop();
});

row("clusters 3.9: without a pool INFO says nothing of one, and follows CONNECT at once", async () => {
  const { server, listener } = await dialling("pool_size: -1, compression: off");
  const link = await listener.accept();
  await link.readConnect();
  const info = await link.readInfo();
  expect(info.route_pool_size).toBeUndefined();
  const accepted = await openRoute(await linkPort(server, "route"));
  expect(accepted.info.route_pool_size).toBeUndefined();
  await end([link, accepted]);
  await listener[Symbol.asyncDispose]();
  await server.stop();
});

row("clusters 3.5: a reload moves an account to a connection of its own, and back", async () => {
  const { server, listener } = await dialling("");
  const routes = `routes: [ "nats-route://${listener.address}" ]`;
  const places = new Map<Place, RawLink>();
  for (let i = 0; i < 3; i++) {
    const { link, place } = await acceptPlace(listener, "FAR");
    places.set(place, link);
  }
  const client = await clientOf("P", server);
  client.send("SUB foo 1\r\n");
  const pooled = places.get(1)!;
  await pooled.expect("RS+ P foo");
  const reloaded = server.reload(config(`${routes}, accounts: [ P ]`));
  const asked = await pooled.readInfo((info) => info.route_acc_add_reqid !== undefined);
  expect(asked).toMatchObject({ route_pool_size: 3, route_account: "P" });
  pooled.sendJson("INFO", { ...asked, route_account: undefined });
  // nats-server dials the pool as well, for which there is no place.
  const own = await acceptPlace(listener, "FAR").catch(() => acceptPlace(listener, "FAR"));
  expect(own.place).toBe("P");
  await own.link.expect("RS+ foo");
  expect(await reloaded).toMatch(/Reloaded server configuration/);
  expect(await server.reload(config(routes))).toMatch(/Reloaded server configuration/);
  await own.link.expectEnd();
  await pooled.expect("RS+ P foo");
  await end([...places.values(), client]);
  await listener[Symbol.asyncDispose]();
  await server.stop();
});

row("clusters 3.5: a reload that pins an account that there is not is refused", async () => {
  expect(await server().reload(config("accounts: [ PIN, NOBODY ]"))).toContain(
    'unable to add account "NOBODY" to the list of dedicated routes: account missing',
  );
  expect(await server().reload(config("accounts: [ PIN ]"))).toMatch(/Reloaded server configuration/);
});

row("clusters 3.5: a member that moves an account is answered, and may have its connection", async () => {
  const links = await joinAll();
  const client = await clientOf("A");
  client.send("SUB moving 1\r\n");
  const pooled = links.get(0)!;
  await pooled.expect("RS+ A moving");
  pooled.sendJson("INFO", { route_pool_size: 3, route_account: "A", route_acc_add_reqid: "asked" });
  const answer = await pooled.readInfo((info) => info.route_acc_add_reqid === "asked");
  expect([answer.route_pool_size, answer.route_account]).toEqual([3, undefined]);
  const own = await joinPlace(await port(), `X${nextMember - 1}`, "A");
  await own.expect("RS+ moving");
  own.send("RMSG moving 2", "hi");
  await client.expect("MSG moving 1 2\r\nhi\r\n");
  await end([...links.values(), own, client]);
});
