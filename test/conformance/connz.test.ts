import { expect } from "bun:test";
import { until } from "../support/deadline.ts";
import type { RawClient } from "../support/raw_client.ts";
import { row, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

interface Connection {
  cid: number;
  [field: string]: unknown;
}

interface Connz {
  server_id: string;
  num_connections: number;
  total: number;
  offset: number;
  limit: number;
  connections: Connection[];
  [field: string]: unknown;
}

const server = sharedServer({ monitoring: true });

const cids = (page: Connz) => page.connections.map((connection) => connection.cid);

/** The connection's entry once `isDone` holds for it. */
async function entryOf(
  process: ServerProcess,
  client: RawClient,
  query: string,
  isDone: (entry: Connection) => boolean,
) {
  let entry: Connection | undefined;
  await until(
    async () => {
      entry = (await process.json<Connz>(`/connz?cid=${client.info.client_id}&${query}`)).connections[0];
      return entry !== undefined && isDone(entry);
    },
    () => `connection ${client.info.client_id} shows ${JSON.stringify(entry)}`,
  );
  return entry!;
}

row("§12.15 without clients: an empty list, limit 1024, keys in order", async () => {
  await using idle = await ServerProcess.start({ monitoring: true });
  const page = await idle.json<Connz>("/connz");
  expect(Object.keys(page)).toEqual([
    "server_id",
    "now",
    "num_connections",
    "total",
    "offset",
    "limit",
    "connections",
  ]);
  expect([page.num_connections, page.total, page.offset, page.limit, page.connections]).toEqual([
    0,
    0,
    0,
    1024,
    [],
  ]);
});

row("§3.4 the fields of a connection", async () => {
  const client = await server().connectAs({ name: "the name", lang: "ts", version: "1.2.3" });
  client.send("SUB foo.fields 1\r\nSUB bar q 2\r\nPUB foo.fields 5\r\nhello\r\nPUB none 3\r\nabc\r\n");
  await client.expect("MSG foo.fields 1 5\r\nhello\r\n");
  await client.roundTrip();
  const isSettled = (each: Connection) =>
    each.in_msgs === 2 && each.out_msgs === 1 && each.pending_bytes === 0;
  const entry = await entryOf(server(), client, "", isSettled);
  const wanted: Record<string, unknown> = {
    cid: client.info.client_id,
    kind: "Client",
    type: "nats",
    ip: "127.0.0.1",
    port: client.socket.localPort,
    pending_bytes: 0,
    in_msgs: 2,
    out_msgs: 1,
    in_bytes: 8,
    out_bytes: 5,
    subscriptions: 2,
    name: "the name",
    lang: "ts",
    version: "1.2.3",
  };
  for (const [key, value] of Object.entries(wanted)) expect([key, entry[key]]).toEqual([key, value]);
  for (const key of ["start", "last_activity"])
    expect(Number.isNaN(Date.parse(String(entry[key])))).toBe(false);
  for (const key of ["uptime", "idle"]) expect(String(entry[key])).toMatch(/^(\d+[ydhm])*\d+s$/);
  for (const key of [
    "stop",
    "reason",
    "tls_version",
    "authorized_user",
    "account",
    "subscriptions_list",
    "mqtt_client",
  ]) {
    expect([key, entry[key]]).toEqual([key, undefined]);
  }
  client.destroy();
});

row("§3.4 name, lang and version are left out when CONNECT has none", async () => {
  const client = await server().connectAs();
  const entry = await entryOf(server(), client, "", () => true);
  expect([entry.name, entry.lang, entry.version]).toEqual([undefined, undefined, undefined]);
  client.destroy();
});

row("§12.26 rtt is 0s before CONNECT and a duration right after", async () => {
  const client = await server().connect();
  expect((await entryOf(server(), client, "", () => true)).rtt).toBe("0s");
  await client.handshake();
  expect(String((await entryOf(server(), client, "", (each) => each.rtt !== "0s")).rtt)).toMatch(
    /^[\d.]+(µs|ms|s)$/,
  );
  client.destroy();
});

row("§12.52 no null and no string counter anywhere", async () => {
  const client = await server().connectAs({ name: "walk" });
  client.send("SUB a 1\r\nSUB b q 2\r\n");
  await client.roundTrip();
  for (const path of [
    "/connz?subs=detail&auth=1",
    "/connz?subs=1&state=all",
    "/connz?state=closed",
    "/varz",
    "/subsz?subs=1",
  ]) {
    const { body } = await server().http(path);
    expect([path, body.includes("null")]).toEqual([path, false]);
  }
  for (const entry of (await server().json<Connz>("/connz?state=all")).connections) {
    for (const key of [
      "cid",
      "port",
      "pending_bytes",
      "in_msgs",
      "out_msgs",
      "in_bytes",
      "out_bytes",
      "subscriptions",
    ]) {
      expect([key, typeof entry[key]]).toEqual([key, "number"]);
    }
  }
  client.destroy();
});

row("§3.1 subs=1 lists subjects, subs=detail more", async () => {
  const client = await server().connectAs();
  client.send("SUB l.a 1\r\nSUB l.* q 2\r\nUNSUB 2 10\r\nSUB l.> xyz\r\nPUB l.a 0\r\n\r\nPING\r\n");
  await client.readUntil("PONG\r\n");
  const list = await entryOf(server(), client, "subs=1", () => true);
  expect((list.subscriptions_list as string[]).sort()).toEqual(["l.*", "l.>", "l.a"]);
  expect(list.subscriptions_list_detail).toBe(undefined);
  const detail = await entryOf(server(), client, "subs=detail", () => true);
  const subscriptions = detail.subscriptions_list_detail as Record<string, unknown>[];
  expect(subscriptions.sort((a, b) => String(a.sid).localeCompare(String(b.sid)))).toEqual([
    { subject: "l.a", sid: "1", msgs: 1, cid: client.info.client_id },
    { subject: "l.*", qgroup: "q", sid: "2", msgs: 1, max: 10, cid: client.info.client_id },
    { subject: "l.>", sid: "xyz", msgs: 1, cid: client.info.client_id },
  ]);
  client.destroy();
});

row("§12.18 paging", async () => {
  await using paged = await ServerProcess.start({ monitoring: true });
  for (let index = 0; index < 7; index++) await paged.connectAs();
  const all = cids(await paged.json<Connz>("/connz"));
  expect(all).toEqual([...all].sort((a, b) => a - b));
  for (const [query, wanted, offset, limit] of [
    ["limit=3", all.slice(0, 3), 0, 3],
    ["limit=3&offset=3", all.slice(3, 6), 3, 3],
    ["limit=3&offset=6", all.slice(6), 6, 3],
    ["offset=5", all.slice(5), 5, 1024],
    ["offset=7", [], 7, 1024],
    ["offset=100&limit=2", [], 100, 2],
    ["offset=-3", all, 0, 1024],
    ["limit=0", all, 0, 1024],
    ["limit=-1", all, 0, 1024],
    ["limit=9223372036854775807&offset=2", all.slice(2), 2, undefined],
  ] as const) {
    const page = await paged.json<Connz>(`/connz?${query}`);
    expect([query, cids(page), page.total, page.num_connections]).toEqual([
      query,
      [...wanted],
      7,
      wanted.length,
    ]);
    expect([query, page.offset]).toEqual([query, offset]);
    if (limit !== undefined) expect([query, page.limit]).toEqual([query, limit]);
  }
});

row("§12.17 every sort option", async () => {
  await using sorted = await ServerProcess.start({ monitoring: true });
  // Three clients; the second does most, the third least.
  const [first, second, third] = [
    await sorted.connectAs(),
    await sorted.connectAs(),
    await sorted.connectAs(),
  ];
  third!.send("SUB z 1\r\nPUB z 1\r\na\r\n");
  await third!.expect("MSG z 1 1\r\na\r\n");
  first!.send("SUB x 1\r\nSUB y 2\r\nPUB x 3\r\nabc\r\nPUB x 3\r\nabc\r\n");
  await first!.expect("MSG x 1 3\r\nabc\r\n".repeat(2));
  second!.send("SUB u 1\r\nSUB v 2\r\nSUB w 3\r\nPUB u 9\r\n123456789\r\nPUB u 0\r\n\r\nPUB u 0\r\n\r\n");
  await second!.expect("MSG u 1 9\r\n123456789\r\nMSG u 1 0\r\n\r\nMSG u 1 0\r\n\r\n");
  const [a, b, c] = [first!.info.client_id, second!.info.client_id, third!.info.client_id];
  await until(
    async () => {
      const page = await sorted.json<Connz>("/connz");
      return page.connections.reduce((sum, each) => sum + Number(each.out_msgs), 0) === 6;
    },
    () => "not all six messages are counted",
  );
  for (const [sort, wanted] of [
    ["cid", [a, b, c]],
    ["start", [a, b, c]],
    ["subs", [b, a, c]],
    ["msgs_to", [b, a, c]],
    ["msgs_from", [b, a, c]],
    ["bytes_to", [b, a, c]],
    ["bytes_from", [b, a, c]],
    ["last", [b, a, c]],
    ["idle", [c, a, b]],
  ] as const) {
    expect([sort, cids(await sorted.json<Connz>(`/connz?sort=${sort}`))]).toEqual([sort, [...wanted]]);
  }
  for (const sort of ["pending", "uptime", "rtt"]) {
    const page = await sorted.json<Connz>(`/connz?sort=${sort}`);
    expect([sort, cids(page).sort((x, y) => x - y)]).toEqual([sort, [a, b, c]]);
  }
});

row("§12.17 uptime ascends: the youngest first", async () => {
  await using sorted = await ServerProcess.start({ monitoring: true });
  const old = await sorted.connectAs();
  await until(
    async () => (await sorted.json<Connz>("/connz")).connections[0]?.uptime !== "0s",
    () => "the first connection does not grow older",
  );
  const young = await sorted.connectAs();
  expect(cids(await sorted.json<Connz>("/connz?sort=uptime"))).toEqual([
    young.info.client_id,
    old.info.client_id,
  ]);
});

row("§12.19 cid with open, closed and all", async () => {
  const open = await server().connectAs();
  const closed = await server().connectAs();
  closed.end();
  await entryOf(server(), closed, "state=closed", () => true);
  const ask = async (query: string) => {
    const page = await server().json<Connz>(`/connz?${query}`);
    return [cids(page), page.limit];
  };
  expect(await ask(`cid=${open.info.client_id}`)).toEqual([[open.info.client_id], 1]);
  expect(await ask(`cid=${open.info.client_id}&state=all`)).toEqual([[open.info.client_id], 1]);
  expect(await ask(`cid=${open.info.client_id}&state=closed`)).toEqual([[], 1]);
  expect(await ask(`cid=${closed.info.client_id}`)).toEqual([[], 1]);
  expect(await ask(`cid=${closed.info.client_id}&state=CLOSED`)).toEqual([[closed.info.client_id], 1]);
  expect(await ask(`cid=${closed.info.client_id}&state=any`)).toEqual([[closed.info.client_id], 1]);
  expect(await ask("cid=99999999")).toEqual([[], 1]);
  open.destroy();
});

row("§12.20 a closed entry keeps its subscriptions, has stop and reason", async () => {
  const client = await server().connectAs({ name: "leaving" });
  client.send("SUB gone.a 1\r\nUNSUB 1 5\r\nSUB gone.b q 2\r\n");
  await client.roundTrip();
  client.end();
  const entry = await entryOf(server(), client, "state=closed&subs=detail", () => true);
  expect([entry.reason, entry.name, entry.subscriptions]).toEqual(["Client Closed", "leaving", 2]);
  expect(Number.isNaN(Date.parse(String(entry.stop)))).toBe(false);
  const details = entry.subscriptions_list_detail as { subject: string; max?: number }[];
  expect(details.map(({ subject }) => subject).sort()).toEqual(["gone.a", "gone.b"]);
  expect(details.map(({ max }) => max)).toEqual([undefined, undefined]);
});

row("§12.20 closed connections sort by stop and reason, and do not count as open", async () => {
  await using fresh = await ServerProcess.start({ monitoring: true });
  const first = await fresh.connectAs();
  const second = await fresh.connectAs();
  await fresh.connectAs();
  second.send("BOOM\r\n");
  await second.readToEnd();
  await entryOf(fresh, second, "state=closed", () => true);
  first.end();
  await entryOf(fresh, first, "state=closed", () => true);
  const [a, b] = [first.info.client_id, second.info.client_id];
  expect(cids(await fresh.json<Connz>("/connz?state=closed&sort=stop"))).toEqual([a, b]);
  expect(cids(await fresh.json<Connz>("/connz?state=closed&sort=reason"))).toEqual([a, b]);
  const [open, closed, all] = await Promise.all(
    ["open", "closed", "all"].map((state) => fresh.json<Connz>(`/connz?state=${state}`)),
  );
  expect([open!.total, closed!.total, all!.total]).toEqual([1, 2, 3]);
});

row("§12.20 of many that have closed all are there, and each is open or closed", async () => {
  await using fresh = await ServerProcess.start({ monitoring: true });
  const clients = await Promise.all(Array.from({ length: 150 }, () => fresh.connectAs()));
  const ids = clients.map(({ info }) => info.client_id).sort((a, b) => a - b);
  for (const client of clients.slice(0, 100)) client.end();
  let closed = 0;
  await until(
    async () => {
      closed = (await fresh.json<Connz>("/connz?state=closed")).total;
      return closed === 100;
    },
    () => `of 100 that have closed ${closed} are there`,
  );
  expect(cids(await fresh.json<Connz>("/connz?state=all"))).toEqual(ids);
  for (const client of clients) client.destroy();
});

row("§12.21 sockets that never sent CONNECT are kept among the closed", async () => {
  const client = await server().connect();
  client.end();
  expect((await entryOf(server(), client, "state=closed", () => true)).reason).toBe("Client Closed");
});

row(
  "§12.24 acc and user filters without users: $G has everyone, an unknown account an empty page",
  async () => {
    const client = await server().connectAs();
    const mine = await server().json<Connz>("/connz?acc=$G");
    expect(cids(mine)).toContain(client.info.client_id);
    const unknown = await server().json<Record<string, unknown>>("/connz?acc=nobody");
    expect([unknown.server_id, unknown.connections, unknown.total, unknown.num_connections]).toEqual([
      "",
      null,
      0,
      0,
    ]);
    const user = await server().json<Connz>("/connz?user=nobody");
    expect(user.connections).toEqual([]);
    expect(user.total).toBeGreaterThan(0);
    client.destroy();
  },
);

row("§12.22 auth=1 leaves the account $G out", async () => {
  const client = await server().connectAs();
  const entry = await entryOf(server(), client, "auth=1", () => true);
  expect([entry.account, entry.authorized_user]).toEqual([undefined, undefined]);
  client.destroy();
});

row("§3.4 last_activity and idle: a PING is no activity, a message is", async () => {
  const client = await server().connectAs();
  const before = await entryOf(server(), client, "", () => true);
  await client.roundTrip();
  expect((await entryOf(server(), client, "", () => true)).last_activity).toBe(before.last_activity);
  client.send("PUB x 0\r\n\r\n");
  await client.roundTrip();
  await entryOf(server(), client, "", (each) => each.last_activity !== before.last_activity);
  client.destroy();
});

row("§3.4 last_activity of a subscriber: what is delivered to it counts, a PONG does not", async () => {
  const client = await server().connectAs();
  const publisher = await server().connectAs();
  client.send("SUB active 1\r\n");
  await client.roundTrip();
  const before = (await entryOf(server(), client, "", () => true)).last_activity;
  await client.roundTrip();
  expect((await entryOf(server(), client, "", () => true)).last_activity).toBe(before);
  publisher.send("PUB active 0\r\n\r\n");
  await client.expect("MSG active 1 0\r\n\r\n");
  const { last_activity } = await entryOf(server(), client, "", (each) => each.last_activity !== before);
  expect(Date.parse(String(last_activity))).toBeGreaterThanOrEqual(Date.parse(String(before)));
  expect((await entryOf(server(), client, "", () => true)).last_activity).toBe(last_activity);
  for (const each of [client, publisher]) each.destroy();
});

row("§12.26 rtt is known of a client whose CONNECT cannot be read", async () => {
  const client = await server().connect();
  client.send("CONNECT {no\r\n");
  await client.readToEnd();
  const entry = await entryOf(server(), client, "state=closed", () => true);
  expect(entry.rtt).not.toBe("0s");
});
