import { expect } from "bun:test";
import { login } from "../support/login.ts";
import { readMessage } from "../support/message.ts";
import { Operator } from "../support/operator.ts";
import type { RawClient } from "../support/raw_client.ts";
import { row, rowsInParallel, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";
import { ask, askForSilence, dataOf, type Json, listen, loginAs, nextMessage } from "../support/system.ts";

// Requests about one account, by the system account and by the account's own users.

const server = sharedServer({
  config: `server_name: S1
  accounts {
    $SYS { users: [ { user: sys, password: p } ] }
    A { users: [
      { user: a, password: p }
      { user: bound, password: p, permissions: {
        publish: { allow: ["$SYS.REQ.USER.INFO", "x.>"], deny: "x.no" }
        subscribe: { allow: ["_INBOX.>", "jobs workers"], deny: "y z" }
        allow_responses: true
      } }
      { user: mute, password: p, permissions: { publish: { deny: "$SYS.>" } } }
    ] }
    B { users: [ { user: b, password: p } ] }
    IDLE { users: [ { user: i, password: p } ] }
  }`,
});

async function withClients(
  users: readonly string[],
  body: (...clients: RawClient[]) => Promise<void>,
): Promise<void> {
  const clients: RawClient[] = [];
  for (const user of users) clients.push(await loginAs(server(), user));
  await body(...clients);
  for (const client of clients) client.destroy();
}

const account = (name: string, what: string) => `$SYS.REQ.ACCOUNT.${name}.${what}`;
const namesOf = (statz: Json) => (statz.account_statz as Json[]).map(({ acc }) => acc);

async function expectNoResponder(client: RawClient, subject: string): Promise<void> {
  client.send(`SUB in.1 1\r\nUNSUB 1 1\r\nPUB ${subject} in.1 0\r\n\r\n`);
  expect([subject, (await readMessage(client)).headers.slice(0, 12)]).toEqual([subject, "NATS/1.0 503"]);
}

row("§8.33 CONNZ of an account, whatever account the body names", async () => {
  await withClients(["sys", "a", "b"], async (sys, a) => {
    for (const body of ["", { acc: "B" }, { acc: "" }]) {
      const { connections } = dataOf(await ask(sys!, account("A", "CONNZ"), body));
      expect((connections as Json[]).map(({ cid }) => cid)).toEqual([a!.info.client_id]);
    }
    const some = dataOf(await ask(sys!, account("A", "CONNZ"), { offset: 1, limit: 7, auth: true }));
    expect(some).toMatchObject({ total: 1, offset: 1, limit: 7, connections: [] });
  });
});

row("§8.33 SUBSZ of an account lists, asked or not", async () => {
  await withClients(["sys", "b"], async (sys, b) => {
    await listen(b!, "list.me", "list.*");
    const listed = async (body: unknown) => {
      const subsz = dataOf(await ask(sys!, account("B", "SUBSZ"), body));
      return (subsz.subscriptions_list as Json[]).map(({ subject }) => subject);
    };
    expect(await listed("")).toContain("list.me");
    expect(await listed({ subscriptions: false, account: "A" })).toContain("list.*");
    expect((await listed({ test: "list.me" })).sort()).toEqual(["list.*", "list.me"]);
  });
});

row("§8.34 STATZ of an account: silence without connections, unless asked for", async () => {
  await withClients(["sys", "a"], async (sys) => {
    const statz = dataOf(await ask(sys!, account("A", "STATZ")));
    expect(Object.keys(statz)).toEqual(["server_id", "now", "account_statz"]);
    expect((statz.account_statz as Json[])[0]).toMatchObject({ acc: "A", name: "A", conns: 1 });
    await askForSilence(sys!, [account("IDLE", "STATZ"), ""], [account("nope", "STATZ"), ""]);
    const idle = dataOf(await ask(sys!, account("IDLE", "STATZ"), { include_unused: true }));
    expect((idle.account_statz as Json[])[0]).toMatchObject({ acc: "IDLE", conns: 0, total_conns: 0 });
    // The account of the subject alone.
    expect(namesOf(dataOf(await ask(sys!, account("A", "STATZ"), { accounts: ["B", "$SYS"] })))).toEqual([
      "A",
    ]);
  });
});

row("§8.35 STATZ of all accounts, or of some", async () => {
  await withClients(["sys", "a", "b"], async (sys) => {
    const names = async (body: unknown) =>
      namesOf(dataOf(await ask(sys!, account("PING", "STATZ"), body))).sort();
    expect(await names("")).toEqual(["$SYS", "A", "B"]);
    expect(await names({ accounts: ["B"] })).toEqual(["B"]);
    expect(await names({ accounts: ["B", "IDLE"], include_unused: true })).toEqual(["B", "IDLE"]);
    expect(await names({ include_unused: true })).toEqual(["$G", "$SYS", "A", "B", "IDLE"]);
    await askForSilence(sys!, [account("PING", "STATZ"), { accounts: ["IDLE"] }]);
    // In the order of the request, twice if asked for twice.
    const asked = ["B", "A", "nope", "B"];
    expect(namesOf(dataOf(await ask(sys!, account("PING", "STATZ"), { accounts: asked })))).toEqual([
      "B",
      "A",
      "B",
    ]);
  });
});

row("§8.36 CONNS is the event itself, without an envelope", async () => {
  await withClients(["sys", "a"], async (sys) => {
    for (const body of ["", { acc: "A" }, '{"acc":null}']) {
      const { json } = await ask(sys!, account("A", "CONNS"), body);
      expect(Object.keys(json).slice(0, 6)).toEqual(["type", "id", "timestamp", "server", "acc", "name"]);
      expect(json).toMatchObject({ acc: "A", conns: 1 });
    }
    await askForSilence(
      sys!,
      [account("A", "CONNS"), { acc: "B" }],
      [account("A", "CONNS"), { acc: "" }],
      [account("A", "CONNS"), "{bad"],
      [account("IDLE", "CONNS"), ""],
      [account("nope", "CONNS"), ""],
    );
  });
});

row("§8.37 accounts that nobody knows", async () => {
  await withClients(["sys"], async (sys) => {
    const { json } = await ask(sys!, account("nope", "INFO"));
    expect(json.error).toEqual({ code: 500, description: "Account nope does not exist" });
    expect(json.data).toBe(null);
    // PING is the name of an account there.
    for (const name of ["nope", "PING"]) {
      expect(dataOf(await ask(sys!, account(name, "CONNZ")))).toMatchObject({
        server_id: "",
        num_connections: 0,
        total: 0,
        connections: null,
      });
    }
    expect(dataOf(await ask(sys!, account("nope", "LEAFZ"))).leafs).toEqual([]);
    expect(dataOf(await ask(sys!, account("nope", "SUBSZ")))).toMatchObject({
      num_subscriptions: 0,
      total: 0,
    });
    const jsz = await ask(sys!, account("A", "JSZ"));
    expect(jsz.json.error).toEqual({ code: 500, description: "jetstream not enabled" });
  });
});

row("§5.6 INFO is what accountz shows of an account", async () => {
  await withClients(["sys", "a"], async (sys) => {
    const info = dataOf(await ask(sys!, account("A", "INFO")));
    expect(info).toMatchObject({ account_name: "A", expired: false, complete: true, client_connections: 1 });
    const accountz = dataOf(await ask(sys!, "$SYS.REQ.SERVER.PING.ACCOUNTZ", { account: "A" }));
    expect(Object.keys(accountz.account_detail as Json)).toEqual(Object.keys(info));
  });
});

row("§8.39 a user of an account sees its connections alone", async () => {
  await withClients(["a", "b"], async (a, b) => {
    for (const subject of ["$SYS.REQ.SERVER.PING.CONNZ", "$SYS.REQ.ACCOUNT.PING.CONNZ"]) {
      const { connections } = dataOf(await ask(a!, subject, { acc: "B", auth: true }));
      expect((connections as Json[]).map(({ cid, account: of }) => [cid, of])).toEqual([
        [a!.info.client_id, "A"],
      ]);
    }
    expect(namesOf(dataOf(await ask(b!, "$SYS.REQ.ACCOUNT.PING.STATZ", { accounts: ["A"] })))).toEqual(["B"]);
  });
});

row("§5.8 subscriptions of others are not to be had so", async () => {
  await withClients(["a", "b"], async (a, b) => {
    await listen(b!, "secret.of.b");
    const answer = await ask(a!, "$SYS.REQ.SERVER.PING.CONNZ", {
      subscriptions: true,
      acc: "B",
      filter_subject: "secret.>",
      cid: b!.info.client_id,
    });
    expect(JSON.stringify(answer.json)).not.toContain("secret.of.b");
  });
});

row("§8.40 everything else has no responder in an account", async () => {
  await withClients(["a"], async (a) => {
    for (const subject of [
      ...["$SYS.REQ.SERVER.PING", "$SYS.REQ.SERVER.PING.VARZ", "$SYS.REQ.SERVER.PING.STATSZ"],
      ...[account("B", "CONNZ"), account("A", "CONNZ"), account("PING", "SUBSZ"), "$SYS.REQ.USER.A.INFO"],
      ...[`$SYS.REQ.SERVER.${a!.info.server_id}.KICK`, `$SYS.REQ.SERVER.${a!.info.server_id}.RELOAD`],
      "$SYS.DEBUG.SUBSCRIBERS",
    ]) {
      await expectNoResponder(a!, subject);
    }
  });
});

interface UserInfo extends Record<string, unknown> {
  readonly permissions: Readonly<Record<"publish" | "subscribe", { readonly allow: string[] }>>;
}

row("§8.41 USER.INFO of a user with permissions", async () => {
  await withClients(["bound"], async (bound) => {
    const info = dataOf(await ask(bound!, "$SYS.REQ.USER.INFO")) as UserInfo;
    // nats-server keeps no order.
    for (const kind of ["publish", "subscribe"] as const) info.permissions[kind].allow.sort();
    expect<unknown>(info).toEqual({
      user: "bound",
      account: "A",
      account_name: "A",
      permissions: {
        publish: { allow: ["$SYS.REQ.USER.INFO", "x.>"], deny: ["x.no"] },
        subscribe: { allow: ["_INBOX.>", "jobs workers"], deny: ["y z"] },
        responses: { max: 1, ttl: 120_000_000_000 },
      },
    });
  });
});

row("§8.41 USER.INFO of others, the system account's too; its body is not looked at", async () => {
  await withClients(["a", "sys"], async (a, sys) => {
    expect(dataOf(await ask(a!, "$SYS.REQ.USER.INFO", "{bad"))).toEqual({
      user: "a",
      account: "A",
      account_name: "A",
    });
    expect(dataOf(await ask(sys!, "$SYS.REQ.USER.INFO"))).toEqual({
      user: "sys",
      account: "$SYS",
      account_name: "$SYS",
    });
  });
});

row("§5.8 who asks about a user in the system account is told what the header says", async () => {
  await withClients(["sys"], async (sys) => {
    expect(dataOf(await ask(sys!, "$SYS.REQ.USER.A.INFO"))).toEqual({ user: "", account: "" });
    for (const header of ["{bad", '{"acc":"nope","user":"u"}', '"x"']) {
      const { json } = await ask(sys!, "$SYS.REQ.USER.A.INFO", "", `Nats-Request-Info: ${header}`);
      expect([header, json.error]).toEqual([header, { code: 400 }]);
    }
    const { json } = await ask(sys!, "$SYS.REQ.USER.A.INFO", "", "Other: header");
    expect(json.error).toEqual({ code: 400 });
  });
});

row("§5.8 a user that may not publish there does not get there", async () => {
  await withClients(["mute"], async (mute) => {
    mute!.send("SUB in.1 1\r\nPUB $SYS.REQ.USER.INFO in.1 0\r\n\r\n");
    await mute!.expect("-ERR 'Permissions Violation for Publish to \"$SYS.REQ.USER.INFO\"'\r\n");
  });
});

row("§5.8 the answer comes on the requestor's inbox, and its account sees no other subject", async () => {
  await withClients(["a", "a"], async (a, witness) => {
    await listen(witness!, ">");
    a!.send("SUB my.inbox 1\r\nPUB $SYS.REQ.USER.INFO my.inbox 0\r\n\r\n");
    expect((await readMessage(a!)).subject).toBe("my.inbox");
    const seen = [(await readMessage(witness!)).subject, (await readMessage(witness!)).subject];
    expect(seen.sort()).toEqual(["$SYS.REQ.USER.INFO", "my.inbox"]);
    await witness!.roundTrip();
  });
});

rowsInParallel({
  "§8.41 USER.INFO in operator mode: names, and when the login ends": async () => {
    const operator = new Operator();
    const tenant = operator.account("tenant");
    await using server = await ServerProcess.start({ config: operator.configWithMemory(tenant) });
    const user = tenant.user({}, { name: "bob", exp: Math.floor(Date.now() / 1000) + 3600 });
    const client = await server.connect();
    const { credentials } = user;
    const fields = typeof credentials === "function" ? credentials(String(client.info.nonce)) : credentials;
    await client.handshake(fields);
    const info = dataOf(await ask(client, "$SYS.REQ.USER.INFO"));
    expect(info).toMatchObject({
      user: user.key.publicKey,
      account: tenant.publicKey,
      account_name: "tenant",
      user_name: "bob",
    });
    expect(Number(info.expires) % 1e9).toBe(0);
    expect(Number(info.expires)).toBeGreaterThan(3590e9);
    expect(Number(info.expires)).toBeLessThan(3600e9 + 1);
  },

  "§5.5 USER.INFO by way of another account: the requestor's account, and its name": async () => {
    const operator = new Operator();
    const [tenant, middle] = [operator.account("tenant"), operator.account("middle")];
    const INFO = "$SYS.REQ.USER.INFO";
    await using server = await ServerProcess.start({
      config: operator.configWithMemory(
        middle.with({ exports: [{ subject: INFO, type: "service" }] }),
        tenant.with({
          imports: [{ subject: INFO, account: middle.publicKey, type: "service", local_subject: "info" }],
        }),
      ),
    });
    const client = await login(server, tenant.user().credentials);
    expect(dataOf(await ask(client, "info"))).toMatchObject({
      user: "",
      account: tenant.publicKey,
      account_name: "tenant",
    });
  },

  "§8.58 what is exported by an account's own token is for that account alone": async () => {
    const config = (name: string) => `accounts {
      $SYS {
        users: [ { user: sys, password: p } ]
        exports: [ { service: "$SYS.REQ.ACCOUNT.*.*", response: stream, account_token_position: 4 } ]
      }
      A { users: [ { user: a, password: p } ], imports: [
        { service: { account: "$SYS", subject: "$SYS.REQ.ACCOUNT.${name}.INFO" }, to: "my.info" }
      ] }
      B { users: [ { user: b, password: p } ] }
    }`;
    await using server = await ServerProcess.start({ config: config("A") });
    const a = await loginAs(server, "a");
    expect(dataOf(await ask(a, "my.info")).account_name).toBe("A");
    const refused = ServerProcess.spawn({ config: config("B") });
    const { stderr } = await refused.waitForExit(20_000);
    await refused.stop();
    expect(stderr).toContain("service import not authorized");
  },

  "§5.8 events that the system account exports reach the importer": async () => {
    await using server = await ServerProcess.start({
      config: `accounts {
        $SYS {
          users: [ { user: sys, password: p } ]
          exports: [ { stream: "$SYS.ACCOUNT.*.>", account_token_position: 3 } ]
        }
        A { users: [ { user: a, password: p } ], imports: [
          { stream: { account: "$SYS", subject: "$SYS.ACCOUNT.A.>" }, to: "mine.>" }
        ] }
        B { users: [ { user: b, password: p } ] }
      }`,
    });
    const watcher = await loginAs(server, "a");
    await listen(watcher, "mine.>");
    await loginAs(server, "b");
    const client = await loginAs(server, "a", { name: "seen" });
    const connect = await nextConnect(watcher);
    expect(connect).toMatchObject({ acc: "A", name: "seen" });
    client.destroy();
  },

  "§5.8 a service that exports PING is answered, and told who asks": async () => {
    await using server = await ServerProcess.start({
      config: `accounts {
        $SYS {
          users: [ { user: sys, password: p } ]
          exports: [ { service: "$SYS.REQ.SERVER.PING", response: stream, accounts: [A] } ]
        }
        A { users: [ { user: a, password: p } ], imports: [
          { service: { account: "$SYS", subject: "$SYS.REQ.SERVER.PING" } }
        ] }
      }`,
    });
    const a = await loginAs(server, "a");
    expect(Object.keys((await ask(a, "$SYS.REQ.SERVER.PING")).json)).toEqual(["server", "statsz"]);
  },
});

/** The client of the next CONNECT event. */
async function nextConnect(watcher: RawClient): Promise<unknown> {
  for (;;) {
    const { json } = await nextMessage(watcher);
    if (String(json.type).endsWith("client_connect")) return json.client;
  }
}
