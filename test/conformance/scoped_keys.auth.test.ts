import { expect } from "bun:test";
import type { Claims } from "../support/jwt.ts";
import { expectRefused, login } from "../support/login.ts";
import { NKey } from "../support/nkey.ts";
import { Operator } from "../support/operator.ts";
import type { RawClient } from "../support/raw_client.ts";
import { row, sharedServer } from "../support/row.ts";

/** Templates of scoped signing keys, by the name of the row that uses them. */
const TEMPLATES = {
  names: { pub: { allow: ["t.{{name()}}", "{{tag(x)}}.z"] }, sub: {} },
  keys: {
    pub: {
      allow: [
        "u.{{subject()}}",
        "a.{{account-subject()}}",
        "n.{{account-name()}}",
        "g.{{account-tag(team)}}",
      ],
    },
    sub: {},
  },
  product: { pub: { allow: ["{{tag(x)}}.{{tag(y)}}"] }, sub: {} },
  inside: { pub: { allow: ["KV_{{tag(bucket)}}.>"] }, sub: {} },
  emptied: { pub: {}, sub: { allow: ["{{tag(none)}}"] } },
  partly: { pub: {}, sub: { allow: ["{{tag(none)}}", "open"] } },
  denied: { pub: { deny: ["{{tag(x)}}.>"] }, sub: {} },
  unknown: { pub: { allow: ["{{nope()}}"] }, sub: {} },
  queue: { pub: {}, sub: { allow: ["in.{{name()}}", "jobs work"] } },
  plain: { pub: { allow: ["plain.>"] }, sub: { allow: ["plain.>", "jobs work"] }, subs: 3, payload: 8 },
  bearer: { pub: {}, sub: {}, bearer_token: true },
  websocket: { pub: {}, sub: {}, allowed_connection_types: ["WEBSOCKET"] },
  elsewhere: { pub: {}, sub: {}, src: ["10.0.0.0/8"] },
  responses: { pub: { deny: [">"] }, sub: {}, resp: { max: 1, ttl: 0 } },
} satisfies Record<string, Claims>;

type Scope = keyof typeof TEMPLATES;

const operator = new Operator();
const account = operator.account("scoped");
const keys = new Map(Object.keys(TEMPLATES).map((scope) => [scope, new NKey("account")]));

const server = sharedServer({
  flags: ["-D"],
  config: operator.configWithMemory(
    account.with({
      tags: ["team:red", "team:blue"],
      signing_keys: Object.entries(TEMPLATES).map(([role, template]) => ({
        kind: "user_scope",
        key: keys.get(role)!.publicKey,
        role,
        template,
      })),
    }),
  ),
});

const userOf = (scope: Scope, nats: Claims = {}, claims: Claims = {}) =>
  account.scopedUserOf(keys.get(scope)!, nats, claims);

const loginAs = (scope: Scope, nats: Claims = {}, claims: Claims = {}) =>
  login(server(), userOf(scope, nats, claims).credentials);

/** Publishes to each subject; exactly those of `refused` are refused. */
async function expectPublishes(client: RawClient, allowed: string[], refused: string[]): Promise<void> {
  for (const subject of refused) client.send(`PUB ${subject} 0\r\n\r\n`);
  for (const subject of allowed) client.send(`PUB ${subject} 0\r\n\r\n`);
  await client.expect(
    refused.map((subject) => `-ERR 'Permissions Violation for Publish to "${subject}"'\r\n`).join(""),
  );
  await client.roundTrip();
  client.destroy();
}

/** Subscribes to each of `subject` or `subject queue`; exactly those of `refused` are refused. */
async function expectSubscribes(client: RawClient, allowed: string[], refused: string[]): Promise<void> {
  for (const subject of refused) client.send(`SUB ${subject} 1\r\n`);
  for (const subject of allowed) client.send(`SUB ${subject} 2\r\n`);
  await client.expect(
    refused
      .map((each) => {
        const [subject, queue] = each.split(" ");
        return `-ERR 'Permissions Violation for Subscription to "${subject}"${queue ? ` using queue "${queue}"` : ""}'\r\n`;
      })
      .join(""),
  );
  await client.roundTrip();
  client.destroy();
}

async function refusedBecause(cause: string | RegExp, scope: Scope, nats: Claims = {}, claims: Claims = {}) {
  const from = server().log.length;
  await expectRefused(server(), userOf(scope, nats, claims).credentials);
  await server().waitForLog(cause, from);
}

row("§8.102 name() and tag(): one entry a tag", async () =>
  expectPublishes(
    await loginAs("names", { tags: ["x:1", "x:2", "y:3"] }, { name: "bob" }),
    ["t.bob", "1.z", "2.z"],
    ["t.alice", "3.z", "x:1.z", "t.{{name()}}", "other"],
  ),
);

row("§5.5 subject(), account-subject(), account-name(), account-tag()", async () => {
  const user = userOf("keys");
  await expectPublishes(
    await login(server(), user.credentials),
    [`u.${user.key.publicKey}`, `a.${account.publicKey}`, "n.scoped", "g.red", "g.blue"],
    ["u.x", "a.x", "n.x", "g.green"],
  );
});

row("§5.5 several tag() in one entry are every combination", async () =>
  expectPublishes(
    await loginAs("product", { tags: ["x:1", "x:2", "y:a", "y:b"] }),
    ["1.a", "1.b", "2.a", "2.b"],
    ["1.1", "a.1", "1", "1.c"],
  ),
);

row("§5.5 a function inside a token", async () =>
  expectPublishes(
    await loginAs("inside", { tags: ["bucket:mine"] }),
    ["KV_mine.x", "KV_mine.x.y"],
    ["KV_other.x", "KV_.x", "KV_{{tag(bucket)}}.x"],
  ),
);

row("§5.5 a tag with a wildcard is no way out of its token", async () => {
  const client = await loginAs("inside", { tags: ["bucket:>", "bucket:*", "bucket:mine"] });
  await expectPublishes(client, ["KV_mine.x"], ["KV_other.x", "other", "KV_x.y"]);
});

row("§8.104 an allow list that becomes empty allows nothing", async () =>
  expectSubscribes(await loginAs("emptied"), [], ["a", ">", "a.b", "a q"]),
);

row("§5.5 an entry that becomes nothing is left out", async () =>
  expectSubscribes(await loginAs("partly"), ["open"], ["a", ">", "{{tag(none)}}"]),
);

row("§5.5 a deny entry whose tag is missing refuses the user", async () => {
  await refusedBecause("User JWT generated invalid permissions", "denied");
  await expectPublishes(await loginAs("denied", { tags: ["x:1"] }), ["2.a"], ["1.a"]);
});

row("§5.5 an unknown function refuses the user", () =>
  refusedBecause("User JWT generated invalid permissions", "unknown"),
);

row("§5.5 a queue entry beside a template is dropped", async () =>
  expectSubscribes(await loginAs("queue", {}, { name: "bob" }), ["in.bob"], ["jobs work", "in.eve"]),
);

row("§5.4 a template without functions, with its limits", async () => {
  await expectPublishes(await loginAs("plain"), ["plain.a"], ["other"]);
  await expectSubscribes(await loginAs("plain"), ["plain.a", "jobs work"], ["other", "jobs"]);
  const client = await loginAs("plain");
  client.send("SUB plain.1 1\r\nSUB plain.2 2\r\nSUB plain.3 3\r\nSUB plain.4 4\r\n");
  await client.expect("-ERR 'maximum subscriptions exceeded'\r\n");
  client.send("PUB plain.a 9\r\n123456789\r\n");
  await client.expect("-ERR 'Maximum Payload Violation'\r\n");
  await client.expectClosed();
});

row("§8.103 a scoped user with permissions or limits of its own is refused", async () => {
  for (const nats of [
    { subs: 10 },
    { payload: 10 },
    { data: 10 },
    { subs: -1, data: -1, payload: -1 },
    { pub: { allow: ["x"] } },
    { sub: { deny: ["x"] } },
    { resp: { max: 1, ttl: 0 } },
    { src: ["127.0.0.0/8"] },
    { times: [{ start: "00:00:00", end: "23:59:59" }] },
    { bearer_token: true },
    { allowed_connection_types: ["STANDARD"] },
  ]) {
    await refusedBecause("scoped users require no permissions or limits set", "plain", nats);
  }
});

row("§5.2 the template's bearer_token, connection types and networks hold", async () => {
  const bearer = userOf("bearer");
  (await login(server(), { jwt: bearer.jwt })).destroy();
  await expectRefused(server(), { jwt: userOf("plain").jwt });
  await refusedBecause("Connection type not allowed", "websocket");
  await refusedBecause("Bad src Ip 127.0.0.1", "elsewhere");
});

row("§2.4 the template's answers", async () => {
  const responder = await loginAs("responses");
  responder.send("SUB service 1\r\n");
  await responder.roundTrip();
  const requestor = await login(server(), account.user().credentials);
  requestor.send("SUB inbox 1\r\nPUB service inbox 0\r\n\r\n");
  await responder.expect("MSG service 1 inbox 0\r\n\r\n");
  responder.send("PUB inbox 2\r\nok\r\nPUB inbox 2\r\nno\r\n");
  await responder.expect(`-ERR 'Permissions Violation for Publish to "inbox"'\r\n`);
  await requestor.expect("MSG inbox 1 2\r\nok\r\n");
  await requestor.roundTrip();
  for (const client of [responder, requestor]) client.destroy();
});

row("§8.102 the account's identity still signs users without a scope", async () => {
  const client = await login(server(), account.user().credentials);
  client.send("PUB anything 0\r\n\r\n");
  await client.roundTrip();
  expect(client.isClosed).toBe(false);
  client.destroy();
});
