import { expect } from "bun:test";
import { row, sharedServer } from "../support/row.ts";

const server = sharedServer({ monitoring: true });

interface Subsz {
  total: number;
  offset: number;
  limit: number;
  subscriptions_list?: Record<string, unknown>[];
  [field: string]: unknown;
}

const STATISTICS = [
  "num_subscriptions",
  "num_cache",
  "num_inserts",
  "num_removes",
  "num_matches",
  "cache_hit_rate",
  "max_fanout",
  "avg_fanout",
];

const subjects = (page: Subsz) => (page.subscriptions_list ?? []).map((each) => each.subject).sort();

row("§12.31 without subs: the whole envelope, no list, total 0", async () => {
  const page = await server().json<Subsz>("/subsz");
  expect(Object.keys(page)).toEqual(["server_id", "now", ...STATISTICS, "total", "offset", "limit"]);
  for (const key of STATISTICS) expect([key, typeof page[key]]).toEqual([key, "number"]);
  expect([page.total, page.offset, page.limit]).toEqual([0, 0, 1024]);
});

row("§12.31 subs=1 lists subscriptions with their fields", async () => {
  const client = await server().connectAs();
  client.send("SUB list.a 1\r\nSUB list.* q xyz\r\nUNSUB xyz 5\r\nPUB list.a 0\r\n\r\nPING\r\n");
  await client.readUntil("PONG\r\n");
  const page = await server().json<Subsz>("/subsz?subs=1&acc=$G&test=list.a");
  const mine = page.subscriptions_list!.filter((each) => each.cid === client.info.client_id);
  expect(mine.sort((a, b) => String(a.sid).localeCompare(String(b.sid)))).toEqual([
    { account: "$G", account_tag: "$G", subject: "list.a", sid: "1", msgs: 1, cid: client.info.client_id },
    {
      account: "$G",
      account_tag: "$G",
      subject: "list.*",
      qgroup: "q",
      sid: "xyz",
      msgs: 1,
      max: 5,
      cid: client.info.client_id,
    },
  ]);
  client.destroy();
});

row("§12.31 test lists only what would match", async () => {
  const client = await server().connectAs();
  client.send("SUB t.foo.bar 1\r\nSUB t.foo.* 2\r\nSUB t.> 3\r\nSUB t.other 4\r\n");
  await client.roundTrip();
  expect(subjects(await server().json<Subsz>("/subsz?subs=1&test=t.foo.bar"))).toEqual([
    "t.>",
    "t.foo.*",
    "t.foo.bar",
  ]);
  expect(subjects(await server().json<Subsz>("/subsz?subs=1&test=t.other"))).toEqual(["t.>", "t.other"]);
  expect((await server().json<Subsz>("/subsz?subs=1&test=t.foo.bar")).total).toBe(3);
  client.destroy();
});

row("§12.31 paging: total counts all matches, an offset beyond it leaves the list out", async () => {
  const client = await server().connectAs();
  for (let sid = 0; sid < 5; sid++) client.send(`SUB page.x ${sid}\r\n`);
  await client.roundTrip();
  const page = await server().json<Subsz>("/subsz?subs=1&test=page.x&limit=2");
  expect([page.subscriptions_list!.length, page.total, page.limit]).toEqual([2, 5, 2]);
  const last = await server().json<Subsz>("/subsz?subs=1&test=page.x&limit=2&offset=4");
  expect([last.subscriptions_list!.length, last.total, last.offset]).toEqual([1, 5, 4]);
  const beyond = await server().json<Subsz>("/subsz?subs=1&test=page.x&offset=5");
  expect([beyond.subscriptions_list, beyond.total]).toEqual([undefined, 5]);
  client.destroy();
});

row("§12.31 num_subscriptions, inserts and removes follow SUB and UNSUB", async () => {
  const read = async () => await server().json<Record<string, number>>("/subsz?acc=$G");
  const client = await server().connectAs();
  const before = await read();
  client.send("SUB n.a 1\r\nSUB n.b 2\r\nSUB n.c q 3\r\n");
  await client.roundTrip();
  const during = await read();
  expect(during.num_inserts! - before.num_inserts!).toBe(3);
  client.send("UNSUB 1\r\nUNSUB 2\r\nUNSUB 3\r\n");
  await client.roundTrip();
  const after = await read();
  expect(after.num_removes! - during.num_removes!).toBeGreaterThan(2);
  expect(after.num_inserts).toBe(during.num_inserts!);
  client.destroy();
});

row("§12.31 an unknown account has zeros", async () => {
  const page = await server().json<Subsz>("/subsz?acc=nobody");
  for (const key of STATISTICS) expect([key, page[key]]).toEqual([key, 0]);
});

row("§12.9 /subscriptionsz is the same page", async () => {
  expect(Object.keys(await server().json<Subsz>("/subscriptionsz"))).toEqual(
    Object.keys(await server().json<Subsz>("/subsz")),
  );
});
