import { expect } from "bun:test";
import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import { readdirSync } from "node:fs";
import { ask, deletion, lookupSubject, push, updateSubject } from "../support/claims_requests.ts";
import { type Claims, encodeJwt, HEADER_V1, seconds, segment } from "../support/jwt.ts";
import { AUTHORIZATION_VIOLATION, expectRefused, type Login, login } from "../support/login.ts";
import { encodeNKey, NKey } from "../support/nkey.ts";
import { loginAsSystem, Operator, preload, signature, UNLIMITED_ACCOUNT, User } from "../support/operator.ts";
import { isNatsServer } from "../support/reference.ts";
import { request } from "../support/request.ts";
import { row, sharedServer } from "../support/row.ts";

// Each attack is a row: what is tried, and that it comes to nothing. First the logins, which must end in the violation
// and a closed connection; then what somebody who is logged in tries beyond what is allowed.

const BCRYPT = "$2b$04$icAL8pUJvk.ETrHG/4awf.xy8vYDt.AahxeWFmGmJQV0DgIfYGpV.";
const nkey = new NKey("user");
const stranger = new NKey("user");

const passwords = sharedServer({
  config: `
    accounts {
      A {
        users: [
          { user: free, password: secret }
          { user: hashed, password: "${BCRYPT}" }
          { nkey: ${nkey.publicKey} }
          { user: remote, password: secret, allowed_connection_types: ["WEBSOCKET"] }
          { user: bound, password: secret, permissions: {
            publish: { allow: ["ok.>", "in.*"], deny: ["ok.secret", "ok.*.secret"] }
            subscribe: { allow: ["in.*", "wide.>", "jobs work", "_INBOX.>"], deny: ["wide.secret", "wide.*.secret", "in.hidden"] }
            allow_responses: true
          } }
        ]
      }
      B { users: [ { user: other, password: secret } ] }
      $SYS { users: [ { user: sys, password: secret } ] }
    }
    authorization { timeout: "1s" }
  `,
});

const operator = new Operator();
const tenant = operator.account("tenant");
const neighbour = operator.account("neighbour");
const foreign = new Operator().account("foreign");
const expired = operator.account("expired");
const unbearable = operator.account("unbearable");
const revoking = operator.account("revoking");
const signingKey = new NKey("account");
const scopedKey = new NKey("account");
const revoked = revoking.user({}, { iat: seconds(-60) });

const tokens = sharedServer({
  config: `${operator.configWith(`{ type: full, dir: "DIRECTORY/jwt", timeout: "100ms", allow_delete: true }`)}
    ${preload([
      operator.systemAccount,
      tenant.with({
        signing_keys: [
          signingKey.publicKey,
          {
            kind: "user_scope",
            key: scopedKey.publicKey,
            role: "r",
            template: { pub: { allow: ["scoped"] }, sub: {} },
          },
        ],
      }),
      neighbour,
      unbearable.with({ limits: { ...UNLIMITED_ACCOUNT, disallow_bearer: true } }),
      revoking.with({ revocations: { [revoked.key.publicKey]: seconds(), "*": seconds(-3600) } }),
    ])}`,
});

// ——— Logins against passwords and nkeys ———

const good = { user: "free", pass: "secret" };

const PASSWORD_ATTACKS: Readonly<Record<string, Login>> = {
  "no credentials": {},
  "a wrong password": { user: "free", pass: "Secret" },
  "an empty password": { user: "free", pass: "" },
  "a user nobody knows": { user: "root", pass: "secret" },
  "an empty user with a good password": { user: "", pass: "secret" },
  "the password as token": { auth_token: "secret" },
  "the password as user": { user: "secret", pass: "secret" },
  "the bcrypt hash as password": { user: "hashed", pass: BCRYPT },
  "a password followed by NUL": { user: "free", pass: "secret\u0000" },
  "a password of 2,000 bytes": { user: "hashed", pass: "x".repeat(2000) },
  "a good password longer than bcrypt looks at": { user: "hashed", pass: `secret${"\u0000".repeat(66)}x` },
  "a good password and an account of one's choice": { ...good, account: "B" },
  "a good password and a new account": { ...good, new_account: true },
  "a user for another kind of connection": { user: "remote", pass: "secret" },
  "an nkey without a signature": { nkey: nkey.publicKey },
  "an nkey as user name": { user: nkey.publicKey },
  "an nkey with the signature of another": (nonce) => ({
    nkey: nkey.publicKey,
    sig: signature(stranger, nonce),
  }),
  "an unknown nkey that signs well": (nonce) => ({
    nkey: stranger.publicKey,
    sig: signature(stranger, nonce),
  }),
  "an nkey that signs another nonce": () => ({
    nkey: nkey.publicKey,
    sig: signature(nkey, "AAAAAAAAAAAAAAA"),
  }),
  "an nkey that signs nothing": () => ({ nkey: nkey.publicKey, sig: signature(nkey, "") }),
  "an nkey that signs the bytes behind the nonce": (nonce) => ({
    nkey: nkey.publicKey,
    sig: nkey.sign(Buffer.from(nonce, "base64url")).toString("base64url"),
  }),
  "a signature of zeros": { nkey: nkey.publicKey, sig: Buffer.alloc(64).toString("base64url") },
  "a signature whose scalar is not reduced": (nonce) => ({
    nkey: nkey.publicKey,
    sig: unreduced(nkey.sign(nonce)).toString("base64url"),
  }),
  "a signature with a byte more": (nonce) => ({
    nkey: nkey.publicKey,
    sig: Buffer.concat([nkey.sign(nonce), Buffer.alloc(1)]).toString("base64url"),
  }),
  "an nkey with a wrong checksum": (nonce) => ({
    nkey: encodeNKey([0xa0], nkey.publicBytes, 1),
    sig: signature(nkey, nonce),
  }),
  "an nkey beside the good password of another": (nonce) => ({
    ...good,
    nkey: stranger.publicKey,
    sig: signature(stranger, nonce),
  }),
  "a token of operator mode": (nonce) => tenant.user().credentials(nonce),
};

for (const [what, attack] of Object.entries(PASSWORD_ATTACKS)) {
  row(`§1 attack: ${what}`, async () => {
    await expectRefused(passwords(), attack);
  });
}

row("§1 attack: a CONNECT recorded on one connection, replayed on another", async () => {
  const first = await passwords().connect();
  const recorded = { nkey: nkey.publicKey, sig: signature(nkey, String(first.info.nonce)) };
  await first.handshake(recorded);
  await expectRefused(passwords(), recorded);
  first.destroy();
});

row("§1 attack: operations behind a CONNECT that fails are not carried out", async () => {
  const witness = await login(passwords(), good);
  witness.send("SUB > 1\r\n");
  await witness.roundTrip();
  const client = await passwords().connect();
  client.send(`CONNECT {"user":"free","pass":"x"}\r\nSUB > 1\r\nPUB ok.a 2\r\nhi\r\nPING\r\n`);
  expect(await client.readToEnd()).toBe(AUTHORIZATION_VIOLATION);
  await witness.roundTrip();
  witness.destroy();
});

row("§1 attack: a good CONNECT followed by a bad one leaves nothing", async () => {
  const witness = await login(passwords(), good);
  witness.send("SUB > 1\r\n");
  await witness.roundTrip();
  const client = await login(passwords(), good);
  client.send(`CONNECT {"verbose":false,"user":"sys","pass":"x"}\r\nPUB a 2\r\nhi\r\nPING\r\n`);
  expect(await client.readToEnd()).toBe(AUTHORIZATION_VIOLATION);
  await witness.roundTrip();
  witness.destroy();
});

/** What is sent in place of a login, and all that comes back before the connection closes. */
const BYTE_ATTACKS: Readonly<Record<string, readonly [input: string, output: string]>> = {
  "SUB before CONNECT": ["SUB > 1\r\n", AUTHORIZATION_VIOLATION],
  "PUB before CONNECT": ["PUB ok.a 2\r\nhi\r\n", AUTHORIZATION_VIOLATION],
  "HPUB before CONNECT": ["HPUB ok.a 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", AUTHORIZATION_VIOLATION],
  "PING before CONNECT": ["PING\r\n", AUTHORIZATION_VIOLATION],
  "a route's RS+": ["RS+ A > 1\r\n", AUTHORIZATION_VIOLATION],
  "a leaf node's LS+": ["LS+ >\r\n", AUTHORIZATION_VIOLATION],
  "a message of a server": ["MSG ok.a 1 2\r\nhi\r\n", AUTHORIZATION_VIOLATION],
  HTTP: ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", AUTHORIZATION_VIOLATION],
  "a blank line": ["\r\n", AUTHORIZATION_VIOLATION],
  "NUL bytes": ["\u0000\u0000\u0000\u0000", AUTHORIZATION_VIOLATION],
  "a CONNECT longer than a line may be": [
    `CONNECT {"user":"free","pass":"secret","name":"${"n".repeat(5000)}"}\r\n`,
    "-ERR 'maximum control line exceeded'\r\n",
  ],
  "a CONNECT that never ends": [
    `CONNECT {"user":"${"u".repeat(6000)}`,
    "-ERR 'maximum control line exceeded'\r\n",
  ],
};

for (const [what, [input, output]] of Object.entries(BYTE_ATTACKS)) {
  row(`§1 attack: ${what}`, async () => {
    const client = await passwords().connect();
    client.send(input);
    expect(await client.readToEnd()).toBe(output);
  });
}

/** CONNECT whose JSON is of the wrong shape: whatever is said, it logs nobody in. */
const SHAPE_ATTACKS = {
  "an array as user": `{"user":["free"],"pass":"secret"}`,
  "an object as password": `{"user":"free","pass":{"$ne":""}}`,
  "true as password": `{"user":"free","pass":true}`,
  "a number as nkey": `{"nkey":1}`,
  "an array in place of the object": `[{"user":"free","pass":"secret"}]`,
  "a string in place of the object": `"free:secret"`,
  null: "null",
  "no JSON": "free secret",
  "JSON that does not end": `{"user":"free","pass":"secret"`,
  "JSON a thousand levels deep": `${"[".repeat(1000)}${"]".repeat(1000)}`,
} as const;

for (const [what, json] of Object.entries(SHAPE_ATTACKS)) {
  row(`§1 attack: CONNECT with ${what}`, async () => {
    const client = await passwords().connect();
    client.send(`CONNECT ${json}\r\nSUB > 1\r\nPING\r\n`);
    const text = await client.readToEnd();
    expect(text).not.toContain("PONG");
    expect(text).not.toContain("+OK");
  });
}

// ——— Logins against an operator's server ———

/** Claims of a user of the tenant that would be let in, for `key`. */
const userClaims = (key: NKey, nats: Claims = {}, claims: Claims = {}): Claims => ({
  sub: key.publicKey,
  name: "attacker",
  ...claims,
  nats: { pub: {}, sub: {}, subs: -1, data: -1, payload: -1, type: "user", version: 2, ...nats },
});

/** Logs in with what `make` makes of the claims of a good user; the nonce is signed well. */
const forged =
  (make: (key: NKey) => string): Login =>
  (nonce) => {
    const key = new NKey("user");
    return { jwt: make(key), sig: signature(key, nonce) };
  };

/** A good token, one segment of which is replaced. */
function replaced(key: NKey, index: 0 | 1 | 2, segmentText: string): string {
  const segments = encodeJwt(userClaims(key), tenant.key).split(".");
  segments[index] = segmentText;
  return segments.join(".");
}

const HEADER = { typ: "JWT", alg: "ed25519-nkey" };
const signedWith = (nats: Claims, claims: Claims = {}, signer: NKey = tenant.key) =>
  forged((key) => encodeJwt(userClaims(key, nats, claims), signer));
const withHeader = (header: unknown) => forged((key) => encodeJwt(userClaims(key), tenant.key, { header }));

const attacker = new NKey("account");
const clock = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString().slice(11, 19);

const TOKEN_ATTACKS: Readonly<Record<string, Login>> = {
  "no token": {},
  "user and password": { user: "free", pass: "secret" },
  "an nkey alone": (nonce) => ({ nkey: stranger.publicKey, sig: signature(stranger, nonce) }),
  "a token without a signature": { jwt: tenant.user().jwt },
  "a token that is not a bearer's, with an empty signature": { jwt: tenant.user().jwt, sig: "" },
  "somebody else's token": (nonce) => ({ jwt: tenant.user().jwt, sig: signature(stranger, nonce) }),
  "a signature of another nonce": () => {
    const user = tenant.user();
    return { jwt: user.jwt, sig: signature(user.key, "AAAAAAAAAAAAAAA") };
  },
  "a signature whose scalar is not reduced": (nonce) => {
    const user = tenant.user();
    return { jwt: user.jwt, sig: unreduced(user.key.sign(nonce)).toString("base64url") };
  },
  "a payload changed after it was signed": forged((key) =>
    replaced(key, 1, segment({ ...userClaims(key, { bearer_token: true }), iss: tenant.publicKey })),
  ),
  "a header changed after it was signed": forged((key) => replaced(key, 0, segment({ ...HEADER, kid: "x" }))),
  "a signature of zeros on the token": forged((key) =>
    replaced(key, 2, Buffer.alloc(64).toString("base64url")),
  ),
  "no signature on the token": forged((key) => replaced(key, 2, "")),
  "the signature of another token": forged((key) => replaced(key, 2, tenant.user().jwt.split(".")[2]!)),
  "alg none": forged((key) => {
    const claims = { ...userClaims(key), iss: tenant.publicKey, iat: seconds() };
    return `${segment({ typ: "JWT", alg: "none" })}.${segment(claims)}.`;
  }),
  "alg None, signed": withHeader({ typ: "JWT", alg: "None" }),
  "alg HS256 with the account's public key as secret": forged((key) => {
    const text = `${segment({ typ: "JWT", alg: "HS256" })}.${segment({ ...userClaims(key), iss: tenant.publicKey })}`;
    return `${text}.${createHmac("sha256", tenant.publicKey).update(text).digest("base64url")}`;
  }),
  "alg EdDSA": withHeader({ typ: "JWT", alg: "EdDSA" }),
  "alg RS256": withHeader({ typ: "JWT", alg: "RS256" }),
  "no alg": withHeader({ typ: "JWT" }),
  "another typ": withHeader({ typ: "JWE", alg: "ed25519-nkey" }),
  "a header that is an array": withHeader([]),
  "a token of version 2 that signs its payload alone": forged((key) =>
    encodeJwt(userClaims(key), tenant.key, { signsPayloadOnly: true }),
  ),
  "a token of version 1 that an attacker signed": forged((key) =>
    encodeJwt(
      { sub: key.publicKey, type: "user", iss: tenant.publicKey, nats: { pub: {}, sub: {} } },
      attacker,
      {
        header: HEADER_V1,
        signsPayloadOnly: true,
      },
    ),
  ),
  "the account as issuer, signed by the attacker": signedWith({}, { iss: tenant.publicKey }, attacker),
  "an account that nobody knows": signedWith({}, {}, attacker),
  "an account of another operator": foreign.user().credentials,
  "an account that nobody knows, for the tenant": signedWith(
    { issuer_account: tenant.publicKey },
    {},
    attacker,
  ),
  "a neighbour's signature, for the tenant": signedWith(
    { issuer_account: tenant.publicKey },
    {},
    neighbour.key,
  ),
  "the tenant's signing key, for the neighbour": signedWith(
    { issuer_account: neighbour.publicKey },
    {},
    signingKey,
  ),
  "a signing key without its account": signedWith({}, {}, signingKey),
  "a user's key as issuer": signedWith({}, {}, new NKey("user")),
  "its own key as issuer": forged((key) => encodeJwt(userClaims(key), key)),
  "the operator as issuer": signedWith({}, {}, operator.key),
  "the operator as issuer, for the tenant": signedWith(
    { issuer_account: tenant.publicKey },
    {},
    operator.key,
  ),
  "a server's key as issuer": signedWith({}, {}, new NKey("server")),
  "a scoped key's user with permissions of its own": signedWith(
    { issuer_account: tenant.publicKey, pub: { allow: [">"] } },
    {},
    scopedKey,
  ),
  "a scoped key's user with limits of its own": signedWith(
    { issuer_account: tenant.publicKey },
    {},
    scopedKey,
  ),
  "a scoped key's user that calls itself a bearer": (nonce) =>
    tenant.scopedUserOf(scopedKey, { bearer_token: true }).credentials(nonce),
  "a bearer token where there are none": { jwt: unbearable.user({ bearer_token: true }).jwt },
  "a bearer flag that is text": (nonce) => tenant.user({ bearer_token: "true" }).credentials(nonce),
  "an expired token": signedWith({}, { exp: seconds(-1) }),
  "a token that expired before there was NATS": signedWith({}, { exp: 1 }),
  "a token that is not valid yet": signedWith({}, { nbf: seconds(3600) }),
  "an exp that is text": signedWith({}, { exp: "never" }),
  "an exp beyond 64 bits": forged((key) => {
    const payload = JSON.stringify({ ...userClaims(key), iss: tenant.publicKey, exp: "E" }).replace(
      `"E"`,
      "1e400",
    );
    const text = `${segment(HEADER)}.${Buffer.from(payload).toString("base64url")}`;
    return `${text}.${tenant.key.sign(text).toString("base64url")}`;
  }),
  "a revoked user": revoked.credentials,
  "a revoked user's token without a time": (nonce) => {
    const jwt = encodeJwt(userClaims(revoked.key, {}, { iat: 0 }), revoking.key);
    return { jwt, sig: signature(revoked.key, nonce) };
  },
  "a token from before everyone was revoked": revoking.user({}, { iat: seconds(-7200) }).credentials,
  "an account's token": (nonce) => ({ jwt: tenant.jwt, sig: signature(tenant.key, nonce) }),
  "the operator's token": (nonce) => ({ jwt: operator.jwt, sig: signature(operator.key, nonce) }),
  "an activation": signedWith({ type: "activation", subject: "x", kind: "stream" }),
  "a generic token": signedWith({ type: "generic" }),
  "a callout's answer": signedWith({ type: "authorization_response" }),
  "a token of no type": signedWith({ type: undefined }),
  "a type that does not exist": signedWith({ type: "admin" }),
  "a version to come": signedWith({ version: 3 }),
  "a version that is text": signedWith({ version: "2" }),
  "a subject that is an account": forged((key) =>
    encodeJwt({ ...userClaims(key), sub: tenant.publicKey }, tenant.key),
  ),
  "a subject that is no key": forged((key) => encodeJwt({ ...userClaims(key), sub: "me" }, tenant.key)),
  "another network": signedWith({ src: ["10.0.0.0/8", "fe80::/10"] }),
  "a network that is none": signedWith({ src: ["127.0.0.1"] }),
  "another time of day": signedWith({
    times: [{ start: clock(1), end: clock(2) }],
    times_location: "UTC",
  }),
  "a time of day that is none": signedWith({ times: [{ start: "now", end: "later" }] }),
  "another kind of connection": signedWith({ allowed_connection_types: ["MQTT"] }),
  "permissions with a subject that is none": signedWith({ pub: { allow: ["a..b"] } }),
  "two segments": forged((key) => encodeJwt(userClaims(key), tenant.key).split(".").slice(0, 2).join(".")),
  "four segments": forged((key) => `${encodeJwt(userClaims(key), tenant.key)}.x`),
  "a token with padding": forged((key) => `${encodeJwt(userClaims(key), tenant.key)}==`),
  "a token with blanks around it": forged((key) => ` ${encodeJwt(userClaims(key), tenant.key)}`),
  "payload that is no JSON": forged((key) => replaced(key, 1, "AAAA")),
  "claims whose nats is text": forged((key) => encodeJwt({ ...userClaims(key), nats: "user" }, tenant.key)),
};

for (const [what, attack] of Object.entries(TOKEN_ATTACKS)) {
  row(`§5 attack: ${what}`, async () => {
    await expectRefused(tokens(), attack);
  });
}

row("§5 attack: a CONNECT with a token, replayed on another connection", async () => {
  const user = tenant.user();
  const first = await tokens().connect();
  const recorded = user.credentials(String(first.info.nonce));
  await first.handshake(recorded);
  await expectRefused(tokens(), recorded);
  first.destroy();
});

row("§5 attack: a token longer than a line may be", async () => {
  const user = tenant.user({ tags: [`x:${"y".repeat(4000)}`] });
  await expectRefused(tokens(), user.credentials, "-ERR 'maximum control line exceeded'\r\n");
});

row("§5 attack: a user of an account that was deleted", async () => {
  const system = await loginAsSystem(tokens(), operator);
  const account = operator.account("deleted");
  const user = account.user();
  await push(system, account);
  (await login(tokens(), user.credentials)).destroy();
  await request(system, "$SYS.REQ.CLAIMS.DELETE", deletion(operator.key, [account.publicKey]));
  await expectRefused(tokens(), user.credentials);
  system.destroy();
});

row("§5 attack: a user of an account that expired", async () => {
  const system = await loginAsSystem(tokens(), operator);
  await push(system, expired, {}, { exp: seconds(-1) });
  await expectRefused(tokens(), expired.user().credentials);
  system.destroy();
});

row("§5 attack: a user of a signing key that was removed", async () => {
  const system = await loginAsSystem(tokens(), operator);
  const account = operator.account("rotating");
  const key = new NKey("account");
  await push(system, account, { signing_keys: [key.publicKey] });
  const user = account.userOf(key);
  (await login(tokens(), user.credentials)).destroy();
  await push(system, account, { signing_keys: [] });
  await expectRefused(tokens(), user.credentials);
  system.destroy();
});

row("§5 attack: an account's token that an attacker pushes", async () => {
  const client = await login(tokens(), tenant.user().credentials);
  const account = new Operator().account("mine");
  for (const subject of [
    "$SYS.REQ.CLAIMS.UPDATE",
    updateSubject(account),
    `$SYS.ACCOUNT.${tenant.publicKey}.CLAIMS.UPDATE`,
    "$SYS.REQ.CLAIMS.DELETE",
    "$SYS.REQ.CLAIMS.LIST",
    "$SYS.REQ.CLAIMS.PACK",
    lookupSubject(neighbour),
  ]) {
    expect((await request(client, subject, account.jwt)).headers).toContain("NATS/1.0 503");
  }
  client.destroy();
});

row("§6 attack: paths in place of account keys, pushed and deleted", async () => {
  const system = await loginAsSystem(tokens(), operator);
  for (const path of ["../outside", "/tmp/outside", "x", ""]) {
    const jwt = encodeJwt(
      { sub: path, nats: { limits: UNLIMITED_ACCOUNT, type: "account", version: 2 } },
      operator.key,
    );
    expect((await ask(system, "$SYS.REQ.CLAIMS.UPDATE", jwt)).error?.description).toBe(
      "jwt update resulted in error - invalid public key",
    );
    expect(
      (await ask(system, "$SYS.REQ.CLAIMS.DELETE", deletion(operator.key, [path]))).error?.description,
    ).toBe(`delete accounts request by ${operator.key.publicKey} failed - malformed request`);
  }
  expect(readdirSync(tokens().directory).sort()).toEqual(["jwt", "server.conf"]);
  system.destroy();
});

row("§5 attack: a user of one account hears nothing of another", async () => {
  const spy = await login(tokens(), neighbour.user().credentials);
  spy.send("SUB > 1\r\nSUB _INBOX.> 2\r\nSUB $SYS.> 3\r\nSUB * q 4\r\n");
  await spy.roundTrip();
  const client = await login(tokens(), tenant.user().credentials);
  client.send("SUB _INBOX.x 1\r\nPUB private 2\r\nhi\r\nPUB _INBOX.x 2\r\nhi\r\nPUB $SYS.x 2\r\nhi\r\n");
  await client.expect("MSG _INBOX.x 1 2\r\nhi\r\n");
  await client.roundTrip();
  await spy.roundTrip();
  for (const each of [client, spy]) each.destroy();
});

row("§5 attack: a second CONNECT into another account with a bad token", async () => {
  const client = await login(tokens(), tenant.user().credentials);
  const nonce = String(client.info.nonce);
  const forgedUser = new User({ issuer_account: neighbour.publicKey, subs: -1 }, {}, attacker);
  client.send(
    `CONNECT ${JSON.stringify({ verbose: false, ...forgedUser.credentials(nonce) })}\r\nPUB x 0\r\n\r\n`,
  );
  expect(await client.readToEnd()).toBe(AUTHORIZATION_VIOLATION);
});

// ——— Beyond what is allowed ———

const publish = (subject: string) => `-ERR 'Permissions Violation for Publish to "${subject}"'\r\n`;
const replyTo = (reply: string) => `-ERR 'Permissions Violation for Publish with Reply of "${reply}"'\r\n`;
const subscribe = (subject: string, queue?: string) =>
  `-ERR 'Permissions Violation for Subscription to "${subject}"${queue === undefined ? "" : ` using queue "${queue}"`}'\r\n`;

interface OperationAttack {
  readonly input: string;
  /** All that the attacker receives. */
  readonly output: string;
  /** Where Midge answers otherwise, on purpose. */
  readonly midgeOutput?: string;
  /** Subjects that somebody publishes to afterwards; none may reach the attacker. */
  readonly secrets?: readonly string[];
  /** Of those, what nats-server delivers all the same. */
  readonly leaks?: string;
}

const OPERATION_ATTACKS: Readonly<Record<string, OperationAttack>> = {
  "PUB to a subject that is not allowed": { input: "PUB no 2\r\nhi\r\n", output: publish("no") },
  "PUB to a denied subject within what is allowed": {
    input: "PUB ok.secret 2\r\nhi\r\nPUB ok.a.secret 2\r\nhi\r\n",
    output: publish("ok.secret") + publish("ok.a.secret"),
  },
  "HPUB to a denied subject": {
    input: "HPUB ok.secret 12 14\r\nNATS/1.0\r\n\r\nhi\r\n",
    output: publish("ok.secret"),
  },
  "PUB in lower case, with blanks and tabs": {
    input: "pub  \t ok.secret \t 2 \r\nhi\r\n",
    output: publish("ok.secret"),
  },
  "PUB whose payload is a PUB": {
    input: "PUB no 21\r\nPUB ok.secret 2\r\nhi\r\n\r\n",
    output: publish("no"),
  },
  "PUB of 100,000 bytes to a denied subject": {
    input: `PUB ok.secret 100000\r\n${"x".repeat(100_000)}\r\n`,
    output: publish("ok.secret"),
  },
  "PUB to a wildcard over a denied subject": {
    input: "PUB > 2\r\nhi\r\nPUB *.secret 2\r\nhi\r\n",
    output: publish(">") + publish("*.secret"),
  },
  "PUB with another case": { input: "PUB OK.a 2\r\nhi\r\n", output: publish("OK.a") },
  "PUB to the prefix of what is allowed": { input: "PUB ok 2\r\nhi\r\n", output: publish("ok") },
  "PUB to an answer that was never asked for": {
    input: "PUB _INBOX.somebody 2\r\nhi\r\nPUB _R_.abcdef.ghijkl 2\r\nhi\r\n",
    output: publish("_INBOX.somebody") + publish("_R_.abcdef.ghijkl"),
  },
  "a reply subject of the servers": {
    input: "PUB ok.a _R_.abcdef 2\r\nhi\r\nPUB ok.a $JS.ACK.x 2\r\nhi\r\nPUB ok.a _GR_.x 2\r\nhi\r\n",
    output: replyTo("_R_.abcdef") + replyTo("$JS.ACK.x") + replyTo("_GR_.x"),
  },
  "PUB to subjects of the servers": {
    input:
      "PUB _GR_.x 2\r\nhi\r\nPUB $GR.x 2\r\nhi\r\nPUB $NRG.x 2\r\nhi\r\nPUB $SYS.REQ.SERVER.PING 2\r\nhi\r\n",
    output: publish("_GR_.x") + publish("$GR.x") + publish("$NRG.x") + publish("$SYS.REQ.SERVER.PING"),
  },
  "SUB to a subject that is not allowed": {
    input: "SUB out 1\r\nSUB out q 1\r\n",
    output: subscribe("out") + subscribe("out", "q"),
    secrets: ["out"],
  },
  "SUB to everything": {
    input: "SUB > 1\r\nSUB * 1\r\nSUB *.* q 1\r\n",
    output: subscribe(">") + subscribe("*") + subscribe("*.*", "q"),
    secrets: ["out", "in.hidden", "ok.a"],
  },
  "SUB to a denied subject": {
    input: "SUB wide.secret 1\r\nSUB wide.a.secret 1\r\nSUB in.hidden 1\r\n",
    output: subscribe("wide.secret") + subscribe("wide.a.secret") + subscribe("in.hidden"),
    secrets: ["wide.secret", "wide.a.secret", "in.hidden"],
  },
  "SUB to a wildcard over a denied subject: accepted, and the denied left out": {
    input: "SUB wide.> 1\r\nSUB wide.* 2\r\nSUB in.* 3\r\nSUB wide.*.secret 4\r\n",
    output: subscribe("wide.*.secret"),
    secrets: ["wide.secret", "wide.a.secret", "in.hidden"],
  },
  "SUB with a queue to a wildcard over a denied subject": {
    input: "SUB wide.> q 1\r\nSUB in.* q 2\r\n",
    output: "",
    secrets: ["wide.secret", "wide.a.secret", "in.hidden"],
  },
  // nats-server takes `in.>` for a token that the `*` of `in.*` matches, accepts, and delivers what is deeper. Midge
  // allows a wildcard only where all it can match is allowed.
  "SUB to a wider wildcard than is allowed: nats-server accepts and delivers, Midge refuses": {
    input: "SUB in.> 1\r\n",
    output: "",
    midgeOutput: subscribe("in.>"),
    secrets: ["in.a.b"],
    leaks: "MSG in.a.b 1 1\r\nx\r\n",
  },
  "SUB without, or with another queue than the one that is allowed": {
    input: "SUB jobs 1\r\nSUB jobs other 1\r\nSUB jobs * 1\r\n",
    output: subscribe("jobs") + subscribe("jobs", "other") + subscribe("jobs", "*"),
    secrets: ["jobs"],
  },
  "SUB with the queue of the servers": { input: "SUB in.a _sys_ 1\r\n", output: subscribe("in.a", "_sys_") },
  "SUB to a malformed subject": {
    input: "SUB in..a 1\r\nSUB in. 1\r\nSUB .> 1\r\n",
    output: subscribe("in..a") + subscribe("in.") + subscribe(".>"),
  },
  "SUB to the system's events and others' answers": {
    input: "SUB $SYS.> 1\r\nSUB _R_.> 1\r\nSUB $SYS._INBOX.> 1\r\n",
    output: subscribe("$SYS.>") + subscribe("_R_.>") + subscribe("$SYS._INBOX.>"),
  },
  "the sid of a refused SUB": {
    input: "SUB out 7\r\nUNSUB 7\r\nSUB in.a 7\r\nSUB out 7\r\n",
    output: subscribe("out") + subscribe("out"),
    secrets: ["out"],
  },
};

for (const [what, attack] of Object.entries(OPERATION_ATTACKS)) {
  row(`§2 attack: ${what}`, async () => {
    const client = await login(passwords(), { user: "bound", pass: "secret" });
    const witness = await login(passwords(), good);
    witness.send("SUB > 1\r\n");
    await witness.roundTrip();
    const isReference = isNatsServer(client);
    client.send(attack.input);
    await client.expect(isReference ? attack.output : (attack.midgeOutput ?? attack.output));
    await client.roundTrip();
    await witness.roundTrip();
    for (const subject of attack.secrets ?? []) witness.send(`PUB ${subject} 1\r\nx\r\n`);
    for (const subject of attack.secrets ?? []) await witness.expect(`MSG ${subject} 1 1\r\nx\r\n`);
    if (isReference) await client.expect(attack.leaks ?? "");
    await client.roundTrip();
    for (const each of [client, witness]) each.destroy();
  });
}

row("§2 attack: an answer for which there was one right", async () => {
  const client = await login(passwords(), { user: "bound", pass: "secret" });
  const requestor = await login(passwords(), good);
  client.send("SUB in.a 1\r\n");
  requestor.send("SUB re.> 1\r\n");
  for (const each of [client, requestor]) await each.roundTrip();
  requestor.send("PUB in.a re.1 0\r\n\r\n");
  await client.expect("MSG in.a 1 re.1 0\r\n\r\n");
  client.send("PUB re.2 0\r\n\r\nPUB re.1 0\r\n\r\nPUB re.1 0\r\n\r\n");
  await client.expect(publish("re.2") + publish("re.1"));
  await requestor.expect("MSG re.1 1 0\r\n\r\n");
  await requestor.roundTrip();
  for (const each of [client, requestor]) each.destroy();
});

row("§3 attack: subjects, queues and inboxes of another account", async () => {
  const spy = await login(passwords(), { user: "other", pass: "secret" });
  spy.send("SUB > 1\r\nSUB private 2\r\nSUB jobs work 3\r\nSUB $SYS.> 4\r\nSUB _R_.> 5\r\n");
  await spy.roundTrip();
  const client = await login(passwords(), good);
  client.send("PUB private 1\r\nx\r\nPUB jobs _INBOX.1 1\r\nx\r\nPUB _INBOX.1 1\r\nx\r\n");
  await client.roundTrip();
  client.destroy();
  const system = await login(passwords(), { user: "sys", pass: "secret" });
  await expectRefused(passwords(), {});
  for (const each of [system, spy]) await each.roundTrip();
  for (const each of [system, spy]) each.destroy();
});

row("§3 attack: requests of the system account from an ordinary one", async () => {
  const client = await login(passwords(), { user: "other", pass: "secret" });
  const id = client.info.server_id;
  for (const subject of [
    "$SYS.REQ.SERVER.PING",
    "$SYS.REQ.SERVER.PING.VARZ",
    `$SYS.REQ.SERVER.${id}.VARZ`,
    `$SYS.REQ.SERVER.${id}.KICK`,
    `$SYS.REQ.SERVER.${id}.RELOAD`,
    `$SYS.REQ.SERVER.${id}.LDM`,
    "$SYS.REQ.ACCOUNT.A.CONNZ",
    "$SYS.REQ.ACCOUNT.A.INFO",
    "$SYS.REQ.ACCOUNT.A.SUBSZ",
    "$SYS.REQ.USER.A.INFO",
    "$SYS.REQ.USER.AUTH",
    "$SYS.DEBUG.SUBSCRIBERS",
  ]) {
    const { headers } = await request(client, subject, "{}");
    expect(headers).toBe(`NATS/1.0 503\r\nNats-Subject: ${subject}\r\n\r\n`);
  }
  client.destroy();
});

row("§3 attack: connections of another account through one's own request", async () => {
  const victim = await login(passwords(), good);
  const client = await login(passwords(), { user: "other", pass: "secret" });
  const { payload } = await request(client, "$SYS.REQ.ACCOUNT.PING.CONNZ", `{"acc":"A","auth":true}`);
  const { data } = JSON.parse(payload) as { data: { connections: { account: string }[] } };
  expect(new Set(data.connections.map((each) => each.account))).toEqual(new Set(["B"]));
  for (const each of [victim, client]) each.destroy();
});

row("§5 attack: what the forged tokens start from is let in", async () => {
  const ofSigningKey = { issuer_account: tenant.publicKey };
  for (const credentials of [
    signedWith({}),
    signedWith(ofSigningKey, {}, signingKey),
    withHeader(HEADER),
    tenant.scopedUserOf(scopedKey).credentials,
    unbearable.user().credentials,
    revoking.user().credentials,
  ]) {
    (await login(tokens(), credentials)).destroy();
  }
});

row("§1 attack: after all of it, who may log in still does", async () => {
  (await login(passwords(), good)).destroy();
  (await login(passwords(), (nonce) => ({ nkey: nkey.publicKey, sig: signature(nkey, nonce) }))).destroy();
  (await login(tokens(), tenant.user().credentials)).destroy();
});

/** The same signature with the group's order added to its scalar: equal modulo the order, and not canonical. */
function unreduced(signatureBytes: Buffer): Buffer {
  const order = (1n << 252n) + 27742317777372353535851937790883648493n;
  const scalar = BigInt(`0x${Buffer.from(signatureBytes.subarray(32)).reverse().toString("hex")}`) + order;
  const bytes = Buffer.from(scalar.toString(16).padStart(64, "0"), "hex").reverse();
  return Buffer.concat([signatureBytes.subarray(0, 32), bytes]);
}
