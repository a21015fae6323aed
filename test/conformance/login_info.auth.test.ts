import { expect } from "bun:test";
import { closedConnection } from "../support/closed_connection.ts";
import { expectRefused, type Login, login } from "../support/login.ts";
import { NKey } from "../support/nkey.ts";
import { Operator, signature } from "../support/operator.ts";
import type { Info, RawClient } from "../support/raw_client.ts";
import { request } from "../support/request.ts";
import { row, rowsInParallel, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

// What a server tells of who is logged in: INFO, USER.INFO, /connz and /varz.

const key = new NKey("user");
const operator = new Operator();
const tenant = operator.account("tenant");
const signingKey = new NKey("account");

const inConfig = sharedServer({
  monitoring: true,
  config: `accounts {
    A {
      users: [
        { user: a, password: p, permissions: {
          publish: { allow: ["$SYS.REQ.USER.INFO"], deny: "x.no" }
          subscribe: { allow: ["_INBOX.>"], deny: "y z" }
          allow_responses: { max: 3, ttl: "10s" }
        } }
        { nkey: ${key.publicKey} }
      ]
      limits { max_payload: 100 }
    }
    $SYS { users: [ { user: sys, password: p } ] }
  }`,
});

const inOperatorMode = sharedServer({
  monitoring: true,
  config: operator.configWithMemory(tenant.with({ tags: ["t:1"], signing_keys: [signingKey.publicKey] })),
});

/** Logs in as a client of protocol 1, and returns the INFO that follows the first PONG. */
async function secondInfo(
  server: ServerProcess,
  credentials: Login,
): Promise<{ client: RawClient; info: Info }> {
  const client = await server.connect();
  const fields = typeof credentials === "function" ? credentials(String(client.info.nonce)) : credentials;
  client.send(`CONNECT ${JSON.stringify({ verbose: false, protocol: 1, ...fields })}\r\nPING\r\n`);
  await client.expect("PONG\r\n");
  return { client, info: await client.readInfo() };
}

const userInfo = async (client: RawClient) =>
  JSON.parse((await request(client, "$SYS.REQ.USER.INFO")).payload).data as Record<string, unknown>;

async function connectionOf(server: ServerProcess, client: RawClient): Promise<Record<string, unknown>> {
  const page = await server.json<{ connections: Record<string, unknown>[] }>(
    `/connz?auth=1&cid=${client.info.client_id}`,
  );
  return page.connections[0]!;
}

row("§1.1 the INFO after the first PONG names the account, and its limit", async () => {
  const { client, info } = await secondInfo(inConfig(), { user: "a", pass: "p" });
  expect(client.info.max_payload).toBe(1024 * 1024);
  expect(info).toMatchObject({ connect_info: true, remote_account: "A", max_payload: 100 });
  expect([info.nonce, info.acc_is_sys]).toEqual([undefined, undefined]);
  client.destroy();
});

row("§1.1 for the system account it says so", async () => {
  const { client, info } = await secondInfo(inConfig(), { user: "sys", pass: "p" });
  expect(info).toMatchObject({ connect_info: true, remote_account: "$SYS", acc_is_sys: true });
  client.destroy();
});

row("§1.1 in operator mode the account is its public key", async () => {
  const { client, info } = await secondInfo(inOperatorMode(), tenant.user().credentials);
  expect(info).toMatchObject({ connect_info: true, remote_account: tenant.publicKey });
  client.destroy();
});

row("§1.1 every connection is told the server's curve key", async () => {
  const [first, second] = [await inConfig().connect(), await inConfig().connect()];
  expect(first.info.xkey).toMatch(/^X[A-Z2-7]{55}$/);
  expect(second.info.xkey).toBe(first.info.xkey);
  for (const client of [first, second]) client.destroy();
});

row("§8.92 USER.INFO tells a user's permissions", async () => {
  const client = await login(inConfig(), { user: "a", pass: "p" });
  expect(await userInfo(client)).toEqual({
    user: "a",
    account: "A",
    account_name: "A",
    permissions: {
      publish: { allow: ["$SYS.REQ.USER.INFO"], deny: ["x.no"] },
      subscribe: { allow: ["_INBOX.>"], deny: ["y z"] },
      responses: { max: 3, ttl: 10_000_000_000 },
    },
  });
  client.destroy();
});

row("§8.92 USER.INFO of an nkey, and of a user without permissions", async () => {
  const client = await login(inConfig(), (nonce) => ({ nkey: key.publicKey, sig: signature(key, nonce) }));
  expect(await userInfo(client)).toEqual({ user: key.publicKey, account: "A", account_name: "A" });
  client.destroy();
});

row("§1.6 connz names the user or nkey, and the account", async () => {
  const byName = await login(inConfig(), { user: "a", pass: "p" });
  const byKey = await login(inConfig(), (nonce) => ({ nkey: key.publicKey, sig: signature(key, nonce) }));
  expect(await connectionOf(inConfig(), byName)).toMatchObject({ authorized_user: "a", account: "A" });
  expect(await connectionOf(inConfig(), byKey)).toMatchObject({
    authorized_user: key.publicKey,
    account: "A",
  });
  for (const client of [byName, byKey]) client.destroy();
});

row("§1.6 a closed connection keeps who tried", async () => {
  const refused = await expectRefused(inConfig(), { user: "a", pass: "wrong" });
  const entry = await closedConnection(inConfig(), refused);
  expect(entry.reason).toBe("Authentication Failure");
  const page = await inConfig().json<{ connections: { cid: number; authorized_user: string }[] }>(
    `/connz?state=closed&auth=1&cid=${entry.cid}`,
  );
  expect(page.connections[0]!.authorized_user).toBe("a");
});

row("§5.2 connz in operator mode: token, issuer, tags; a bearer's token is kept back", async () => {
  const user = tenant.userOf(signingKey, { tags: ["u:1"] }, { name: "bob" });
  const client = await login(inOperatorMode(), user.credentials);
  expect(await connectionOf(inOperatorMode(), client)).toMatchObject({
    authorized_user: user.key.publicKey,
    account: tenant.publicKey,
    jwt: user.jwt,
    issuer_key: signingKey.publicKey,
    name_tag: "tenant",
    tags: ["u:1"],
  });
  const bearer = tenant.user({ bearer_token: true });
  const bearing = await login(inOperatorMode(), { jwt: bearer.jwt });
  expect((await connectionOf(inOperatorMode(), bearing)).jwt).toBe(undefined);
  for (const each of [client, bearing]) each.destroy();
});

row("§5.3 varz in operator mode: the operator's token and claims, the system account", async () => {
  const varz = await inOperatorMode().json<{
    auth_required: boolean;
    system_account: string;
    trusted_operators_jwt: string[];
    trusted_operators_claim: { sub: string }[];
  }>("/varz");
  expect([varz.auth_required, varz.system_account]).toEqual([true, operator.systemAccount.publicKey]);
  expect(varz.trusted_operators_jwt.length).toBe(1);
  expect(varz.trusted_operators_claim.map(({ sub }) => sub)).toEqual([operator.key.publicKey]);
});

rowsInParallel({
  "§1.1 with no_auth_user the first INFO asks for no credentials, later ones and varz do": async () => {
    await using server = await ServerProcess.start({
      config: "no_auth_user: a\nauthorization { users: [ {user: a, password: p} ] }",
      monitoring: true,
    });
    const { client, info } = await secondInfo(server, {});
    const { auth_required } = await server.json<{ auth_required?: boolean }>("/varz");
    expect([client.info.auth_required, info.auth_required, auth_required]).toEqual([undefined, true, true]);
  },

  "§1.1 auth_required and nonce, by what is configured": async () => {
    const users = "authorization { users: [ {user: a, password: p} ] }";
    for (const [config, isRequired, hasNonce] of [
      ["debug: false", undefined, false],
      ["authorization { timeout: 1 }", undefined, false],
      ["authorization { token: t }", true, false],
      [users, true, false],
      [`no_auth_user: a\n${users}`, undefined, false],
      [`authorization { users: [ {nkey: ${key.publicKey}} ] }`, true, true],
      [`accounts { A { users: [ {nkey: ${key.publicKey}} ] } }`, true, true],
      [`proxies { trusted: [ {key: ${key.publicKey}} ] }`, undefined, true],
      [operator.configWithMemory(), true, true],
    ] as const) {
      await using server = await ServerProcess.start({ config });
      const { info } = await server.connect();
      expect([config, info.auth_required, info.nonce !== undefined]).toEqual([config, isRequired, hasNonce]);
    }
  },

  "§1.1 no_auth_user: only the first INFO keeps auth_required to itself, varz shows it": async () => {
    await using server = await ServerProcess.start({
      config: "no_auth_user: a\nauthorization { users: [ {user: a, password: p} ] }",
      monitoring: true,
    });
    const client = await server.connect();
    client.send('CONNECT {"verbose":false,"protocol":1}\r\nPING\r\n');
    await client.expect("PONG\r\n");
    const later = await client.readInfo();
    const varz = await server.json<{ auth_required?: boolean }>("/varz");
    const all = [client.info.auth_required, later.auth_required, varz.auth_required];
    expect(all).toEqual([undefined, true, true]);
  },
});
