import { expect } from "bun:test";
import { checkConfig } from "../support/config_check.ts";
import { NKey } from "../support/nkey.ts";
import { Operator, preload } from "../support/operator.ts";
import { rowsInParallel } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";
import { startFailure } from "../support/start_failure.ts";

const operator = new Operator();
const other = new Operator();
const memory = operator.configWithMemory();
const userKey = new NKey("user").publicKey;
const accountKey = new NKey("account").publicKey;

const permissions = (text: string) =>
  `authorization { users: [ {user: a, password: p, permissions: ${text}} ] }`;
const callout = (text: string) =>
  `authorization { users: [ {user: a, password: p} ], auth_callout { ${text} } }`;

/** Configurations with which a server does not start, and what it says. */
const REFUSED: Readonly<Record<string, readonly [config: string, text: string]>> = {
  "user/pass and token": [
    "authorization { user: u, password: p, token: t }",
    "Cannot have a user/pass and token",
  ],
  "a single user beside users": [
    "authorization { user: u, password: p, users: [ {user: a, password: p} ] }",
    "Can not have a single user/pass and a users array",
  ],
  "a token beside users": [
    "authorization { token: t, users: [ {user: a, password: p} ] }",
    "Can not have a token and a users array",
  ],
  // Which of two texts nats-server says, "accounts" or "a users array", depends on the order of its maps.
  "a single user beside accounts with users": [
    "authorization { user: u, password: p }\naccounts { A { users: [ {user: a, password: p} ] } }",
    "Can not have a single user/pass and a",
  ],
  "a token beside accounts with users": [
    "authorization { token: t }\naccounts { A { users: [ {user: a, password: p} ] } }",
    "Can not have a token and a",
  ],
  "a user twice": [
    "authorization { users: [ {user: a, password: p}, {user: a, password: q} ] }",
    `Duplicate user "a" detected`,
  ],
  "an nkey twice": [
    `authorization { users: [ {nkey: ${userKey}}, {nkey: ${userKey}} ] }`,
    `Duplicate nkey "${userKey}" detected`,
  ],
  "a user without a name": ["authorization { users: [ {password: p} ] }", "User entry requires a user"],
  "an account's key as nkey of a user": [
    `authorization { users: [ {nkey: ${accountKey}} ] }`,
    "Not a valid public nkey for a user",
  ],
  "an nkey with a password": [
    `authorization { users: [ {nkey: ${userKey}, password: p} ] }`,
    "Nkey users do not take usernames or passwords",
  ],
  "an invalid subject": [permissions(`{publish: "a..b"}`), `subject "a..b" is not a valid subject`],
  "a queue in a publish permission": [
    permissions(`{publish: "foo bar"}`),
    `subject "foo bar" is not a valid subject`,
  ],
  "an unknown key in permissions": [
    permissions("{subject: a}"),
    `Unknown field "subject" parsing permissions`,
  ],
  "an unknown key in a subject permission": [
    permissions("{publish: {allowed: a}}"),
    `Unknown field name "allowed" parsing subject permissions, only 'allow' or 'deny' are permitted`,
  ],
  "allow_responses that is neither": [
    permissions("{allow_responses: 7}"),
    "error parsing response permissions, expected a boolean or a map",
  ],
  "an unknown key of a user": [
    "authorization { users: [ {user: a, password: p, secret: s} ] }",
    `unknown field "secret"`,
  ],
  "no_auth_user without users": [
    "no_auth_user: a",
    `no_auth_user: "a" present, but users/nkeys are not defined`,
  ],
  "no_auth_user of nobody": [
    "no_auth_user: z\nauthorization { users: [ {user: a, password: p} ] }",
    `no_auth_user: "z" not present as user or nkey in authorization block or account configuration`,
  ],
  "a callout without issuer": [
    callout("auth_users: [a]"),
    "Authorization callouts require an issuer to be specified",
  ],
  "a callout without users": [
    callout(`issuer: ${accountKey}`),
    "Authorization callouts require authorized users to be specified",
  ],
  "a callout whose issuer is a user": [
    callout(`issuer: ${userKey}, auth_users: [a]`),
    `Expected callout user to be a valid public account nkey, got "${userKey}"`,
  ],
  "a callout whose xkey is none": [
    callout(`issuer: ${accountKey}, auth_users: [a], xkey: ${userKey}`),
    `Expected callout xkey to be a valid public xkey, got "${userKey}"`,
  ],
  "a callout for an unknown account": [
    callout(`issuer: ${accountKey}, auth_users: [a], allowed_accounts: [NOPE]`),
    `auth_callout allowed account "NOPE" not found in configured accounts`,
  ],
  "no_auth_user with an operator": [
    `no_auth_user: a\n${memory}`,
    "no_auth_user not compatible with Trusted Operator",
  ],
  "accounts with an operator": [
    `accounts { A { } }\n${memory}`,
    "operators do not allow Accounts to be configured directly",
  ],
  "mappings with an operator": [
    `mappings { foo: bar }\n${memory}`,
    "operators do not allow Accounts to be configured directly",
  ],
  "users with an operator": [
    `authorization { users: [ {user: a, password: p} ] }\n${memory}`,
    "operators do not allow users to be configured directly",
  ],
  "several operators without a resolver": [
    `operators: [ ${operator.jwt}, ${other.jwt} ]`,
    "operators require an account resolver to be configured",
  ],
  "one operator without a resolver": [
    `operator: ${operator.jwt}`,
    `could not fetch <"/accounts/">: Get "/accounts/": unsupported protocol scheme ""`,
  ],
  "trusted keys beside an operator": [
    `trusted_keys: [${operator.key.publicKey}]\n${memory}`,
    "conflicting options for 'TrustedKeys' and 'TrustedOperators'",
  ],
  "a system account other than the operator's": [
    `system_account: ${accountKey}\n${memory}`,
    "system_account in config and operator JWT must be identical",
  ],
  "a trusted key of an account": [
    `trusted_keys: [${accountKey}]`,
    `trust key "${accountKey}" required to be a valid public operator nkey`,
  ],
  "a pinned account that is none": [
    `resolver_pinned_accounts: [${userKey}]\n${memory}`,
    `pinned account key "${userKey}" is not a valid public account nkey`,
  ],
  "an operator that is no JWT": ["operator: a.b.c\nresolver: MEMORY", "error parsing operator JWT: "],
  "a system account that is not preloaded": [`operator: ${operator.jwt}\nresolver: MEMORY`, "nats-server: "],
  "a preload with a URL": [
    `${operator.configWith(`URL("http://127.0.0.1:1/")`)}\n${preload([operator.systemAccount])}`,
    "resolver preloads only available for writeable resolver types MEM/DIR/CACHE_DIR",
  ],
  "a preload that is no JWT": [
    `operator: ${operator.jwt}\nresolver: MEMORY\nresolver_preload { ${accountKey}: nonsense }`,
    "invalid account JWT",
  ],
  "a resolver of no kind": [
    `operator: ${operator.jwt}\nresolver: SOMEWHERE`,
    `error parsing account resolver, should be MEM or  URL("url") or a map containing dir and type state=[FULL|CACHE])`,
  ],
  "a full resolver without dir": [
    `operator: ${operator.jwt}\nresolver { type: full }`,
    "dir has no value and needs to point to a directory",
  ],
  "a full resolver that waits no time": [
    `operator: ${operator.jwt}\nresolver { type: full, dir: "DIRECTORY/jwt", timeout: "0s" }`,
    "Fetch timeout 0s is too smal",
  ],
  "a full resolver with ttl": [
    `operator: ${operator.jwt}\nresolver { type: full, dir: "DIRECTORY/jwt", ttl: "1m" }`,
    "FULL does not accept ttl",
  ],
  "a cache resolver that may delete": [
    `operator: ${operator.jwt}\nresolver { type: cache, dir: "DIRECTORY/jwt", allow_delete: true }`,
    "CACHE does not accept allow_delete",
  ],
  "a trusted proxy whose key is none": [
    `proxies { trusted: [ {key: nonsense} ] }`,
    `invalid proxy key "nonsense"`,
  ],
  "a sentinel that is no JWT": [`default_sentinel: nonsense\n${memory}`, "default sentinel JWT not valid"],
  "a sentinel that is no bearer token": [
    `default_sentinel: ${operator.systemAccount.user().jwt}\n${memory}`,
    "default sentinel must be a bearer token",
  ],
  "an operator that asserts a newer server": [
    new Operator({ assert_server_version: "9.1.0" }).configWithMemory(),
    "expected major version 9 > server major version 2",
  ],
  "an operator that asserts no version": [
    new Operator({ assert_server_version: "soon" }).configWithMemory(),
    "expects version soon got error instead: asserted server version must be of the form <major>.<minor>.<update>",
  ],
};

const rows: Record<string, () => Promise<void>> = {};
for (const [what, [config, text]] of Object.entries(REFUSED)) {
  rows[`§7.4 ${what}`] = async () => {
    const stderr = await startFailure(config);
    expect(stderr).toContain(text);
    expect(stderr).toMatch(/nats-server: |\[FTL\]/);
  };
}
for (const [what, jwt] of [
  ["that is no JWT", "eyJhbGciOiJub25lIn0.eyJ9.c"],
  ["that is an account", operator.systemAccount.jwt],
] as const) {
  rows[`§7.4 -t refuses an operator ${what}, and says where it stands`] = async () => {
    const { code, stderr } = await checkConfig(`port: -1\noperator: ${jwt}\nresolver: MEMORY`);
    expect(stderr).toMatch(/^nats-server: \S+main\.conf:2:1: error parsing operator JWT: /);
    expect(code).toBe(1);
  };
}
rows["§7.4 -t refuses a preload whose token was damaged, and says where it stands"] = async () => {
  const { publicKey, jwt } = operator.systemAccount;
  const damaged = preload([{ publicKey, jwt: jwt.replace(/.{4}$/, "AAAA") }]);
  const { code, stderr } = await checkConfig(`port: -1\n${operator.configWith("MEMORY")}\n${damaged}`);
  expect(stderr).toMatch(/^nats-server: \S+main\.conf:4:\d+: /);
  expect(stderr).toContain("account");
  expect(code).toBe(1);
};
rows["§5.6 with leaf nodes and gateways it is enough that the operator names the system account"] =
  async () => {
    const listen = `listen: "127.0.0.1:-1"`;
    const config = `${operator.configWithMemory()}\ngateway { name: G, ${listen} }, leafnodes { ${listen} }`;
    await using server = await ServerProcess.start({ config });
    const client = await server.connect();
    expect(client.info.auth_required).toBe(true);
    client.destroy();
  };
rowsInParallel(rows, 6);
