import { expect } from "bun:test";
import { ask, deletion, push, pushNewAccount } from "../support/claims_requests.ts";
import { type Claims, seconds } from "../support/jwt.ts";
import { linkPort } from "../support/links.ts";
import { expectRefused, login } from "../support/login.ts";
import { NKey } from "../support/nkey.ts";
import { Operator, preload, UNLIMITED_ACCOUNT, type User } from "../support/operator.ts";
import { joinLeaf, leafConnect, openLeaf } from "../support/raw_leaf.ts";
import type { RawLink } from "../support/raw_link.ts";
import { isNatsServer } from "../support/reference.ts";
import { row, rowsInParallel, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

// What a change of its account means for a leaf node that has logged in by a JWT, and what a reload does not.

const LISTEN = `leafnodes { listen: "127.0.0.1:-1" }`;

const operator = new Operator({ allow_delete: true });
const server = sharedServer({
  config: `
    server_name: H
    ${LISTEN}
    ${operator.configWith(`{ type: full, dir: "DIRECTORY/jwt", timeout: "300ms", allow_delete: true }`)}
    ${preload([operator.systemAccount])}
  `,
});

/** Joins as a leaf node with a user's JWT. */
async function join(user: User, hub = server()): Promise<RawLink> {
  const link = await openLeaf(await linkPort(hub, "leafnode"));
  link.sendJson("CONNECT", leafConnect(user.credentials(String(link.info.nonce))));
  await link.readInfo((info) => info.connect_info === true);
  await link.roundTrip();
  return link;
}

const pushed = (name: string, nats: Claims = {}, claims: Claims = {}) =>
  pushNewAccount(server(), operator, name, nats, claims);

/** The connection ends after this error; null: without a word. */
async function expectEnd(link: RawLink, error: string | null): Promise<void> {
  const text = await link.client.readToEnd();
  const errors = text.match(/-ERR .*\r\n/g) ?? [];
  expect(errors).toEqual(error === null ? [] : [`-ERR '${error}'\r\n`]);
}

row("§8.120 a revoked leaf node is told and closed, the others stay", async () => {
  const { system, account } = await pushed("revoking");
  const [user, other] = [account.user(), account.user()];
  const [closing, staying] = [await join(user), await join(other)];
  await push(system, account, { revocations: { [user.key.publicKey]: seconds() } });
  await expectEnd(closing, "User Authentication Revoked");
  await staying.roundTrip();
  for (const each of [staying, system]) each.destroy();
});

row("§8.121 a signing key that is removed: its leaf nodes are closed without a word", async () => {
  const [kept, removed] = [new NKey("account"), new NKey("account")];
  const { system, account } = await pushed("signing", { signing_keys: [kept.publicKey, removed.publicKey] });
  const [closing, staying] = [await join(account.userOf(removed)), await join(account.userOf(kept))];
  await push(system, account, { signing_keys: [kept.publicKey] });
  await expectEnd(closing, null);
  await staying.roundTrip();
  for (const each of [staying, system]) each.destroy();
});

row("§6.6 a template that changes closes its leaf nodes without a word", async () => {
  const key = new NKey("account");
  const scope = (subject: string) => [
    { kind: "user_scope", key: key.publicKey, role: "r", template: { pub: { allow: [subject] }, sub: {} } },
  ];
  const { system, account } = await pushed("templates", { signing_keys: scope("old") });
  const closing = await join(account.scopedUserOf(key));
  await push(system, account, { signing_keys: scope("new") });
  await expectEnd(closing, null);
  system.destroy();
});

row("§6.6 disallow_bearer closes leaf nodes with bearer tokens", async () => {
  const { system, account } = await pushed("bearing");
  const closing = await join(account.user({ bearer_token: true }));
  const staying = await join(account.user());
  await push(system, account, { limits: { ...UNLIMITED_ACCOUNT, disallow_bearer: true } });
  await expectEnd(closing, "Authorization Violation");
  await staying.roundTrip();
  for (const each of [staying, system]) each.destroy();
});

row("§6.6 an account that is deleted takes its leaf nodes with it", async () => {
  const { system, account } = await pushed("deleted");
  const closing = await join(account.user());
  const answer = await ask(system, "$SYS.REQ.CLAIMS.DELETE", deletion(operator.key, [account.publicKey]));
  expect(answer.data?.code).toBe(200);
  await expectEnd(closing, "Account Authentication Expired");
  system.destroy();
});

row("§3.3 a limit of leaf nodes that is lowered is for those to come", async () => {
  const { system, account } = await pushed("crowded");
  const [first, second] = [await join(account.user()), await join(account.user())];
  await push(system, account, { limits: { ...UNLIMITED_ACCOUNT, leaf: 1 } });
  const third = await openLeaf(await linkPort(server(), "leafnode"));
  third.sendJson("CONNECT", leafConnect(account.user().credentials(String(third.info.nonce))));
  await third.expectError("maximum account active connections exceeded");
  for (const each of [first, second]) await each.roundTrip();
  for (const each of [first, second, system]) each.destroy();
});

row(
  "§3.3 a limit of connections that is lowered closes clients and leaf nodes, the newest first",
  async () => {
    const { system, account } = await pushed("full");
    const enter = () => login(server(), account.user().credentials);
    const [client, leaf] = [await enter(), await join(account.user())];
    const [laterClient, laterLeaf] = [await enter(), await join(account.user())];
    const text = "maximum account active connections exceeded";
    await push(system, account, { limits: { ...UNLIMITED_ACCOUNT, conn: 3 } });
    await expectEnd(laterLeaf, text);
    await laterClient.roundTrip();
    await push(system, account, { limits: { ...UNLIMITED_ACCOUNT, conn: 1 } });
    await expectEnd(leaf, text);
    await laterClient.expect(`-ERR '${text}'\r\n`);
    await laterClient.expectClosed();
    await client.roundTrip();
    // Of those to come only clients are asked: leaf nodes have a limit of their own.
    const another = await join(account.user());
    await expectRefused(server(), account.user().credentials, `-ERR '${text}'\r\n`);
    for (const each of [client, another, system]) each.destroy();
  },
);

row("§3.3 a limit of subscriptions that is lowered to what a leaf node wants ends it", async () => {
  const { system, account } = await pushed("wanting");
  const [closing, staying] = [await join(account.user()), await join(account.user())];
  closing.send("LS+ a", "LS+ b");
  staying.send("LS+ a");
  for (const each of [closing, staying]) await each.roundTrip();
  await push(system, account, { limits: { ...UNLIMITED_ACCOUNT, subs: 2 } });
  await expectEnd(closing, "maximum subscriptions exceeded");
  staying.send("LS+ b", "LS+ c");
  await staying.client.readUntil("-ERR 'maximum subscriptions exceeded'\r\n");
  for (const each of [staying, system]) each.destroy();
});

row("§3.3 a limit of payloads that is lowered holds for leaf nodes that are connected", async () => {
  const { system, account } = await pushed("short");
  const link = await join(account.user());
  await push(system, account, { limits: { ...UNLIMITED_ACCOUNT, payload: 5 } });
  const client = await login(server(), account.user().credentials);
  client.send("SUB a 1\r\n");
  await client.roundTrip();
  link.send("LMSG a 5", "fives", "LMSG a 6", "sixths");
  await client.expect("MSG a 1 5\r\nfives\r\n");
  await expectEnd(link, "Maximum Payload Violation");
  for (const each of [client, system]) each.destroy();
});

row("§3.3 limits below −1 leave no room", async () => {
  const { system, account } = await pushed("negative");
  const link = await join(account.user());
  await push(system, account, { limits: { ...UNLIMITED_ACCOUNT, leaf: -2, payload: -2 } });
  const another = await openLeaf(await linkPort(server(), "leafnode"));
  another.sendJson("CONNECT", leafConnect(account.user().credentials(String(another.info.nonce))));
  await another.expectError("maximum account active connections exceeded");
  const client = await login(server(), account.user().credentials);
  client.send("PUB a 1\r\n1\r\n");
  await client.expect("-ERR 'Maximum Payload Violation'\r\n");
  await push(system, account, { limits: { ...UNLIMITED_ACCOUNT, subs: -2 } });
  await expectEnd(link, "maximum subscriptions exceeded");
  await push(system, account, { limits: { ...UNLIMITED_ACCOUNT, conn: -2 } });
  const text = "maximum account active connections exceeded";
  await expectRefused(server(), account.user().credentials, `-ERR '${text}'\r\n`);
  await push(system, account);
  const empty = await server().connect();
  const { credentials } = account.user({ subs: -2 });
  empty.send(`CONNECT ${JSON.stringify({ verbose: false, ...credentials(String(empty.info.nonce)) })}\r\n`);
  await empty.expect("-ERR 'maximum subscriptions exceeded'\r\n");
  await empty.expectClosed();
  for (const each of [another, client, system]) each.destroy();
});

row("§6.6 other default permissions hold for leaf nodes that are connected, in both directions", async () => {
  const { system, account } = await pushed("default");
  const link = await join(account.user());
  const client = await login(server(), account.user({ pub: { allow: [">"] } }).credentials);
  client.send("SUB x 1\r\nSUB y 2\r\n");
  await client.roundTrip();
  link.send("LS+ s", "LS+ s q 1", "LS+ t", "LS+ w.*");
  await link.roundTrip();
  await push(system, account, {
    default_permissions: { pub: { deny: ["x"] }, sub: { deny: ["s", "w.a"] } },
  });
  await link.client.readUntil('-ERR \'Permissions Violation for Subscription to "s" (sid "s")\'\r\n');
  client.send("PUB s 1\r\n1\r\nPUB t 1\r\n2\r\nPUB w.a 1\r\n3\r\nPUB w.b 1\r\n4\r\n");
  await client.roundTrip();
  link.client.send("PING\r\n");
  expect((await link.client.readUntil("PONG\r\n")).match(/LMSG \S+/g)).toEqual(["LMSG t", "LMSG w.b"]);
  link.send("LMSG y 1", "1");
  await client.expect("MSG y 2 1\r\n1\r\n");
  link.send("LMSG x 1", "2");
  await expectEnd(link, 'Permissions Violation for Publish to "x"');
  await client.roundTrip();
  for (const each of [client, system]) each.destroy();
});

row("§6.6 default permissions that go hold no leaf node back any more", async () => {
  const denied = { default_permissions: { pub: { deny: ["x"] }, sub: { allow: ["t"] } } };
  const { system, account } = await pushed("default gone", denied);
  const link = await join(account.user());
  const client = await login(server(), account.user({ sub: { allow: [">"] } }).credentials);
  client.send("SUB x 1\r\n");
  await client.roundTrip();
  await push(system, account);
  link.send("LS+ s", "LMSG x 1", "1");
  await client.expect("MSG x 1 1\r\n1\r\n");
  client.send("PUB s 1\r\n2\r\n");
  await link.client.readUntil("LMSG s 1\r\n2\r\n");
  for (const each of [link, client, system]) each.destroy();
});

row("§6.6 under other default permissions a leaf node is not sent what it asked not to be sent", async () => {
  const { system, account } = await pushed("default denies");
  const link = await openLeaf(await linkPort(server(), "leafnode"));
  const credentials = account.user().credentials(String(link.info.nonce));
  link.sendJson("CONNECT", leafConnect({ ...credentials, deny_pub: ["d"] }));
  await link.readInfo((info) => info.connect_info === true);
  link.send("LS+ >");
  await link.roundTrip();
  const client = await login(server(), account.user({ pub: { allow: [">"] } }).credentials);
  await push(system, account, { default_permissions: { pub: { deny: ["x"] } } });
  client.send("PUB d 0\r\n\r\nPUB $JS.API.a 0\r\n\r\nPUB x 0\r\n\r\nPUB y 0\r\n\r\n");
  await client.roundTrip();
  link.client.send("PING\r\n");
  // nats-server forgets what was denied besides permissions, and does not send what the leaf node may not publish.
  const wanted = isNatsServer(client) ? ["d", "$JS.API.a", "y"] : ["x", "y"];
  const sent = (await link.client.readUntil("PONG\r\n")).match(/(?<=LMSG )\S+/g);
  expect([...(sent ?? [])]).toEqual(wanted);
  for (const each of [link, client, system]) each.destroy();
});

rowsInParallel({
  "§8.123 an account that expires closes its leaf nodes": async () => {
    const { system, account } = await pushed("expiring", {}, { exp: seconds(3) });
    await expectEnd(await join(account.user()), "Account Authentication Expired");
    system.destroy();
  },

  "§6.6 a user that expires is a leaf node no more": async () => {
    const { system, account } = await pushed("passing");
    await expectEnd(await join(account.user({}, { exp: seconds(2) })), "User Authentication Expired");
    system.destroy();
  },

  "§6.6 a reload of the configuration closes no leaf node for its login": async () => {
    const config = (accounts: string) => `server_name: C\n${LISTEN}\naccounts { ${accounts} }`;
    const a = (users: string) => `A { users: [ ${users}, { user: other, password: p } ] }`;
    await using hub = await ServerProcess.start({ config: config(a("{ user: leaf, password: p }")) });
    const link = await joinLeaf(await linkPort(hub, "leafnode"), { user: "leaf", pass: "p" });
    for (const accounts of [
      a("{ user: leaf, password: q }"),
      a("{ user: leaf, password: p, permissions: { publish: { deny: [x] } } }"),
      a("{ user: new, password: p }"),
      `${a("{ user: new, password: p }")}, B { users: [ { user: leaf, password: p } ] }`,
    ]) {
      await hub.reload(config(accounts));
      await link.roundTrip();
    }
    const again = await openLeaf(await linkPort(hub, "leafnode"));
    again.sendJson("CONNECT", leafConnect({ user: "new", pass: "q" }));
    await again.expectError("Authorization Violation");
    link.destroy();
  },

  "§3.3 a reload that lowers max_connections closes clients: leaf nodes count, and stay": async () => {
    const config = (limit: number) =>
      `server_name: C\n${LISTEN}\naccounts { A { users: [ { user: a, password: p } ], limits { max_conn: ${limit} } } }`;
    await using hub = await ServerProcess.start({ config: config(4) });
    const port = await linkPort(hub, "leafnode");
    const enter = () => login(hub, { user: "a", pass: "p" });
    const clients = [await enter(), await enter()];
    const links = [
      await joinLeaf(port, { user: "a", pass: "p" }),
      await joinLeaf(port, { user: "a", pass: "p" }),
    ];
    await hub.reload(config(2));
    for (const client of clients) {
      await client.expect("-ERR 'maximum account active connections exceeded'\r\n");
      await client.expectClosed();
    }
    for (const link of links) {
      await link.roundTrip();
      link.destroy();
    }
  },

  "§6.6 a reload with a JWT that revokes": async () => {
    const owner = operator.account("preloaded");
    const [user, other] = [owner.user(), owner.user()];
    const config = (nats = {}) => `server_name: M\n${LISTEN}\n${operator.configWithMemory(owner.with(nats))}`;
    await using hub = await ServerProcess.start({ config: config() });
    const [closing, staying] = [await join(user, hub), await join(other, hub)];
    await hub.reload(config({ revocations: { [user.key.publicKey]: seconds() } }));
    await expectEnd(closing, "User Authentication Revoked");
    await staying.roundTrip();
    staying.destroy();
  },
});
