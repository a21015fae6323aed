import { expect } from "bun:test";
import { encodeJwt, HEADER_V1, seconds } from "../support/jwt.ts";
import { AUTHORIZATION_VIOLATION, expectRefused, type Login, login } from "../support/login.ts";
import { readMessage } from "../support/message.ts";
import { NKey } from "../support/nkey.ts";
import { loginAsSystem, Operator, preload, signature, UNLIMITED_ACCOUNT, User } from "../support/operator.ts";
import { isNatsServer } from "../support/reference.ts";
import { request } from "../support/request.ts";
import { row, rowsInParallel, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";
import { listen, nextMessage } from "../support/system.ts";

const EXPIRED = "-ERR 'User Authentication Expired'\r\n";
const CONNECTIONS_EXCEEDED = "-ERR 'maximum account active connections exceeded'\r\n";

const signingKey = new NKey("account");
const operator = new Operator();
const plain = operator.account("plain");
const signed = operator.account("signed");
const unbearable = operator.account("unbearable");
const limitless = operator.account("limitless");
const exporting = operator.account("exporting");
const expired = operator.account("expired");
const foreign = new Operator().account("foreign");
const defaulting = operator.account("defaulting");
const revoking = operator.account("revoking");
const revoked = revoking.user();

const server = sharedServer({
  flags: ["-D"],
  monitoring: true,
  config: operator.configWithMemory(
    plain,
    signed.with({ signing_keys: [signingKey.publicKey] }),
    unbearable.with({
      limits: {
        subs: -1,
        data: -1,
        payload: -1,
        conn: -1,
        leaf: -1,
        imports: -1,
        exports: -1,
        disallow_bearer: true,
      },
    }),
    limitless.with({ limits: undefined }),
    exporting.with({
      limits: {
        subs: -1,
        data: -1,
        payload: -1,
        conn: -1,
        leaf: -1,
        imports: -1,
        exports: 1,
        wildcards: true,
      },
      exports: [
        { name: "one", subject: "one", type: "stream" },
        { name: "two", subject: "two", type: "stream" },
      ],
    }),
    expired.with({}, { exp: seconds(-60) }),
    foreign,
    revoking.with({ revocations: { [revoked.key.publicKey]: seconds() } }),
    defaulting.with({ default_permissions: { pub: { allow: ["default"] }, sub: {} } }),
  ),
});

/** The login is refused, and a debug line of the log says why. */
async function refusedBecause(cause: string | RegExp, credentials: Login): Promise<void> {
  const from = server().log.length;
  await expectRefused(server(), credentials);
  await server().waitForLog(cause, from);
}

/** The clock so many seconds from now, `HH:MM:SS`, in a zone that many hours east of Greenwich. */
function clock(later: number, zoneHours = 0): string {
  return new Date(Date.now() + later * 1000 + zoneHours * 3_600_000).toISOString().slice(11, 19);
}

const HOUR = 3600;

row("§8.94 operator mode: a user's token and its signature of the nonce", async () => {
  const client = await login(server(), plain.user().credentials);
  expect(client.info.auth_required).toBe(true);
  expect(client.info.nonce).toMatch(/^[A-Za-z0-9_-]{15}$/);
  client.destroy();
});

row("§8.53 an entry of a token's permissions that is no subject allows nothing", async () => {
  const user = plain.user({ pub: { allow: ["a.>.b"] }, sub: { allow: ["a.>.b"] } });
  const client = await login(server(), user.credentials);
  client.send("PUB a.b 0\r\n\r\nSUB a.b 1\r\n");
  await client.expect(`-ERR 'Permissions Violation for Publish to "a.b"'\r\n`);
  await client.expect(`-ERR 'Permissions Violation for Subscription to "a.b"'\r\n`);
  client.destroy();
});

row("§8.94 no token, no signature, a wrong one", async () => {
  const user = plain.user();
  await refusedBecause("Authentication requires a user JWT", {});
  await refusedBecause("Authentication requires a user JWT", { user: "a", pass: "b" });
  await refusedBecause("Authentication requires a user JWT", { auth_token: user.jwt });
  await refusedBecause("Authentication requires a user JWT", { nkey: user.key.publicKey });
  await refusedBecause("Signature missing", { jwt: user.jwt });
  await refusedBecause("Signature not valid base64", { jwt: user.jwt, sig: "!" });
  await refusedBecause("Signature not verified", (nonce) => ({
    jwt: user.jwt,
    sig: signature(new NKey("user"), nonce),
  }));
});

row("§8.94 the nkey beside the token is nothing", async () => {
  const user = plain.user();
  (
    await login(server(), (nonce) => ({ ...user.credentials(nonce), nkey: new NKey("user").publicKey }))
  ).destroy();
});

row("§5.2 USER.INFO names the keys of user and account, and their names", async () => {
  const user = plain.user({ pub: { allow: ["$SYS.>"] } }, { name: "bob", exp: seconds(HOUR) });
  const client = await login(server(), user.credentials);
  const { data } = JSON.parse((await request(client, "$SYS.REQ.USER.INFO")).payload);
  expect(data).toMatchObject({
    user: user.key.publicKey,
    account: plain.publicKey,
    account_name: "plain",
    user_name: "bob",
    permissions: { publish: { allow: ["$SYS.>"] }, subscribe: {} },
  });
  expect(Math.abs(data.expires / 1e9 - HOUR)).toBeLessThan(10);
  client.destroy();
});

row("§8.95 a token of version 1 is taken, with no limits where it has none", async () => {
  const key = new NKey("user");
  const jwt = encodeJwt(
    { sub: key.publicKey, name: "v1", type: "user", nats: { pub: {}, sub: {} } },
    plain.key,
    {
      header: HEADER_V1,
      signsPayloadOnly: true,
    },
  );
  const client = await login(server(), (nonce) => ({ jwt, sig: signature(key, nonce) }));
  client.send("SUB a 1\r\nPUB a 2\r\nok\r\n");
  await client.expect("MSG a 1 2\r\nok\r\n");
  client.destroy();
});

row("§8.96 tokens of another version, algorithm or issuer's kind", async () => {
  const key = new NKey("user");
  const claims = (nats = {}) => ({
    sub: key.publicKey,
    nats: { type: "user", version: 2, subs: -1, ...nats },
  });
  const withToken =
    (jwt: string): Login =>
    (nonce) => ({ jwt, sig: signature(key, nonce) });
  (await login(server(), withToken(encodeJwt(claims(), plain.key)))).destroy();
  await expectRefused(server(), withToken(encodeJwt(claims({ version: 3 }), plain.key)));
  for (const alg of ["EdDSA", "none", "HS256", "ed25519-nkey2", ""]) {
    await expectRefused(server(), withToken(encodeJwt(claims(), plain.key, { header: { typ: "JWT", alg } })));
  }
  await expectRefused(
    server(),
    withToken(encodeJwt(claims(), plain.key, { header: { typ: "JWS", alg: "ed25519-nkey" } })),
  );
  for (const role of ["user", "operator", "server"] as const) {
    await expectRefused(server(), withToken(encodeJwt(claims(), new NKey(role))));
  }
});

row("§5.7 typ and alg in any case", async () => {
  const key = new NKey("user");
  const jwt = encodeJwt(
    { sub: key.publicKey, nats: { type: "user", version: 2, subs: -1, payload: -1, data: -1 } },
    plain.key,
    { header: { typ: "jwt", alg: "ED25519-NKEY" } },
  );
  (await login(server(), (nonce) => ({ jwt, sig: signature(key, nonce) }))).destroy();
});

row("§8.97 a token past its exp or before its nbf", async () => {
  await refusedBecause(
    "User JWT no longer valid: &{Issues:[claim is expired]}",
    plain.user({}, { exp: seconds(-1) }).credentials,
  );
  await refusedBecause("claim is not yet valid", plain.user({}, { nbf: seconds(60) }).credentials);
  (await login(server(), plain.user({}, { exp: seconds(60), nbf: seconds(-60) }).credentials)).destroy();
});

row("§8.98 src: the client's address must be in one of the networks", async () => {
  await refusedBecause("Bad src Ip 127.0.0.1", plain.user({ src: ["10.0.0.0/8"] }).credentials);
  await refusedBecause("User JWT no longer valid", plain.user({ src: ["10.0.0.0"] }).credentials);
  for (const src of [["127.0.0.0/8"], ["10.0.0.0/8", "127.0.0.1/32"], "127.0.0.0/8,10.0.0.0/8"]) {
    (await login(server(), plain.user({ src }).credentials)).destroy();
  }
});

row("§8.99 times: now must lie in a window", async () => {
  const at = (start: string, end: string, zone?: string) =>
    plain.user({ times: [{ start, end }], times_location: zone ?? "UTC" }).credentials;
  await refusedBecause("Outside connect times", at(clock(HOUR), clock(2 * HOUR)));
  await refusedBecause("Outside connect times", at(clock(-2 * HOUR), clock(-HOUR)));
  (await login(server(), at(clock(-HOUR), clock(HOUR)))).destroy();
  // Over midnight: everything but the two hours around now, and everything but two hours far from it.
  await refusedBecause("Outside connect times", at(clock(HOUR), clock(-HOUR)));
  (await login(server(), at(clock(-10 * HOUR), clock(10 * HOUR)))).destroy();
  await refusedBecause("User JWT no longer valid", at("25:00:00", "26:00:00"));
});

row("§8.99 times: the zone is honoured", async () => {
  const inTokyo = (zoneHours: number) =>
    plain.user({
      times: [{ start: clock(-HOUR, zoneHours), end: clock(HOUR, zoneHours) }],
      times_location: "Asia/Tokyo",
    }).credentials;
  (await login(server(), inTokyo(9))).destroy();
  await refusedBecause("Outside connect times", inTokyo(0));
});

row("§8.99 times: one of several windows suffices", async () => {
  const times = [
    { start: clock(HOUR), end: clock(2 * HOUR) },
    { start: clock(-HOUR), end: clock(HOUR) },
  ];
  (await login(server(), plain.user({ times, times_location: "UTC" }).credentials)).destroy();
});

row("§8.100 a bearer token needs no signature", async () => {
  const user = plain.user({ bearer_token: true });
  (await login(server(), { jwt: user.jwt })).destroy();
  (await login(server(), { jwt: user.jwt, sig: "nonsense" })).destroy();
});

row("§8.100 disallow_bearer: refused, signed or not", async () => {
  const bearer = unbearable.user({ bearer_token: true });
  await refusedBecause("Account does not allow bearer tokens", { jwt: bearer.jwt });
  await refusedBecause("Account does not allow bearer tokens", bearer.credentials);
  (await login(server(), unbearable.user().credentials)).destroy();
});

row("§8.101 a signing key's users name their account", async () => {
  (await login(server(), signed.userOf(signingKey).credentials)).destroy();
  (await login(server(), signed.user().credentials)).destroy();
  await expectRefused(server(), signed.userOf(signingKey, { issuer_account: undefined }).credentials);
  await refusedBecause("User JWT issuer is not known", signed.userOf(new NKey("account")).credentials);
  await refusedBecause("User JWT issuer is not known", plain.userOf(signingKey).credentials);
  await refusedBecause("User JWT issuer is not known", signed.userOf(plain.key).credentials);
});

row("§8.105 a user without limits may subscribe to nothing and is closed", async () => {
  const user = plain.user({ subs: undefined });
  const client = await server().connect();
  client.send(
    `CONNECT ${JSON.stringify({ verbose: false, ...user.credentials(String(client.info.nonce)) })}\r\nPING\r\n`,
  );
  const text = await client.readToEnd();
  expect([
    "PONG\r\n-ERR 'maximum subscriptions exceeded'\r\n",
    "-ERR 'maximum subscriptions exceeded'\r\nPONG\r\n",
  ]).toContain(text);
});

row("§8.105 an account without limits takes no connection", async () => {
  const client = await server().connect();
  const login = limitless.user().credentials(String(client.info.nonce));
  client.send(`CONNECT ${JSON.stringify({ verbose: false, ...login })}\r\nPING\r\n`);
  // nats-server may notice first that the account takes no subscription either.
  expect(await client.readToEnd()).toMatch(
    /^(PONG\r\n)?(-ERR 'maximum (subscriptions|account active connections) exceeded'\r\n)+(PONG\r\n)?$/,
  );
});

row("§3.3 a payload limit below −1, of a user or its account, forbids empty messages, too", async () => {
  const mute = operator.account("mute");
  const limits = { ...UNLIMITED_ACCOUNT, payload: -2 };
  await using own = await ServerProcess.start({
    config: operator.configWithMemory(mute.with({ limits }), plain),
  });
  for (const { credentials } of [mute.user(), plain.user({ payload: -2 })]) {
    const client = await login(own, credentials);
    client.send("PUB x 0\r\n\r\n");
    await client.expect("-ERR 'Maximum Payload Violation'\r\n");
    await client.expectClosed();
  }
});

row("§3.3 a user's payload limit is shown in the second INFO and holds", async () => {
  const client = await server().connect();
  const { credentials } = plain.user({ payload: 4 });
  client.send(
    `CONNECT ${JSON.stringify({ verbose: false, protocol: 1, ...credentials(String(client.info.nonce)) })}\r\nPING\r\n`,
  );
  await client.expect("PONG\r\n");
  expect((await client.readInfo()).max_payload).toBe(4);
  client.send("PUB a 4\r\nfour\r\nPING\r\n");
  await client.expect("PONG\r\n");
  client.send("PUB a 5\r\nfives\r\n");
  await client.expect("-ERR 'Maximum Payload Violation'\r\n");
  await client.expectClosed();
});

row("§3.3 a user's subscription limit counts the connection's own", async () => {
  const user = plain.user({ subs: 1 });
  for (let count = 0; count < 2; count++) {
    const client = await login(server(), user.credentials);
    client.send("SUB a 1\r\nSUB b 2\r\n");
    await client.expect("-ERR 'maximum subscriptions exceeded'\r\n");
    await client.roundTrip();
    client.destroy();
  }
});

row("§8.106 an account with more exports than it may have is unusable", () =>
  refusedBecause(/account validation failed|more exports than allowed/, exporting.user().credentials),
);

row("§5.2 accounts that are unknown, expired, or of an operator nobody trusts", async () => {
  const unknown = operator.account("unknown");
  await refusedBecause("Account JWT lookup error", unknown.user().credentials);
  await expectRefused(server(), expired.user().credentials);
  await expectRefused(server(), foreign.user().credentials);
});

row("§5.2 a revoked user is refused as such", async () => {
  await refusedBecause("User authentication revoked", revoked.credentials);
});

row("§5.2 a user's own token does not make an account of it", async () => {
  const account = operator.account("stranger");
  for (const jwt of [account.jwt, operator.jwt, plain.jwt]) {
    await refusedBecause("Authentication requires a user JWT", (nonce) => ({
      jwt,
      sig: signature(plain.key, nonce),
    }));
  }
});

row("§2.1 permissions of the token: publish, subscribe, queues, answers", async () => {
  const user = plain.user({
    pub: { allow: ["ok.>"], deny: ["ok.no"] },
    sub: { allow: ["in", "jobs work"] },
    resp: { max: 1, ttl: 60_000_000_000 },
  });
  const client = await login(server(), user.credentials);
  client.send("PUB ok.a 0\r\n\r\nPUB ok.no 0\r\n\r\nPUB no 0\r\n\r\nSUB out 1\r\nSUB jobs 2\r\n");
  await client.expect(
    [`Publish to "ok.no"`, `Publish to "no"`, `Subscription to "out"`, `Subscription to "jobs"`]
      .map((what) => `-ERR 'Permissions Violation for ${what}'\r\n`)
      .join(""),
  );
  client.send("SUB in 1\r\nSUB jobs work 2\r\n");
  await client.roundTrip();
  const requestor = await login(server(), plain.user().credentials);
  requestor.send("PUB in reply.here 0\r\n\r\n");
  await client.expect("MSG in 1 reply.here 0\r\n\r\n");
  client.send("PUB reply.here 0\r\n\r\nPUB reply.here 0\r\n\r\n");
  await client.expect(`-ERR 'Permissions Violation for Publish to "reply.here"'\r\n`);
  for (const each of [client, requestor]) each.destroy();
});

row("§2.1 the account's default permissions are for users without any", async () => {
  const bare = await login(server(), defaulting.user().credentials);
  bare.send("PUB default 0\r\n\r\nPUB own 0\r\n\r\n");
  await bare.expect(`-ERR 'Permissions Violation for Publish to "own"'\r\n`);
  await bare.roundTrip();
  const own = await login(server(), defaulting.user({ pub: { allow: ["own"] } }).credentials);
  own.send("PUB own 0\r\n\r\nPUB default 0\r\n\r\n");
  await own.expect(`-ERR 'Permissions Violation for Publish to "default"'\r\n`);
  await own.roundTrip();
  for (const client of [bare, own]) client.destroy();
});

row("§8.24 connection types of the token", async () => {
  (await login(server(), plain.user({ allowed_connection_types: ["STANDARD"] }).credentials)).destroy();
  (
    await login(server(), plain.user({ allowed_connection_types: ["standard", "NEWER"] }).credentials)
  ).destroy();
  await refusedBecause(
    "Connection type not allowed",
    plain.user({ allowed_connection_types: ["WEBSOCKET"] }).credentials,
  );
  await refusedBecause(
    "invalid connection types",
    plain.user({ allowed_connection_types: ["NEWER"] }).credentials,
  );
});

row("§7 the log of a start names the operators, and misses a system account", async () => {
  const key = new NKey("operator");
  const claims = { sub: key.publicKey, iat: 1_700_000_000, nats: { type: "operator", version: 2 } };
  const jwts = [
    encodeJwt({ ...claims, name: 'the "first"', aud: "everywhere", exp: 4_000_000_000 }, key),
    encodeJwt({ ...claims, name: "second" }, key),
  ];
  await using own = await ServerProcess.start({
    config: `operator: [ ${jwts.join(", ")} ]\nresolver: MEMORY`,
    environment: { TZ: "UTC" },
  });
  const found = own.log.match(/\[\w+\] ( {2}(System|Operator|Issued|Expires) *:|Trusted Operators).*/g);
  expect(found).toEqual([
    "[INF] Trusted Operators",
    '[INF]   System  : "everywhere"',
    '[INF]   Operator: "the \\"first\\""',
    "[INF]   Issued  : 2023-11-14 22:13:20 +0000 UTC",
    "[INF]   Expires : 2096-10-02 07:06:40 +0000 UTC",
    '[INF]   System  : ""',
    '[INF]   Operator: "second"',
    "[INF]   Issued  : 2023-11-14 22:13:20 +0000 UTC",
    "[INF]   Expires : Never",
    "[WRN] Trusted Operators should utilize a System Account",
  ]);
  expect(server().log).toMatch(/Trusted Operators\n/);
  expect(server().log).not.toMatch(/should utilize a System Account/);
});

row("§5.2 the system account's users log in like others", async () => {
  const client = await loginAsSystem(server(), operator);
  const { data } = JSON.parse((await request(client, "$SYS.REQ.USER.INFO")).payload);
  expect(data.account).toBe(operator.systemAccount.publicKey);
  client.destroy();
});

row("§5.2 accounts do not hear each other", async () => {
  const here = await login(server(), plain.user().credentials);
  const there = await login(server(), signed.user().credentials);
  here.send("SUB > 1\r\n");
  await here.roundTrip();
  there.send("PUB private 1\r\nx\r\n");
  await there.roundTrip();
  here.send("PUB own 1\r\ny\r\n");
  await here.expect("MSG own 1 1\r\ny\r\n");
  for (const client of [here, there]) client.destroy();
});

rowsInParallel(
  {
    "§8.97 a token that expires while it is connected": async () => {
      const client = await login(server(), plain.user({}, { exp: seconds(3) }).credentials);
      await client.expect(EXPIRED);
      await client.expectClosed();
    },

    "§8.99 the end of a window is an expiry": async () => {
      const times = [{ start: clock(-HOUR), end: clock(3) }];
      const client = await login(server(), plain.user({ times, times_location: "UTC" }).credentials);
      await client.expect(EXPIRED);
      await client.expectClosed();
    },

    // nats-server shows a bearer's token, with which anybody logs in; Midge does not.
    "§1.11 the trace of a CONNECT has no password, token or signature": async () => {
      await using own = await ServerProcess.start({
        config: operator.configWithMemory(plain),
        flags: ["-DV"],
      });
      const [user, bearer] = [plain.user(), plain.user({ bearer_token: true })];
      const client = await login(own, (nonce) => ({
        pass: "correct-horse",
        auth_token: "battery-staple",
        ...user.credentials(nonce),
      }));
      await login(own, { jwt: bearer.jwt });
      const log = await own.waitForLog(/CONNECT \{[\s\S]*CONNECT \{/);
      expect(log).toContain(`"pass":"[REDACTED]"`);
      for (const secret of [
        "correct-horse",
        "battery-staple",
        signature(user.key, String(client.info.nonce)),
      ]) {
        expect(log).not.toContain(secret);
      }
      expect(log.includes(bearer.jwt)).toBe(isNatsServer(client));
    },

    "§8.107 strict_signing_key_usage: the operator's identity signs no account, the account's no user":
      async () => {
        const operatorKey = new NKey("operator");
        const accountKey = new NKey("account");
        const strict = new Operator({
          strict_signing_key_usage: true,
          signing_keys: [operatorKey.publicKey],
        });
        const account = strict.account("strict");
        const byIdentity = strict.account("by identity");
        await using own = await ServerProcess.start({
          config: `${strict.configWith("MEMORY")}\nresolver_preload {
          ${strict.systemAccount.publicKey}: ${strict.systemAccount.jwtWith({}, {}, operatorKey)}
          ${account.publicKey}: ${account.jwtWith({ signing_keys: [accountKey.publicKey] }, {}, operatorKey)}
          ${byIdentity.publicKey}: ${byIdentity.jwt}
        }`,
        });
        await login(own, account.userOf(accountKey).credentials);
        await expectRefused(own, account.user().credentials);
        await expectRefused(own, byIdentity.user().credentials);
      },

    "§8.107 §8.110 strict_signing_key_usage: a token that names its account is not signed by the account's identity":
      async () => {
        const [operatorKey, accountKey] = [new NKey("operator"), new NKey("account")];
        const strict = new Operator({
          strict_signing_key_usage: true,
          signing_keys: [operatorKey.publicKey],
        });
        const [exporter, importer] = [strict.account("exporter"), strict.account("importer")];
        const importOf = (subject: string, signer: NKey, nats: Record<string, unknown>) => ({
          subject,
          account: exporter.publicKey,
          type: "stream",
          token: encodeJwt(
            {
              sub: importer.publicKey,
              nats: { ...nats, subject, kind: "stream", type: "activation", version: 2 },
            },
            signer,
          ),
        });
        const named = { issuer_account: exporter.publicKey };
        const claims = { signing_keys: [accountKey.publicKey] };
        await using own = await ServerProcess.start({
          config: `${strict.configWith("MEMORY")}
            ${preload([
              strict.systemAccount.with({}, {}, operatorKey),
              exporter.with(
                {
                  ...claims,
                  exports: ["a", "b", "c"].map((subject) => ({ subject, type: "stream", token_req: true })),
                },
                {},
                operatorKey,
              ),
              importer.with(
                {
                  ...claims,
                  imports: [
                    importOf("a", exporter.key, named),
                    importOf("b", exporter.key, {}),
                    importOf("c", accountKey, named),
                  ],
                },
                {},
                operatorKey,
              ),
            ])}`,
        });
        const publisher = await login(own, exporter.userOf(accountKey).credentials);
        const subscriber = await login(own, importer.userOf(accountKey).credentials);
        subscriber.send("SUB > 1\r\n");
        await subscriber.roundTrip();
        publisher.send("PUB a 0\r\n\r\nPUB b 0\r\n\r\nPUB c 0\r\n\r\n");
        await subscriber.expect("MSG b 1 0\r\n\r\nMSG c 1 0\r\n\r\n");
      },

    "§5.3 an account signed by a signing key of the operator": async () => {
      const operatorKey = new NKey("operator");
      const signing = new Operator({ signing_keys: [operatorKey.publicKey] });
      const account = signing.account("a");
      await using own = await ServerProcess.start({
        config: signing.configWithMemory(account.with({}, {}, operatorKey)),
      });
      await login(own, account.user().credentials);
    },

    "§5.3 trusted_keys in place of an operator": async () => {
      const trusted = new Operator();
      const account = trusted.account("a");
      await using own = await ServerProcess.start({
        config: `trusted_keys: [${trusted.key.publicKey}]\nresolver: MEMORY
          system_account: ${trusted.systemAccount.publicKey}
          resolver_preload { ${trusted.systemAccount.publicKey}: ${trusted.systemAccount.jwt}
            ${account.publicKey}: ${account.jwt} }`,
      });
      await login(own, account.user().credentials);
      await expectRefused(own, new Operator().account("b").user().credentials);
    },

    "§5.3 the operator's token from a decorated file": async () => {
      const filed = new Operator();
      const account = filed.account("a");
      await using own = await ServerProcess.start({
        files: {
          "operator.jwt": `-----BEGIN NATS OPERATOR JWT-----\n${filed.jwt}\n------END NATS OPERATOR JWT------\n`,
        },
        config: `operator: "DIRECTORY/operator.jwt"\nresolver: MEMORY
          resolver_preload { ${filed.systemAccount.publicKey}: ${filed.systemAccount.jwt}
            ${account.publicKey}: ${account.jwt} }`,
      });
      await login(own, account.user().credentials);
    },

    "§8.108 an operator that asserts this version or an older one": async () => {
      for (const version of ["2.0.0", "2.10.0"]) {
        const asserting = new Operator({ assert_server_version: version });
        await using own = await ServerProcess.start({ config: asserting.configWithMemory() });
        await loginAsSystem(own, asserting);
      }
    },

    "§8.109 pinned accounts: the others are refused and counted, the system account is not": async () => {
      const pinned = operator.account("pinned");
      await using own = await ServerProcess.start({
        config: `resolver_pinned_accounts: [${pinned.publicKey}]\n${operator.configWithMemory(pinned, plain)}`,
        monitoring: true,
        flags: ["-D"],
      });
      await login(own, pinned.user().credentials);
      await loginAsSystem(own, operator);
      await expectRefused(own, plain.user().credentials);
      await own.waitForLog(`Account ${plain.publicKey} not listed as operator pinned account`);
      expect((await own.json<Record<string, unknown>>("/varz")).pinned_account_fails).toBe(1);
    },

    "§8.109 pinned accounts: with trusted_keys the system account has to be one of them": async () => {
      const { systemAccount } = operator;
      const pinned = operator.account("pinned");
      const configOf = (...accounts: string[]) => `
        trusted_keys: [${operator.key.publicKey}]
        system_account: ${systemAccount.publicKey}
        resolver: MEMORY
        resolver_pinned_accounts: [${accounts}]
        ${preload([systemAccount, pinned])}`;
      await using without = await ServerProcess.start({ config: configOf(pinned.publicKey) });
      await login(without, pinned.user().credentials);
      await expectRefused(without, systemAccount.user().credentials);
      const all = configOf(pinned.publicKey, systemAccount.publicKey);
      await using within = await ServerProcess.start({ config: all });
      await loginAsSystem(within, operator);
    },

    "§8.109 pinned accounts: an empty list is a list, and nobody is on it": async () => {
      await using own = await ServerProcess.start({
        config: `resolver_pinned_accounts: []\n${operator.configWithMemory(plain)}`,
      });
      await expectRefused(own, plain.user().credentials);
      await expectRefused(own, operator.systemAccount.user().credentials);
    },

    "§8.111 default_sentinel: it is what was presented when it is refused, or finds no room": async () => {
      const full = operator.account("full");
      for (const [sentinel, error, account] of [
        [plain.user({ bearer_token: true }, { exp: seconds(-60) }), AUTHORIZATION_VIOLATION, "$G"],
        [full.user({ bearer_token: true }), CONNECTIONS_EXCEEDED, full.publicKey],
      ] as const) {
        await using own = await ServerProcess.start({
          config: `default_sentinel: ${sentinel.jwt}
            ${operator.configWithMemory(plain, full.with({ limits: { ...UNLIMITED_ACCOUNT, conn: 0 } }))}`,
        });
        const system = await loginAsSystem(own, operator);
        await listen(system, "$SYS.ACCOUNT.*.DISCONNECT");
        for (const jwt of ["", "nonsense"]) {
          await expectRefused(own, { jwt }, error);
          expect((await nextMessage(system)).json.client).toMatchObject({ acc: account, jwt: sentinel.jwt });
        }
      }
    },

    "§4.9 an account with room in JetStream asks other servers for it, by way of the system account":
      async () => {
        const [storing, tiered, none] = ["storing", "tiered", "none"].map((name) => operator.account(name));
        const limits = { ...UNLIMITED_ACCOUNT, tiered_limits: { R1: { disk_storage: 1024 } } };
        await using own = await ServerProcess.start({
          config: operator.configWithMemory(
            storing!.with({ limits: { ...UNLIMITED_ACCOUNT, mem_storage: -1 } }),
            tiered!.with({ limits }),
            none!,
          ),
        });
        const system = await loginAsSystem(own, operator);
        await listen(system, "$JS.API.>");
        for (const account of [storing!, tiered!]) {
          const client = await login(own, account.user().credentials);
          client.send("SUB in 1\r\nPUB $JS.API.INFO in 0\r\n\r\n");
          const asked = await readMessage(system);
          expect(asked.headers).toContain(`"acc":"${account.publicKey}"`);
          system.send(`PUB ${asked.reply} 2\r\n{}\r\n`);
          await client.expect("MSG in 1 2\r\n{}\r\n");
          client.destroy();
        }
        const client = await login(own, none!.user().credentials);
        expect(await request(client, "$JS.API.INFO")).toMatchObject({ payload: "" });
        for (const each of [system, client]) each.destroy();
      },

    "§8.111 default_sentinel: who brings no token is that user": async () => {
      const sentinel = plain.user({ bearer_token: true, pub: { allow: ["sentinel"] } });
      await using own = await ServerProcess.start({
        config: `default_sentinel: ${sentinel.jwt}\n${operator.configWithMemory(plain)}`,
      });
      for (const fields of [{}, { user: "u", pass: "p" }, { auth_token: "t" }, { jwt: "nonsense" }]) {
        const client = await login(own, fields);
        client.send("PUB other 0\r\n\r\n");
        await client.expect(`-ERR 'Permissions Violation for Publish to "other"'\r\n`);
        client.destroy();
      }
      const user = await login(own, plain.user().credentials);
      user.send("PUB other 0\r\n\r\n");
      await user.roundTrip();
      await expectRefused(own, { jwt: plain.user().jwt });
    },

    "§8.110 an import with an activation token; without, with an expired or revoked one nothing comes":
      async () => {
        const exporter = operator.account("exporter");
        const importers = ["active", "without", "late", "revoked"].map((name) => operator.account(name));
        const [active, without, late, revoked] = importers as [
          typeof exporter,
          typeof exporter,
          typeof exporter,
          typeof exporter,
        ];
        const activation = (account: typeof exporter, claims = {}) =>
          encodeJwt(
            {
              sub: account.publicKey,
              name: "feed",
              ...claims,
              nats: { subject: "feed", kind: "stream", type: "activation", version: 2 },
            },
            exporter.key,
          );
        const importing = (account: typeof exporter, token: string | undefined) =>
          account.with({
            imports: [{ name: "feed", subject: "feed", account: exporter.publicKey, type: "stream", token }],
          });
        await using own = await ServerProcess.start({
          config: operator.configWithMemory(
            exporter.with({
              exports: [
                {
                  name: "feed",
                  subject: "feed",
                  type: "stream",
                  token_req: true,
                  revocations: { [revoked.publicKey]: seconds(60) },
                },
              ],
            }),
            importing(active, activation(active)),
            importing(without, undefined),
            importing(late, activation(late, { exp: seconds(-60) })),
            importing(revoked, activation(revoked)),
          ),
        });
        const publisher = await login(own, exporter.user().credentials);
        const clients = [];
        for (const account of importers) {
          const client = await login(own, account.user().credentials);
          client.send("SUB feed 1\r\n");
          await client.roundTrip();
          clients.push(client);
        }
        publisher.send("PUB feed 4\r\nnews\r\n");
        await publisher.roundTrip();
        await clients[0]!.expect("MSG feed 1 4\r\nnews\r\n");
        for (const client of clients) await client.roundTrip();
      },

    "§8.110 an activation for another account or subject makes the importer unusable": async () => {
      const exporter = operator.account("exporter");
      const [forOther, forSubject] = [operator.account("other"), operator.account("subject")];
      const importing = (account: typeof exporter, subject: string, target: string) =>
        account.with({
          imports: [
            {
              name: "feed",
              subject: "feed",
              account: exporter.publicKey,
              type: "stream",
              token: encodeJwt(
                { sub: target, nats: { subject, kind: "stream", type: "activation", version: 2 } },
                exporter.key,
              ),
            },
          ],
        });
      await using own = await ServerProcess.start({
        config: operator.configWithMemory(
          exporter.with({ exports: [{ name: "feed", subject: "feed", type: "stream", token_req: true }] }),
          importing(forOther, "feed", plain.publicKey),
          importing(forSubject, "elsewhere", forSubject.publicKey),
        ),
      });
      await expectRefused(own, forOther.user().credentials);
      await expectRefused(own, forSubject.user().credentials);
    },

    "§5.2 a user that moves by a second CONNECT is in the other account": async () => {
      await using own = await ServerProcess.start({ config: operator.configWithMemory(plain, defaulting) });
      const witness = await login(own, defaulting.user({ pub: {}, sub: { allow: [">"] } }).credentials);
      witness.send("SUB hello 1\r\n");
      await witness.roundTrip();
      const client = await login(own, plain.user().credentials);
      const fields = defaulting.user({ pub: { allow: ["hello"] } }).credentials(String(client.info.nonce));
      client.send(
        `PUB hello 1\r\n1\r\nCONNECT ${JSON.stringify({ verbose: false, ...fields })}\r\nPUB hello 1\r\n2\r\n`,
      );
      await witness.expect("MSG hello 1 1\r\n2\r\n");
      const bad = new User({ subs: -1 }, {}, new NKey("account")).credentials(String(client.info.nonce));
      client.send(`CONNECT ${JSON.stringify(bad)}\r\n`);
      await client.expect(AUTHORIZATION_VIOLATION);
      await client.expectClosed();
    },
  },
  8,
);
