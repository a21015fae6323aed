import { expect } from "bun:test";
import { createCurve } from "nkeys.js";
import {
  accept,
  CALLOUT_SUBJECT,
  type CalloutRequest,
  CalloutService,
  respond,
} from "../support/callout_service.ts";
import { push } from "../support/claims_requests.ts";
import { until } from "../support/deadline.ts";
import { decodeJwt, seconds } from "../support/jwt.ts";
import { AUTHORIZATION_VIOLATION, expectRefused, login } from "../support/login.ts";
import { readMessage } from "../support/message.ts";
import { NKey } from "../support/nkey.ts";
import { loginAsSystem, Operator, UNLIMITED_ACCOUNT } from "../support/operator.ts";
import type { RawClient } from "../support/raw_client.ts";
import { request } from "../support/request.ts";
import { row, rowsInParallel, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

const CONNECTIONS_EXCEEDED = "-ERR 'maximum account active connections exceeded'\r\n";

const issuer = new NKey("account");
const stranger = new NKey("account");

const config = (more = "", accounts = "") => `
  accounts {
    AUTH { users: [ {user: auth, password: p} ] }
    FOO { users: [ {user: foo, password: p} ] }
    BAR { users: [ {user: bar, password: p} ] }
    $SYS { users: [ {user: sys, password: p} ] }
    ${accounts}
  }
  authorization {
    timeout: "1s"
    auth_callout { issuer: ${issuer.publicKey}, account: AUTH, auth_users: [auth, sys], ${more} }
  }`;

const server = sharedServer({ config: config() });

const serviceOn = async (on: ServerProcess) => {
  const client = await login(on, { user: "auth", pass: "p" });
  return { client, service: await CalloutService.over(client) };
};

/** Who logs in while the service answers with `answer`; both must come to their end. */
async function loginWith(
  answer: (request: CalloutRequest) => string,
  fields: Record<string, unknown> = { user: "dave", pass: "q" },
): Promise<{ client: RawClient; request: CalloutRequest }> {
  const { client: serving, service } = await serviceOn(server());
  const [client, asked] = await Promise.all([login(server(), fields), service.answer(answer)]);
  serving.destroy();
  return { client, request: asked };
}

/** The login is refused because of what the service answered, and the log says why. */
async function refusedWith(
  answer: (request: CalloutRequest) => string,
  cause: string | RegExp,
): Promise<void> {
  const from = server().log.length;
  const { client: serving, service } = await serviceOn(server());
  await Promise.all([expectRefused(server(), { user: "dave", pass: "q" }), service.answer(answer)]);
  await server().waitForLog(cause, from);
  serving.destroy();
}

const userInfo = async (client: RawClient) =>
  JSON.parse((await request(client, "$SYS.REQ.USER.INFO")).payload).data as Record<string, unknown>;

row("§8.27 callout: what is asked", async () => {
  const { client: serving, service } = await serviceOn(server());
  const connecting = login(server(), { user: "dave", pass: "q", name: "n", lang: "test", version: "1.2" });
  const { message, request: asked } = await service.next();
  expect(message.reply).toMatch(/^\$SYS\._INBOX\.[0-9A-Za-z]{8}\.[0-9A-Za-z]{8}$/);
  expect(decodeHeader(message.payload)).toEqual({ typ: "JWT", alg: "ed25519-nkey" });
  expect(asked.aud).toBe("nats-authorization-request");
  expect(asked.iss).toBe(serving.info.server_id);
  expect(asked.sub).toBe(issuer.publicKey);
  expect(Math.abs(asked.exp - seconds(1))).toBeLessThan(2);
  expect(asked.nats).toMatchObject({
    server_id: { id: serving.info.server_id, name: serving.info.server_name, version: serving.info.version },
    client_info: { host: "127.0.0.1", user: "dave", name: "n", kind: "Client", type: "nats" },
    connect_opts: { user: "dave", pass: "q", name: "n", lang: "test", version: "1.2", protocol: 0 },
    type: "authorization_request",
    version: 2,
  });
  expect(asked.nats.user_nkey).toMatch(/^U[A-Z2-7]{55}$/);
  expect(asked.nats.server_id.xkey).toBe(undefined);
  service.reply(message, accept(asked, issuer));
  const client = await connecting;
  await client.roundTrip();
  for (const each of [client, serving]) each.destroy();
});

row("§8.27 callout: each request is about a fresh key", async () => {
  const keys = [];
  for (let count = 0; count < 2; count++) {
    const { client, request: asked } = await loginWith((each) => accept(each, issuer));
    keys.push(asked.nats.user_nkey);
    client.destroy();
  }
  expect(new Set(keys).size).toBe(2);
});

row("§8.27 callout: the answer's permissions and limits are the client's", async () => {
  const { client } = await loginWith((asked) =>
    accept(asked, issuer, {
      nats: { pub: { allow: ["only", "$SYS.REQ.USER.INFO"] } },
      claims: { name: "renamed" },
    }),
  );
  client.send("PUB other 0\r\n\r\nPUB only 0\r\n\r\n");
  await client.expect(`-ERR 'Permissions Violation for Publish to "other"'\r\n`);
  await client.roundTrip();
  expect((await userInfo(client)).user).toBe("renamed");
  client.destroy();
});

row("§8.27 callout: it decides over users whose password is right, too", async () => {
  const { client } = await loginWith((asked) => accept(asked, issuer, { claims: { aud: "BAR" } }), {
    user: "foo",
    pass: "p",
  });
  expect((await userInfo(client)).account).toBe("BAR");
  client.destroy();
});

row("§8.28 callout: an empty answer", () =>
  refusedWith(() => "", `Auth callout violation: "no reason supplied" on account "AUTH"`),
);

row("§8.30 callout: an answer for another user, another server, by another issuer", async () => {
  await refusedWith(
    (asked) => accept(asked, issuer, {}, { claims: { sub: new NKey("user").publicKey } }),
    "auth callout response is not for expected user",
  );
  await refusedWith(
    (asked) => accept(asked, issuer, {}, { claims: { aud: new NKey("server").publicKey } }),
    "auth callout response is not for server",
  );
  await refusedWith(
    (asked) => accept(asked, issuer, {}, { signer: stranger }),
    "Auth callout signing key is unknown",
  );
  await refusedWith(
    (asked) => accept(asked, issuer, { signer: stranger }),
    `Wrong issuer for auth callout response on account "AUTH", expected "${issuer.publicKey}" got "${stranger.publicKey}"`,
  );
});

row("§1.8 callout: the service refuses, with a reason for the log", () =>
  refusedWith(
    (asked) => respond(asked, issuer, { error: "not today" }),
    "Auth callout service returned an error: not today",
  ),
);

row("§1.8 callout: the reason is the server's last word, without the client's name", () =>
  refusedWith(
    (asked) => respond(asked, issuer, { error: "not today" }),
    /\[ERR\] \S+ - cid:\d+ - authentication error - User "dave"\n.*\[WRN\] Auth callout service returned an error: not today\n/,
  ),
);

row("§1.8 callout: answers that are none", async () => {
  await refusedWith(() => "nonsense", "[WRN]");
  await refusedWith(() => "eyJ.eyJ.x", "[WRN]");
  await refusedWith((asked) => `\ufeff${accept(asked, issuer)}`, "[WRN] Illegal base64 data at input byte 0");
  await refusedWith(
    (asked) => accept(asked, issuer, {}, { claims: { exp: seconds(-10) } }),
    "Authorization response had validation errors: claim is expired",
  );
  await refusedWith(
    (asked) => accept(asked, issuer, { claims: { exp: seconds(-10) } }),
    "Error validating user JWT: claim is expired",
  );
  await refusedWith(
    (asked) => accept(asked, issuer, { claims: { sub: new NKey("user").publicKey } }),
    "Expected authorized user of ",
  );
  await refusedWith((asked) => respond(asked, issuer, {}), "[WRN]");
});

row("§1.8 callout: what the answer's user may not have in config mode", async () => {
  await refusedWith(
    (asked) => accept(asked, issuer, { nats: { issuer_account: issuer.publicKey } }),
    `Error non operator mode account "AUTH": attempted to use issuer_account`,
  );
  await refusedWith(
    (asked) => accept(asked, issuer, { nats: { allowed_connection_types: ["NEWER"] } }),
    `Authorized user on account "AUTH" using invalid connection type`,
  );
  await refusedWith(
    (asked) => accept(asked, issuer, { nats: { allowed_connection_types: ["WEBSOCKET"] } }),
    "not allowed to use connection type",
  );
  const hour = (shift: number) => new Date(Date.now() + shift * 3_600_000).toISOString().slice(11, 19);
  await refusedWith(
    (asked) =>
      accept(asked, issuer, { nats: { times: [{ start: hour(1), end: hour(2) }], times_location: "UTC" } }),
    /\[ERR\] \S+ - cid:\d+ - Outside connect times\n.*\n.* Authorized user on account "AUTH" outside of valid connect times\n/,
  );
  await refusedWith(
    (asked) => accept(asked, issuer, { nats: { times_location: "utc" } }),
    "could not parse iana time zone by name: unknown time zone utc",
  );
});

row("§8.31 callout: the answer chooses the account, by name", async () => {
  const { client } = await loginWith((asked) => accept(asked, issuer, { claims: { aud: "FOO" } }));
  expect((await userInfo(client)).account).toBe("FOO");
  client.destroy();
  await refusedWith(
    (asked) => accept(asked, issuer, { claims: { aud: "NOPE" } }),
    `No valid account "NOPE" for auth callout response on account "AUTH"`,
  );
});

row("§8.32 callout: its own users are not asked about, right or wrong", async () => {
  const { client: serving, service } = await serviceOn(server());
  (await login(server(), { user: "auth", pass: "p" })).destroy();
  await expectRefused(server(), { user: "auth", pass: "wrong" });
  await service.expectNoRequest();
  serving.destroy();
});

row("§8.34 callout: nobody in its account may ask", async () => {
  const { client: serving } = await serviceOn(server());
  const { client } = await loginWith((asked) => accept(asked, issuer, { claims: { aud: "AUTH" } }));
  client.send(`PUB ${CALLOUT_SUBJECT} 4\r\nfake\r\n`);
  await client.expect(`-ERR 'Permissions Violation for Publish to "${CALLOUT_SUBJECT}"'\r\n`);
  await client.roundTrip();
  for (const each of [client, serving]) each.destroy();
});

row("§8.34 callout: an answer to the wrong inbox is none", async () => {
  const { client: serving, service } = await serviceOn(server());
  const refused = expectRefused(server(), { user: "dave", pass: "q" });
  const { message, request: asked } = await service.next();
  service.reply({ ...message, reply: `${message.reply}x` }, accept(asked, issuer));
  await refused;
  serving.destroy();
});

row("§1.8 callout: a token is not shown in who it is, only in what it said", async () => {
  const { client, request: asked } = await loginWith((each) => accept(each, issuer), { auth_token: "t0ken" });
  expect(asked.nats.client_info.user).toBe("[REDACTED]");
  expect(asked.nats.connect_opts.auth_token).toBe("t0ken");
  client.destroy();
});

row("§1.8 callout: the account hears why", async () => {
  const { client: serving, service } = await serviceOn(server());
  serving.send("SUB $SYS.ACCOUNT.CLIENT.AUTH.ERR 7\r\n");
  await serving.roundTrip();
  const refused = expectRefused(server(), { user: "dave", pass: "q" });
  await service.answer((asked) => respond(asked, issuer, { error: "not today" }));
  await refused;
  const event = await readMessage(serving);
  expect([event.sid, JSON.parse(event.payload).reason]).toEqual([
    "7",
    "Auth callout service returned an error: not today",
  ]);
  serving.destroy();
});

row("§1.8 callout: the account hears who fails to be one of the service's own users", async () => {
  const serving = await login(server(), { user: "auth", pass: "p" });
  serving.send("SUB $SYS.ACCOUNT.CLIENT.AUTH.ERR 7\r\n");
  await serving.roundTrip();
  await expectRefused(server(), { user: "auth", pass: "wrong" });
  const event = JSON.parse((await readMessage(serving)).payload);
  expect([event.client.acc, event.reason]).toEqual(["AUTH", "Authentication Failure"]);
  serving.destroy();
});

row("§1.8 callout: events do not tell a JWT, which means nothing here", async () => {
  const system = await login(server(), { user: "sys", pass: "p" });
  system.send("SUB $SYS.ACCOUNT.FOO.CONNECT 1\r\nSUB $SYS.ACCOUNT.FOO.DISCONNECT 2\r\n");
  await system.roundTrip();
  const { client } = await loginWith((asked) => accept(asked, issuer, { claims: { aud: "FOO" } }), {
    jwt: "sent",
  });
  client.destroy();
  for (const sid of ["1", "2"]) {
    const event = await readMessage(system);
    expect([event.sid, JSON.parse(event.payload).client.jwt]).toEqual([sid, undefined]);
  }
  system.send("SUB $SYS.SERVER.*.CLIENT.AUTH.ERR 3\r\n");
  await system.roundTrip();
  await expectRefused(server(), { user: "auth", pass: "wrong", jwt: "sent" });
  expect(JSON.parse((await readMessage(system)).payload).client.jwt).toBe(undefined);
  system.destroy();
});

row(
  "§1.8 callout: who is refused although its credentials are good was in its account until then",
  async () => {
    const { client: serving, service } = await serviceOn(server());
    const system = await login(server(), { user: "sys", pass: "p" });
    system.send("SUB $SYS.SERVER.*.CLIENT.AUTH.ERR 1\r\nSUB $SYS.ACCOUNT.*.DISCONNECT 2\r\n");
    serving.send("SUB $SYS.ACCOUNT.CLIENT.AUTH.ERR 7\r\n");
    for (const each of [system, serving]) await each.roundTrip();
    for (const [pass, account] of [
      ["p", "FOO"],
      ["wrong", "$G"],
    ] as const) {
      const refused = expectRefused(server(), { user: "foo", pass });
      await service.answer((asked) => respond(asked, issuer, { error: "not today" }));
      await refused;
      const told = JSON.parse((await readMessage(serving)).payload);
      expect(told.client).toMatchObject({ acc: "AUTH", user: "foo", name_tag: account });
      for (const sid of ["1", "2"]) {
        const event = await readMessage(system);
        expect([event.sid, JSON.parse(event.payload).client]).toMatchObject([
          sid,
          { acc: account, user: "foo", name_tag: account },
        ]);
      }
    }
    for (const each of [system, serving]) each.destroy();
  },
);

/** In operator mode: an account whose logins a callout service decides, with the service's own user. */
function delegation() {
  const operator = new Operator();
  const delegating = operator.account("delegating");
  const serviceUser = delegating.user();
  const authorization = { auth_users: [serviceUser.key.publicKey] };
  return { delegating, serviceUser, config: operator.configWithMemory(delegating.with({ authorization })) };
}

rowsInParallel({
  "§8.29 callout: without an answer the login is refused after the timeout": async () => {
    await using own = await ServerProcess.start({ config: config() });
    const { service } = await serviceOn(own);
    const start = performance.now();
    const refused = expectRefused(own, { user: "dave", pass: "q" });
    await service.next();
    await refused;
    expect(performance.now() - start).toBeGreaterThan(900);
  },

  "§8.29 callout: without a service too": async () => {
    await using own = await ServerProcess.start({ config: config() });
    const start = performance.now();
    await expectRefused(own, { user: "dave", pass: "q" });
    expect(performance.now() - start).toBeGreaterThan(900);
  },

  "§8.33 callout: with allowed_accounts the users of other accounts are not asked about": async () => {
    await using own = await ServerProcess.start({ config: config("allowed_accounts: [BAR]") });
    await login(own, { user: "foo", pass: "p" });
    const { service } = await serviceOn(own);
    const [client] = await Promise.all([
      login(own, { user: "bar", pass: "p" }),
      service.answer((asked) => accept(asked, issuer, { claims: { aud: "FOO" } })),
    ]);
    expect((await userInfo(client)).account).toBe("FOO");
  },

  "§8.33 callout: nor is it asked about them where a reload gives them another password": async () => {
    const only = config("allowed_accounts: [BAR]");
    await using own = await ServerProcess.start({ config: only });
    const foo = await login(own, { user: "foo", pass: "p" });
    const { service } = await serviceOn(own);
    await own.reload(only.replace("user: foo, password: p", "user: foo, password: q"));
    expect(await foo.readToEnd()).toBe(AUTHORIZATION_VIOLATION);
    await service.expectNoRequest();
  },

  "§8.33 callout: who brings no credentials is asked about as the user of no_auth_user": async () => {
    const anonymous = `no_auth_user: foo\n${config()}`;
    await using own = await ServerProcess.start({ config: anonymous });
    const { service } = await serviceOn(own);
    const enter = async (first: string) => {
      const client = await own.connect();
      client.send(`${first}PING\r\n`);
      const asked = await service.answer((each) => accept(each, issuer, { claims: { aud: "BAR" } }));
      expect(asked.nats.client_info.user).toBe("foo");
      expect(asked.nats.connect_opts).toMatchObject({ user: "foo", pass: "p" });
      await client.readUntil("PONG\r\n");
      return client;
    };
    const client = await enter('CONNECT {"verbose":false}\r\n');
    expect((await userInfo(client)).account).toBe("BAR");
    await enter("");
    // What they have been made is nobody whom the configuration has in that account.
    await own.reload(anonymous.replace(`timeout: "1s"`, `timeout: "2s"`));
    expect(await client.readToEnd()).toBe("");
    await service.expectNoRequest();
  },

  "§8.33 callout: nobody is asked about an anonymous client that is an auth user, or in no listed account":
    async () => {
      const anonymous = (more: string) => `no_auth_user: foo\n${config(more)}`;
      for (const settings of [
        anonymous("").replace("auth_users: [auth,", "auth_users: [auth, foo,"),
        anonymous("allowed_accounts: [BAR]"),
      ]) {
        await using own = await ServerProcess.start({ config: settings });
        const client = await login(own, {});
        expect((await userInfo(client)).account).toBe("FOO");
        await own.reload(settings.replace("user: foo, password: p", "user: foo, password: q"));
        expect(await client.readToEnd()).toBe(AUTHORIZATION_VIOLATION);
      }
    },

  "§8.35 callout: requests and answers sealed with xkey": async () => {
    const curve = createCurve();
    await using own = await ServerProcess.start({ config: config(`xkey: ${curve.getPublicKey()}`) });
    const { service, client: serving } = await serviceOn(own);
    for (const isSealed of [true, false]) {
      const connecting = login(own, { user: "dave", pass: "q" });
      const message = await readSealed(serving);
      const serverKey = /^Nats-Server-Xkey: (X[A-Z2-7]{55})\r$/m.exec(message.headers)![1]!;
      expect(serverKey).toBe(String(serving.info.xkey));
      expect(new TextDecoder().decode(message.bytes.subarray(0, 4))).toBe("xkv1");
      const opened = curve.open(message.bytes, serverKey)!;
      const asked = decodeJwt<CalloutRequest>(new TextDecoder().decode(opened));
      expect(asked.nats.server_id.xkey).toBe(serverKey);
      const answer = accept(asked, issuer);
      service.reply(message, isSealed ? curve.seal(new TextEncoder().encode(answer), serverKey) : answer);
      await (await connecting).roundTrip();
    }
  },

  "§8.36 callout: an answer's user that expires": async () => {
    await using own = await ServerProcess.start({ config: config() });
    const { service } = await serviceOn(own);
    const [client] = await Promise.all([
      login(own, { user: "dave", pass: "q" }),
      service.answer((asked) => accept(asked, issuer, { claims: { exp: seconds(2) } })),
    ]);
    await client.expect("-ERR 'User Authentication Expired'\r\n");
    await client.expectClosed();
  },

  "§1.8 callout in operator mode: the account hears who fails to be one of the service's own users":
    async () => {
      const { delegating, serviceUser, config } = delegation();
      await using own = await ServerProcess.start({ config });
      const serving = await login(own, serviceUser.credentials);
      serving.send("SUB $SYS.ACCOUNT.CLIENT.AUTH.ERR 7\r\n");
      await serving.roundTrip();
      await expectRefused(own, { jwt: serviceUser.jwt });
      const event = JSON.parse((await readMessage(serving)).payload);
      expect([event.client.acc, event.reason]).toEqual([delegating.publicKey, "Authentication Failure"]);
    },

  "§8.36 callout in operator mode: the JWT that the client sent expires, whatever the answer": async () => {
    const { delegating, serviceUser, config } = delegation();
    await using own = await ServerProcess.start({ config });
    const service = await CalloutService.over(await login(own, serviceUser.credentials));
    const sent = delegating.user({}, { exp: seconds(2) });
    const [client] = await Promise.all([
      login(own, (nonce) => ({ ...sent.credentials(nonce), auth_token: "t" })),
      service.answer((each) =>
        accept(each, delegating.key, { claims: { aud: undefined, exp: seconds(100) } }),
      ),
    ]);
    // Once the service has answered, the token counts: the JWT is forgotten.
    expect((await userInfo(client)).user).toBe("[REDACTED]");
    await client.expect("-ERR 'User Authentication Expired'\r\n");
    await client.expectClosed();
  },

  "§1.8 callout in operator mode: of an account that has it, for users that are not its own": async () => {
    const operator = new Operator();
    const [delegating, target] = [operator.account("delegating"), operator.account("target")];
    const serviceUser = delegating.user();
    await using own = await ServerProcess.start({
      flags: ["-D"],
      config: `authorization { timeout: "1s" }\n${operator.configWithMemory(
        target,
        delegating.with({
          authorization: { auth_users: [serviceUser.key.publicKey], allowed_accounts: [target.publicKey] },
        }),
      )}`,
    });
    const serving = await login(own, serviceUser.credentials);
    const service = await CalloutService.over(serving);
    serving.send("SUB $SYS.ACCOUNT.CLIENT.AUTH.ERR 7\r\n");
    const user = delegating.user();
    const connecting = login(own, user.credentials);
    const { message, request: asked } = await service.next();
    expect(asked.sub).toBe(delegating.publicKey);
    expect(asked.nats.connect_opts.jwt).toBe(user.jwt);
    service.reply(message, accept(asked, delegating.key, { signer: target.key, claims: { aud: undefined } }));
    expect((await userInfo(await connecting)).account).toBe(target.publicKey);
    const elsewhere = operator.account("elsewhere");
    const refused = expectRefused(own, user.credentials);
    await service.answer((each) =>
      accept(each, delegating.key, { signer: elsewhere.key, claims: { aud: undefined } }),
    );
    await refused;
    const event = JSON.parse((await readMessage(serving)).payload);
    expect(event.reason).toStartWith(
      `Account "${elsewhere.publicKey}" not permitted as valid account option for auth callout for account`,
    );
    expect(event.client).toMatchObject({
      acc: delegating.publicKey,
      user: user.key.publicKey,
      issuer_key: delegating.publicKey,
    });
    await login(own, target.user().credentials);
  },

  "§1.8 callout: after a reload it decides again, about users that the configuration has in the account":
    async () => {
      await using own = await ServerProcess.start({ config: config() });
      const { service } = await serviceOn(own);
      const loggedIn = async (fields: Record<string, unknown>) => {
        const [client] = await Promise.all([
          login(own, fields),
          service.answer((asked) => accept(asked, issuer, { claims: { aud: "FOO" } })),
        ]);
        return client;
      };
      const foo = await loggedIn({ user: "foo", pass: "p" });
      const reloading = own.reload(config().replace(`timeout: "1s"`, `timeout: "2s"`));
      const { message, request: asked } = await service.next();
      expect(asked.nats.client_info.user).toBe("foo");
      service.reply(
        message,
        accept(asked, issuer, { claims: { aud: "FOO" }, nats: { pub: { allow: ["only"] } } }),
      );
      await reloading;
      await until(
        async () => {
          foo.send("PUB other 0\r\n\r\nPING\r\n");
          return (await foo.readLine()) !== "PONG";
        },
        () => "a message to a subject that is no longer allowed is refused",
      );
      const refused = own.reload(config().replace(`timeout: "1s"`, `timeout: "3s"`));
      await service.answer((each) => respond(each, issuer, { error: "not any more" }));
      await refused;
      expect(await foo.readToEnd()).toContain(AUTHORIZATION_VIOLATION);
    },

  "§1.8 callout: after a reload it is not asked about others, who are gone": async () => {
    await using own = await ServerProcess.start({ config: config() });
    const { service } = await serviceOn(own);
    const [dave] = await Promise.all([
      login(own, { user: "dave", pass: "q" }),
      service.answer((asked) => accept(asked, issuer, { claims: { aud: "FOO" } })),
    ]);
    await own.reload(config().replace(`timeout: "1s"`, `timeout: "2s"`));
    expect(await dave.readToEnd()).toBe("");
    await service.expectNoRequest();
  },

  "§1.8 callout: nor about a user whose account has as many connections as it may": async () => {
    const limited = config("", "LIMITED { users: [ {user: lim, password: p} ], limits { max_conn: 1 } }");
    await using own = await ServerProcess.start({ config: limited });
    const { service } = await serviceOn(own);
    const fields = { user: "lim", pass: "p" };
    const [first] = await Promise.all([
      login(own, fields),
      service.answer((asked) => accept(asked, issuer, { claims: { aud: "LIMITED" } })),
    ]);
    const second = await own.connect();
    second.send(`CONNECT ${JSON.stringify(fields)}\r\n`);
    expect(await second.readToEnd()).toBe(CONNECTIONS_EXCEEDED);
    await service.expectNoRequest();
    await first.roundTrip();
  },

  "§1.8 callout: of an account there is not": async () => {
    await using own = await ServerProcess.start({
      config: config().replace("account: AUTH", "account: NOPE"),
    });
    await expectRefused(own, { user: "dave", pass: "q" });
    await own.waitForLog(/\[WRN\].*No valid account "NOPE" for auth callout request: account missing/);
  },

  "§1.8 callout in operator mode: the key that was made for the question can be revoked": async () => {
    const operator = new Operator();
    const [delegating, target] = [operator.account("delegating"), operator.account("target")];
    const serviceUser = delegating.user();
    await using own = await ServerProcess.start({
      config: `authorization { timeout: "1s" }\n${operator.configWithMemory(
        target,
        delegating.with({
          authorization: { auth_users: [serviceUser.key.publicKey], allowed_accounts: ["*"] },
        }),
      )}`,
    });
    const system = await loginAsSystem(own, operator);
    const service = await CalloutService.over(await login(own, serviceUser.credentials));
    const [client, asked] = await Promise.all([
      login(own, delegating.user().credentials),
      service.answer((each) =>
        accept(each, delegating.key, { signer: target.key, claims: { aud: undefined } }),
      ),
    ]);
    await push(system, target, { revocations: { [asked.nats.user_nkey]: seconds(10) } });
    await client.expect("-ERR 'User Authentication Revoked'\r\n");
    await client.expectClosed();
  },

  "§1.8 callout in operator mode: nobody gets in whom the account turns out while the service is asked":
    async () => {
      const operator = new Operator();
      const [delegating, target] = [operator.account("delegating"), operator.account("target")];
      const [serviceUser, signingKey] = [delegating.user(), new NKey("account")];
      const nats = {
        authorization: { auth_users: [serviceUser.key.publicKey], allowed_accounts: ["*"] },
        signing_keys: [signingKey.publicKey],
      };
      await using own = await ServerProcess.start({
        config: `authorization { timeout: "5s" }\n${operator.configWithMemory(target, delegating.with(nats))}`,
      });
      const system = await loginAsSystem(own, operator);
      const service = await CalloutService.over(await login(own, serviceUser.credentials));
      const revoked = delegating.userOf(signingKey);
      const changes = [
        { ...nats, revocations: { [revoked.key.publicKey]: seconds(10) } },
        { ...nats, signing_keys: [] },
      ];
      for (const change of changes) {
        await push(system, delegating, nats);
        const client = await own.connect();
        const asking = revoked.credentials(client.info.nonce as string);
        client.send(`CONNECT ${JSON.stringify({ verbose: false, ...asking })}\r\nPING\r\n`);
        const { message, request } = await service.next();
        await push(system, delegating, change);
        service.reply(
          message,
          accept(request, delegating.key, { signer: target.key, claims: { aud: undefined } }),
        );
        expect(await client.readToEnd()).not.toContain("PONG");
      }
    },

  "§1.8 callout in operator mode: nobody is let in whose own account is full": async () => {
    const operator = new Operator();
    const [delegating, target] = [operator.account("delegating"), operator.account("target")];
    const serviceUser = delegating.user();
    await using own = await ServerProcess.start({
      config: `authorization { timeout: "1s" }\n${operator.configWithMemory(
        target,
        delegating.with({
          limits: { ...UNLIMITED_ACCOUNT, conn: 1 },
          authorization: { auth_users: [serviceUser.key.publicKey], allowed_accounts: ["*"] },
        }),
      )}`,
    });
    const serving = await login(own, serviceUser.credentials);
    const client = await own.connect();
    const asking = delegating.user().credentials(client.info.nonce as string);
    client.send(`CONNECT ${JSON.stringify({ verbose: false, ...asking })}\r\nPING\r\n`);
    expect(await client.readToEnd()).toBe(CONNECTIONS_EXCEEDED);
    await serving.roundTrip();
  },

  "§1.8 callout in operator mode: a new JWT of the account lets nobody in it put questions": async () => {
    const operator = new Operator();
    const delegating = operator.account("delegating");
    const serviceUser = delegating.user();
    const nats = { authorization: { auth_users: [serviceUser.key.publicKey] } };
    await using own = await ServerProcess.start({
      config: `authorization { timeout: "1s" }\n${operator.configWithMemory(delegating.with(nats))}`,
    });
    const system = await loginAsSystem(own, operator);
    const serving = await login(own, serviceUser.credentials);
    const service = await CalloutService.over(serving);
    const [client] = await Promise.all([
      login(own, delegating.user().credentials),
      service.answer((each) => accept(each, delegating.key, { claims: { aud: undefined } })),
    ]);
    await push(system, delegating, { ...nats, description: "another" });
    for (const each of [client, serving]) {
      each.send(`PUB ${CALLOUT_SUBJECT} 1\r\nx\r\n`);
      await each.expect(`-ERR 'Permissions Violation for Publish to "${CALLOUT_SUBJECT}"'\r\n`);
    }
    await service.expectNoRequest();
  },

  "§1.8 callout in operator mode: requests and answers sealed with the account's xkey": async () => {
    const operator = new Operator();
    const delegating = operator.account("delegating");
    const serviceUser = delegating.user();
    const curve = createCurve();
    await using own = await ServerProcess.start({
      config: `authorization { timeout: "1s" }\n${operator.configWithMemory(
        delegating.with({
          authorization: { auth_users: [serviceUser.key.publicKey], xkey: curve.getPublicKey() },
        }),
      )}`,
    });
    const serving = await login(own, serviceUser.credentials);
    const service = await CalloutService.over(serving);
    const connecting = login(own, delegating.user().credentials);
    const message = await readSealed(serving);
    const serverKey = String(serving.info.xkey);
    const opened = new TextDecoder().decode(curve.open(message.bytes, serverKey)!);
    const answer = accept(decodeJwt<CalloutRequest>(opened), delegating.key, { claims: { aud: undefined } });
    service.reply(message, curve.seal(new TextEncoder().encode(answer), serverKey));
    await (await connecting).roundTrip();
  },

  "§1.8 callout: the service may be in another account, from which the callout's account imports it":
    async () => {
      for (const [subject, local] of [
        ["auth.ask", 'to: "$SYS.REQ.USER.AUTH"'],
        [CALLOUT_SUBJECT, ""],
      ] as const) {
        await using own = await ServerProcess.start({
          config: `
          accounts {
            SERVICE { users: [ {user: service, password: p} ], exports: [ { service: "${subject}" } ] }
            AUTH {
              users: [ {user: auth, password: p} ]
              imports: [ { service: { account: SERVICE, subject: "${subject}" }, ${local} } ]
            }
          }
          authorization {
            timeout: "1s"
            auth_callout { issuer: ${issuer.publicKey}, account: AUTH, auth_users: [auth, service] }
          }`,
        });
        const serving = await login(own, { user: "service", pass: "p" });
        serving.send(`SUB ${subject} 1\r\n`);
        await serving.roundTrip();
        const connecting = login(own, { user: "dave", pass: "q" });
        const message = await readMessage(serving);
        expect(message.subject).toBe(subject);
        expect(message.reply).toMatch(/^_R_\.\w{6}\.\w{6}$/);
        expect(message.headers).toContain('Nats-Request-Info: {"acc":"AUTH"}\r\n');
        const answer = accept(decodeJwt<CalloutRequest>(message.payload), issuer);
        serving.send(`PUB ${message.reply} ${answer.length}\r\n${answer}\r\n`);
        await (await connecting).roundTrip();
      }
    },

  "§1.8 callout in operator mode: imported, sealed, the header stays": async () => {
    const operator = new Operator();
    const [delegating, central] = [operator.account("delegating"), operator.account("central")];
    const curve = createCurve();
    await using own = await ServerProcess.start({
      config: `authorization { timeout: "1s" }\n${operator.configWithMemory(
        central.with({ exports: [{ name: "ask", subject: "auth.ask", type: "service" }] }),
        delegating.with({
          authorization: { auth_users: [delegating.user().key.publicKey], xkey: curve.getPublicKey() },
          imports: [
            {
              name: "ask",
              subject: "auth.ask",
              account: central.publicKey,
              local_subject: CALLOUT_SUBJECT,
              type: "service",
            },
          ],
        }),
      )}`,
    });
    const serving = await login(own, central.user().credentials);
    serving.send("SUB auth.ask 1\r\n");
    await serving.roundTrip();
    const connecting = login(own, delegating.user().credentials);
    const message = await readSealed(serving);
    expect(message.headers).toContain(`Nats-Server-Xkey: ${String(serving.info.xkey)}\r\n`);
    expect(message.headers).toContain(`Nats-Request-Info: {"acc":"${delegating.publicKey}"}\r\n`);
    const opened = new TextDecoder().decode(curve.open(message.bytes, String(serving.info.xkey))!);
    const answer = accept(decodeJwt<CalloutRequest>(opened), delegating.key, { claims: { aud: undefined } });
    const sealed = curve.seal(new TextEncoder().encode(answer), String(serving.info.xkey));
    serving.send(`PUB ${message.reply} ${sealed.length}\r\n`, sealed, "\r\n");
    await (await connecting).roundTrip();
  },

  "§1.8 callout: a bad answer is the violation, whatever it says": async () => {
    await using own = await ServerProcess.start({ config: config() });
    const { service } = await serviceOn(own);
    const client = await own.connect();
    client.send(`CONNECT {"user":"dave","pass":"q"}\r\n`);
    await service.answer((asked) => respond(asked, issuer, { error: "secret reason" }));
    expect(await client.readToEnd()).toBe(AUTHORIZATION_VIOLATION);
  },
});

function decodeHeader(token: string): unknown {
  return JSON.parse(atob(token.split(".")[0]!));
}

/** Takes an HMSG whose payload is bytes. */
async function readSealed(client: RawClient) {
  const words = (await client.readLine()).split(" ");
  const [headerBytes, totalBytes] = [Number(words.at(-2)), Number(words.at(-1))];
  const bytes = await client.readBytes(totalBytes + 2);
  return {
    subject: words[1]!,
    sid: words[2]!,
    reply: words[3]!,
    headers: new TextDecoder().decode(bytes.subarray(0, headerBytes)),
    payload: "",
    bytes: Uint8Array.from(bytes.subarray(headerBytes, totalBytes)),
  };
}
