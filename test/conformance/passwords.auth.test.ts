import { expect } from "bun:test";
import { closedReason } from "../support/closed_connection.ts";
import { AUTHORIZATION_VIOLATION, expectRefused, login } from "../support/login.ts";
import { request } from "../support/request.ts";
import { row, rowsInParallel, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";
import { startFailure } from "../support/start_failure.ts";

/** Of "secret", cost 4. */
const BCRYPT = "$2b$04$icAL8pUJvk.ETrHG/4awf.xy8vYDt.AahxeWFmGmJQV0DgIfYGpV.";

const users = sharedServer({
  monitoring: true,
  config: `authorization { users: [
    { user: a, password: secret, permissions: { publish: "a.>" } }
    { user: b, password: secret, permissions: { publish: "b.>" } }
    { user: hashed, password: "${BCRYPT}" }
    { user: ended, password: "${BCRYPT}\\n" }
    { user: nopass }
  ] }`,
});

row("§8.2 CONNECT with account or new_account is refused, with the right password too", async () => {
  const good = { user: "a", pass: "secret" };
  await expectRefused(users(), { ...good, account: "X" });
  await expectRefused(users(), { ...good, new_account: true });
  (await login(users(), { ...good, account: "", new_account: false })).destroy();
});

row("§8.5 bcrypt: the clear password, not the hash", async () => {
  (await login(users(), { user: "hashed", pass: "secret" })).destroy();
  await expectRefused(users(), { user: "hashed", pass: BCRYPT });
  await expectRefused(users(), { user: "hashed", pass: "Secret" });
  await expectRefused(users(), { user: "hashed" });
  // A hash that was read from a file may have its line end.
  (await login(users(), { user: "ended", pass: "secret" })).destroy();
  await expectRefused(users(), { user: "ended", pass: "Secret" });
});

row("§8.8 anything before CONNECT is an authorization violation", async () => {
  for (const input of ["PING\r\n", "PONG\r\n", "SUB foo 1\r\n", "PUB foo 0\r\n\r\n", "INFO {}\r\n", "x"]) {
    const client = await users().connect();
    client.send(input);
    await client.expect(AUTHORIZATION_VIOLATION);
    await client.expectClosed();
    expect(await closedReason(users(), client)).toBe("Authentication Failure");
  }
});

row("§1.2 the protocol number is judged after the password", async () => {
  await expectRefused(users(), { user: "a", pass: "wrong", protocol: 7 });
  await expectRefused(
    users(),
    { user: "a", pass: "secret", protocol: 7 },
    "-ERR 'invalid client protocol'\r\n",
  );
});

row("§1.2 no_responders without headers is judged after the password", async () => {
  const fields = { headers: false, no_responders: true };
  await expectRefused(users(), { user: "a", pass: "wrong", ...fields });
  await expectRefused(
    users(),
    { user: "a", pass: "secret", ...fields },
    "-ERR 'no responders requires headers support'\r\n",
  );
});

row("§1.5 a user without a password logs in without one only", async () => {
  (await login(users(), { user: "nopass" })).destroy();
  (await login(users(), { user: "nopass", pass: "" })).destroy();
  await expectRefused(users(), { user: "nopass", pass: "x" });
});

row("§1.5 names and passwords are compared exactly", async () => {
  for (const [user, pass] of [
    ["A", "secret"],
    ["a ", "secret"],
    ["a", "secret "],
    ["a", "SECRET"],
    ["a", "secret\u0000"],
    ["a", "secre"],
    ["", "secret"],
  ]) {
    await expectRefused(users(), { user, pass });
  }
});

row("§1.2 jwt and nkey of CONNECT are nothing to a server with passwords", async () => {
  (await login(users(), { user: "a", pass: "secret", jwt: "x.y.z", sig: "x" })).destroy();
  await expectRefused(users(), { jwt: "x.y.z" });
});

row("§8.25 a second CONNECT with good credentials is the other user from then on", async () => {
  const client = await login(users(), { user: "a", pass: "secret" });
  const quiet = `"verbose":false,"headers":true`;
  client.send(`PUB a.1 0\r\n\r\nPUB b.1 0\r\n\r\nCONNECT {${quiet},"user":"b","pass":"secret"}\r\n`);
  client.send("PUB b.1 0\r\n\r\nPUB a.1 0\r\n\r\nPING\r\n");
  await client.expect(
    `-ERR 'Permissions Violation for Publish to "b.1"'\r\n-ERR 'Permissions Violation for Publish to "a.1"'\r\nPONG\r\n`,
  );
  client.destroy();
});

row("§8.25 a second CONNECT drops the subscriptions of the first", async () => {
  const client = await login(users(), { user: "a", pass: "secret" });
  client.send(`SUB b.x 1\r\nPING\r\nCONNECT {"verbose":false,"headers":true,"user":"b","pass":"secret"}\r\n`);
  await client.expect("PONG\r\n");
  client.send("PUB b.x 2\r\nhi\r\n");
  await client.roundTrip();
  client.destroy();
});

row("§8.25 a second CONNECT with bad credentials is a violation", async () => {
  for (const fields of [{ user: "b", pass: "wrong" }, { pass: "wrong" }, { user: "x" }, { account: "X" }]) {
    const client = await login(users(), { user: "a", pass: "secret" });
    client.send(`CONNECT ${JSON.stringify({ verbose: false, ...fields })}\r\n`);
    await client.expect(AUTHORIZATION_VIOLATION);
    await client.expectClosed();
  }
});

row("§8.25 what a second CONNECT leaves out stays as the first had it", async () => {
  const client = await login(users(), { user: "a", pass: "secret" });
  client.send(
    `CONNECT {"name":"renamed"}\r\nPUB b.1 0\r\n\r\nCONNECT {"user":"b"}\r\nPUB b.1 0\r\n\r\nPING\r\n`,
  );
  await client.expect(`-ERR 'Permissions Violation for Publish to "b.1"'\r\nPONG\r\n`);
  client.destroy();
});

row("§1.11 a refused login is an error of the log, without the password", async () => {
  const from = users().log.length;
  await expectRefused(users(), { user: "a", pass: "hunter2hunter2" });
  await expectRefused(users(), { user: "stranger", pass: "hunter2hunter2" });
  await expectRefused(users(), { auth_token: "hunter2hunter2" });
  await expectRefused(users(), {});
  const log = await users().waitForLog(/authentication error\n/, from);
  expect(log).toMatch(/\[ERR\] .*authentication error - User "a"\n/);
  expect(log).toMatch(/\[ERR\] .*authentication error - User "stranger"\n/);
  expect(log).toMatch(/\[ERR\] .*authentication error - Token "\[REDACTED\]"\n/);
  expect(log).not.toContain("hunter2");
});

rowsInParallel(
  {
    "§8.1 without authentication INFO says neither auth_required nor nonce, and any credentials are taken":
      async () => {
        await using server = await ServerProcess.start();
        const client = await login(server, {
          user: "any",
          pass: "thing",
          auth_token: "t",
          nkey: "n",
          jwt: "j",
        });
        expect([client.info.auth_required, client.info.nonce]).toEqual([undefined, undefined]);
        await expectRefused(server, { account: "X" });
        await expectRefused(server, { new_account: true });
      },

    "§8.3 a single user": async () => {
      await using server = await ServerProcess.start({
        config: "authorization { user: u, password: p }",
        monitoring: true,
      });
      const client = await login(server, { user: "u", pass: "p" });
      expect([client.info.auth_required, client.info.nonce]).toEqual([true, undefined]);
      for (const fields of [
        { user: "u", pass: "x" },
        { user: "x", pass: "p" },
        { user: "u" },
        { pass: "p" },
        { auth_token: "p" },
        {},
      ]) {
        const refused = await expectRefused(server, fields);
        expect(await closedReason(server, refused)).toBe("Authentication Failure");
      }
    },

    "§1.5 a single user stays in $G": async () => {
      await using server = await ServerProcess.start({ config: "authorization { user: u, password: p }" });
      const client = await login(server, { user: "u", pass: "p" });
      const { data } = JSON.parse((await request(client, "$SYS.REQ.USER.INFO")).payload);
      expect(data).toEqual({ user: "u", account: "$G", account_name: "$G" });
    },

    "§8.4 a token": async () => {
      await using server = await ServerProcess.start({ config: "authorization { token: t0ken }" });
      await login(server, { auth_token: "t0ken" });
      await login(server, { auth_token: "t0ken", user: "x", pass: "y" });
      for (const fields of [
        { auth_token: "t0ke" },
        { auth_token: "t0ken " },
        { user: "t0ken" },
        { user: "t0ken", pass: "t0ken" },
        { pass: "t0ken" },
        { jwt: "t0ken" },
        {},
      ]) {
        await expectRefused(server, fields);
      }
    },

    "§8.5 bcrypt for a single user and for a token": async () => {
      await using user = await ServerProcess.start({
        config: `authorization { user: u, password: "${BCRYPT}" }`,
      });
      await login(user, { user: "u", pass: "secret" });
      await expectRefused(user, { user: "u", pass: BCRYPT });
      expect(user.log).not.toContain("Plaintext passwords detected");
      await using token = await ServerProcess.start({ config: `authorization { token: "${BCRYPT}" }` });
      await login(token, { auth_token: "secret" });
      await expectRefused(token, { auth_token: BCRYPT });
    },

    "§1.5 clear passwords are warned of at start": async () => {
      await using server = await ServerProcess.start({
        config: `authorization { users: [ {user: a, password: "${BCRYPT}"}, {user: b, password: p} ] }`,
      });
      expect(server.log).toContain("[WRN] Plaintext passwords detected, use nkeys or bcrypt");
    },

    "§8.6 authorization.timeout: a silent client is told and closed": async () => {
      await using server = await ServerProcess.start({
        config: "authorization { user: u, password: p, timeout: 1 }",
        monitoring: true,
      });
      const start = performance.now();
      const client = await server.connect();
      await client.expect("-ERR 'Authentication Timeout'\r\n");
      await client.expectClosed();
      expect(performance.now() - start).toBeGreaterThan(900);
      expect(performance.now() - start).toBeLessThan(1900);
      expect(await closedReason(server, client)).toBe("Authentication Timeout");
    },

    "§8.6 a client that logged in is not timed out": async () => {
      await using server = await ServerProcess.start({
        config: `authorization { user: u, password: p, timeout: "200ms" }`,
      });
      const client = await login(server, { user: "u", pass: "p" });
      const silent = await server.connect();
      await silent.expect("-ERR 'Authentication Timeout'\r\n");
      await client.roundTrip();
    },

    "§8.6 half a CONNECT is no CONNECT": async () => {
      await using server = await ServerProcess.start({
        config: `authorization { user: u, password: p, timeout: "200ms" }`,
      });
      const client = await server.connect();
      client.send(`CONNECT {"user":"u",`);
      await client.expect("-ERR 'Authentication Timeout'\r\n");
      await client.expectClosed();
    },

    "§8.7 without a timeout it is two seconds": async () => {
      await using server = await ServerProcess.start({ config: "authorization { user: u, password: p }" });
      const start = performance.now();
      const client = await server.connect();
      await client.expect("-ERR 'Authentication Timeout'\r\n");
      await client.expectClosed();
      expect(performance.now() - start).toBeGreaterThan(1900);
      expect(performance.now() - start).toBeLessThan(2900);
    },

    "§8.7 without authentication nobody is timed out": async () => {
      await using server = await ServerProcess.start({ config: `authorization { timeout: "100ms" }` });
      const silent = await server.connect();
      await new Promise((resolve) => setTimeout(resolve, 400));
      await silent.roundTrip();
    },

    "§8.9 no_auth_user: who brings no credentials is that user": async () => {
      await using server = await ServerProcess.start({
        config: `no_auth_user: a
          authorization { users: [ {user: a, password: p, permissions: {publish: a}}, {user: b, password: p} ] }`,
      });
      const anonymous = await login(server, {});
      expect(anonymous.info.auth_required).toBe(undefined);
      anonymous.send("PUB b 0\r\n\r\n");
      await anonymous.expect(`-ERR 'Permissions Violation for Publish to "b"'\r\n`);
      const other = await login(server, { user: "b", pass: "p" });
      other.send("PUB b 0\r\n\r\n");
      await other.roundTrip();
      for (const fields of [
        { user: "b", pass: "wrong" },
        { user: "a", pass: "wrong" },
        { user: "a" },
        { auth_token: "t" },
        { pass: "p" },
      ]) {
        await expectRefused(server, fields);
      }
    },

    "§8.10 no_auth_user: no CONNECT at all, with the default options": async () => {
      await using server = await ServerProcess.start({
        config: "no_auth_user: a\nauthorization { users: [ {user: a, password: p} ] }",
      });
      const client = await server.connect();
      client.send("PING\r\nSUB foo 1\r\nPUB foo 2\r\nhi\r\n");
      await client.expect("PONG\r\n+OK\r\n+OK\r\nMSG foo 1 2\r\nhi\r\n");
    },

    "§8.10 no_auth_user: CONNECT may still come later": async () => {
      await using server = await ServerProcess.start({
        config: `no_auth_user: a
          authorization { users: [ {user: a, password: p, permissions: {publish: a}}, {user: b, password: p} ] }`,
      });
      const client = await server.connect();
      client.send(`PING\r\nCONNECT {"verbose":false,"user":"b","pass":"p"}\r\nPUB b 0\r\n\r\nPING\r\n`);
      await client.expect("PONG\r\nPONG\r\n");
    },

    "§8.10 no_auth_user: a CONNECT that comes later counts as the second": async () => {
      await using server = await ServerProcess.start({
        config: "no_auth_user: a\nauthorization { users: [ {user: a, password: p} ] }",
      });
      const client = await server.connect();
      client.send(`SUB foo 1\r\nPING\r\nCONNECT {"verbose":false,"protocol":1}\r\nPUB foo 0\r\n\r\n`);
      await client.expect("+OK\r\nPONG\r\n");
      // Its subscription is gone, and the INFO that follows the first PONG would have come then.
      await client.roundTrip();
      await client.roundTrip();
    },

    "§8.10 no_auth_user: a CONNECT into another account leaves nothing behind": async () => {
      await using server = await ServerProcess.start({
        config: `no_auth_user: a
          accounts { A { users: [ {user: a, password: p} ] }, B { users: [ {user: b, password: p} ] } }`,
      });
      const client = await server.connect();
      client.send("SUB foo 1\r\nPING\r\n");
      await client.expect("+OK\r\nPONG\r\n");
      client.send(`CONNECT {"verbose":false,"user":"b","pass":"p"}\r\nPING\r\n`);
      await client.expect("PONG\r\n");
      for (const user of ["a", "b"]) {
        const publisher = await login(server, { user, pass: "p" });
        publisher.send("PUB foo 1\r\nx\r\n");
        await publisher.roundTrip();
      }
      await client.roundTrip();
    },

    "§8.11 no_auth_user with a bcrypt password is nobody": async () => {
      await using server = await ServerProcess.start({
        config: `no_auth_user: a\nauthorization { users: [ {user: a, password: "${BCRYPT}"} ] }`,
      });
      await expectRefused(server, {});
      await login(server, { user: "a", pass: "secret" });
    },

    "§8.12 an unknown no_auth_user keeps the server from starting": async () => {
      expect(
        await startFailure("no_auth_user: z\nauthorization { users: [ {user: a, password: p} ] }"),
      ).toContain(
        `nats-server: no_auth_user: "z" not present as user or nkey in authorization block or account configuration`,
      );
    },

    "§8.13 users of the system account alone: everyone else is anonymous in $G": async () => {
      await using server = await ServerProcess.start({
        config: "accounts { $SYS { users: [ {user: sys, password: p} ] } }",
      });
      const client = await login(server, {});
      expect(client.info.auth_required).toBe(true);
      const { data } = JSON.parse((await request(client, "$SYS.REQ.USER.INFO")).payload);
      expect(data.account).toBe("$G");
      const system = await login(server, { user: "sys", pass: "p" });
      const { payload } = await request(system, "$SYS.REQ.USER.INFO");
      expect(JSON.parse(payload).data.account).toBe("$SYS");
      await expectRefused(server, { user: "sys", pass: "x" });
    },

    "§1.10 a timeout above a minute is warned of": async () => {
      await using server = await ServerProcess.start({
        config: "authorization { user: u, password: p, timeout: 61 }",
      });
      expect(server.log).toContain("timeout of 61");
    },
  },
  8,
);
