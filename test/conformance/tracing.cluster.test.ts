import { expect } from "bun:test";
import { account, login, subscribe } from "../support/account_config.ts";
import { type Kind, kindOf, linkAddress, Servers, untilReached } from "../support/links.ts";
import { headerValues, readMessage } from "../support/message.ts";
import type { RawClient } from "../support/raw_client.ts";
import { row } from "../support/row.ts";
import { type Role, ServerProcess } from "../support/server_process.ts";
import { headed, inOrder, readTrace, sortedEvents, type Trace } from "../support/tracing.ts";

// What asks to be traced on its way over routes, gateways and leaf nodes: each server tells its part.

const DEST = "Nats-Trace-Dest: traces";
const ONLY = "Nats-Trace-Only: true";
const [ROUTE, GATEWAY, LEAF] = [1, 2, 4] as const;

interface Member {
  readonly role?: Role;
  readonly name: string;
  readonly body: string;
}

const startIn =
  (servers: Servers) =>
  ({ role = "server", name, body }: Member) =>
    servers.start({ role, config: `server_name: ${name}\n${body}` });

const cluster = (name: string, route = "") =>
  `cluster { name: ${name}, listen: "127.0.0.1:-1", ${route === "" ? "" : `routes: [ "nats://${route}" ]`} }`;

const hub = `leafnodes { listen: "127.0.0.1:-1" }`;
const leafOf = (address: string) => `leafnodes { remotes: [ { url: "nats-leaf://${address}" } ] }`;

let peerKind: Promise<Kind> | undefined;

/** Which server the others of a row are. */
function kindOfPeers(): Promise<Kind> {
  peerKind ??= ServerProcess.start({ role: "peer" }).then(async (peer) => {
    try {
      return await kindOf(peer);
    } finally {
      await peer.stop();
    }
  });
  return peerKind;
}

/** A row for servers that all know of traces: beside an old one there is nothing to see. */
function rowOfAll(name: string, body: () => Promise<void>): void {
  row(name, async () => {
    if (!(await kindOfPeers()).isOld) await body();
  });
}

/** Takes the traces of these servers, in this order. */
async function readTraces(tracer: RawClient, ...names: string[]): Promise<Trace[]> {
  const traces: Trace[] = [];
  for (const _ of names) traces.push(await readTrace(tracer));
  expect(traces.map(({ server }) => server.name).sort()).toEqual([...names].sort());
  return names.map((name) => traces.find(({ server }) => server.name === name)!);
}

const hopsOf = ({ hops, request }: Trace) => [hops, request.header["Nats-Trace-Hop"]];
const leaving = ({ events }: Trace) => events.slice(1).map(({ cid: _, ...event }) => event);
const arriving = ({ events }: Trace) => {
  const { cid: _, ...event } = events[0]!;
  return event;
};

/** A publisher that takes traces as well, on one server, and a subscriber to `a.>` on another, both reached. */
async function pair(
  from: ServerProcess,
  to: ServerProcess,
): Promise<readonly [publisher: RawClient, subscriber: RawClient]> {
  const publisher = await from.connectAs({ name: "pub" });
  const subscriber = await to.connectAs({ name: "sub" });
  await subscribe(publisher, "traces");
  await subscribe(subscriber, "a.>");
  await untilReached(publisher, subscriber);
  await untilReached(subscriber, publisher);
  return [publisher, subscriber];
}

const egress = (kind: number, name: string, hop: string) => ({ type: "eg", kind, name, hop });
const way = { type: "eg", hop: "1" };
const taken = { type: "eg", kind: 0, name: "sub", sub: "a.>" };
const ingress = (kind: number, name: string) => ({ type: "in", kind, name, acc: "$G", subj: "a.b" });

interface Link {
  readonly kind: number;
  readonly names: readonly [from: string, to: string];
}

/** Publishes to `a.b` on the first server, once to be traced and delivered, once to be traced only; both tell. */
async function expectBothTell(from: ServerProcess, to: ServerProcess, { kind, names }: Link): Promise<void> {
  const [publisher, subscriber] = await pair(from, to);
  for (const headers of [[DEST], [DEST, ONLY]]) {
    publisher.send(headed("a.b", headers));
    const [first, second] = await readTraces(publisher, ...names);
    expect([arriving(first!), ...leaving(first!)]).toEqual([
      ingress(0, "pub"),
      { ...way, kind, name: names[1] },
    ]);
    expect([arriving(second!), ...leaving(second!)]).toEqual([ingress(kind, names[0]), taken]);
    expect([hopsOf(first!), hopsOf(second!)]).toEqual([
      [1, undefined],
      [undefined, ["1"]],
    ]);
  }
  expect(headerValues(await readMessage(subscriber), "Nats-Trace-Hop")).toEqual(["1"]);
  await subscriber.roundTrip();
}

for (const [role, other, direction] of [
  ["server", "peer", "from here"],
  ["peer", "server", "from there"],
] as const) {
  rowOfAll(`§19 over a route both servers tell, ${direction}`, async () => {
    await using servers = new Servers();
    const start = startIn(servers);
    const a = await start({ role, name: "A", body: cluster("C") });
    const b = await start({ role: other, name: "B", body: cluster("C", await linkAddress(a, "route")) });
    await expectBothTell(a, b, { kind: ROUTE, names: ["A", "B"] });
  });

  rowOfAll(`§19 over a gateway both servers tell, ${direction}`, async () => {
    await using servers = new Servers();
    const start = startIn(servers);
    const a = await start({ role, name: "A", body: `gateway { name: GA, listen: "127.0.0.1:-1" }` });
    const others = `gateways: [ { name: GA, url: "nats://${await linkAddress(a, "gateways")}" } ]`;
    const body = `gateway { name: GB, listen: "127.0.0.1:-1", ${others} }`;
    const b = await start({ role: other, name: "B", body });
    await expectBothTell(a, b, { kind: GATEWAY, names: ["A", "B"] });
  });

  rowOfAll(`§19 down to a leaf node both servers tell, ${direction}`, async () => {
    await using servers = new Servers();
    const start = startIn(servers);
    const h = await start({ role, name: "H", body: hub });
    const l = await start({ role: other, name: "L", body: leafOf(await linkAddress(h, "leafnode")) });
    await expectBothTell(h, l, { kind: LEAF, names: ["H", "L"] });
  });

  rowOfAll(`§19 up a leaf node both servers tell, ${direction}`, async () => {
    await using servers = new Servers();
    const start = startIn(servers);
    const h = await start({ role: other, name: "H", body: hub });
    const l = await start({ role, name: "L", body: leafOf(await linkAddress(h, "leafnode")) });
    await expectBothTell(l, h, { kind: LEAF, names: ["L", "H"] });
  });
}

rowOfAll("§19 each way that a message takes has a hop of its own", async () => {
  await using servers = new Servers();
  const start = startIn(servers);
  const a = await start({ name: "A", body: `${cluster("C")}\n${hub}` });
  const b = await start({
    role: "peer",
    name: "B",
    body: `${cluster("C", await linkAddress(a, "route"))}\n${hub}`,
  });
  const l = await start({ role: "peer", name: "L", body: leafOf(await linkAddress(a, "leafnode")) });
  const m = await start({ name: "M", body: leafOf(await linkAddress(b, "leafnode")) });
  const publisher = await a.connectAs({ name: "pub" });
  await subscribe(publisher, "traces");
  const subscribers: RawClient[] = [];
  for (const server of [b, l, m]) {
    const subscriber = await server.connectAs({ name: "sub" });
    await subscribe(subscriber, "a.>");
    await untilReached(publisher, subscriber);
    await untilReached(subscriber, publisher);
    subscribers.push(subscriber);
  }
  publisher.send(headed("a.b", [DEST]));
  const [ofA, ofB, ofL, ofM] = await readTraces(publisher, "A", "B", "L", "M");
  const ways = leaving(ofA!).map(({ name, hop }) => [name, hop]);
  expect(ways.map(([name]) => name).sort()).toEqual(["B", "L"]);
  expect(ways.map(([, hop]) => hop).sort()).toEqual(["1", "2"]);
  const hopOf = (name: string) => ways.find(([each]) => each === name)![1] as string;
  expect(hopsOf(ofA!)).toEqual([2, undefined]);
  expect(hopsOf(ofB!)).toEqual([1, [hopOf("B")]]);
  expect(hopsOf(ofL!)).toEqual([undefined, [hopOf("L")]]);
  expect(hopsOf(ofM!)).toEqual([undefined, [`${hopOf("B")}.1`]]);
  expect(sortedEvents({ ...ofB!, events: [{}, ...leaving(ofB!)] })).toEqual(
    inOrder({}, taken, egress(LEAF, "M", `${hopOf("B")}.1`)),
  );
  for (const subscriber of subscribers) {
    expect((await readMessage(subscriber)).payload).toBe("hi");
    await subscriber.roundTrip();
  }
});

rowOfAll("§19 a client's own hop counts for nothing", async () => {
  await using servers = new Servers();
  const start = startIn(servers);
  const a = await start({ name: "A", body: cluster("C") });
  const b = await start({ role: "peer", name: "B", body: cluster("C", await linkAddress(a, "route")) });
  const [publisher] = await pair(a, b);
  publisher.send(headed("a.b", [DEST, "Nats-Trace-Hop: 7.7"]));
  const [first, second] = await readTraces(publisher, "A", "B");
  expect(hopsOf(first!)).toEqual([1, ["7.7"]]);
  expect(hopsOf(second!)).toEqual([undefined, ["1"]]);
});

rowOfAll("§19 a queue group is traced to the server that serves it", async () => {
  await using servers = new Servers();
  const start = startIn(servers);
  const a = await start({ name: "A", body: cluster("C") });
  const b = await start({ role: "peer", name: "B", body: cluster("C", await linkAddress(a, "route")) });
  const [publisher, subscriber] = await pair(a, b);
  subscriber.send("SUB q.> workers 7\r\n");
  await untilReached(publisher, subscriber);
  publisher.send(headed("q.1", [DEST]));
  const [first, second] = await readTraces(publisher, "A", "B");
  expect(leaving(first!)).toEqual([egress(ROUTE, "B", "1")]);
  expect(leaving(second!)).toEqual([{ type: "eg", kind: 0, name: "sub", sub: "q.>", queue: "workers" }]);
  expect((await readMessage(subscriber)).sid).toBe("7");
});

rowOfAll(
  "§19 an account's destination is told by each server, whatever the sampling further on",
  async () => {
    await using servers = new Servers();
    const start = startIn(servers);
    const accounts = (sampling: number) =>
      `accounts { ${account("A", `msg_trace: { dest: traces, sampling: ${sampling} }`)} }`;
    const a = await start({ name: "A", body: `${cluster("C")}\n${accounts(100)}` });
    const b = await start({
      role: "peer",
      name: "B",
      body: `${cluster("C", await linkAddress(a, "route"))}\n${accounts(1)}`,
    });
    const publisher = await login(a, "A");
    const subscriber = await login(b, "A");
    await subscribe(publisher, "traces");
    await subscribe(subscriber, "a.>");
    await untilReached(publisher, subscriber);
    await untilReached(subscriber, publisher);
    for (let i = 0; i < 3; i++) {
      publisher.send(headed("a.b", ["traceparent: 00-1-2-01"]));
      const traces = await readTraces(publisher, "A", "B");
      expect(traces.map(({ events }) => events.length)).toEqual([2, 2]);
    }
  },
);

rowOfAll("§19 traces of a service on another server come back to who asked", async () => {
  await using servers = new Servers();
  const start = startIn(servers);
  const accounts = `accounts {
    ${account("EXP", "exports: [ { service: svc, allow_trace: true } ]")}
    ${account("IMP", "imports: [ { service: { account: EXP, subject: svc }, to: my.svc } ]")}
  }`;
  const a = await start({ name: "A", body: `${cluster("C")}\n${accounts}` });
  const b = await start({
    role: "peer",
    name: "B",
    body: `${cluster("C", await linkAddress(a, "route"))}\n${accounts}`,
  });
  const requester = await login(a, "IMP");
  const responder = await login(b, "EXP");
  const nearby = await login(a, "EXP");
  await subscribe(requester, "traces", "in");
  await subscribe(responder, "svc");
  await untilReached(nearby, responder);
  await untilReached(responder, nearby);
  requester.send(headed("my.svc in", [DEST]));
  const [first, second] = await readTraces(requester, "A", "B");
  expect(leaving(first!)).toEqual([
    { type: "si", acc: "EXP", from: "my.svc", to: "svc" },
    egress(ROUTE, "B", "1"),
  ]);
  expect(arriving(second!)).toEqual({ type: "in", kind: ROUTE, name: "A", acc: "EXP", subj: "svc" });
  expect(leaving(second!)).toEqual([{ type: "eg", kind: 0, sub: "svc" }]);
  const message = await readMessage(responder);
  expect(headerValues(message, "Nats-Trace-Dest")[0]).toMatch(/^_R_\./);
  responder.send(`PUB ${message.reply} 2\r\nok\r\n`);
  expect((await readMessage(requester)).payload).toBe("ok");
});

row("§19 a server that knows of no traces gets the message, and not what is only to be traced", async () => {
  if (!(await kindOfPeers()).isOld) return;
  await using servers = new Servers();
  const start = startIn(servers);
  const a = await start({ name: "A", body: cluster("C") });
  const b = await start({ role: "peer", name: "B", body: cluster("C", await linkAddress(a, "route")) });
  const [publisher, subscriber] = await pair(a, b);
  publisher.send(headed("a.b", [DEST, ONLY]), headed("a.b", [DEST]));
  const withError = (error: string) => [{ ...egress(ROUTE, "B", "1"), error }];
  expect(leaving(await readTrace(publisher))).toEqual(
    withError("Not delivered because remote does not support message tracing"),
  );
  expect(leaving(await readTrace(publisher))).toEqual(
    withError(
      "Message delivered but remote does not support message tracing so no trace event generated from there",
    ),
  );
  expect((await readMessage(subscriber)).payload).toBe("hi");
  await subscriber.roundTrip();
});

/** A hub, where user A is of the account of a leaf node with these permissions. */
async function hubAndLeaf(
  servers: Servers,
  permissions: string,
): Promise<[hub: ServerProcess, leaf: ServerProcess]> {
  const start = startIn(servers);
  const h = await start({
    name: "H",
    body: `
      accounts { A { users: [ { user: A, password: p }, { user: leaf, password: p, permissions: ${permissions} } ] } }
      ${hub}
    `,
  });
  const address = await linkAddress(h, "leafnode");
  return [h, await start({ role: "peer", name: "L", body: leafOf(`leaf:p@${address}`) })];
}

rowOfAll("§19 a leaf node that may not have a message is told of", async () => {
  await using servers = new Servers();
  const [h, l] = await hubAndLeaf(servers, "{ subscribe: { deny: [ a.no ] } }");
  const publisher = await login(h, "A");
  const subscriber = await l.connectAs({ name: "sub" });
  await subscribe(publisher, "traces");
  await subscribe(subscriber, "a.>");
  await untilReached(publisher, subscriber);
  publisher.send(headed("a.no", [DEST]));
  expect(leaving(await readTrace(publisher))).toEqual([
    {
      ...egress(LEAF, "L", "1"),
      error: "Not delivered because subscription denies this subject",
    },
  ]);
  await subscriber.roundTrip();
});

rowOfAll("§19 a leaf node traces to no destination that it could not publish to", async () => {
  await using servers = new Servers();
  const [h, l] = await hubAndLeaf(servers, "{ publish: { deny: [ traces ] } }");
  const subscriber = await login(h, "A");
  const publisher = await l.connectAs({ name: "pub" });
  await subscribe(subscriber, "traces", "a.>");
  await untilReached(publisher, subscriber);
  publisher.send(headed("a.b", [DEST]), headed("a.c", []));
  expect((await readMessage(subscriber)).subject).toBe("a.c");
  await h.waitForLog(/Publish Violation - Subject "traces"/);
});
