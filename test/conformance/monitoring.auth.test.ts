import { expect } from "bun:test";
import { subscribe } from "../support/account_config.ts";
import { closedConnection } from "../support/closed_connection.ts";
import { until } from "../support/deadline.ts";
import { encodeJwt, seconds } from "../support/jwt.ts";
import { expectRefused, login } from "../support/login.ts";
import { NKey } from "../support/nkey.ts";
import { Operator, signature, UNLIMITED_ACCOUNT } from "../support/operator.ts";
import { row, rowsInParallel, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

// What monitoring shows of accounts and logins in operator mode.

type Json = Record<string, unknown>;

const HOUR = 3600;
const operator = new Operator();
const exporter = operator.account("exporter");
const importer = operator.account("importer");
const quiet = operator.account("quiet");
const revoked = new NKey("user").publicKey;
const activation = encodeJwt(
  {
    sub: importer.publicKey,
    name: "activation",
    exp: seconds(HOUR),
    nats: { subject: "closed", kind: "service", type: "activation", version: 2 },
  },
  exporter.key,
);

const MAPPINGS = { "m.*": [{ subject: "n.$1", weight: 40 }], all: [{ subject: "mapped" }] };
const exporting = exporter.with({
  tags: ["t:1"],
  description: "what <it> is",
  exports: [
    { name: "open", subject: "open.>", type: "service", response_type: "Stream" },
    {
      name: "closed",
      subject: "closed",
      type: "service",
      token_req: true,
      revocations: { "*": 1_600_000_000 },
    },
    {
      name: "sampled",
      subject: "sampled",
      type: "service",
      service_latency: { sampling: "headers", results: "l" },
    },
    {
      name: "stream",
      subject: "st.*.*",
      type: "stream",
      token_req: false,
      revocations: { "*": 1_600_000_000 },
    },
  ],
  revocations: { [revoked]: 1_700_000_000 },
  mappings: MAPPINGS,
});
const importing = importer.with({
  imports: [
    { name: "open", subject: "open.a", account: exporter.publicKey, type: "service", local_subject: "a" },
    { name: "closed", subject: "closed", account: exporter.publicKey, type: "service", token: activation },
    { name: "sampled", subject: "sampled", account: exporter.publicKey, type: "service", share: true },
    {
      name: "stream",
      subject: "st.*.*",
      account: exporter.publicKey,
      type: "stream",
      local_subject: "in.$2.$1",
    },
    { name: "none", subject: "none", account: exporter.publicKey, type: "service" },
  ],
});

const server = sharedServer({
  monitoring: true,
  config: operator.configWithMemory(exporting, importing, quiet),
});

async function detailOf(process: ServerProcess, name: string): Promise<Json> {
  return (await process.json<{ account_detail: Json }>(`/accountz?acc=${name}`)).account_detail;
}

/** Times by key, in milliseconds; servers write them in one zone or another. */
function datesOf(times: unknown): Record<string, number> {
  const entries = Object.entries(times as Record<string, string>);
  return Object.fromEntries(entries.map(([key, time]) => [key, Date.parse(time)]));
}

async function connectionsOf(process: ServerProcess, query: string): Promise<Json[]> {
  return (await process.json<{ connections: Json[] }>(`/connz?${query}`)).connections;
}

row("§3.1 connz of an account asks for it, as a login does", async () => {
  await using own = await ServerProcess.start({
    config: operator.configWithMemory(quiet),
    monitoring: true,
  });
  const page = await own.json<Json>(`/connz?acc=${quiet.publicKey}`);
  expect([page.server_id === "", page.connections, page.total]).toEqual([false, [], 0]);
  expect((await detailOf(own, quiet.publicKey)).name_tag).toBe("quiet");
  const unknown = await own.json<Json>(`/connz?acc=${new NKey("account").publicKey}`);
  expect([unknown.server_id, unknown.connections]).toEqual(["", null]);
});

row("§8.1 accountz knows an account once somebody has asked for it", async () => {
  await using own = await ServerProcess.start({
    config: operator.configWithMemory(quiet),
    monitoring: true,
  });
  const names = async () => (await own.json<{ accounts: string[] }>("/accountz")).accounts.sort();
  expect(await names()).toEqual(["$G", operator.systemAccount.publicKey].sort());
  expect((await own.http(`/accountz?acc=${quiet.publicKey}`)).status).toBe(400);
  (await login(own, quiet.user().credentials)).destroy();
  expect(await names()).toEqual(["$G", operator.systemAccount.publicKey, quiet.publicKey].sort());
});

row(
  "§8.1 accountz in operator mode: the token, its claims, who issued it, its tags, whom it revokes",
  async () => {
    (await login(server(), exporter.user().credentials)).destroy();
    const detail = await detailOf(server(), exporter.publicKey);
    expect(Object.keys(detail)).toEqual([
      ...["account_name", "update_time", "expired", "complete", "jetstream_enabled", "leafnode_connections"],
      ...["client_connections", "subscriptions", "mappings", "exports", "imports", "jwt", "issuer_key"],
      ...["name_tag", "tags", "decoded_jwt", "revoked_user", "sublist_stats"],
    ]);
    expect(detail).toMatchObject({
      expired: false,
      complete: true,
      jwt: exporting.jwt,
      issuer_key: operator.key.publicKey,
      name_tag: "exporter",
      tags: ["t:1"],
      mappings: {
        "m.*": [
          { subject: "n.$1", weight: 40 },
          { subject: "m.$1", weight: 100 },
        ],
        all: [{ subject: "mapped", weight: 100 }],
      },
      decoded_jwt: {
        iss: operator.key.publicKey,
        sub: exporter.publicKey,
        name: "exporter",
        nats: {
          exports: [{ name: "open" }, { name: "closed" }, { name: "sampled" }, { name: "stream" }],
          description: "what <it> is",
          default_permissions: { pub: {}, sub: {} },
          authorization: {},
          mappings: MAPPINGS,
          type: "account",
          version: 2,
        },
      },
    });
    const since = (detail.revoked_user as Record<string, string>)[revoked]!;
    expect(Date.parse(since)).toBe(1_700_000_000_000);
  },
);

row("§8.1 accountz in operator mode: exports, with tokens and what revokes them", async () => {
  (await login(server(), exporter.user().credentials)).destroy();
  const exports = (await detailOf(server(), exporter.publicKey)).exports as Json[];
  for (const each of exports) {
    if (each.revoked_activations !== undefined) each.revoked_activations = datesOf(each.revoked_activations);
  }
  expect(exports.sort((a, b) => (String(a.subject) < String(b.subject) ? -1 : 1))).toEqual([
    {
      subject: "closed",
      type: "service",
      token_req: true,
      response_type: "Singleton",
      revoked_activations: { "*": 1_600_000_000_000 },
    },
    { subject: "open.>", type: "service", response_type: "Streamed" },
    {
      subject: "sampled",
      type: "service",
      response_type: "Singleton",
      service_latency: { sampling: "headers", results: "l" },
    },
    { subject: "st.*.*", type: "stream" },
  ]);
});

row(
  "§8.1 accountz in operator mode: what was imported; an account that misses something is incomplete",
  async () => {
    (await login(server(), importer.user().credentials)).destroy();
    const detail = await detailOf(server(), importer.publicKey);
    expect(detail.complete).toBe(false);
    const imports = (detail.imports as Json[]).filter(({ account }) => account === exporter.publicKey);
    const common = { account: exporter.publicKey, invalid: false, tracking: false };
    const service = { ...common, type: "service", share: false };
    expect(imports.sort((a, b) => (String(a.local_subject) < String(b.local_subject) ? -1 : 1))).toEqual([
      { ...service, subject: "open.a", to: "a", local_subject: "a" },
      { ...service, subject: "closed", to: "closed", local_subject: "closed" },
      { ...common, subject: "st.*.*", local_subject: "in.*.*", type: "stream", share: false },
      {
        ...service,
        subject: "sampled",
        to: "sampled",
        local_subject: "sampled",
        share: true,
        latency: { sampling: "headers", results: "l" },
      },
    ]);
  },
);

row("§8.1 accountz: what validation has to say against a token", async () => {
  const old = operator.account("old");
  await using own = await ServerProcess.start({
    config: operator.configWithMemory(
      old.with({ imports: [{ name: "s", subject: "s", account: old.publicKey, type: "stream", to: "p" }] }),
    ),
    monitoring: true,
  });
  (await login(own, old.user().credentials)).destroy();
  expect((await detailOf(own, old.publicKey)).validation_result_jwt).toContainEqual({
    description: "the field to has been deprecated (use LocalSubject instead)",
    blocking: false,
    time_check: false,
  });
});

row("§8.2 accstatz and subsz call accounts by the name in their token", async () => {
  const client = await login(server(), quiet.user().credentials);
  await subscribe(client, "listed");
  const { account_statz: statz } = await server().json<{ account_statz: Json[] }>("/accstatz");
  expect(statz.find(({ acc }) => acc === quiet.publicKey)).toMatchObject({ name: "quiet", conns: 1 });
  const page = await server().json<{ subscriptions_list: Json[] }>(`/subsz?subs=1&acc=${quiet.publicKey}`);
  expect(page.subscriptions_list.filter(({ subject }) => subject === "listed")).toMatchObject([
    { account: quiet.publicKey, account_tag: "quiet" },
  ]);
  client.destroy();
});

row("§12.23 an open connection shows token, issuer and tags to who asks, and no bearer's token", async () => {
  for (const isBearer of [false, true]) {
    const user = quiet.user({ tags: ["u:1"], bearer_token: isBearer }, { name: "bob" });
    const client = await login(server(), user.credentials);
    const cid = client.info.client_id;
    const [plain] = await connectionsOf(server(), `cid=${cid}`);
    for (const field of ["jwt", "issuer_key", "tags", "name_tag"]) expect(plain![field]).toBe(undefined);
    const [shown] = await connectionsOf(server(), `auth=1&cid=${cid}`);
    expect(shown!.jwt).toBe(isBearer ? undefined : user.jwt);
    expect(shown).toMatchObject({ issuer_key: quiet.publicKey, tags: ["u:1"], name_tag: "quiet" });
    client.destroy();
  }
});

row("§12.23 a token that is a password is never shown", async () => {
  await using own = await ServerProcess.start({
    config: "authorization { token: secret }",
    monitoring: true,
  });
  const client = await own.connectAs({ auth_token: "secret" });
  const page = await own.http(`/connz?auth=1&cid=${client.info.client_id}`);
  expect(JSON.parse(page.body).connections[0].authorized_user).toBe("[REDACTED]");
  expect(page.body).not.toContain("secret");
});

row("§3.5 a closed connection keeps token, issuer, user name and tags, asked for or not", async () => {
  const user = quiet.user({ tags: ["u:1"] }, { name: "bob" });
  const client = await login(server(), user.credentials);
  client.end();
  await client.expectClosed();
  const { cid } = await closedConnection(server(), client);
  const kept = { jwt: user.jwt, issuer_key: quiet.publicKey, tags: ["u:1"] };
  const [plain] = await connectionsOf(server(), `state=closed&cid=${cid}`);
  expect(plain).toMatchObject({ ...kept, name_tag: "bob" });
  expect([plain!.authorized_user, plain!.account]).toEqual([undefined, undefined]);
  const [shown] = await connectionsOf(server(), `state=closed&auth=1&cid=${cid}`);
  expect(shown).toMatchObject({
    ...kept,
    authorized_user: user.key.publicKey,
    account: quiet.publicKey,
    name_tag: "quiet",
  });
});

row("§3.5 a closed connection keeps the token it was refused with, unless that is a bearer's", async () => {
  const stranger = new Operator().account("stranger");
  for (const isBearer of [false, true]) {
    const user = stranger.user({ bearer_token: isBearer });
    const refused = await expectRefused(server(), user.credentials);
    const { cid } = await closedConnection(server(), refused);
    const [entry] = await connectionsOf(server(), `state=closed&auth=1&cid=${cid}`);
    expect(entry!.jwt).toBe(isBearer ? undefined : user.jwt);
    expect([entry!.authorized_user, entry!.account, entry!.issuer_key]).toEqual(Array(3).fill(undefined));
  }
});

row("§3.5 a closed connection keeps what is no token at all as it was sent", async () => {
  const refused = await expectRefused(server(), () => ({ jwt: "a.b.c" }));
  const { cid } = await closedConnection(server(), refused);
  expect((await connectionsOf(server(), `state=closed&cid=${cid}`))[0]!.jwt).toBe("a.b.c");
});

row("§3.5 of whom an account had no room for, the token is shown and not who it names", async () => {
  const crowded = operator.account("crowded");
  const config = operator.configWithMemory(crowded.with({ limits: { ...UNLIMITED_ACCOUNT, conn: 1 } }));
  await using own = await ServerProcess.start({ config, monitoring: true });
  const user = crowded.user({ tags: ["u:1"] });
  const first = await login(own, user.credentials);
  const second = await own.connect();
  second.send(`CONNECT ${JSON.stringify(user.credentials(String(second.info.nonce)))}\r\n`);
  await second.readToEnd();
  const { cid } = await closedConnection(own, second);
  const [entry] = await connectionsOf(own, `state=closed&auth=1&cid=${cid}`);
  expect(entry).toMatchObject({ reason: "Maximum Account Connections Exceeded", jwt: user.jwt });
  expect([entry!.account, entry!.name_tag]).toEqual([crowded.publicKey, "crowded"]);
  expect([entry!.authorized_user, entry!.issuer_key, entry!.tags]).toEqual(Array(3).fill(undefined));
  const [plain] = await connectionsOf(own, `state=closed&cid=${cid}`);
  expect(plain!.name_tag).toBe(undefined);
  first.destroy();
});

rowsInParallel({
  "§1.9 varz names the trusted proxies, connz the one a connection came through, refused or not":
    async () => {
      const [first, second] = [new NKey("user"), new NKey("server")];
      const config = (...proxies: NKey[]) => `
      proxies { trusted: [ ${proxies.map(({ publicKey }) => `{key: ${publicKey}}`).join(", ")} ] }
      authorization { users: [ {user: a, password: p} ] }`;
      await using own = await ServerProcess.start({ config: config(first), monitoring: true });
      const proxies = async () => (await own.json<{ proxies?: Json }>("/varz")).proxies;
      expect(await proxies()).toEqual({ trusted: [{ key: first.publicKey }] });
      const through = (pass: string) => (nonce: string) => ({
        user: "a",
        pass,
        proxy_sig: signature(first, nonce),
      });
      const refused = await expectRefused(own, through("wrong"));
      const gone = await login(own, through("p"));
      gone.end();
      await gone.expectClosed();
      for (const client of [refused, gone]) {
        const { cid } = await closedConnection(own, client);
        const [entry] = await connectionsOf(own, `state=closed&auth=1&cid=${cid}`);
        expect(entry).toMatchObject({ authorized_user: "a", proxy: { key: first.publicKey } });
      }
      await own.reload(config(first, second));
      expect(await proxies()).toEqual({ trusted: [{ key: first.publicKey }, { key: second.publicKey }] });
    },

  "§1.6 a closed connection keeps who tried: user, nkey, token; not by a token that says nothing here":
    async () => {
      await using own = await ServerProcess.start({
        config: "authorization { users: [ {user: a, password: p} ] }",
        monitoring: true,
      });
      const anywhere = new Operator().account("x").user().jwt;
      for (const [connect, user] of [
        [{ user: "a", pass: "x" }, "a"],
        [{ user: "", pass: "x" }, undefined],
        [{ nkey: revoked, sig: "x" }, revoked],
        [{ auth_token: "secret" }, "[REDACTED]"],
        [{ nkey: revoked, user: "a", pass: "x" }, revoked],
        [{ jwt: anywhere }, undefined],
        [{ jwt: anywhere, auth_token: "secret" }, "[REDACTED]"],
      ] as const) {
        const { cid } = await closedConnection(own, await expectRefused(own, connect));
        const [entry] = await connectionsOf(own, `state=closed&auth=1&cid=${cid}`);
        expect([connect, entry!.authorized_user, entry!.account, entry!.jwt]).toEqual([
          connect,
          user,
          undefined,
          undefined,
        ]);
      }
      expect((await connectionsOf(own, "state=closed&user=a")).length).toBe(1);
    },

  "§8.1 accountz of an account whose time is over": async () => {
    const brief = operator.account("brief");
    await using own = await ServerProcess.start({
      config: operator.configWithMemory(brief),
      monitoring: true,
    });
    (await login(own, brief.user().credentials)).destroy();
    expect((await detailOf(own, brief.publicKey)).expired).toBe(false);
    await own.reload(operator.configWithMemory(brief.with({}, { exp: seconds(3) })));
    await until(
      async () => (await detailOf(own, brief.publicKey)).expired === true,
      () => "the account has not expired",
    );
  },

  "§6.6 accountz after an update: an import that the exporter withdrew stays, and is invalid": async () => {
    const [giver, taker] = [operator.account("giver"), operator.account("taker")];
    const offer = { name: "e", subject: "e", type: "service" };
    const taking = taker.with({
      imports: [{ name: "e", subject: "e", account: giver.publicKey, type: "service" }],
    });
    const config = (...exports: Json[]) =>
      operator.configWithMemory(giver.with({ exports, tags: [`n:${exports.length}`] }), taking);
    await using own = await ServerProcess.start({ config: config(offer), monitoring: true });
    (await login(own, taker.user().credentials)).destroy();
    const find = async () => {
      const { complete, imports } = await detailOf(own, taker.publicKey);
      const found = (imports as Json[]).find(({ account }) => account === giver.publicKey);
      return { complete, invalid: found?.invalid };
    };
    expect(await find()).toEqual({ complete: true, invalid: false });
    await own.reload(config());
    await until(
      async () => (await find()).invalid === true,
      () => "the import is not invalid",
    );
    expect(await find()).toEqual({ complete: true, invalid: true });
    await own.reload(config(offer));
    await until(
      async () => (await find()).invalid === false,
      () => "the import is still invalid",
    );
  },
});
