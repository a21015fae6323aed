import { expect } from "bun:test";
import { expectRefused, login } from "../support/login.ts";
import { readMessage } from "../support/message.ts";
import { NKey } from "../support/nkey.ts";
import { loginAsSystem, Operator, signature, UNLIMITED_ACCOUNT } from "../support/operator.ts";
import type { RawClient } from "../support/raw_client.ts";
import { row, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

/** What the tests read of an event about a client. */
interface ClientEvent {
  readonly type: string;
  readonly id: string;
  readonly reason?: string;
  readonly server: { readonly id: string };
  readonly client: Readonly<Record<string, unknown>>;
}

const nkey = new NKey("user");
const operator = new Operator();
const tenant = operator.account("tenant");

const inConfig = sharedServer({
  config: `accounts {
    $SYS { users: [ {user: sys, password: p} ] }
    A { users: [ {user: a, password: secret}, {nkey: ${nkey.publicKey}} ] }
  }`,
});
const inOperatorMode = sharedServer({ config: operator.configWithMemory(tenant) });

/** Subscribes a client of the system account to the events of these subjects. */
async function listen(system: RawClient, ...subjects: string[]): Promise<void> {
  for (const [index, subject] of subjects.entries()) system.send(`SUB ${subject} ${index}\r\n`);
  await system.roundTrip();
}

async function nextEvent(system: RawClient): Promise<{ subject: string; event: ClientEvent }> {
  const { subject, payload } = await readMessage(system);
  return { subject, event: JSON.parse(payload) as ClientEvent };
}

row("§8.26 a refused login is an event, with who tried", async () => {
  const system = await login(inConfig(), { user: "sys", pass: "p" });
  await listen(system, "$SYS.SERVER.*.CLIENT.AUTH.ERR");
  await expectRefused(inConfig(), { user: "a", pass: "wrong", name: "n", lang: "test", version: "7" });
  const { subject, event } = await nextEvent(system);
  expect(subject).toBe(`$SYS.SERVER.${event.server.id}.CLIENT.AUTH.ERR`);
  expect(event.server.id).toBe(system.info.server_id);
  expect(event).toMatchObject({
    type: "io.nats.server.advisory.v1.client_disconnect",
    reason: "Authentication Failure",
    client: { user: "a", host: "127.0.0.1", acc: "$G", name: "n", lang: "test", ver: "7", kind: "Client" },
  });
  expect(event.id).toMatch(/^[0-9A-Za-z]{22}$/);
  expect(JSON.stringify(event)).not.toContain("wrong");
  system.destroy();
});

row("§8.26 anything before CONNECT, unknown users and nkeys are events too", async () => {
  const system = await login(inConfig(), { user: "sys", pass: "p" });
  await listen(system, "$SYS.SERVER.*.CLIENT.AUTH.ERR");
  const early = await inConfig().connect();
  early.send("PING\r\n");
  await early.readToEnd();
  expect((await nextEvent(system)).event.reason).toBe("Authentication Failure");
  await expectRefused(inConfig(), { user: "stranger", pass: "x" });
  expect((await nextEvent(system)).event.client.user).toBe("stranger");
  const other = new NKey("user");
  await expectRefused(inConfig(), (nonce) => ({ nkey: other.publicKey, sig: signature(other, nonce) }));
  expect((await nextEvent(system)).event.client.user).toBe(other.publicKey);
  system.destroy();
});

row("§1.11 a login that succeeds is a CONNECT event of its account", async () => {
  const system = await login(inConfig(), { user: "sys", pass: "p" });
  await listen(system, "$SYS.ACCOUNT.A.CONNECT", "$SYS.ACCOUNT.A.DISCONNECT");
  const client = await login(inConfig(), { user: "a", pass: "secret" });
  const { subject, event } = await nextEvent(system);
  expect(subject).toBe("$SYS.ACCOUNT.A.CONNECT");
  expect(event).toMatchObject({
    type: "io.nats.server.advisory.v1.client_connect",
    client: { acc: "A", user: "a", id: client.info.client_id },
  });
  expect(JSON.stringify(event)).not.toContain("secret");
  client.destroy();
  expect((await nextEvent(system)).event).toMatchObject({
    reason: "Client Closed",
    client: { acc: "A", user: "a" },
  });
  system.destroy();
});

row("§8.26 a timeout is no authentication error", async () => {
  const system = await login(inConfig(), { user: "sys", pass: "p" });
  await listen(system, "$SYS.SERVER.*.CLIENT.AUTH.ERR", "$SYS.ACCOUNT.*.DISCONNECT");
  const silent = await inConfig().connect();
  await silent.expect("-ERR 'Authentication Timeout'\r\n");
  const { subject, event } = await nextEvent(system);
  expect(subject).toBe("$SYS.ACCOUNT.$G.DISCONNECT");
  expect(event.reason).toBe("Authentication Timeout");
  system.destroy();
});

row(
  "§8.26 operator mode: an account without room hears of who wanted in, the system account only that it went",
  async () => {
    const full = operator.account("full");
    await using own = await ServerProcess.start({
      config: operator.configWithMemory(full.with({ limits: { ...UNLIMITED_ACCOUNT, conn: 1 } })),
    });
    const [system, member] = [await loginAsSystem(own, operator), await login(own, full.user().credentials)];
    await listen(system, "$SYS.SERVER.*.CLIENT.AUTH.ERR", "$SYS.ACCOUNT.*.DISCONNECT");
    await listen(member, "$SYS.ACCOUNT.CLIENT.AUTH.ERR");
    for (const user of ["", "me"]) {
      const { jwt, credentials } = full.user();
      await expectRefused(
        own,
        (nonce) => ({ ...credentials(nonce), user }),
        "-ERR 'maximum account active connections exceeded'\r\n",
      );
      const client = { acc: full.publicKey, jwt, ...(user === "" ? {} : { user }) };
      for (const [listener, reason] of [
        [member, "Authentication Failure"],
        [system, "Maximum Account Connections Exceeded"],
      ] as const) {
        const { event } = await nextEvent(listener);
        expect(event).toMatchObject({ reason, client });
        expect(Object.keys(event.client)).not.toContain("issuer_key");
        if (user === "") expect(Object.keys(event.client)).not.toContain("user");
      }
    }
    await system.roundTrip();
    for (const each of [system, member]) each.destroy();
  },
);

row("§8.26 operator mode: the refused token is in the event, its account is not known yet", async () => {
  const system = await loginAsSystem(inOperatorMode(), operator);
  await listen(system, "$SYS.SERVER.*.CLIENT.AUTH.ERR");
  const user = tenant.user();
  await expectRefused(inOperatorMode(), { jwt: user.jwt });
  const { event } = await nextEvent(system);
  expect(event).toMatchObject({
    reason: "Authentication Failure",
    client: { acc: "$G", jwt: user.jwt, kind: "Client" },
  });
  system.destroy();
});
