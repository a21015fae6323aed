import { afterAll, beforeAll, expect } from "bun:test";
import { until } from "../support/deadline.ts";
import { linkAddress, Servers, untilReached } from "../support/links.ts";
import { readMessage } from "../support/message.ts";
import type { RawClient } from "../support/raw_client.ts";
import { row } from "../support/row.ts";
import type { ServerProcess } from "../support/server_process.ts";
import { ask, type Json, listen, loginAs } from "../support/system.ts";

// What monitoring and the system account show of two servers of a cluster, one of another cluster, and a leaf node.

const ACCOUNTS = `
  accounts {
    SYS { users: [ { user: sys, password: p } ] }
    A { users: [ { user: a, password: p } ] }
    B {
      users: [ { user: b, password: p } ]
      exports: [ { service: measured, latency: { sampling: 100, subject: took } } ]
    }
    C {
      users: [ { user: c, password: p } ]
      imports: [ { service: { account: B, subject: measured } } ]
    }
    D {
      imports: [ { service: { account: B, subject: measured }, to: front, share: true } ]
      exports: [ { service: front } ]
    }
    E { users: [ { user: e, password: p } ], imports: [ { service: { account: D, subject: front } } ] }
  }
  system_account: SYS
`;
const LISTEN = `listen: "127.0.0.1:-1"`;

const servers = new Servers();
let a1: ServerProcess;
let a2: ServerProcess;
let b1: ServerProcess;
let leaf: ServerProcess;

beforeAll(async () => {
  const start = (name: string, links: string) =>
    servers.start({
      config: `server_name: ${name}\n${ACCOUNTS}\n${links}`,
      monitoring: true,
      role: name === "a1" ? "server" : "peer",
    });
  a1 = await start(
    "a1",
    `cluster { name: CA, ${LISTEN} }\ngateway { name: CA, ${LISTEN} }\nleafnodes { ${LISTEN} }`,
  );
  const route = await linkAddress(a1, "route");
  a2 = await start(
    "a2",
    `cluster { name: CA, ${LISTEN}, routes: [ "nats-route://${route}" ] }\ngateway { name: CA, ${LISTEN} }`,
  );
  const gateway = await linkAddress(a1, "gateways");
  b1 = await start(
    "b1",
    `cluster { name: CB, ${LISTEN} }
     gateway { name: CB, ${LISTEN}, gateways: [ { name: CA, url: "nats://${gateway}" } ] }`,
  );
  const hub = await linkAddress(a1, "leafnode");
  leaf = await start(
    "leaf1",
    `leafnodes { remotes: [
       { url: "nats://a:p@${hub}", account: A }, { url: "nats://sys:p@${hub}", account: SYS } ] }`,
  );
  const system = await loginAs(a1, "sys");
  await until(
    async () => Number(statszOf(await ask(system, "$SYS.REQ.SERVER.PING.STATSZ")).active_servers) === 4,
    () => "the servers do not know each other",
    20_000,
  );
  system.destroy();
  const subscribers = await Promise.all([a2, b1, leaf].map((server) => loginAs(server, "a")));
  const publisher = await loginAs(a1, "a");
  for (const subscriber of subscribers) {
    await listen(subscriber, "shown", "work q");
    await untilReached(publisher, subscriber, 20_000);
  }
  publisher.send("PUB shown 5\r\nhello\r\n".repeat(10));
  for (const subscriber of subscribers) await subscriber.readUntil("hello\r\n".repeat(1));
  await publisher.roundTrip();
}, 120_000);

afterAll(async () => {
  await servers[Symbol.asyncDispose]();
}, 60_000);

function statszOf({ json }: { readonly json: Json }): Json {
  return json.statsz as Json;
}

interface Entry {
  readonly [field: string]: unknown;
}

const sumOf = (entries: readonly Entry[], field: string) =>
  entries.reduce((sum, entry) => sum + Number(entry[field]), 0);

/** Answers of all servers to one request: as many as there are, and no more. */
async function askAll(client: RawClient, subject: string, body = ""): Promise<Json[]> {
  client.send("SUB _INBOX.all 77\r\n");
  client.send(`PUB ${subject} _INBOX.all ${body.length}\r\n${body}\r\n`);
  await until(
    () => client.waitingText.split("MSG _INBOX.all ").length > 4,
    () => `less than four answers: ${client.waitingText}`,
    10_000,
  );
  await new Promise((resolve) => setTimeout(resolve, 200));
  const text = client.waitingText;
  client.destroy();
  return [...text.matchAll(/^MSG _INBOX\.all .*\r\n(\{.*\})\r\n/gm)].map((match) => JSON.parse(match[1]!));
}

const nameOf = ({ server }: Json) => (server as Json).name;

row("§12.28 /routez shows each connection to the peer", async () => {
  const report = await a1.json<{ num_routes: number; routes: Entry[] }>("/routez");
  expect(report).toMatchObject({ server_name: "a1", num_routes: report.routes.length });
  const peerId = (await a2.json<{ server_id: string }>("/varz")).server_id;
  for (const route of report.routes) {
    expect(route).toMatchObject({
      remote_id: peerId,
      remote_name: "a2",
      did_solicit: false,
      is_configured: false,
      ip: "127.0.0.1",
      pending_size: expect.any(Number),
    });
    expect(route.rtt).toMatch(/s$/);
    expect(route.uptime).toMatch(/^\d+[sm]/);
    expect(route.start).toMatch(/^20.*T/);
  }
  expect(sumOf(report.routes, "out_msgs")).toBeGreaterThan(9);
  const other = await a2.json<{ routes: Entry[] }>("/routez");
  expect(other.routes[0]).toMatchObject({ remote_name: "a1", did_solicit: true, is_configured: true });
  expect((await b1.json<{ routes: Entry[] }>("/routez")).routes).toEqual([]);
});

row("§12.28 /routez lists what the peer wants, by the names servers file it under", async () => {
  const subjects = await a1.json<{ routes: { subscriptions_list?: string[] }[] }>("/routez?subs=1");
  expect(subjects.routes.flatMap((route) => route.subscriptions_list ?? [])).toContain("shown");
  const detailed = await a1.json<{ routes: { rid: number; subscriptions_list_detail?: Entry[] }[] }>(
    "/routez?subs=detail",
  );
  const all = detailed.routes.flatMap((route) =>
    (route.subscriptions_list_detail ?? []).map((each) => ({ ...each, rid: route.rid }) as Entry),
  );
  const shown = all.find(({ subject, sid }) => subject === "shown" && String(sid).startsWith("R A"));
  expect(shown).toMatchObject({ sid: "R A shown" });
  expect(shown!.cid).toBe(shown!.rid);
  expect(all.find(({ subject }) => subject === "work")).toMatchObject({ qgroup: "q", sid: "R A work q" });
});

row("§12.28 /routez shows what may come by routes, and go", async () => {
  const own = await servers.start({
    config: `
      server_name: p1
      cluster {
        name: P, ${LISTEN}
        permissions { import: { allow: ["in.>", "both"], deny: "in.x" }, export: "out.>" }
      }`,
    monitoring: true,
  });
  const { import: may, export: exported } = await own.json<Entry>("/routez");
  expect(may).toEqual({ allow: ["in.>", "both"], deny: ["in.x"] });
  expect(exported).toEqual({ allow: ["out.>"] });
  const report = await a1.json<Entry>("/routez");
  expect([report.import, report.export]).toEqual([undefined, undefined]);
});

row("§12.29 /gatewayz shows a connection to the other cluster, and those from it", async () => {
  const plain = await a1.json<Entry>("/gatewayz");
  expect(plain).toMatchObject({ name: "CA", host: "127.0.0.1" });
  const outbound = (plain.outbound_gateways as Record<string, Entry>).CB!;
  expect(outbound).toMatchObject({ configured: false, connection: { kind: "Gateway", in_msgs: 0 } });
  expect(outbound.accounts).toBe(undefined);
  const connection = outbound.connection as Entry;
  expect(Number(connection.out_msgs)).toBeGreaterThan(9);
  expect(connection.name).toBe((await b1.json<{ server_id: string }>("/varz")).server_id);
  const inbound = (plain.inbound_gateways as Record<string, Entry[]>).CB!;
  expect(inbound).toHaveLength(1);
  expect(inbound[0]).toMatchObject({ configured: false, connection: { kind: "Gateway", out_msgs: 0 } });
  const other = await b1.json<Entry>("/gatewayz");
  expect((other.outbound_gateways as Record<string, Entry>).CA).toMatchObject({ configured: true });
  expect((other.inbound_gateways as Record<string, Entry[]>).CA).toHaveLength(2);
});

row("§12.29 /gatewayz lists accounts and their interest where it is asked to", async () => {
  const outboundOf = async (query: string) =>
    (await a1.json<{ outbound_gateways: Record<string, { accounts?: Entry[] }> }>(`/gatewayz?${query}`))
      .outbound_gateways;
  const all = (await outboundOf("accs=1")).CB!.accounts!;
  expect(all.map(({ name }) => name)).toContain("SYS");
  expect(all.every(({ interest_mode }) => interest_mode === "Interest-Only")).toBe(true);
  const [one, ...others] = (await outboundOf("acc_name=A&subs=1")).CB!.accounts!;
  expect(others).toEqual([]);
  expect(one).toMatchObject({ name: "A", interest_only_threshold: 1000, num_queue_subs: 1 });
  expect((one!.subscriptions_list as string[]).sort()).toEqual(["shown", "work"]);
  expect((await outboundOf("acc_name=nobody")).CB!.accounts).toBe(undefined);
  expect(await outboundOf("gw_name=nobody")).toBe(null as never);
  expect(Object.keys(await outboundOf("gw_name=CB"))).toEqual(["CB"]);
});

row("§12.30 /leafz shows leaf links on both sides", async () => {
  const hub = await a1.json<{ leafnodes: number; leafs: Entry[] }>("/leafz");
  expect(hub.leafnodes).toBe(2);
  expect(hub.leafs.map(({ account }) => account).sort()).toEqual(["A", "SYS"]);
  for (const link of hub.leafs)
    expect(link).toMatchObject({ name: "leaf1", is_spoke: false, ip: "127.0.0.1" });
  const [ofA, ...others] = (await a1.json<{ leafs: Entry[] }>("/leafz?acc=A&subs=1")).leafs;
  expect(others).toEqual([]);
  expect(Number(ofA!.out_msgs)).toBeGreaterThan(9);
  expect(ofA!.subscriptions_list as string[]).toContain("shown");
  expect(ofA!.subscriptions).toBe((ofA!.subscriptions_list as string[]).length);
  const spoke = await leaf.json<{ leafs: Entry[] }>("/leafz?acc=A");
  expect(spoke.leafs).toHaveLength(1);
  expect(spoke.leafs[0]).toMatchObject({ name: "a1", is_spoke: true, out_msgs: 0 });
  expect((await b1.json<Entry>("/leafz")).leafs).toEqual([]);
  expect(await a1.http("/leafz?subs=detail")).toMatchObject({ status: 400 });
});

row("§12.25 §12.19 /connz has leaf links among clients, and no other links", async () => {
  const { connections } = await a1.json<{ connections: Entry[] }>("/connz?auth=1");
  expect(new Set(connections.map(({ kind }) => kind))).toEqual(new Set(["Client", "Leafnode"]));
  const links = connections.filter(({ kind }) => kind === "Leafnode");
  expect(links).toHaveLength(2);
  const ofA = links.find(({ account }) => account === "A")!;
  expect(ofA).toMatchObject({ name: "leaf1", authorized_user: "a" });
  expect(ofA.type).toBe(undefined);
  expect(ofA.lang).toBe(undefined);
  const one = await a1.json<Entry>(`/connz?cid=${ofA.cid}`);
  expect(one).toMatchObject({ num_connections: 1, connections: [{ cid: ofA.cid, kind: "Leafnode" }] });
  const spoke = await leaf.json<{ connections: Entry[] }>("/connz?acc=SYS");
  expect(spoke.connections).toHaveLength(1);
  expect(spoke.connections[0]).toMatchObject({ kind: "Leafnode" });
  expect(spoke.connections[0]!.name).toBe(undefined);
});

row("§2 /varz counts links apart from clients, and shows their blocks", async () => {
  const varz = await a1.json<Entry>("/varz");
  expect(varz).toMatchObject({ remotes: 1, leafnodes: 2 });
  expect(varz.connect_urls as string[]).toEqual([`127.0.0.1:${a1.clientPort}`, `127.0.0.1:${a2.clientPort}`]);
  const { routes } = await a1.json<{ routes: Entry[] }>("/routez");
  expect(varz.routes).toBe(routes.length);
  const { connections } = await a1.json<{ connections: Entry[] }>("/connz");
  expect(varz.connections).toBe(connections.filter(({ kind }) => kind === "Client").length);
  expect(Number(varz.out_msgs)).toBeGreaterThan(Number(varz.out_client_msgs));
  const address = { auth_timeout: 2, tls_timeout: 2 };
  expect(varz.cluster).toMatchObject({ name: "CA", addr: "127.0.0.1", pool_size: 3, ...address });
  expect(varz.gateway).toMatchObject({ name: "CA", host: "127.0.0.1", ...address });
  expect(varz.leaf).toMatchObject({ host: "127.0.0.1", ...address });
  const [route, gateway, hub] = [
    await linkAddress(a1, "route"),
    await linkAddress(a1, "gateways"),
    await linkAddress(a1, "leafnode"),
  ];
  expect((varz.leaf as Entry).port).toBe(Number(hub.split(":")[1]));
  expect((await a2.json<Entry>("/varz")).cluster).toMatchObject({ urls: [route] });
  const remotes = ((await b1.json<Entry>("/varz")).gateway as { gateways: Entry[] }).gateways;
  expect(remotes).toHaveLength(1);
  expect(remotes[0]!.name).toBe("CA");
  expect(remotes[0]!.urls as string[]).toContain(gateway);
  const spoke = await leaf.json<Entry>("/varz");
  expect(spoke).toMatchObject({ cluster: {}, gateway: {}, leafnodes: 2, routes: 0, remotes: 0 });
  expect(spoke.leaf).toEqual({
    remotes: [
      { local_account: "A", urls: [hub] },
      { local_account: "SYS", urls: [hub] },
    ],
  });
});

row("§12.32 §12.33 accounts count their leaf links, and what went over them", async () => {
  const detail = (await a1.json<{ account_detail: Entry }>("/accountz?acc=A")).account_detail;
  expect(detail.leafnode_connections).toBe(1);
  const { account_statz } = await a1.json<{ account_statz: Entry[] }>("/accstatz");
  const ofA = account_statz.find(({ acc }) => acc === "A")!;
  expect(ofA).toMatchObject({ leafnodes: 1, total_conns: Number(ofA.conns) + 1 });
  const kinds = ["leafs", "routes", "gateways"] as const;
  const sent = ofA.sent as Record<(typeof kinds)[number], { msgs: number; bytes: number }> & Json;
  for (const kind of kinds) {
    expect([kind, sent[kind].msgs > 9, sent[kind].bytes > 49]).toEqual([kind, true, true]);
  }
  expect(Number(sent.msgs)).toBeGreaterThan(29);
  const far = await b1.json<{ account_statz: Entry[] }>("/accstatz");
  const received = far.account_statz.find(({ acc }) => acc === "A")!.received as Json;
  expect((received.gateways as Json).msgs).toBe(received.msgs);
  expect(Number(received.msgs)).toBeGreaterThan(9);
  const near = await a2.json<{ account_statz: Entry[] }>("/accstatz");
  const fromRoute = (near.account_statz.find(({ acc }) => acc === "A")!.received as Json).routes as Json;
  expect(Number(fromRoute.msgs)).toBeGreaterThan(9);
});

row("§8.22 §8.23 PING reaches every server, and each answers once", async () => {
  for (const server of [a1, leaf]) {
    const answers = await askAll(await loginAs(server, "sys"), "$SYS.REQ.SERVER.PING");
    expect(answers.map(nameOf).sort()).toEqual(["a1", "a2", "b1", "leaf1"]);
    for (const answer of answers) expect(answer.statsz).toMatchObject({ active_servers: 4 });
    const clusters = new Map(answers.map((answer) => [nameOf(answer), (answer.server as Json).cluster]));
    expect(Object.fromEntries(clusters)).toEqual({ a1: "CA", a2: "CA", b1: "CB", leaf1: "leaf1" });
    const of = (name: string) => answers.find((answer) => nameOf(answer) === name)!.statsz as Json;
    expect((of("a1").routes as Json[])[0]).toMatchObject({ name: "a2" });
    expect(of("a1").gateways as Json[]).toMatchObject([{ name: "CB", inbound_connections: 1 }]);
    expect(of("b1").gateways as Json[]).toMatchObject([{ name: "CA", inbound_connections: 2 }]);
    expect(of("leaf1").routes).toBe(undefined);
  }
});

row("§8.26 ROUTEZ, GATEWAYZ and LEAFZ tell of every server", async () => {
  for (const [what, field] of [
    ["ROUTEZ", "routes"],
    ["GATEWAYZ", "outbound_gateways"],
    ["LEAFZ", "leafs"],
  ] as const) {
    const answers = await askAll(await loginAs(a2, "sys"), `$SYS.REQ.SERVER.PING.${what}`);
    expect(answers.map(nameOf).sort()).toEqual(["a1", "a2", "b1", "leaf1"]);
    for (const answer of answers) expect((answer.data as Json)[field]).not.toBe(undefined);
  }
});

row("§8.31 §8.29 filters mean servers by name and cluster", async () => {
  const system = await loginAs(a2, "sys");
  for (const [filter, name] of [
    [{ cluster: "CB" }, "b1"],
    [{ server_name: "leaf1", exact_match: true }, "leaf1"],
  ] as const) {
    expect(nameOf((await ask(system, "$SYS.REQ.SERVER.PING.VARZ", filter)).json)).toBe(name);
  }
});

row("§8.26 §8.42 a server is asked and told to act by its id, from any other", async () => {
  const system = await loginAs(leaf, "sys");
  const victim = await loginAs(b1, "b");
  const id = String(victim.info.server_id);
  expect((await ask(system, `$SYS.REQ.SERVER.${id}.IDZ`)).json).toMatchObject({ name: "b1", id });
  const kicked = await ask(system, `$SYS.REQ.SERVER.${id}.KICK`, { cid: victim.info.client_id });
  expect(Object.keys(kicked.json)).toEqual(["server"]);
  await until(
    () => victim.isClosed,
    () => "the client was not kicked",
  );
});

row("§8.42 KICK closes a leaf link, which comes back", async () => {
  const system = await loginAs(b1, "sys");
  const before = (await a1.json<{ leafs: Entry[] }>("/leafz?acc=A")).leafs[0]!;
  const { server_id: id } = await a1.json<{ server_id: string }>("/varz");
  expect((await ask(system, `$SYS.REQ.SERVER.${id}.KICK`, { cid: before.id })).json.error).toBe(undefined);
  await until(
    async () => {
      const [link] = (await a1.json<{ leafs: Entry[] }>("/leafz?acc=A")).leafs;
      return link !== undefined && link.id !== before.id;
    },
    () => "the leaf link does not come back",
    10_000,
  );
  const closed = await a1.json<{ connections: Entry[] }>("/connz?state=closed");
  expect(closed.connections.find(({ cid }) => cid === before.id)).toMatchObject({
    kind: "Leafnode",
    reason: "Kicked",
  });
});

row("§8.59 subscribers are counted on all servers", async () => {
  const [asker, ...others] = await Promise.all([a1, a2, b1, leaf].map((server) => loginAs(server, "sys")));
  for (const other of others) {
    await listen(other, "counted.one", "counted.* q");
    await untilReached(asker!, other);
  }
  const count = async (body: string) => Number((await ask(asker!, "$SYS.DEBUG.SUBSCRIBERS", body)).json);
  // What a leaf node wants counts at its hub, too.
  expect(await count("counted.one q")).toBe(4);
  expect(await count("counted.two")).toBe(4);
  for (const other of others) other.destroy();
  asker!.destroy();
});

row("§8.54 a measured service behind a leaf node of another server answers every request", async () => {
  await using own = new Servers();
  const start = (name: string, links: string, role: "server" | "peer") =>
    own.start({ config: `server_name: ${name}\n${ACCOUNTS}\n${links}`, role });
  const hub = await start("hub", `cluster { name: CA, ${LISTEN} }\nleafnodes { ${LISTEN} }`, "server");
  const route = await linkAddress(hub, "route");
  const beside = await start(
    "beside",
    `cluster { name: CA, ${LISTEN}, routes: [ "nats-route://${route}" ] }`,
    "peer",
  );
  const address = await linkAddress(hub, "leafnode");
  const below = await start(
    "below",
    `leafnodes { remotes: [ { url: "nats://b:p@${address}", account: B } ] }`,
    "peer",
  );
  const responder = await loginAs(below, "b");
  const witness = await loginAs(beside, "b");
  const requester = await loginAs(beside, "c");
  await listen(responder, "measured");
  await untilReached(witness, responder, 10_000);
  requester.send("SUB in.* 1\r\n");
  for (let count = 0; count < 3; count++) {
    requester.send(`PUB measured in.${count} 2\r\nhi\r\n`);
    const { reply } = await readMessage(responder);
    // nats-server tells of its interest in answers with the first request.
    if (count === 0) await new Promise((resolve) => setTimeout(resolve, 300));
    responder.send(`PUB ${reply} 2\r\nok\r\n`);
    await requester.readUntil("ok\r\n");
  }
});

row("§8.54 a service on another server is measured there, and the sample is published once", async () => {
  for (const far of [a2, b1]) {
    const responder = await loginAs(far, "b", { name: "svc" });
    const listener = await loginAs(a1, "b");
    const requester = await loginAs(a1, "c");
    await listen(responder, "measured");
    await listen(listener, "took");
    await untilReached(listener, responder, 10_000);
    requester.send("SUB in.1 1\r\nPUB measured in.1 2\r\nhi\r\n");
    const line = (await responder.readLine()).split(" ");
    expect(line[3]).toMatch(/\.T$/);
    await responder.readLine();
    await new Promise((resolve) => setTimeout(resolve, 20));
    responder.send(`PUB ${line[3]} 2\r\nok\r\n`);
    await requester.readUntil("ok\r\n");
    await listener.readLine();
    const sample = JSON.parse(await listener.readLine()) as Json;
    expect(sample).toMatchObject({
      type: "io.nats.server.metric.v1.service_latency",
      status: 200,
      requestor: { acc: "C" },
      responder: { acc: "B", user: "b", name: "svc", server: far === a2 ? "a2" : "b1" },
    });
    const rttOf = (part: unknown) => Number((part as Json).rtt ?? 0);
    const service = Number(sample.service);
    // What the ways of a busy machine take is left out of it, all of it maybe.
    expect(service).toBeGreaterThanOrEqual(0);
    expect(service + rttOf(sample.requestor) + rttOf(sample.responder)).toBeGreaterThan(10e6);
    expect(Number(sample.total)).toBeGreaterThan(service);
    // A round trip that a busy machine made long was measured before, and may be longer than all of this.
    if (service > 0) expect(Number(sample.total)).toBeGreaterThan(service + rttOf(sample.responder) - 1);
    await listener.roundTrip();
    for (const client of [responder, listener, requester]) client.destroy();
  }
});

row("§8.54 §4.8 over a route, too, a chain names who asked first, as its last import lets it", async () => {
  const [responder, listener] = [await loginAs(a2, "b"), await loginAs(a1, "b")];
  const requester = await loginAs(a1, "e");
  await listen(responder, "measured");
  await listen(listener, "took");
  await untilReached(listener, responder, 10_000);
  requester.send("SUB in.1 1\r\nPUB front in.1 2\r\nhi\r\n");
  const { reply } = await readMessage(responder);
  await new Promise((resolve) => setTimeout(resolve, 20));
  responder.send(`PUB ${reply} 2\r\nok\r\n`);
  await requester.readUntil("ok\r\n");
  const { requestor } = JSON.parse((await readMessage(listener)).payload) as { requestor: Json };
  expect(requestor).toMatchObject({ acc: "E", user: "e", server: "a1" });
  expect(requestor).not.toHaveProperty("svc");
  for (const client of [responder, listener, requester]) client.destroy();
});
