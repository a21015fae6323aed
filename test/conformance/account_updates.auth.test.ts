import { expect } from "bun:test";
import { push, pushNewAccount, updateSubject } from "../support/claims_requests.ts";
import { closedConnection, closedReason } from "../support/closed_connection.ts";
import { type Claims, seconds } from "../support/jwt.ts";
import { AUTHORIZATION_VIOLATION, expectRefused, login } from "../support/login.ts";
import { NKey } from "../support/nkey.ts";
import { loginAsSystem, Operator, preload, UNLIMITED_ACCOUNT } from "../support/operator.ts";
import type { RawClient } from "../support/raw_client.ts";
import { row, rowsInParallel, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";
import { listen, nextMessage } from "../support/system.ts";

const REVOKED = "-ERR 'User Authentication Revoked'\r\n";
const ACCOUNT_EXPIRED = "-ERR 'Account Authentication Expired'\r\n";
const TOO_MANY = "-ERR 'maximum account active connections exceeded'\r\n";
const TOO_MANY_SUBSCRIPTIONS = "-ERR 'maximum subscriptions exceeded'\r\n";

const operator = new Operator({ signing_keys: [] });
const server = sharedServer({
  config: `${operator.configWith(`{ type: full, dir: "DIRECTORY/jwt", timeout: "300ms" }`)}\n${preload([operator.systemAccount])}`,
  monitoring: true,
});

const pushed = (name: string, nats: Claims = {}, claims: Claims = {}) =>
  pushNewAccount(server(), operator, name, nats, claims);

async function expectClosedWith(client: RawClient, error: string, reason: string): Promise<void> {
  if (error !== "") await client.expect(error);
  await client.expectClosed();
  expect(await closedReason(server(), client)).toBe(reason);
}

row("§8.120 a revoked user is told and closed, the others stay", async () => {
  const { system, account } = await pushed("revoking");
  const [user, other] = [account.user(), account.user()];
  const client = await login(server(), user.credentials);
  const staying = await login(server(), other.credentials);
  await push(system, account, { revocations: { [user.key.publicKey]: seconds() } });
  await expectClosedWith(client, REVOKED, "Credentials Revoked");
  await staying.roundTrip();
  await expectRefused(server(), user.credentials);
  for (const each of [staying, system]) each.destroy();
});

row("§8.120 the system account hears of it under the name that the account has from then on", async () => {
  const { system, account } = await pushed("named");
  const user = account.user();
  const client = await login(server(), user.credentials);
  await listen(system, `$SYS.ACCOUNT.${account.publicKey}.DISCONNECT`);
  const jwt = account.jwtWith({ revocations: { [user.key.publicKey]: seconds() } }, { name: "renamed" });
  system.send(`PUB ${updateSubject(account)} ${jwt.length}\r\n${jwt}\r\n`);
  await client.expect(REVOKED);
  expect((await nextMessage(system)).json).toMatchObject({
    reason: "Credentials Revoked",
    client: { user: user.key.publicKey, name_tag: "renamed" },
  });
  for (const each of [client, system]) each.destroy();
});

row("§8.120 a revocation is of tokens up to its second", async () => {
  const { system, account } = await pushed("by time");
  const [old, same, later] = [-10, 0, 10].map((shift) => account.user({}, { iat: seconds() + shift }));
  const at = seconds();
  const keys = [old, same, later].map((user) => user!.key.publicKey);
  await push(system, account, { revocations: Object.fromEntries(keys.map((key) => [key, at])) });
  await expectRefused(server(), old!.credentials);
  await expectRefused(server(), same!.credentials);
  (await login(server(), later!.credentials)).destroy();
  system.destroy();
});

row("§8.120 a revocation of * is of everyone up to its second", async () => {
  const { system, account } = await pushed("everyone");
  const [old, later] = [account.user({}, { iat: seconds(-10) }), account.user({}, { iat: seconds(10) })];
  const [closing, staying] = [
    await login(server(), old.credentials),
    await login(server(), later.credentials),
  ];
  await push(system, account, { revocations: { "*": seconds() } });
  await expectClosedWith(closing, REVOKED, "Credentials Revoked");
  await staying.roundTrip();
  await expectRefused(server(), account.user({}, { iat: seconds(-10) }).credentials);
  for (const each of [staying, system]) each.destroy();
});

row("§8.120 a revocation that is taken back lets the user in again", async () => {
  const { system, account } = await pushed("forgiving");
  const user = account.user();
  await push(system, account, { revocations: { [user.key.publicKey]: seconds() } });
  await expectRefused(server(), user.credentials);
  await push(system, account, { description: "forgiven" });
  (await login(server(), user.credentials)).destroy();
  system.destroy();
});

row(
  "§8.121 a signing key that is removed: its users are closed without a word, the others stay, and no login failed",
  async () => {
    const [kept, removed] = [new NKey("account"), new NKey("account")];
    const { system, account } = await pushed("signing", {
      signing_keys: [kept.publicKey, removed.publicKey],
    });
    const closing = await login(server(), account.userOf(removed).credentials);
    const staying = await login(server(), account.userOf(kept).credentials);
    const own = await login(server(), account.user().credentials);
    const witness = await loginAsSystem(server(), operator);
    await listen(
      witness,
      "$SYS.SERVER.*.CLIENT.AUTH.ERR",
      `$SYS.ACCOUNT.${account.key.publicKey}.DISCONNECT`,
    );
    await push(system, account, { signing_keys: [kept.publicKey] });
    await expectClosedWith(closing, "", "Authentication Failure");
    const { subject, json } = await nextMessage(witness);
    expect([subject.split(".").at(-1), json.reason]).toEqual(["DISCONNECT", "Authentication Failure"]);
    await witness.roundTrip();
    await expectRefused(server(), account.userOf(removed).credentials);
    for (const each of [staying, own]) await each.roundTrip();
    for (const each of [staying, own, system, witness]) each.destroy();
  },
);

row(
  "§6.6 a template that changes closes its users without a word; they come back with the new one",
  async () => {
    const key = new NKey("account");
    const scope = (subject: string) => [
      { kind: "user_scope", key: key.publicKey, role: "r", template: { pub: { allow: [subject] }, sub: {} } },
    ];
    const { system, account } = await pushed("templates", { signing_keys: scope("old") });
    const user = account.scopedUserOf(key);
    const client = await login(server(), user.credentials);
    await push(system, account, { signing_keys: scope("new") });
    await expectClosedWith(client, "", "Authentication Failure");
    const again = await login(server(), user.credentials);
    again.send("PUB new 0\r\n\r\nPUB old 0\r\n\r\n");
    await again.expect(`-ERR 'Permissions Violation for Publish to "old"'\r\n`);
    for (const each of [again, system]) each.destroy();
  },
);

row("§8.122 a connection limit that is lowered: the oldest stays", async () => {
  const { system, account } = await pushed("crowded");
  const clients = [];
  for (let count = 0; count < 3; count++) clients.push(await login(server(), account.user().credentials));
  await push(system, account, { limits: { ...UNLIMITED_ACCOUNT, conn: 1 } });
  for (const client of clients.slice(1)) {
    await expectClosedWith(client, TOO_MANY, "Maximum Account Connections Exceeded");
  }
  await clients[0]!.roundTrip();
  await expectRefused(server(), account.user().credentials, TOO_MANY);
  for (const each of [clients[0]!, system]) each.destroy();
});

row("§6.6 a connection that leaves makes room for another", async () => {
  const { system, account } = await pushed("one at a time", { limits: { ...UNLIMITED_ACCOUNT, conn: 1 } });
  const first = await login(server(), account.user().credentials);
  const refused = await expectRefused(server(), account.user().credentials, TOO_MANY);
  expect(await closedReason(server(), refused)).toBe("Maximum Account Connections Exceeded");
  first.destroy();
  await closedConnection(server(), first);
  (await login(server(), account.user().credentials)).destroy();
  system.destroy();
});

row(
  "§3.3 who has as many subscriptions as it may have stays while other accounts come and change",
  async () => {
    const { system, account } = await pushed("full", { limits: { ...UNLIMITED_ACCOUNT, subs: 2 } });
    const byAccount = await login(server(), account.user().credentials);
    const byUser = await login(server(), account.user({ subs: 1 }).credentials);
    byAccount.send("SUB a 1\r\nSUB b 2\r\n");
    byUser.send("SUB a 1\r\n");
    for (const each of [byAccount, byUser]) await each.roundTrip();
    const other = await pushed("other");
    const client = await login(server(), other.account.user().credentials);
    await push(system, other.account, { limits: { ...UNLIMITED_ACCOUNT, subs: 1 } });
    // Whoever is to go has 20 ms.
    await new Promise((resolve) => setTimeout(resolve, 100));
    for (const each of [byAccount, byUser]) await each.roundTrip();
    for (const each of [byAccount, byUser, client, other.system, system]) each.destroy();
  },
);

row("§3.3 a subscription limit that is lowered closes who has as many or more", async () => {
  const { system, account } = await pushed("subscribed");
  const many = await login(server(), account.user().credentials);
  many.send("SUB a 1\r\nSUB b 2\r\nSUB c 3\r\n");
  await many.roundTrip();
  const few = await login(server(), account.user().credentials);
  few.send("SUB a 1\r\n");
  await few.roundTrip();
  await push(system, account, { limits: { ...UNLIMITED_ACCOUNT, subs: 2 } });
  await expectClosedWith(many, TOO_MANY_SUBSCRIPTIONS, "Maximum Subscriptions Exceeded");
  few.send("SUB b 2\r\nSUB c 3\r\n");
  await few.expect(TOO_MANY_SUBSCRIPTIONS);
  await few.roundTrip();
  for (const each of [few, system]) each.destroy();
});

row("§6.6 a payload limit that is lowered holds at once", async () => {
  const { system, account } = await pushed("payload");
  const client = await login(server(), account.user().credentials);
  client.send("PUB a 8\r\n12345678\r\n");
  await client.roundTrip();
  await push(system, account, { limits: { ...UNLIMITED_ACCOUNT, payload: 4 } });
  client.send("PUB a 4\r\n1234\r\nPING\r\n");
  await client.expect("PONG\r\n");
  client.send("PUB a 5\r\n12345\r\n");
  await client.expect("-ERR 'Maximum Payload Violation'\r\n");
  await client.expectClosed();
  system.destroy();
});

row("§6.6 disallow_bearer closes bearer users with the violation, the others stay", async () => {
  const { system, account } = await pushed("bearing");
  const bearer = await login(server(), { jwt: account.user({ bearer_token: true }).jwt });
  const staying = await login(server(), account.user().credentials);
  await push(system, account, { limits: { ...UNLIMITED_ACCOUNT, disallow_bearer: true } });
  await expectClosedWith(bearer, AUTHORIZATION_VIOLATION, "Authentication Failure");
  await staying.roundTrip();
  for (const each of [staying, system]) each.destroy();
});

row("§2.1 default permissions that change are applied to who lives by them", async () => {
  const permissions = (pub: string, sub: string) => ({
    default_permissions: { pub: { allow: [pub] }, sub: { allow: [sub] } },
  });
  const { system, account } = await pushed("defaults", permissions("old", "old"));
  const client = await login(server(), account.user().credentials);
  const own = await login(server(), account.user({ pub: { allow: ["old"] } }).credentials);
  client.send("SUB old 4\r\n");
  await client.roundTrip();
  await push(system, account, permissions("new", "new"));
  await client.expect(`-ERR 'Permissions Violation for Subscription to "old" (sid "4")'\r\n`);
  client.send("PUB old 0\r\n\r\nPUB new 0\r\n\r\nSUB new 1\r\n");
  await client.expect(`-ERR 'Permissions Violation for Publish to "old"'\r\n`);
  await client.roundTrip();
  own.send("PUB old 0\r\n\r\n");
  await own.roundTrip();
  for (const each of [client, own, system]) each.destroy();
});

row("§6.6 a token signed by another trusted key closes nobody", async () => {
  const key = new NKey("operator");
  const rotating = new Operator({ signing_keys: [key.publicKey] });
  const account = rotating.account("rotated");
  await using own = await ServerProcess.start({ config: rotating.configWithMemory(account) });
  const system = await loginAsSystem(own, rotating);
  const client = await login(own, account.user().credentials);
  await push(system, account, {}, {}, key);
  await client.roundTrip();
  await login(own, account.user().credentials);
});

row("§6.6 the same token again changes nothing", async () => {
  const { system, account } = await pushed("same", {}, { iat: 1_700_000_000 });
  const client = await login(server(), account.user().credentials);
  await push(system, account, {}, { iat: 1_700_000_000 });
  await client.roundTrip();
  for (const each of [client, system]) each.destroy();
});

rowsInParallel({
  "§8.123 an account that expires closes everyone; a newer token lets them in": async () => {
    const { system, account } = await pushed("expiring", {}, { exp: seconds(3) });
    const clients = [
      await login(server(), account.user().credentials),
      await login(server(), account.user().credentials),
    ];
    for (const client of clients) await expectClosedWith(client, ACCOUNT_EXPIRED, "Authentication Expired");
    await expectRefused(server(), account.user().credentials);
    await push(system, account, {}, { exp: seconds(60) });
    (await login(server(), account.user().credentials)).destroy();
    system.destroy();
  },

  "§8.123 an account that is renewed in time closes nobody": async () => {
    const { system, account } = await pushed("renewed", {}, { exp: seconds(2) });
    const client = await login(server(), account.user().credentials);
    await push(system, account, {}, { exp: seconds(3600) });
    await new Promise((resolve) => setTimeout(resolve, 2500));
    await client.roundTrip();
    for (const each of [client, system]) each.destroy();
  },
});
