import { expect } from "bun:test";
import { account, login, loginAll, settle, subscribe } from "../support/account_config.ts";
import { until } from "../support/deadline.ts";
import { readMessage } from "../support/message.ts";
import { row, sharedServer } from "../support/row.ts";

const server = sharedServer({
  monitoring: true,
  config: `
    server_name: S1
    accounts {
      ${account(
        "A",
        `mappings {
          half: { destination: half.mapped, weight: "40%" }
          m.x: m.y
          cl: [ { destination: z, weight: 50, cluster: C1 }, { destination: q, weight: 30 }, { destination: r, weight: 30 } ]
        }
        exports: [
          { service: svc, latency: lat }
          { service: many, response: stream, accounts: [B] }
          { service: pieces, response: chunked }
          { service: "acc.*", account_token_position: 2 }
          { stream: "pub.>" }
          { stream: private, accounts: [B, C] }
        ]`,
      )}
      ${account(
        "B",
        `imports: [
          { service: { account: A, subject: svc }, to: one }
          { service: { account: A, subject: many }, share: true }
          { service: { account: A, subject: acc.B } }
          { stream: { account: A, subject: "pub.>" }, prefix: from.a }
          { stream: { account: A, subject: private } }
        ]`,
      )}
      ${account("C")}
      ${account("QUIET")}
      ${account("STATS", `exports: [ { stream: "counted.>" } ]`)}
    }
  `,
});

type Json = Record<string, unknown>;

interface Detail extends Json {
  exports?: Json[];
  imports?: Json[];
  mappings?: Record<string, Json[]>;
  responses?: Record<string, Json>;
  subscriptions: number;
  client_connections: number;
}

async function detailOf(name: string): Promise<Detail> {
  return (await server().json<{ account_detail: Detail }>(`/accountz?acc=${name}`)).account_detail;
}

const byKey = (key: string) => (a: Json, b: Json) => (String(a[key]) < String(b[key]) ? -1 : 1);

/** What every account imports from the system account. */
function systemImports(name: string): Json[] {
  return [
    [`$SYS.REQ.ACCOUNT.${name}.CONNZ`, "$SYS.REQ.ACCOUNT.PING.CONNZ", false],
    [`$SYS.REQ.ACCOUNT.${name}.STATZ`, "$SYS.REQ.ACCOUNT.PING.STATZ", false],
    [`$SYS.REQ.ACCOUNT.${name}.CONNZ`, "$SYS.REQ.SERVER.PING.CONNZ", false],
    [`$SYS.REQ.USER.${name}.INFO`, "$SYS.REQ.USER.INFO", true],
  ].map(([subject, to, share]) => ({
    subject,
    account: "$SYS",
    to,
    local_subject: to,
    type: "service",
    invalid: false,
    share,
    tracking: false,
  }));
}

row("§12.32 accountz lists the accounts and the system account", async () => {
  const page = await server().json<{ accounts: string[] }>("/accountz");
  expect(Object.keys(page)).toEqual(["server_id", "now", "system_account", "accounts"]);
  expect(page.accounts.sort()).toEqual(["$G", "$SYS", "A", "B", "C", "QUIET", "STATS"]);
});

row("§12.32 accountz of an account that does not exist is 400", async () => {
  const response = await server().http("/accountz?acc=nope");
  expect([response.status, response.body]).toEqual([400, "Account nope does not exist"]);
  expect(response.headers.get("content-type")).toBe("text/plain; charset=utf-8");
});

row("§12.32 accountz of an account without anything", async () => {
  const page = await server().json<{ account_detail: Detail }>("/accountz?acc=QUIET");
  expect(Object.keys(page)).toEqual(["server_id", "now", "system_account", "account_detail"]);
  const detail = page.account_detail;
  expect(Object.keys(detail)).toEqual([
    ...["account_name", "update_time", "expired", "complete", "jetstream_enabled", "leafnode_connections"],
    ...["client_connections", "subscriptions", "imports", "name_tag", "sublist_stats"],
  ]);
  expect(detail).toMatchObject({
    account_name: "QUIET",
    expired: false,
    complete: true,
    jetstream_enabled: false,
    leafnode_connections: 0,
    client_connections: 0,
    name_tag: "QUIET",
  });
  expect(detail.imports!.sort(byKey("local_subject"))).toEqual(systemImports("QUIET"));
  expect(Number.isNaN(Date.parse(String(detail.update_time)))).toBe(false);
});

row("§8.1 accountz: mappings with cumulative weights, the rest as the source itself", async () => {
  const { mappings } = await detailOf("A");
  expect(mappings).toEqual({
    cl: [
      { subject: "q", weight: 30 },
      { subject: "r", weight: 60 },
      { subject: "cl", weight: 100 },
      { subject: "z", weight: 50, cluster: "C1" },
      { subject: "cl", weight: 100, cluster: "C1" },
    ],
    half: [
      { subject: "half.mapped", weight: 40 },
      { subject: "half", weight: 100 },
    ],
    "m.x": [{ subject: "m.y", weight: 100 }],
  });
});

row("§8.1 accountz: exports", async () => {
  const exports = (await detailOf("A")).exports!;
  for (const each of exports) (each.approved_accounts as string[] | undefined)?.sort();
  expect(exports.sort(byKey("subject"))).toEqual([
    { subject: "acc.*", type: "service", response_type: "Singleton" },
    { subject: "many", type: "service", response_type: "Streamed", approved_accounts: ["B"] },
    { subject: "pieces", type: "service", response_type: "Chunked" },
    { subject: "private", type: "stream", approved_accounts: ["B", "C"] },
    { subject: "pub.>", type: "stream" },
    {
      subject: "svc",
      type: "service",
      response_type: "Singleton",
      service_latency: { sampling: 100, results: "lat" },
    },
  ]);
});

row("§12.32 accountz: imports name the exporter's subject and the local one", async () => {
  const imports = (await detailOf("B")).imports!.filter((each) => each.account !== "$SYS");
  const common = { account: "A", invalid: false, tracking: false };
  expect(imports.sort(byKey("local_subject"))).toEqual([
    { subject: "acc.B", to: "acc.B", local_subject: "acc.B", type: "service", share: false, ...common },
    { subject: "pub.>", local_subject: "from.a.pub.>", type: "stream", share: false, ...common },
    { subject: "many", to: "many", local_subject: "many", type: "service", share: true, ...common },
    {
      subject: "svc",
      to: "one",
      local_subject: "one",
      type: "service",
      share: false,
      latency: { sampling: 100, results: "lat" },
      ...common,
    },
    { subject: "private", local_subject: "private", type: "stream", share: false, ...common },
  ]);
});

row("§4.9 accountz: every account but the system account has the four implicit imports, $G too", async () => {
  for (const name of ["A", "B", "C", "$G"]) {
    const imports = (await detailOf(name)).imports!.filter((each) => each.account === "$SYS");
    expect(imports.sort(byKey("local_subject"))).toEqual(systemImports(name));
  }
});

row("§4.9 accountz of the system account: what it exports without being told", async () => {
  const detail = await detailOf("$SYS");
  expect(detail.is_system).toBe(true);
  expect(detail.exports!.sort(byKey("subject"))).toEqual([
    { subject: "$SYS.DEBUG.SUBSCRIBERS", type: "service", response_type: "Singleton" },
    { subject: "$SYS.REQ.ACCOUNT.*.CONNZ", type: "service", response_type: "Streamed" },
    { subject: "$SYS.REQ.ACCOUNT.*.STATZ", type: "service", response_type: "Streamed" },
    { subject: "$SYS.REQ.USER.*.INFO", type: "service", response_type: "Singleton" },
  ]);
});

row("§8.1 accountz counts connections and subscriptions of the account", async () => {
  const before = await detailOf("C");
  const clients = await loginAll(server(), "C", "C");
  for (const client of clients) await subscribe(client, "a", "b.*", ">");
  const during = await detailOf("C");
  expect([during.client_connections, during.subscriptions]).toEqual([
    before.client_connections + 2,
    before.subscriptions + 6,
  ]);
  for (const client of clients) client.destroy();
  await until(
    async () => (await detailOf("C")).subscriptions === before.subscriptions,
    () => "the subscriptions are still counted",
  );
});

row("§8.1 accountz shows a response that is due, until it has come", async () => {
  const [responder, requester] = await loginAll(server(), "A", "B");
  await subscribe(responder!, "svc");
  await subscribe(requester!, "in.>");
  requester!.send("PUB one in.1 2\r\nhi\r\n");
  const { reply } = await readMessage(responder!);
  expect((await detailOf("A")).responses).toEqual({
    [reply]: {
      subject: "in.1",
      account: "B",
      to: reply,
      local_subject: reply,
      type: 2,
      invalid: false,
      share: false,
      tracking: true,
      latency: { sampling: 100, results: "lat" },
    },
  });
  responder!.send(`PUB ${reply} 2\r\nok\r\n`);
  await requester!.expect("MSG in.1 1 2\r\nok\r\n");
  await until(
    async () => (await detailOf("A")).responses === undefined,
    () => "the response is still listed",
  );
  for (const client of [responder!, requester!]) client.destroy();
});

row("§8.1 §4.5 a response goes when the requester's interest does, and nothing is left", async () => {
  const [responder, requester] = await loginAll(server(), "A", "B");
  await subscribe(responder!, "many");
  await subscribe(requester!, "in.>");
  for (let index = 0; index < 20; index++) requester!.send(`PUB many in.${index} 2\r\nhi\r\n`);
  for (let index = 0; index < 20; index++) await readMessage(responder!);
  expect(Object.keys((await detailOf("A")).responses!)).toHaveLength(20);
  requester!.end();
  await requester!.expectClosed();
  await until(
    async () => (await detailOf("A")).responses === undefined,
    () => "responses are still listed",
  );
  responder!.destroy();
});

interface AccountStatz extends Json {
  acc: string;
  sent: Json & { msgs: number };
}

async function statzOf(query = ""): Promise<AccountStatz[]> {
  return (await server().json<{ account_statz: AccountStatz[] }>(`/accstatz${query}`)).account_statz;
}

row("§12.33 accstatz hides accounts without a connection unless unused is asked for", async () => {
  const c = await login(server(), "C");
  const names = (await statzOf()).map((each) => each.acc);
  expect(names).toContain("C");
  for (const name of ["QUIET", "$SYS", "$G"]) expect(names).not.toContain(name);
  const all = (await statzOf("?unused=1")).map((each) => each.acc);
  expect(all.sort()).toEqual(["$G", "$SYS", "A", "B", "C", "QUIET", "STATS"]);
  c.destroy();
});

row("§12.33 accstatz counts what the account's connections sent and received", async () => {
  const [publisher, listener] = await loginAll(server(), "STATS", "STATS");
  await subscribe(listener!, "counted.>", "counted.x");
  publisher!.send("PUB counted.x 10\r\n0123456789\r\n".repeat(5));
  await settle(publisher!);
  listener!.send("PING\r\n");
  await listener!.readUntil("PONG\r\n");
  const none = { msgs: 0, bytes: 0 };
  const others = { gateways: none, routes: none, leafs: none };
  let seen: AccountStatz | undefined;
  await until(
    async () => {
      seen = (await statzOf()).find((each) => each.acc === "STATS");
      return seen?.sent.msgs === 10;
    },
    () => `STATS shows ${JSON.stringify(seen)}`,
  );
  const { num_subscriptions: subscriptions, ...rest } = seen!;
  expect(rest).toEqual({
    acc: "STATS",
    name: "STATS",
    conns: 2,
    leafnodes: 0,
    total_conns: 2,
    sent: { msgs: 10, bytes: 100, ...others },
    received: { msgs: 5, bytes: 50, ...others },
    slow_consumers: 0,
  });
  expect(subscriptions).toBeGreaterThanOrEqual(2);
  for (const client of [publisher!, listener!]) client.destroy();
});

interface Page extends Json {
  connections: Json[];
  total: number;
  num_connections: number;
}

row("§12.22 connz auth=1 adds user, account and its name, without auth none of them", async () => {
  const client = await login(server(), "C", { name: "me" });
  const query = `cid=${client.info.client_id}`;
  const [shown] = (await server().json<Page>(`/connz?auth=1&${query}`)).connections;
  expect(shown).toMatchObject({ authorized_user: "C", account: "C", name_tag: "C", name: "me" });
  const [plain] = (await server().json<Page>(`/connz?${query}`)).connections;
  expect([plain!.authorized_user, plain!.account, plain!.name_tag]).toEqual(Array(3).fill(undefined));
  client.destroy();
});

row(
  "§12.24 connz acc= and user=: the filter of the account counts in total, that of the user does not",
  async () => {
    const clients = await loginAll(server(), "C", "C", "QUIET");
    const page = await server().json<Page>("/connz?acc=C&auth=1");
    expect([page.total, page.num_connections]).toEqual([2, 2]);
    expect(page.connections.map((each) => each.account)).toEqual(["C", "C"]);
    const user = await server().json<Page>("/connz?user=QUIET&auth=1");
    expect(user.connections.map((each) => each.account)).toEqual(["QUIET"]);
    expect(user.total).toBeGreaterThanOrEqual(3);
    const both = await server().json<Page>("/connz?acc=C&user=QUIET");
    expect([both.total, both.connections]).toEqual([2, []]);
    const unknown = await server().json<Page>("/connz?acc=nobody");
    expect([unknown.server_id, unknown.connections, unknown.total]).toEqual(["", null, 0]);
    for (const client of clients) client.destroy();
  },
);

row("§12.24 connz acc= over closed connections", async () => {
  const client = await login(server(), "QUIET", { name: "leaving" });
  client.end();
  await client.expectClosed();
  let closed: Json | undefined;
  await until(
    async () => {
      const page = await server().json<Page>("/connz?state=closed&acc=QUIET&auth=1");
      closed = page.connections.find((each) => each.cid === client.info.client_id);
      return closed !== undefined;
    },
    () => "the connection is not among the closed ones of its account",
  );
  expect(closed).toMatchObject({ name: "leaving", account: "QUIET", authorized_user: "QUIET" });
  const other = await server().json<Page>("/connz?state=closed&acc=STATS");
  expect(other.connections.some((each) => each.cid === client.info.client_id)).toBe(false);
});

row("§3.1 connz subs=detail shows local subjects, not those of imports", async () => {
  const client = await login(server(), "B");
  await subscribe(client, "from.a.pub.*", "mine");
  const page = await server().json<Page>(`/connz?subs=detail&cid=${client.info.client_id}`);
  const listed = page.connections[0]!.subscriptions_list_detail as Json[];
  expect(page.connections[0]!.subscriptions).toBe(2);
  expect(listed.map((each) => each.subject).sort()).toEqual(["from.a.pub.*", "mine"]);
  client.destroy();
});

interface Subsz extends Json {
  subscriptions_list?: Json[];
  num_subscriptions: number;
}

row("§12.31 subsz acc= lists the subscriptions of that account alone", async () => {
  const [b, c] = await loginAll(server(), "B", "C");
  await subscribe(b!, "listed.b");
  await subscribe(c!, "listed.c");
  const page = await server().json<Subsz>("/subsz?subs=1&acc=C");
  const mine = page.subscriptions_list!.filter((each) => String(each.subject).startsWith("listed"));
  expect(mine).toEqual([
    { account: "C", account_tag: "C", subject: "listed.c", sid: "1", msgs: 0, cid: c!.info.client_id },
  ]);
  const all = await server().json<Subsz>("/subsz?subs=1&test=listed.c");
  expect(all.subscriptions_list!.map((each) => each.account)).toEqual(["C"]);
  const total = await server().json<Subsz>("/subsz");
  expect(total.num_subscriptions).toBeGreaterThanOrEqual(page.num_subscriptions + 1);
  for (const client of [b!, c!]) client.destroy();
});

row("§2 varz counts all accounts", async () => {
  const read = () => server().json<{ connections: number; in_msgs: number }>("/varz");
  const before = await read();
  const clients = await loginAll(server(), "A", "B", "C");
  for (const client of clients) {
    client.send("PUB nobody.listens 1\r\nx\r\n");
    await client.roundTrip();
  }
  let after = before;
  await until(
    async () => {
      after = await read();
      return after.in_msgs - before.in_msgs === 3;
    },
    () => `in_msgs went from ${before.in_msgs} to ${after.in_msgs}`,
  );
  expect(after.connections).toBeGreaterThanOrEqual(3);
  for (const client of clients) client.destroy();
});
